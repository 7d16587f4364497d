/* SPDX-License-Identifier: Apache-2.0 */
#include "id_merge.h"

#include "heap.h"

/* The first id that was not handed out: 1, 0 at the end, or -errno. */
static int stream_head(struct id_stream *s, struct slice *id, struct err *err)
{
	int r;

	if (s->next == s->count) {
		r = s->fill(s, err);
		if (r != 1)
			return r;
		s->next = 0;
	}
	r = segment_id(s->segment, s->docs[s->next], id, err);
	return r < 0 ? r : 1;
}

/* How many of the block's ids, its head among them, come before `bound`: segments hold long runs of
 * neighbours, so a binary search of the block costs less than a comparison for each id. */
static int stream_run(const struct id_stream *s, struct slice bound, unsigned *run, struct err *err)
{
	unsigned low = s->next + 1, high = s->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		struct slice id;
		int r = segment_id(s->segment, s->docs[mid], &id, err);

		if (r < 0)
			return r;
		if (slice_cmp(id, bound) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*run = low - s->next;
	return 0;
}

/* One segment: whole blocks at a time. */
static int merge_one(struct id_stream *s, id_run_fn *fn, void *ctx, struct err *err)
{
	int r;

	while ((r = s->fill(s, err)) == 1) {
		s->next = 0;
		r = fn(ctx, s, s->count, err);
		if (r < 0)
			break;
	}
	return r;
}

/* Hands out what the top stream has before all others, and moves it on. */
static int merge_run(struct heap *heap, struct id_stream *s, id_run_fn *fn, void *ctx, struct err *err)
{
	const struct heap_item *second = heap_second(heap);
	unsigned run = s->count - s->next;
	struct slice id;
	int r = second ? stream_run(s, second->key, &run, err) : 0;

	if (r == 0)
		r = fn(ctx, s, run, err);
	if (r < 0)
		return r;
	s->next += run;
	r = stream_head(s, &id, err);
	if (r == 1)
		heap_replace(heap, id);
	else if (r == 0)
		heap_pop(heap);
	return r < 0 ? r : 0;
}

static int merge_many(struct id_stream *streams, size_t count, struct heap_item *items, id_run_fn *fn,
	void *ctx, struct err *err)
{
	struct heap heap = {.items = items};
	struct slice id;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		r = stream_head(&streams[i], &id, err);
		if (r == 1)
			heap_push(&heap, (struct heap_item){id, i});
	}
	while (r >= 0 && heap.count)
		r = merge_run(&heap, &streams[heap.items[0].stream], fn, ctx, err);
	return r < 0 ? r : 0;
}

int id_merge(struct id_stream *streams, size_t count, id_run_fn *fn, void *ctx, struct err *err)
{
	struct heap_item *items;
	int r;

	if (count == 0)
		return 0;
	if (count == 1)
		return merge_one(streams, fn, ctx, err);
	items = calloc(count, sizeof(*items));
	if (!items)
		return err_set(err, -ENOMEM, "out of memory");
	r = merge_many(streams, count, items, fn, ctx, err);
	free(items);
	return r;
}

int id_merge_lines(void *ctx, const struct id_stream *s, unsigned run, struct err *err)
{
	return segment_add_ids(s->segment, s->docs + s->next, run, ctx, err);
}
