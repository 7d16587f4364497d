/* SPDX-License-Identifier: Apache-2.0 */
/* index/base_private.h - a base while it is built: for base.c, base_read.c, base_write.c and refold.c. */
#ifndef FRESHET_BASE_PRIVATE_H
#define FRESHET_BASE_PRIVATE_H

#include "base.h"
#include "sorter.h"

/* Parts of build.memory. */
#define BASE_SORT_PART 4 /* for records that wait to be sorted */
#define BASE_WRITE_PART \
	8 /* for the records of one segment: its terms and sections take several times as much */

struct base_piece {
	char file[32]; /* in tmp/BUILD */
	struct segment_output output;
};

struct base_files {             /* zero-initialised is empty */
	struct source *sources; /* by file */
	size_t count;
	uint64_t records, rejected;
	char *first_reject; /* owned; NULL: none */
	struct arena arena;
};
/* Reads every data file below in->from into the sorter. Returns 0 or -errno. */
int base_read(const struct base_input *in, struct sorter *sorter, struct base_files *out, struct err *err);
void base_files_release(struct base_files *f);

struct base_write_input {
	const struct state *state; /* build begun */
	const struct config *cfg;
	struct sorter *sorter; /* finished */
	const struct source *sources;
	size_t source_count;
	atomic_int *stop;
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* records; may be NULL */
	void *progress_ctx;
	uint64_t total;
};
/* Writes the newest record of each id, deletes left out, into as many segments as it takes. `pieces` (struct base_piece) is
 * appended to. */
int base_write(const struct base_write_input *in, struct buf *pieces, struct err *err);

/* The generation of those segments alone, as they lie in tmp/BUILD. */
int base_open(const struct state *state, const struct buf *pieces, struct generation **out, struct err *err);

#endif
