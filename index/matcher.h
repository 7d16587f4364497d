/* SPDX-License-Identifier: Apache-2.0 */
/* index/matcher.h - the live documents of one segment that match a query, in order, with jumps. */
#ifndef FRESHET_MATCHER_H
#define FRESHET_MATCHER_H

#include "query.h"

struct matcher; /* one thread at a time; borrows the query and the generation */

/* Returns 0, -EBADMSG or -ENOMEM. */
int matcher_open(struct matcher **out, const struct query *q, const struct generation *g, size_t segment,
	struct err *err);
void matcher_free(struct matcher *m); /* NULL is fine */
/* The first match >= `from`, which must not be below that of the call before. Returns 1, 0 none, or -EBADMSG. */
int matcher_seek(struct matcher *m, uint32_t from, uint32_t *doc, struct err *err);
/* How many terms of the segment start with `prefix` (class byte and text). */
int matcher_expand(const struct segment *s, struct slice prefix, uint64_t *count, struct err *err);

#endif
