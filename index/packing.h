/* SPDX-License-Identifier: Apache-2.0 */
/* index/packing.h - compresses the records of a segment, block by block, and writes them in order; in threads of
 * its own when asked, with the same bytes. */
#ifndef FRESHET_PACKING_H
#define FRESHET_PACKING_H

#include "records.h"
#include "sink.h"

struct packing;
typedef void packed_fn(void *ctx, uint64_t bytes); /* so many more bytes of records are packed; any thread */

/* Plans the blocks of `entries`, then those of `history`, and starts `threads` threads (0 is fine). All is borrowed
 * until packing_free(); `sink` is the packing's alone until packing_finish(). */
int packing_new(struct packing **out, const struct entry *entries, uint64_t count,
	const struct entry *history, uint64_t history_count, struct sink *sink, unsigned threads,
	packed_fn *packed, void *packed_ctx, struct err *err);
/* Helps, and waits for the others. Then every block is written. Returns 0 or what went wrong first. */
int packing_finish(struct packing *p, struct err *err);
/* After packing_finish() said 0: appends the index of the entries' blocks, or the history's. */
void packing_add_index(const struct packing *p, bool history, struct buf *out);
/* Stops the threads. NULL is fine. */
void packing_free(struct packing *p);
DEFINE_FREEP(packing)

#endif
