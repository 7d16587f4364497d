/* SPDX-License-Identifier: Apache-2.0 */
/* index/base.h - a full index from a snapshot, built beside deltas in bounded memory, validated, and swapped in under them.
 *
 * The snapshot's records are sorted by id in files (sorter.h) and cut into segments of a size that memory allows; so a base is
 * several segments with ids of their own. Swapping it in is a build: what the deltas have of later partitions is folded over
 * it. */
#ifndef FRESHET_BASE_H
#define FRESHET_BASE_H

#include "catalog.h"
#include "compose.h"
#include "store.h"

#define BASE_PARTITION "base" /* what its records name as their partition */

struct base_input {
	struct state *state; /* no lock held, no build begun */
	const struct config *cfg;
	struct store *store; /* of the snapshot */
	struct slice from;   /* a data file or a directory in it; "": all of it */
	int64_t at;          /* covers partitions that end at or before it */
	int64_t now;
	bool force;       /* swap it in whatever the validation says */
	atomic_int *stop; /* may be NULL */
	/* May be called from any thread; may be NULL. */
	void (*report)(void *ctx, const char *phase, uint64_t done, uint64_t total);
	void *report_ctx;
};
struct base_result {
	uint64_t generation;
	uint64_t documents, segments, bytes; /* of the base */
	uint64_t records, rejected, spilled; /* spilled: bytes of sorted runs */
	struct buf warnings;                 /* a line each: what the validation found and `force` overrode */
};
/* Returns 0; -EBADMSG where the validation refuses it; -EBUSY (another base is built, or builds are paused); -EINVAL (`at`); or -errno. After an error
 * nothing has changed. */
int base_build(const struct base_input *in, struct base_result *out, struct err *err);
void base_result_release(struct base_result *r);

#endif
