/* SPDX-License-Identifier: Apache-2.0 */
/* index/dict.h - the term dictionary of a segment: sorted, front-coded blocks of DICT_BLOCK terms.
 *
 * A key is a class byte (enum term_class) and the term's text. Format: docs/format.md, "Dictionary". */
#ifndef FRESHET_DICT_H
#define FRESHET_DICT_H

#include "bytes.h"
#include "err.h"

#define DICT_BLOCK 16
#define DICT_KEY_MAX 1025 /* TERM_MAX and the class byte */

struct dict_term {
	struct slice key;   /* class byte and text */
	uint32_t df;        /* > 0 */
	uint64_t ids_bytes; /* length of its ids as text, one a line */
	bool is_inline;     /* df is 1 and the posting lies here: */
	uint32_t doc, tf;
	uint64_t offset, length; /* else: its bytes in the postings section */
};

struct dict_writer { /* zero-initialised is empty */
	struct buf blocks, index;
	char last_key[DICT_KEY_MAX];
	size_t last_len;
	uint64_t count;
};
/* Keys strictly ascending, of 1 to DICT_KEY_MAX bytes; the terms' postings lie behind each other from
 * offset 0 on. Failures stick in the buffers. */
void dict_add(struct dict_writer *w, const struct dict_term *t);
/* Appends the finished section. */
void dict_finish(struct dict_writer *w, struct buf *out);
void dict_writer_release(struct dict_writer *w);

/* Reading. `dict` borrows the section's bytes; immutable after dict_open, shared by threads. */
struct dict {
	struct slice index, blocks;
	uint64_t count, block_count;
	uint32_t doc_limit;
	uint64_t postings_len;
};
int dict_open(
	struct dict *d, struct slice section, uint32_t doc_limit, uint64_t postings_len, struct err *err);

/* Walks terms in order. The current term's key lies in the cursor itself. */
struct dict_cursor {
	const struct dict *dict; /* borrowed */
	struct dict_term term;   /* valid after a call below said 1 */
	uint64_t ordinal;        /* of that term */
	/* private */
	struct cursor in;
	uint64_t postings_at; /* where the next term's postings start */
	char key[DICT_KEY_MAX];
	size_t key_len;
};
/* Each returns 1 and the term, 0 none, or -EBADMSG. */
int dict_find(const struct dict *d, struct slice key, struct dict_cursor *c, struct err *err);
int dict_seek(
	const struct dict *d, struct slice key, struct dict_cursor *c, struct err *err); /* first >= key */
/* First >= `key` from a term on that a call said 1 for and that is not behind it: steps when it is near, else seeks. */
int dict_seek_onward(struct dict_cursor *c, struct slice key, struct err *err);
int dict_seek_ordinal(const struct dict *d, uint64_t ordinal, struct dict_cursor *c, struct err *err);
int dict_next(struct dict_cursor *c, struct err *err);

#endif
