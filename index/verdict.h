/* SPDX-License-Identifier: Apache-2.0 */
/* index/verdict.h - the first half of planning: a partition judged by itself, as if it were inside the horizon.
 *
 * Is it complete, what is there to read, what has vanished? What becomes of it then, together with all
 * the others, is the policy's to say (plan.c). */
#ifndef FRESHET_VERDICT_H
#define FRESHET_VERDICT_H

#include "plan.h"

struct verdict {
	int64_t due;     /* when this may change though no file does; TIME_NONE: never */
	bool wants;      /* it may be indexed now: the item says how, as PLAN_INDEX */
	bool is_suspect; /* builds died at it: it is built alone */
	bool is_covered; /* by the base */
};

/* Fills in all of the item but `is_left` and `is_replaced`; ts, seen and row are there. PLAN_NOTE is not used yet: an item that is not to
 * be indexed has the state, reason and fingerprint that its row shall have. What it needs lies in `arena`. 0 or -ENOMEM. */
int verdict_make(const struct plan_input *in, struct arena *arena, struct plan_item *item, struct verdict *v);
/* The item is not indexed in this tick, though it may be: complete, or published as it was. 0 or -ENOMEM. */
int verdict_wait(struct arena *arena, struct plan_item *item);
/* The item lies outside the horizon: what content it has leaves, and where it has none, so it stays. `is_listed`: the listing would
 * have it, were it there. 0 or -ENOMEM. */
int verdict_leave(struct arena *arena, struct plan_item *item, bool is_listed);
/* The item is to have this state and this reason, on the listing as it is now; nothing of it is read. */
void verdict_note(struct plan_item *item, enum partition_state state, const char *reason);
/* The item stays as its row has it; one that a dead build left as `building` is what it was before. 0 or -ENOMEM. */
int verdict_keep(struct arena *arena, struct plan_item *item);

#endif
