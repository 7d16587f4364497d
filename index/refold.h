/* SPDX-License-Identifier: Apache-2.0 */
/* index/refold.h - folds everything again from stored records, after a change of what decides about documents. */
#ifndef FRESHET_REFOLD_H
#define FRESHET_REFOLD_H

#include "recall.h"
#include "state.h"

struct refold_input {
	const struct state *state; /* build begun */
	const struct config *cfg;  /* the new one */
	const struct rows *rows; /* of the generation that was built by another, as its own horizon has it */
	int64_t horizon;         /* of the new generation */
	size_t base;             /* so many of its segments, the first ones, are the base */
	atomic_int *stop;
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL */
	void *progress_ctx;
};
/* Reads all stored records by the new rules, and counts those that have not left and those that the rules refuse. Returns 0, also when
 * there are too many of these: then `text` says how many of how many, and the first; or -errno. */
int refold_check(const struct refold_input *in, struct buf *text, struct err *err);
/* Writes the base anew, in memory that build.memory bounds: appends its segments to `pieces` (struct base_piece) and opens them as
 * a generation. Nothing where there is no base: *out is NULL then. */
int refold_base(const struct refold_input *in, struct buf *pieces, struct generation **out, struct err *err);
struct records_of_build {
	struct source *sources;
	size_t source_count;
	struct record *records;
	size_t record_count;
};
/* Adds the records of the deltas, read anew, and their sources to `records`. */
int refold_deltas(const struct refold_input *in, struct records_of_build *records, struct recall *recalled,
	struct arena *arena, struct err *err);

#endif
