/* SPDX-License-Identifier: Apache-2.0 */
/* index/gc.h - let old generations go: the newest `keep`, and all younger than keep_for up to keep_max, stay. */
#ifndef FRESHET_GC_H
#define FRESHET_GC_H

#include "catalog.h"
#include "config.h"

struct gc_result {
	uint64_t generations, files, bytes; /* removed */
};
/* With the writer's lock held. The current generation always stays. Removes files that no kept generation names, and
 * rejects of partitions whose content has left. */
int gc_run(struct state *state, struct catalog *catalog, const struct config *cfg, int64_t now,
	struct gc_result *out, struct err *err);

/* Lets older generations go, and what they alone name, until segments that the current one has not take at most `max` bytes. The
 * current one always stays. */
int gc_within(
	struct state *state, struct catalog *catalog, uint64_t max, struct gc_result *out, struct err *err);

/* Both, save for rejects, to make room for `awaited`: what it names stays, as for gc_sweep(). */
int gc_before(struct state *state, struct catalog *catalog, const struct config *cfg, int64_t now,
	const struct manifest *awaited, struct gc_result *out, struct err *err);

/* The third part of gc_run(): removes the files of rejects of partitions that are expired or skipped, or that the catalog does
 * not know. Those of all others stay, and files of other names. */
int gc_rejects(struct state *state, struct catalog *catalog, struct gc_result *out, struct err *err);

/* Only the second part: removes generation and segment files that no generation in the catalog names. Files of
 * other names stay, and segments of `awaited` (may be NULL), which may be on their way. -EBADMSG when the manifest of a kept
 * generation cannot be read: then no segment goes. */
int gc_sweep(struct state *state, struct catalog *catalog, const struct manifest *awaited,
	struct gc_result *out, struct err *err);

#endif
