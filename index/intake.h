/* SPDX-License-Identifier: Apache-2.0 */
/* index/intake.h - read the partitions that a plan picked: their records, their rejects, and which of them failed.
 *
 * Several threads read, first each its own file, then together those that are not at their end. Files are
 * numbered in order of (partition timestamp, path), their lines are taken in batches, and everything here
 * stands in the order of files and lines, so the result does not depend on the threads. */
#ifndef FRESHET_INTAKE_H
#define FRESHET_INTAKE_H

#include <stdatomic.h>

#include "plan.h"
#include "reader.h"
#include "record.h"
#include "reject.h"

/* Some lines of a file. */
struct intake_batch {
	struct intake_batch *next; /* the lines behind these */
	struct record *records;    /* owned */
	size_t count, refused_count;
	struct refusal *refused;
	bool only_counts; /* so many were refused before it that these are not listed */
};

struct intake_file {
	const struct plan_item *item; /* borrowed, its partition's */
	const struct feed_file *seen; /* borrowed */
	/* Its row as it was last read, borrowed; NULL: it is new. Where the item has content, the records of those
	 * bytes are in the index, and are to be undone unless `same`. */
	const struct file_row *was;
	bool same; /* read to its end, and its bytes are those of `was` */
	int code;  /* 0: read to its end; else why not: */
	char *why; /* owned; one line; NULL with 0 */
	uint8_t hash[FILE_HASH_BYTES];
	uint64_t lines; /* records in it, refused ones too */
	struct reject_list rejects;
	char *first_reject; /* owned: "line 3: id: missing"; NULL: none was refused */
	struct intake_batch *batches;
};

struct intake_partition {
	const struct plan_item *item;     /* borrowed */
	size_t first, count;              /* its files in intake.files */
	const struct file_row **vanished; /* the item's: files whose records are to be undone; borrowed */
	size_t vanished_count;
	bool is_unchanged; /* every file is the same, and none has vanished: nothing of the index changes */
	uint64_t records, rejected; /* of these files; records counts the refused ones too */
	/* 0: may be indexed; -EBADMSG: its content is bad; -ESTALE: it changed while it was read; else an
	 * I/O error. */
	int code;
	char *reason; /* owned; one line; NULL with 0 */
};

struct intake { /* zero-initialised is empty */
	struct intake_file *files;
	size_t file_count;
	struct intake_partition *partitions; /* one for each PLAN_INDEX item, by timestamp */
	size_t partition_count;
	struct arena *arenas; /* one a thread: batches, and what the records point to */
	unsigned arena_count;
};

struct intake_input {
	struct store *store;
	const struct config *cfg;
	const struct plan *plan; /* borrowed by the result */
	unsigned threads;        /* >= 1 */
	const char *spool;       /* a directory for copies of Parquet files; NULL: they are refused */
	atomic_int *stop;        /* may be NULL */
	/* Bytes read so far, from any thread; may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
};
/* Returns 0, also when partitions failed, or -ENOMEM, -EINTR (stopped). */
int intake_read(const struct intake_input *in, struct intake *out, struct err *err);
void intake_release(struct intake *in);

#endif
