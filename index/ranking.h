/* SPDX-License-Identifier: Apache-2.0 */
/* index/ranking.h - what the best document of a block of postings can be at most: for each block its Pareto set of
 * (term frequency, length of the document), so that BM25 can pass blocks over whatever the statistics are.
 * Format: docs/format.md, "Ranking data". */
#ifndef FRESHET_RANKING_H
#define FRESHET_RANKING_H

#include "postings.h"

struct ranking_pair {
	uint32_t tf, length;
};

/* Appends the pairs of `n` <= POSTINGS_BLOCK postings; `lengths` is the section, 4 bytes a document. */
void ranking_block_encode(
	const uint32_t *docs, const uint32_t *tfs, unsigned n, const char *lengths, struct buf *out);

struct ranking_writer { /* zero-initialised is empty */
	struct buf offsets, starts, data;
};
/* Adds a list of more than one block whose postings start at `postings_at`; lists come in that order. */
void ranking_add(struct ranking_writer *w, uint64_t postings_at, const uint32_t *docs, const uint32_t *tfs,
	uint32_t n, const char *lengths);
void ranking_finish(struct ranking_writer *w, struct buf *out); /* appends the section */
void ranking_writer_release(struct ranking_writer *w);

/* Reading; borrows the section. */
struct ranking {
	struct slice offsets, starts, data;
	uint64_t count;
};
int ranking_open(struct ranking *r, struct slice section, struct err *err);

/* The blocks of one list. */
struct ranking_list {
	struct slice ends, data;
	uint32_t blocks;
};
/* Returns 1, 0 when the list has none, or -EBADMSG. `df` > POSTINGS_BLOCK as the dictionary has it. */
int ranking_find(const struct ranking *r, uint64_t postings_at, uint32_t df, struct ranking_list *out,
	struct err *err);
/* The bytes of block `b` < blocks. */
int ranking_block(const struct ranking_list *l, uint32_t b, struct slice *out, struct err *err);
/* The next pair of such bytes, frequencies and lengths ascending; start with *p zeros. Returns 1, 0 at the end, or -EBADMSG. */
int ranking_pair_next(struct cursor *in, struct ranking_pair *p, struct err *err);

#endif
