/* SPDX-License-Identifier: Apache-2.0 */
/* index/id_merge.h - documents of several segments in the order of their ids.
 *
 * The entries of a generation that show are the only ones of their ids, so its segments are disjoint sorted
 * streams. */
#ifndef FRESHET_ID_MERGE_H
#define FRESHET_ID_MERGE_H

#include "generation.h"

struct id_stream { /* zero-initialised, then the first part is the caller's to fill in */
	const struct segment *segment;
	size_t number; /* of the segment in its generation */
	void *ctx;
	/* Sets docs and count > 0: ascending, behind all before, valid until the next call. Returns 1, 0 at the end, or
	 * -errno. */
	int (*fill)(struct id_stream *s, struct err *err);
	const uint32_t *docs;
	unsigned count;
	unsigned next; /* in docs: the first that was not handed out */
};

/* Gets docs[next] to docs[next + run - 1] of a stream, whose ids come behind all before. */
typedef int id_run_fn(void *ctx, const struct id_stream *s, unsigned run, struct err *err);
/* Returns 0 or what failed. */
int id_merge(struct id_stream *streams, size_t count, id_run_fn *fn, void *ctx, struct err *err);
/* An id_run_fn over a struct buf: the ids, one a line. */
int id_merge_lines(void *ctx, const struct id_stream *s, unsigned run, struct err *err);

#endif
