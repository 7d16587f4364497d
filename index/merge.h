/* SPDX-License-Identifier: Apache-2.0 */
/* index/merge.h - keeps the number of delta segments small, in the builder, without a reader seeing a difference.
 *
 * Time is cut into buckets of cadence × 4, × 16, × 64 …, aligned to UTC. Once the watermark has left a bucket, the segments
 * whose newest partition lies in it become one: so a record is written again once a tier, and a window of n partitions
 * is served from some 3 × log4(n) segments. Where builds for late files make more of them, the smallest neighbours are
 * merged until MERGE_SEGMENTS_MAX are left. The base is never rewritten. */
#ifndef FRESHET_MERGE_H
#define FRESHET_MERGE_H

#include "catalog.h"
#include "compose.h"

#define MERGE_SEGMENTS_MAX 12u /* delta segments */

/* The segments [from, to) of a generation to merge next: 1, or 0 where there is nothing to do. Pure. Where content leaves, a bucket of
 * more than half the window is none: most of it would leave soon after. */
int merge_pick(const struct manifest *m, const struct config *cfg, size_t *from, size_t *to);

struct merge_input {
	struct state *state; /* no lock held, no build begun */
	const struct config *cfg;
	atomic_int *stop;                                           /* may be NULL */
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL */
	void *progress_ctx;
};
struct merge_result {
	uint64_t generation;              /* published; 0: nothing was to merge */
	uint64_t segments, read, written; /* merged into one; bytes */
};
/* One merge, published as a generation of its own with the same watermark. Builds go on meanwhile: the writer's lock is taken
 * for the publish only, which is left out where a build has changed the merged segments' place or undone files in them, or a
 * rollback has paused builds. Returns 0,
 * -EBUSY (another merges), -EINTR, or -errno; then nothing has changed. */
int merge_step(const struct merge_input *in, struct merge_result *out, struct err *err);

#endif
