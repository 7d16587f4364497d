/* SPDX-License-Identifier: Apache-2.0 */
/* index/postings.h - the list of a term: ascending document numbers, each with a term frequency.
 *
 * Format: docs/format.md, "Postings". Document numbers are entry numbers of the segment. */
#ifndef FRESHET_POSTINGS_H
#define FRESHET_POSTINGS_H

#include "bytes.h"
#include "err.h"

#define POSTINGS_BLOCK 128

/* Appends `n` > 0 postings; docs strictly ascending, tfs > 0. Equal input gives equal bytes. The list is
 * valid when what was appended is at most UINT32_MAX bytes. */
void postings_encode(const uint32_t *docs, const uint32_t *tfs, uint32_t n, struct buf *out);

/* Decodes one block at a time; checks every byte against the bounds. */
struct postings {
	/* Of the current block, after postings_next() said 1. */
	uint32_t docs[POSTINGS_BLOCK], tfs[POSTINGS_BLOCK];
	unsigned count;
	/* private */
	struct cursor in;
	struct slice skips;  /* a row a block, or empty when there is one only */
	struct slice blocks; /* what skip offsets count in */
	uint32_t block;      /* number of the next block */
	uint32_t block_count;
	uint32_t left, last, doc_limit;
	bool started, single;
	struct postings_run {                           /* integers as they are packed */
		struct slice packed, positions, excess; /* of exceptions, the last two */
		unsigned width, excess_width;
	} tf_run; /* decoded on demand, by postings_tfs */
	bool patch_ready;
	uint32_t patch[POSTINGS_BLOCK]; /* zeros between blocks, once ready */
};
/* `bytes` from a segment, `df` from the dictionary, every document number must be below `doc_limit`. */
void postings_init(struct postings *p, struct slice bytes, uint32_t df, uint32_t doc_limit);
/* A list of one, from the dictionary. */
void postings_init_single(struct postings *p, uint32_t doc, uint32_t tf);
/* Returns 1 and a block of docs, 0 at the end (all bytes used), or -EBADMSG. */
int postings_next(struct postings *p, struct err *err);
/* Goes on to the block that holds the first number >= `doc`; it may be the current one. Blocks between are jumped
 * over by the skip data, neither decoded nor checked. Returns 1 and a block whose last number is >= `doc`, 0 when
 * there is none, or -EBADMSG. */
int postings_seek(struct postings *p, uint32_t doc, struct err *err);
/* The same without decoding: the number of that block, at or behind the current one, and what its skip row says is
 * its last number. Returns 1, 0 none; a list of one block has no skip data: then it is block 0, up to the last
 * document there may be. */
int postings_peek(const struct postings *p, uint32_t doc, uint32_t *block, uint32_t *last);
/* Fills tfs of the current block. Returns 0 or -EBADMSG. */
int postings_tfs(struct postings *p, struct err *err);

#endif
