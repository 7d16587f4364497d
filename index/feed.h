/* SPDX-License-Identifier: Apache-2.0 */
/* index/feed.h - what lies in the feed now: partitions, each with its data files and marker. */
#ifndef FRESHET_FEED_H
#define FRESHET_FEED_H

#include "arena.h"
#include "config.h"
#include "partition.h"
#include "store.h"

#define FEED_FILES_MAX 1000000u /* data files in one partition; more is an error */
#define FEED_DEPTH_MAX 32u      /* directories below a partition */

struct feed_file {
	struct slice path; /* within the partition, NUL behind it */
	uint64_t size;
	int64_t mtime, ctime;
};

struct feed_partition {
	int64_t ts;
	struct slice path;       /* within the feed, NUL behind it */
	struct feed_file *files; /* data files, bytewise by path */
	size_t file_count;
	uint64_t bytes;
	int64_t oldest; /* likewise the oldest mtime: when the partition began to arrive */
	bool has_marker;
	uint64_t
		fingerprint; /* XXH3-64 over paths, sizes, mtimes and ctimes of the files, and the marker's presence */
};

/* A listing owns everything in it through its arena. Zero-initialised is empty. */
struct listing {
	struct feed_partition *partitions; /* by timestamp */
	size_t count;
	/* Directories that were looked into, the root ("") and partitions included: what to watch. */
	struct slice *dirs;
	size_t dir_count;
	struct arena arena;
};

/* What the ending of a file's name says of its content. */
enum feed_format { FORMAT_NONE, FORMAT_JSONL, FORMAT_PARQUET /* never packed */ };
enum feed_packing { PACKING_NONE, PACKING_ZSTD, PACKING_GZIP };
/* FORMAT_NONE: no data (other ending, or a component that starts with '_' or '.'). */
enum feed_format feed_format_of(struct slice path, enum feed_packing *packing);

/* Lists every partition with from < timestamp <= to (pass TIME_NONE for no lower end). Only template
 * prefixes in that range are listed. A directory that vanishes between two steps of the listing is as
 * if it had never been there; every other failure makes the whole listing fail: *out is then empty. */
int feed_list(struct store *store, const struct template *t, const struct config *cfg, int64_t from,
	int64_t to, struct listing *out, struct err *err);
void listing_release(struct listing *l);

#endif
