/* SPDX-License-Identifier: Apache-2.0 */
/* index/recall.h - records out of the segments of a generation, as if they came from the feed again: what folding everything again, and
 * a new base, go by. Copies of one record, as groups that are written whole leave them, count once. */
#ifndef FRESHET_RECALL_H
#define FRESHET_RECALL_H

#include <stdatomic.h>

#include "record.h"
#include "rows.h"
#include "source.h"

struct recall { /* zero-initialised is empty; everything lies in `arena` or in the generation */
	struct source *sources; /* by (ts, file) */
	size_t source_count;
	struct record *records; /* by source and line */
	size_t count;
	/* Where `judge` was asked for: */
	uint64_t judged, refused;   /* records that have not left, and those of them that `cfg` refuses */
	struct slice first_refused; /* one of these, "PARTITION/FILE:LINE: REASON" */
	struct arena arena;
};
struct recall_input {
	const struct rows *rows; /* of the generation; those that count no more are left out */
	size_t from, to;         /* segments */
	int64_t after;           /* only files of later partitions; TIME_NONE: all */
	int64_t horizon; /* with `cfg`: what expires by it, of partitions at or before, is left out; TIME_NONE: nothing */
	const struct config *cfg; /* read the records anew by it; NULL: what they are called stays */
	bool judge;               /* with `cfg`: count what it refuses */
	atomic_int *stop;         /* may be NULL */
};
/* Returns 0, -EINTR, or -errno. Release after a failure too. */
int recall(const struct recall_input *in, struct recall *out, struct err *err);
void recall_release(struct recall *r);

#endif
