/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry of a generation that is not superseded is the only one of its id, so the segments' live ids
 * are disjoint sorted streams: all listings of view*.c are merges of them. A segment with nothing
 * superseded answers from its dictionary; else its postings are decoded and filtered. */
#include "view_private.h"

#include <inttypes.h>

#include "join.h"

/* ---- what shows ---- */

/* A position is the segment and the ordinal in it of what was handed out last, plus one: 0 is the start. */
#define POSITION_SHIFT 40
#define POSITION_MASK ((UINT64_C(1) << POSITION_SHIFT) - 1)

uint64_t view_position(size_t segment, uint64_t ordinal)
{
	return ((uint64_t)segment << POSITION_SHIFT | (ordinal & POSITION_MASK)) + 1;
}

int view_position_split(
	const struct generation *g, uint64_t position, size_t *segment, uint64_t *ordinal, struct err *err)
{
	*segment = (size_t)((position - 1) >> POSITION_SHIFT);
	*ordinal = (position - 1) & POSITION_MASK;
	if (*segment >= g->manifest.segment_count)
		return err_set(err, -EINVAL, "position %" PRIu64 " is in none of %zu segments", position,
			g->manifest.segment_count);
	return 0;
}

/* Drops superseded documents from a block in place; returns how many are left. */
static unsigned block_filter(const struct live_segment *live, uint32_t *docs, unsigned count)
{
	unsigned kept = 0;

	if (!live->bits)
		return count;
	for (unsigned i = 0; i < count; i++) {
		docs[kept] = docs[i];
		kept += !live_is_superseded(live, docs[i]);
	}
	return kept;
}

int view_postings_next(const struct live_segment *live, struct postings *p, struct err *err)
{
	int r;

	while ((r = postings_next(p, err)) == 1) {
		p->count = block_filter(live, p->docs, p->count);
		if (p->count)
			break;
	}
	return r;
}

/* ---- documents ---- */

int view_find(const struct generation *g, struct slice id, struct view_doc *out, struct err *err)
{
	for (size_t s = g->manifest.segment_count; s-- > 0;) {
		int r;

		*out = (struct view_doc){.segment = s};
		r = segment_find(g->segments[s], id, &out->entry, err);
		if (r < 0)
			return err_context(err, r, "segment %s", g->manifest.segments[s].name);
		if (r) /* the newest segment with the id decides; older ones are superseded by it */
			return !live_is_superseded(&g->live.segments[s], out->entry);
	}
	return 0;
}

/* Appends what is stored for an entry. */
static int add_record(
	const struct generation *g, const struct view_doc *doc, struct buf *out, struct err *err)
{
	int r = segment_record(g->segments[doc->segment], doc->entry, out, err);

	return r < 0 ? err_context(err, r, "segment %s", g->manifest.segments[doc->segment].name) : 0;
}

int view_attribute(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	const struct generation *g = ctx;
	struct view_doc doc;
	int r = view_find(g, id, &doc, err);

	if (r != 1 || segment_state(g->segments[doc.segment], doc.entry) != ENTRY_ATTRIBUTE)
		return r < 0 ? r : 0;
	r = add_record(g, &doc, json, err);
	return r < 0 ? r : 1;
}

int view_entry_json(const struct generation *g, const struct view_doc *doc, struct buf *out, struct err *err)
{
	OWNED_BUF record = {0};
	int r = add_record(g, doc, &record, err);

	if (r < 0)
		return r;
	r = join_record(g->segments[doc->segment], buf_slice(&record), view_attribute, (void *)(uintptr_t)g,
		out, err);
	buf_add_byte(out, '\n');
	return r == 0 && buf_error(out) ? err_set(err, -ENOMEM, "out of memory") : r;
}

int view_doc_json(const struct generation *g, struct slice id, struct buf *out, struct err *err)
{
	struct view_doc doc;
	int r = view_find(g, id, &doc, err);

	if (r != 1 || segment_state(g->segments[doc.segment], doc.entry) != ENTRY_LIVE)
		return r < 0 ? r : 0;
	r = view_entry_json(g, &doc, out, err);
	return r < 0 ? r : 1;
}
