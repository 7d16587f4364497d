/* SPDX-License-Identifier: Apache-2.0 */
/* index/view_private.h - what shows of a segment, and positions. For view*.c only. */
#ifndef FRESHET_VIEW_PRIVATE_H
#define FRESHET_VIEW_PRIVATE_H

#include "view.h"

/* True when nothing of it is superseded: its dictionary says what its postings would. */
static inline bool view_segment_is_whole(const struct generation *g, size_t s)
{
	return g->live.segments[s].superseded == 0;
}

/* True when an entry is a document that is not superseded. */
static inline bool view_shows(const struct generation *g, size_t s, uint32_t entry)
{
	return segment_state(g->segments[s], entry) == ENTRY_LIVE &&
	       !live_is_superseded(&g->live.segments[s], entry);
}

/* The next block of a term's documents in one segment that has any left: 1, 0 at the end, or -errno. */
int view_postings_next(const struct live_segment *live, struct postings *p, struct err *err);

/* What was handed out last, by its segment and its ordinal there. */
uint64_t view_position(size_t segment, uint64_t ordinal);
/* Returns 0 or -EINVAL: the generation has no such segment. */
int view_position_split(
	const struct generation *g, uint64_t position, size_t *segment, uint64_t *ordinal, struct err *err);

#endif
