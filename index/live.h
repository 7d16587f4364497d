/* SPDX-License-Identifier: Apache-2.0 */
/* index/live.h - which entries of a generation's segments are superseded: N.live.
 *
 * Derived anew for each generation and never written into a segment: an entry is superseded when a
 * newer segment of the generation has its id, or when its newest partition has left the window. What is
 * not superseded is the generation's one entry for that id (live, hidden or deleted). Format: docs/format.md. */
#ifndef FRESHET_LIVE_H
#define FRESHET_LIVE_H

#include "segment.h"

#define LIVE_SEGMENTS_MAX 65536u

struct live_segment {
	char name[SEGMENT_NAME_HEX + 1];
	uint64_t entries, superseded;
	uint64_t documents; /* entries that are ENTRY_LIVE and not superseded */
	uint8_t *bits; /* owned; bit i % 8 of byte i / 8: entry i is superseded; NULL when superseded is 0 */
};
struct live {
	struct live_segment *segments; /* owned; in generation order, oldest first */
	size_t count;
};

static inline bool live_is_superseded(const struct live_segment *l, uint32_t entry)
{
	return l->bits && (l->bits[entry / 8] >> (entry % 8) & 1);
}
/* Derives from scratch over segments oldest first; entries named only by partitions at or before `horizon` (TIME_NONE: no
 * horizon) are superseded. `old` (may be NULL) is the live set of a generation whose segments all stand here in the same
 * order, followed by new ones: then only the new ones' ids are looked up. Same result either way. */
int live_derive(struct segment *const *segments, const char *const *names, size_t count, int64_t horizon,
	const struct live *old, struct live *out, struct err *err);
void live_encode(const struct live *l, struct buf *out);
/* Returns 0, or -EBADMSG, -ENOTSUP. */
int live_decode(struct slice bytes, struct live *out, struct err *err);
void live_release(struct live *l);

#endif
