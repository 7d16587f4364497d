/* SPDX-License-Identifier: Apache-2.0 */
/* index/build.h - one tick: list, plan, read, fold, write, publish. */
#ifndef FRESHET_BUILD_H
#define FRESHET_BUILD_H

#include <stdatomic.h>

#include "catalog.h"
#include "config.h"
#include "plan.h"
#include "store.h"

struct build_progress { /* may be called from any thread, at most some 10 times a second */
	void (*report)(void *ctx, const char *phase, uint64_t done, uint64_t total);
	void *ctx;
};
struct build_options {
	int64_t now; /* for plan; TIME_NONE: the clock */
	bool dry_run, retry;
	bool force;                            /* fold everything again by rules that refuse too much of it */
	bool explain;                          /* fill plan_text though it is no dry run */
	const struct build_progress *progress; /* NULL: none */
	atomic_int *stop; /* set by a signal handler: stop at the next record or step; may be NULL */
};
struct build_result {
	uint64_t generation;                            /* published by this tick; 0: nothing was due */
	int64_t watermark;                              /* after it */
	uint64_t partitions, records, rejected, failed; /* of this tick; failed counts partitions */
	uint64_t documents;
	uint64_t segment_bytes;
	uint64_t uncovered; /* partitions that became so by this tick */
	uint64_t paused;    /* the generation whose rollback paused builds: nothing was done; 0: they go on */
	bool more;          /* another tick has work at once */
	int64_t next_due;
	struct buf plan_text;   /* with dry_run or explain */
	struct buf failed_text; /* one line a failed partition: "PATH: reason" */
	struct buf warning;     /* empty, or what `force` overrode */
};
/* Runs one tick with the writer's lock held. Returns 0, also when partitions failed (count in the result), -EINTR when stopped, or
 * -errno: then nothing was published. */
int build_tick(struct state *state, struct catalog *catalog, struct store *store, const struct config *cfg,
	const struct build_options *opt, struct build_result *out, struct err *err);
void build_result_release(struct build_result *r);
/* Notes the configuration as the one that was used last: by a tick, or for a base. */
int build_remember_config(struct catalog *catalog, const struct config *cfg, struct err *err);

#endif
