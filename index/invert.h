/* SPDX-License-Identifier: Apache-2.0 */
/* index/invert.h - turns documents into postings, in memory: a hash table of terms and one flat array of
 * (term, document, frequency), scattered by term at the end. One thread at a time. */
#ifndef FRESHET_INVERT_H
#define FRESHET_INVERT_H

#include "bytes.h"
#include "err.h"

struct invert;
struct invert *invert_new(void); /* NULL when memory is out */
void invert_free(struct invert *v);
DEFINE_FREEP(invert)

/* Documents come in ascending order of number, each ended by invert_end, invert_hide, or invert_abandon, which
 * drops its terms. */
void invert_begin(struct invert *v, uint32_t doc);
/* One occurrence of a term in the current document; at least 16 readable bytes follow the text. */
void invert_add(struct invert *v, char cls, const char *text, size_t len);
void invert_end(struct invert *v);  /* of the current document */
void invert_hide(struct invert *v); /* the same, but only its internal terms stay; they came first */
void invert_abandon(struct invert *v);
/* Occurrences of words (class 'w') in the document last ended: its length. */
uint32_t invert_length(const struct invert *v);

struct inverted_term {
	struct slice key; /* class byte and text */
	const uint32_t *docs, *tfs;
	uint32_t df;
};
/* Sorts. Returns 0, or -ENOMEM (also when an earlier call ran out), -EOVERFLOW above 2^32 - 1 terms or documents. */
int invert_finish(struct invert *v, struct err *err);
/* Terms in key order after invert_finish(). */
uint64_t invert_count(const struct invert *v);
uint64_t invert_postings(const struct invert *v);
struct inverted_term invert_term(const struct invert *v, uint64_t i);

#endif
