/* SPDX-License-Identifier: Apache-2.0 */
/* index/rollback.h - the one way back: a generation with the content and the watermark of an older one that is kept.
 *
 * What was published since is complete again, and builds are paused, in the same transaction: else the next one would bring back at
 * once what somebody wanted gone. Merges and bases wait as well. */
#ifndef FRESHET_ROLLBACK_H
#define FRESHET_ROLLBACK_H

#include "catalog.h"
#include "config.h"

struct rollback_result {
	uint64_t generation; /* published; 0: builds were to go on, and none were paused */
	int64_t watermark;
	uint64_t documents;
	uint64_t complete; /* partitions that are complete again */
	bool gc_failed;    /* after the publish; `freshet gc` tries again */
};
/* Rolls back to generation `number`, with the writer's lock held. Returns 0; -ENOENT (not kept, or nothing is published);
 * or -errno: then nothing has changed, save as publish() says. */
int rollback(struct state *state, struct catalog *catalog, const struct config *cfg, uint64_t number,
	struct rollback_result *out, struct err *err);
/* Builds go on. With the writer's lock held. Returns 1, 0 where they were not paused, or -errno. */
int rollback_resume(struct state *state, struct catalog *catalog, struct err *err);
/* Returns -EBUSY, saying what to do, while builds are paused, or 0. `what` is what cannot be done. */
int rollback_refuse_paused(struct catalog *catalog, const char *what, struct err *err);

/* What becomes of the rows of all partitions: those of `rows` (by ts, with files) that change, as they are to be. `past` is catalog_past()
 * of the generation whose manifest is `to`. In `arena`; *out has room for all. Pure, for publishing and for tests. */
struct rollback_rows_input {
	const struct row *rows;
	size_t count;
	const struct catalog_past *past;
	size_t past_count;
	const struct manifest *to;
	const struct config *cfg;
};
int rollback_rows(const struct rollback_rows_input *in, struct arena *arena, struct row **out, size_t *count,
	struct err *err);

#endif
