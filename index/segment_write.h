/* SPDX-License-Identifier: Apache-2.0 */
/* index/segment_write.h - write a segment. Equal input gives equal bytes, with any number of threads. */
#ifndef FRESHET_SEGMENT_WRITE_H
#define FRESHET_SEGMENT_WRITE_H

#include "digest.h"
#include "invert.h"
#include "segment.h"

/* Gives the terms of one record to `v` (between invert_begin and invert_end, which the writer calls), internal ones
 * first; a hidden document keeps only those. The writer itself gives its group. Returns 0 live, 1 hidden, or -errno. With more contexts than one it is called from as many threads at a time,
 * each with a context of its own. */
typedef int analyse_fn(void *ctx, struct slice record, struct invert *v, struct err *err);

struct segment_input {
	const struct source *sources; /* by (ts, file) */
	size_t source_count;
	struct entry *
		entries; /* strictly ascending ids; ENTRY_LIVE, _DELETED or _ATTRIBUTE on entry; LIVE ones may turn HIDDEN */
	size_t entry_count;          /* at most UINT32_MAX - 1 */
	const struct entry *history; /* by id, then order */
	size_t history_count;
	const struct segment_rule *rules; /* of attributes; at most RULES_MAX */
	uint32_t rule_count;
	int64_t first, last; /* partition range */
	uint8_t config_hash[16];
	bool base; /* part of a base: so it never has the bytes of a delta, which would take its place */
	analyse_fn *analyse;
	void *analyse_ctx;
	void *const *more_ctxs; /* for more threads that analyse; their number is below `threads` */
	unsigned more_count;
	unsigned threads; /* >= 1 */
	/* Tells how far it is, from any thread; may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
};

struct segment_output {
	uint8_t sha256[SHA256_BYTES];
	uint64_t bytes;
	struct segment_info info; /* versions is empty here */
};

/* Writes the file at `path`, which must not exist, and fsyncs it. On failure the file is unlinked.
 * Returns 0, -ENOSPC, -EIO, -EOVERFLOW (too many entries or id bytes for one segment), -ENOMEM …. */
int segment_write(
	const char *path, const struct segment_input *in, struct segment_output *out, struct err *err);
/* The same bytes into memory. */
int segment_write_bytes(
	const struct segment_input *in, struct buf *out, struct segment_output *result, struct err *err);

#endif
