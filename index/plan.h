/* SPDX-License-Identifier: Apache-2.0 */
/* index/plan.h - what to build now: a pure function of configuration, clock, listing and rows.
 *
 * No I/O and no hidden state: equal inputs give equal plans. Rules: design sections 4 and 5, restated in
 * docs/semantics.md. */
#ifndef FRESHET_PLAN_H
#define FRESHET_PLAN_H

#include "feed.h"
#include "row.h"

enum plan_action {
	PLAN_KEEP,  /* nothing to do, the row stays as it is */
	PLAN_NOTE,  /* only the row changes: state, reason, counts, fingerprint as given here */
	PLAN_INDEX, /* read the files in `read`, undo those in `vanished` */
};

struct plan_item {
	int64_t ts;
	enum plan_action action;
	enum partition_state state;        /* after this tick, were the build to succeed */
	const char *reason;                /* "" for none; as long as the plan */
	uint64_t fingerprint;              /* the row's after this tick; 0 where it was found to be gone */
	const struct feed_partition *seen; /* NULL: not in the listing */
	const struct row *row;             /* NULL: never seen before */
	bool has_content;                  /* records of it are in the index before this tick */
	/* A note that is true only once the horizon has passed the item, or once the tick has indexed the partition
	 * that takes the place of all (policy `newest`). Else the row is to stay: outcome_holds(). */
	bool is_left, is_replaced;
	/* PLAN_INDEX: the files to read, pointers into seen->files, in order: all of them, or, where it has content,
	 * those added and those that look different. None, for a partition that its marker completes empty, and
	 * where files have only vanished. */
	const struct feed_file **read;
	size_t read_count;
	/* PLAN_INDEX: the files of the row that are not there any more while others are, pointers into row->read,
	 * in order. */
	const struct file_row **vanished;
	size_t vanished_count;
};

struct plan {
	struct plan_item *items; /* every partition listed or in `rows`, by timestamp */
	size_t count;
	size_t to_index, to_note; /* how many items of each action */
	bool replaces;            /* policy `newest`: what is indexed takes the place of all above the base */
	bool more;              /* after this tick another has something to index at once; next_due is now */
	size_t covered_changes; /* partitions that the base covers whose listing is not the row's: ignored */
	int64_t watermark;      /* after this tick, were everything to succeed; TIME_NONE: none yet */
	int64_t next_due; /* when another tick may find something to do though no file changes; TIME_FOREVER: never */
	struct arena arena;
};

struct plan_input {
	const struct config *cfg;
	int64_t now;
	const struct listing *listing; /* from the horizon of `watermark` and `base_at` to now */
	const struct row *rows;        /* by timestamp, at least those inside that horizon */
	size_t row_count;
	int64_t watermark; /* of the published generation, base included; TIME_NONE: nothing is published */
	int64_t base_at;   /* partitions with ts + cadence <= base_at are covered; TIME_NONE: no base */
	bool retry;        /* on request: failed partitions at once */
};

/* A partition during whose reading so many builds died is built alone, and after so many it has failed. */
#define PLAN_DEATHS_ALONE 2
#define PLAN_DEATHS_FAILED 3
#define PLAN_CRASHED "crashed" /* the reason of the latter */

/* The horizon that a watermark and a base give: partitions with a later timestamp are inside. TIME_NONE: no lower end. */
int64_t plan_horizon(const struct config *cfg, int64_t watermark, int64_t base_at);
/* Returns 0 or -ENOMEM. `out` borrows from the listing and the rows.
 *
 * An item whose state becomes PART_EXPIRED takes content away: it wants a new generation also where nothing is
 * to index (after `window` was made shorter). When partitions of the plan turn out to fail, the watermark may stay
 * behind the plan's, and with it the horizon: what the plan says is skipped or expired is then to be left, where
 * it is still inside, for the next tick (outcome_holds()). */
int plan_make(const struct plan_input *in, struct plan *out, struct err *err);
void plan_release(struct plan *p);
/* One line an item that is not PLAN_KEEP, then watermark and next_due: what --dry-run prints. */
void plan_print(const struct plan *p, struct buf *out);

#endif
