/* SPDX-License-Identifier: Apache-2.0 */
/* index/term_merge.h - the terms of several inverters as those of one. Each has documents of its own, all of
 * them behind those of the inverter before it. */
#ifndef FRESHET_TERM_MERGE_H
#define FRESHET_TERM_MERGE_H

#include "invert.h"

#define TERM_MERGE_MAX 16 /* inverters */

struct term_merge { /* zero-initialised is empty */
	struct {
		const struct invert *invert; /* borrowed, finished */
		uint64_t next;               /* term of it */
		struct slice key;
	} from[TERM_MERGE_MAX];
	unsigned count;
	struct buf docs, tfs; /* of a term that several have */
};
void term_merge_add(struct term_merge *m, const struct invert *v);
/* The next term in key order; it is valid until the next call. Returns 1, 0 at the end, or -ENOMEM. */
int term_merge_next(struct term_merge *m, struct inverted_term *out);
void term_merge_release(struct term_merge *m);

#endif
