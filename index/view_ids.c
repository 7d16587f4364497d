/* SPDX-License-Identifier: Apache-2.0 */
/* index/view_ids.c - the ids of all documents in order. */
#include "view_private.h"

#include <inttypes.h>

#include "heap.h"

struct view_ids {
	const struct generation *g; /* borrowed */
	uint32_t *next;             /* in each segment: the entry to look at next */
	struct heap heap;
	bool moved; /* the top of the heap was handed out: its stream moves first */
};

/* Moves to the segment's next entry that shows: 1 with its id, 0 at the end. */
static int ids_advance(struct view_ids *v, size_t s, struct slice *id, struct err *err)
{
	const struct segment *seg = v->g->segments[s];

	for (uint64_t end = segment_info(seg)->entries; v->next[s] < end;) {
		uint32_t n = v->next[s]++;
		int r;

		if (!view_shows(v->g, s, n))
			continue;
		r = segment_id(seg, n, id, err);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Puts every stream behind the id at `position`. */
static int ids_resume(struct view_ids *v, uint64_t position, struct err *err)
{
	struct slice id;
	uint64_t ordinal;
	size_t at;
	int r = view_position_split(v->g, position, &at, &ordinal, err);

	if (r < 0)
		return r;
	if (ordinal >= segment_info(v->g->segments[at])->entries)
		return err_set(err, -EINVAL, "segment %s has no entry %" PRIu64,
			v->g->manifest.segments[at].name, ordinal);
	r = segment_id(v->g->segments[at], (uint32_t)ordinal, &id, err);
	for (size_t s = 0; s < v->g->manifest.segment_count && r >= 0; s++) {
		r = segment_find(v->g->segments[s], id, &v->next[s], err);
		if (r == 1)
			v->next[s]++;
	}
	return r < 0 ? r : 0;
}

int view_ids_open(struct view_ids **out, const struct generation *g, uint64_t position, struct err *err)
{
	size_t segments = g->manifest.segment_count;
	OWNED(view_ids) struct view_ids *v = calloc(1, sizeof(*v));
	int r = 0;

	*out = NULL;
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->g = g;
	v->next = calloc(segments + 1, sizeof(*v->next));
	v->heap.items = calloc(segments + 1, sizeof(*v->heap.items));
	if (!v->next || !v->heap.items)
		return err_set(err, -ENOMEM, "out of memory");
	if (position)
		r = ids_resume(v, position, err);
	for (size_t s = 0; s < segments && r >= 0; s++) {
		struct slice id;

		r = ids_advance(v, s, &id, err);
		if (r == 1)
			heap_push(&v->heap, (struct heap_item){id, s});
	}
	if (r < 0)
		return r;
	*out = steal(&v);
	return 0;
}

int view_ids_next(struct view_ids *v, struct slice *id, uint64_t *position, struct err *err)
{
	size_t s;
	int r;

	if (v->moved && v->heap.count) {
		struct slice next;

		r = ids_advance(v, v->heap.items[0].stream, &next, err);
		if (r < 0)
			return r;
		if (r)
			heap_replace(&v->heap, next);
		else
			heap_pop(&v->heap);
	}
	v->moved = true;
	if (!v->heap.count)
		return 0;
	s = v->heap.items[0].stream;
	*id = v->heap.items[0].key;
	*position = view_position(s, v->next[s] - 1);
	return 1;
}

void view_ids_free(struct view_ids *v)
{
	if (!v)
		return;
	free(v->next);
	free(v->heap.items);
	free(v);
}
