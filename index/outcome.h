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
	int64_t now;         /* the wall clock */
};
/* The rows that change, by timestamp, in `arena` (texts borrow from plan and intake). Returns 0 or -ENOMEM. */
int outcome_rows(const struct outcome_input *in, struct arena *arena, struct row **rows, size_t *count,
	struct err *err);

#endif
