/* SPDX-License-Identifier: Apache-2.0 */
/* index/live.h - which entries of a generation's segments are superseded: N.live.
 *
 * Derived anew for each generation and never written into a segment: an entry is superseded when a
 * newer segment of the generation has its id, when its partition has left (of attributes: where they expire), or when its
 * file was undone. What is not superseded is the generation's one entry for that id (live, hidden or deleted). Format: docs/format.md. */
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
/* What of a segment counts no more whatever the generation's horizon is: files that were undone, as numbers of its sources, ascending;
 * and what had left before a longer window took the horizon back. */
struct undone {
	const uint32_t *sources; /* borrowed */
	size_t count;
	int64_t left; /* partitions at or before it had; TIME_NONE: none */
};
static inline bool undone_has(const struct undone *u, uint32_t source)
{
	for (size_t low = 0, high = u->count; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (u->sources[mid] == source)
			return true;
		if (u->sources[mid] < source)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

struct live_input {
	struct segment *const *segments; /* oldest first */
	const char *const *names;
	const struct undone *undone; /* one a segment */
	size_t count;
	int64_t horizon; /* documents, and attributes that expire, of partitions at or before it have left; TIME_NONE: none */
	/* The live set of a generation whose segments all stand here in the same order, followed by new ones: then only
	 * the new ones' ids are looked up. Same result without (NULL). */
	const struct live *old;
};
int live_derive(const struct live_input *in, struct live *out, struct err *err);
/* Does an attribute of that id expire, by the rules of the segment that it is in? */
bool attribute_expires(const struct segment *s, struct slice id);
void live_encode(const struct live *l, struct buf *out);
/* Returns 0, or -EBADMSG, -ENOTSUP. */
int live_decode(struct slice bytes, struct live *out, struct err *err);
void live_release(struct live *l);

#endif
