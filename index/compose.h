/* SPDX-License-Identifier: Apache-2.0 */
/* index/compose.h - writes rows that are decided on as a segment of the build that is under way: their terms by the configuration,
 * joined with the attributes of the generation to come. */
#ifndef FRESHET_COMPOSE_H
#define FRESHET_COMPOSE_H

#include <stdatomic.h>

#include "fold.h"
#include "record.h"
#include "segment_write.h"
#include "state.h"

struct compose_input {
	const struct state *state; /* build begun */
	const struct config *cfg;
	const char *file;             /* name in tmp/BUILD */
	bool base;                    /* part of a base */
	const struct source *sources; /* by (ts, file), at least one */
	size_t source_count;
	struct entry *entries; /* by id; LIVE ones may turn HIDDEN */
	size_t entry_count;
	const struct entry *history; /* by id and order */
	size_t history_count;
	attribute_fn *attribute; /* any number of threads */
	void *attribute_ctx;
	atomic_int *stop;                                           /* may be NULL */
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL */
	void *progress_ctx;
};
/* Returns 0, -EINTR when stopped, or -errno: then there is no file. */
int compose(const struct compose_input *in, struct segment_output *out, struct err *err);
/* The same of what was folded: `in` needs no rows, sources and attributes. */
int compose_fold(const struct compose_input *in, const struct fold_input *from,
	const struct fold_output *fold, struct segment_output *out, struct err *err);
/* The threads that a configuration asks for, at least one. */
unsigned compose_threads(const struct config *cfg);

#endif
