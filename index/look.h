/* SPDX-License-Identifier: Apache-2.0 */
/* index/look.h - a look at the feed, as a tick takes it and as mounts take it to learn whether one is due. In two steps: what is known of
 * it comes from the catalog, what is there now from the feed, which may be slow or not answer at all. */
#ifndef FRESHET_LOOK_H
#define FRESHET_LOOK_H

#include "catalog.h"
#include "config.h"
#include "feed.h"
#include "plan.h"

struct look {
	const struct config *cfg; /* borrowed */
	int64_t now;              /* for the plan */
	bool retry;
	struct arena *arena; /* borrowed: what is found lies there */
	/* After look_at_catalog() */
	struct template *template; /* owned */
	int64_t from;              /* partitions later than that are listed */
	struct plan_input in;
};
/* Reads the rows; `c` NULL: nothing was ever built. Writes nothing. Returns 0 or -errno. */
int look_at_catalog(struct look *l, struct catalog *c, struct err *err);
/* Then lists and plans. After a failure there is nothing to release in either. Returns 0 or -errno. */
int look_at_feed(
	struct look *l, struct store *store, struct listing *listing, struct plan *plan, struct err *err);
void look_release(struct look *l); /* zero-initialised is fine */

#endif
