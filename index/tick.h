/* SPDX-License-Identifier: Apache-2.0 */
/* index/tick.h - one tick of a build while it runs: for build.c (the order of the steps), tick_fold.c and tick_publish.c. Each step
 * leaves what it found in struct tick for the next. */
#ifndef FRESHET_TICK_H
#define FRESHET_TICK_H

#include <stdatomic.h>

#include "base_private.h"
#include "build.h"
#include "compose.h"
#include "fold.h"
#include "intake.h"
#include "refold.h"
#include "undo.h"

#define SEGMENT_FILE "segment"

/* Thins out what many threads report. */
struct meter {
	const struct build_progress *to; /* NULL: nobody listens */
	const char *phase;
	_Atomic int64_t last;
};

struct tick {
	struct state *state;
	struct catalog *catalog; /* NULL: nothing was ever built (dry run only) */
	struct store *store;
	const struct config *cfg;
	const struct build_options *opt;
	struct build_result *out;
	int64_t plan_now;
	int64_t began; /* wall clock */
	struct meter meter;

	struct generation *parent; /* NULL: none */
	struct generation *under;  /* new records go over it: the parent, or its base; NULL: nothing */
	struct undo undo;          /* of the parent's records */
	bool refolds;              /* everything that the parent has is folded again */
	struct rows rows;          /* then: the parent's, as they will count */
	struct recall recalled;    /* the records of its deltas */
	struct buf pieces;         /* struct base_piece: its base, written anew */
	struct arena arena;
	struct listing listing;
	struct plan plan;
	struct intake intake;
	int64_t base_at;            /* TIME_NONE: there is no base */
	int64_t watermark, horizon; /* after this tick */
	size_t indexed;             /* partitions whose content changes, without failure */
	struct source *sources;     /* one a file of the intake; with `refolds` of what was recalled too */
	size_t source_count;
	struct record *records;
	size_t record_count;
	struct fold_input fold_in;
	struct fold_output fold;
	bool has_segment;
	struct segment_output segment;
	struct reject_file *rejects;
	size_t reject_count;
	bool gc_failed; /* after the publish: only worth a note */
};

/* Names what comes next for whoever listens. */
void meter_phase(struct meter *m, const char *phase);
/* A `progress` for the steps of the build; ctx: struct meter. Any thread may call it. */
void meter_report(void *ctx, uint64_t done, uint64_t total);

/* Sets a key of the catalog where its value changes: each write is a sync of the disk. */
int tick_remember(struct catalog *c, const char *key, struct slice value, struct err *err);
/* Where everything is to be folded again: -EBADMSG when the new rules refuse too much of it, unless the build is forced; 0; or
 * -errno. */
int tick_refuse_rules(struct tick *t, struct err *err);

/* The horizon by which documents leave: TIME_NONE where there is a base, since there an older version would shine through. */
int64_t tick_leaving(const struct tick *t);
/* Does the new generation do without this segment of the parent's? */
bool tick_is_dropped(const struct tick *t, size_t segment);

/* Folds what was read over the parent, or everything again, into t->fold, and writes the segment, where there is anything to
 * write, in tmp/BUILD. Returns 0 or -errno. */
int tick_fold(struct tick *t, struct err *err);

/* What was refused, file by file: t->rejects. Returns 0 or -ENOMEM. */
int tick_gather_rejects(struct tick *t, struct err *err);
/* Publishes what was folded: a new generation. Returns 0 or -errno. */
int tick_publish(struct tick *t, struct err *err);
/* Nothing goes into the index: only what was seen is noted in the catalog. Returns 0 or -errno. */
int tick_note(struct tick *t, struct err *err);
/* Does content leave? Also where nothing new pushes it out: after `window` was made shorter. */
bool tick_content_leaves(const struct tick *t);
/* A partition that failed, for people. */
void tick_note_failure(struct tick *t, struct slice path, const char *reason);

#endif
