/* SPDX-License-Identifier: Apache-2.0 */
/* index/row.h - what freshet remembers of a partition and of its files: the rows of the catalog.
 *
 * Every partition that was ever seen has a row; rows are never dropped. */
#ifndef FRESHET_ROW_H
#define FRESHET_ROW_H

#include "arena.h"

enum partition_state {
	PART_OPEN,      /* not to be indexed yet */
	PART_COMPLETE,  /* may be indexed, is not yet */
	PART_BUILDING,  /* a build is at it, or died at it */
	PART_PUBLISHED, /* in the current generation */
	PART_FAILED,    /* could not be indexed; reason says why */
	PART_SKIPPED,   /* never indexed; reason says why */
	PART_EXPIRED,   /* was published; its content has left, or was replaced */
};
#define PART_STATES 7
const char *partition_state_name(enum partition_state s);               /* "open" … */
int partition_state_parse(const char *name, enum partition_state *out); /* 1, or 0 unknown */

#define FILE_HASH_BYTES 16

/* A data file as it was last read. */
struct file_row {
	struct slice path; /* in the partition */
	uint64_t size;
	int64_t mtime, ctime;
	uint8_t hash[FILE_HASH_BYTES]; /* XXH3-128 of the raw bytes, little-endian halves (low first) */
	uint64_t records, rejected;
};

struct row {
	int64_t ts;
	struct slice path; /* in the feed */
	enum partition_state state;
	struct slice reason; /* empty, or one line */
	uint64_t files, bytes, records, rejected;
	int64_t arrived;      /* oldest mtime of its files; TIME_NONE: no file yet */
	int64_t detected;     /* when a tick first found it complete */
	int64_t published;    /* publish time of the first generation with it */
	uint64_t generation;  /* the newest generation that indexed something of it; 0 none */
	uint64_t fingerprint; /* of the listing that this state was decided on */
	int64_t retry_at;     /* failed by an I/O error: not before then; TIME_NONE: only when files change */
	uint32_t failures;    /* in a row, for the back-off */
	uint32_t attempts;    /* builds in a row that began to read this listing and died */
	bool has_content;     /* records of it are in the index; also where it is empty, but indexed */
	/* The files whose records are in the index, by path; of an expired one those whose records were. */
	struct file_row *read;
	size_t read_count;
};
/* Reasons that code asks for. */
#define ROW_UNCOVERED "uncovered" /* of skipped ones whose data the index should have and has not */
#define ROW_OLD "old"             /* of skipped ones that lay outside the horizon */
#define ROW_SUPERSEDED \
	"superseded" /* of skipped ones that policy `newest` passed over: a newer one has their data */
#define ROW_REPLACED "replaced" /* of expired ones, likewise */
#define ROW_COVERED "covered"   /* of skipped and expired ones whose place the base takes */
bool row_is_uncovered(const struct row *row);
/* Has it expired? Also where a build is reading it again, or died at that: the row then still has the reason. */
bool row_has_expired(const struct row *row);

/* The file of the row with this path; NULL: none, or no row. */
const struct file_row *file_row_find(const struct row *row, struct slice path);

/* complete_through (section 2): the newest timestamp up to which nothing inside the horizon is missing, open, failed or uncovered;
 * TIME_NONE: none. What was skipped as `old` or has expired, and lies inside a longer window now, is missing; what policy `newest` took a
 * newer one for is not, nor what the base covers (`base_at`; TIME_NONE: no base). The feed begins with the oldest row: where that is
 * outside the horizon, slots right behind the horizon of which there is no row are missing. `rows` by ts, all there are. */
int64_t rows_complete_through(const struct row *rows, size_t count, int64_t cadence, int64_t horizon,
	int64_t base_at, int64_t watermark);

#endif
