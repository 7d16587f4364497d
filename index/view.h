/* SPDX-License-Identifier: Apache-2.0 */
/* index/view.h - the documents and terms of one generation as one index, whatever its segments are.
 *
 * Only entries that are live and not superseded show. Everything comes sorted bytewise. Nothing here
 * keeps state between calls but the cursors, which the caller owns; any number of threads may read. */
#ifndef FRESHET_VIEW_H
#define FRESHET_VIEW_H

#include "generation.h"

struct view_term {
	uint64_t df;    /* live documents with the term */
	uint64_t bytes; /* of its ids, one a line */
};
/* `key` is a class byte and the term's text, already normalised. Returns 1, 0 no live document has it, or -errno. */
int view_term_stat(const struct generation *g, struct slice key, struct view_term *out, struct err *err);
/* Appends the ids, sorted, one a line: exactly view_term.bytes bytes. */
int view_term_ids(const struct generation *g, struct slice key, struct buf *out, struct err *err);
/* Appends a row for each id, sorted: id, group, term frequency, path of the partition of its record, name of the segment,
 * with TAB between. Returns 1, 0 no live document has the term, or -errno. */
int view_term_rows(const struct generation *g, struct slice key, struct buf *out, struct err *err);
/* What the name of a file under terms/ means: appends the key of an unescaped text. Text with a colon is a keyword (NFC), else
 * one word, normalised as indexing does. Returns 1, 0 when it is no one term (nothing is appended), or -ENOMEM. */
int view_term_key(struct slice text, struct buf *key);

/* Terms in order of their text (a keyword always has ':', a word never). A position is a number that can be
 * kept and come back to (readdir's offset): it names the last term that was handed out. */
struct view_terms;
/* Terms whose text starts with `prefix` (may be empty); `position` 0 is the start. */
int view_terms_open(struct view_terms **out, const struct generation *g, struct slice prefix,
	uint64_t position, struct err *err);
/* The same of one class: `key` is its byte, and how their texts start. */
int view_terms_open_class(
	struct view_terms **out, const struct generation *g, struct slice key, struct err *err);
/* Returns 1 with text (valid until the next call) and its position, 0 at the end, or -errno. */
int view_terms_next(struct view_terms *v, struct slice *text, uint64_t *position, struct err *err);
/* Goes on behind all terms that begin with the same character as the last one handed out, or as the one that
 * `position` named: listing first characters this way walks no terms. Returns 0 or -errno. */
int view_terms_skip_character(struct view_terms *v, struct err *err);
/* Bytes of the first character; a term is valid UTF-8 unless a segment is damaged. */
size_t view_first_character(struct slice text);
void view_terms_free(struct view_terms *v);
DEFINE_FREEP(view_terms)

struct view_doc {
	size_t segment; /* index in the generation */
	uint32_t entry;
};
/* The generation's one entry for an id, in any state: 1, 0 none, or -errno. */
int view_find(const struct generation *g, struct slice id, struct view_doc *out, struct err *err);
/* An attribute_fn (record.h) over a generation, which is `ctx`. */
int view_attribute(void *ctx, struct slice id, struct buf *json, struct err *err);
/* Appends a document as docs/ shows it, its record joined with the attributes that apply (join.h), and a newline. `doc` is a live
 * entry that is not superseded. */
int view_entry_json(const struct generation *g, const struct view_doc *doc, struct buf *out, struct err *err);
/* The same by id. Returns 1, 0 when no live document has that id. */
int view_doc_json(const struct generation *g, struct slice id, struct buf *out, struct err *err);
/* Appends the documents of a group in the order of their ids, as docs/ shows them. Returns 1, 0 when it has no live one,
 * or -errno. */
int view_group_json(const struct generation *g, struct slice group, struct buf *out, struct err *err);
/* Appends the names of all groups with a live document, sorted, each with a NUL behind it. */
int view_groups(const struct generation *g, struct buf *out, struct err *err);
/* Live ids in order; positions as for terms. */
struct view_ids;
int view_ids_open(struct view_ids **out, const struct generation *g, uint64_t position, struct err *err);
int view_ids_next(struct view_ids *v, struct slice *id, uint64_t *position, struct err *err);
void view_ids_free(struct view_ids *v);
DEFINE_FREEP(view_ids)

#endif
