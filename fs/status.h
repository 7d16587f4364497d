/* SPDX-License-Identifier: Apache-2.0 */
/* fs/status.h - what people and programs look at: status as text and as JSON, partitions as a table.
 *
 * Pure functions of a snapshot, the configuration and the clock; the mount's files and `freshet status`
 * print the same. */
#ifndef FRESHET_STATUS_H
#define FRESHET_STATUS_H

#include "catalog.h"
#include "config.h"
#include "generation.h"
#include "requests.h"
#include "row.h"

struct status {
	const char *feed, *state_dir; /* borrowed; "" where unknown */
	const char *index;            /* borrowed; the index's UUID, "" before the first publish */
	uint64_t generation;          /* 0: nothing is published */
	int64_t watermark, complete_through, published; /* TIME_NONE: none */
	int64_t cadence, max_age;
	int64_t horizon,
		base_at; /* partitions at or before are out of the window, under the base; TIME_NONE: none are */
	uint64_t partitions[PART_STATES]; /* counts by state */
	uint64_t uncovered;               /* skipped though the index should have their data */
	uint64_t rejected;                /* records, over all partitions */
	uint64_t segments, segment_bytes, documents;
	int64_t waiting,
		building; /* of the newest partition that was published: see status_took(); TIME_NONE: none */
	bool rules_changed;       /* the generation was folded under other rules than the configuration's */
	uint64_t paused;          /* the generation whose rollback paused builds; 0: they go on */
	const char *dest;         /* borrowed; where it is published for followers, NULL: nowhere */
	uint64_t dest_generation; /* what is published there; 0: nothing yet */
	const char *last_error;   /* borrowed; "" for none */
	/* Of a running mount only: */
	const char *refresh;             /* borrowed; NULL: not a mount */
	int64_t building_since;          /* TIME_NONE: no build runs */
	const char *passthrough;         /* borrowed; "on", or "off" and why */
	const struct requests *requests; /* borrowed; NULL: not a mount */
};

/* Fills `out` from one published state: `g` may be NULL (nothing is published), `rows` are all rows by
 * timestamp. `built` may be NULL: `cfg`. Strings but `index` are left "", and `paused` and
 * `dest` 0, for status_recall() and the caller to set; `index` borrows from `g`. */
void status_gather(struct status *out, const struct config *cfg, const struct config *built,
	const struct generation *g, const struct row *rows, size_t row_count);
/* The configuration of the last build or base: `built` above, since what the index lacks is judged by the window that it was built with, not by
 * the one that a mount was started with. *out is NULL where there is none, or one that cannot be read. Returns 0 or -errno. */
int status_built(struct config **out, struct catalog *catalog, struct err *err);
/* What the catalog remembers beside rows: a pause, what went wrong last (its text goes to `error`, and `out` borrows it from there), and what is
 * published at `dest` (borrowed; may be NULL). Returns 0 or -errno. */
int status_recall(
	struct status *out, struct catalog *catalog, const char *dest, struct buf *error, struct err *err);
/* How long a published partition waited: from the end of its slice, or when its first file arrived where that is later, to the tick that
 * found it complete; and from there to its publish. False: it was never published. What a producer, or a clock that was
 * set, makes nonsense of is 0. */
bool status_took(const struct row *row, int64_t cadence, int64_t *waiting, int64_t *building);
/* now - watermark - cadence in nanoseconds, at least 0; TIME_NONE before the first publish. */
int64_t status_age(const struct status *s, int64_t now);
/* How long it is until that is more than max_age: TIME_FOREVER where it never is, and below 0 when it is. */
int64_t status_time_left(const struct status *s, int64_t now);
/* Appends lines for people. */
void status_text(const struct status *s, int64_t now, struct buf *out);
/* Appends one JSON object, indented, and a newline. Returns 0 or -ENOMEM. */
int status_json(const struct status *s, int64_t now, struct buf *out);
/* Appends partitions.tsv: a header, then one line a partition, oldest first. */
void status_partitions(const struct row *rows, size_t row_count, struct buf *out);

#endif
