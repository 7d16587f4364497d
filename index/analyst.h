/* SPDX-License-Identifier: Apache-2.0 */
/* index/analyst.h - what gives the writer of a segment the terms of a record: one analyst a thread, each with a
 * parser of its own. */
#ifndef FRESHET_ANALYST_H
#define FRESHET_ANALYST_H

#include <stdatomic.h>

#include "invert.h"
#include "record.h"

struct analyst;
struct analysts {             /* zero-initialised is none */
	struct analyst *list; /* owned */
	void **ctxs;          /* owned; their addresses: contexts of analyst_analyse() */
	unsigned count;
};

/* `count` >= 1 of them. `cfg`, `stop` (may be NULL) and `join_ctx` are borrowed; `join` finds attributes, in several threads at
 * a time. Release after a failure too. */
int analysts_init(struct analysts *a, const struct config *cfg, unsigned count, attribute_fn *join,
	void *join_ctx, atomic_int *stop, struct err *err);
void analysts_release(struct analysts *a);
/* An analyse_fn (segment_write.h): record_analyse() into `v`; -EINTR once *stop is set. */
int analyst_analyse(void *ctx, struct slice record, struct invert *v, struct err *err);

#endif
