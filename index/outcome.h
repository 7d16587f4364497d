/* SPDX-License-Identifier: Apache-2.0 */
/* index/outcome.h - what a tick makes of the catalog's rows: pure, from the plan and what reading gave. */
#ifndef FRESHET_OUTCOME_H
#define FRESHET_OUTCOME_H

#include "intake.h"

struct outcome_input {
	const struct plan *plan;
	const struct intake *intake;
	uint64_t generation; /* that is about to be published; 0: none is */
	int64_t horizon;     /* after this tick */
	int64_t plan_now;    /* the plan's clock: retry times are its */
	int64_t began;       /* when the tick did, by the wall clock */
};
/* Has the partition that was to take the place of all others (policy `newest`) been indexed? */
bool outcome_has_replaced(const struct plan *plan, const struct intake *intake);
/* Is what the plan says of this item true in the end? What it leaves behind or replaces is not where partitions failed
 * and the watermark stayed behind the plan's. */
bool outcome_holds(const struct outcome_input *in, const struct plan_item *item);
/* The rows of the partitions that are about to be read: `building`, with one attempt more. To be noted before reading, so that
 * it is known afterwards at which of them a build died; what was indexed stays as it is. Returns 0 or -ENOMEM. */
int outcome_begin(const struct plan *plan, int64_t now, struct arena *arena, struct row **rows, size_t *count,
	struct err *err);
/* The same rows as if the build had not begun: after an orderly stop, or an error that it lived to tell. */
int outcome_take_back(const struct plan *plan, int64_t now, struct arena *arena, struct row **rows,
	size_t *count, struct err *err);
/* The rows that change, by timestamp, in `arena` (texts borrow from plan and intake). Returns 0 or -ENOMEM. */
int outcome_rows(const struct outcome_input *in, struct arena *arena, struct row **rows, size_t *count,
	struct err *err);

#endif
