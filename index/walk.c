/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include "heap.h"
#include "reader.h"
#include "records.h"

/* The entries of a segment, or its history. Stream 2 * i is the entries of the i-th segment, 2 * i + 1 its history. */
struct stream {
	uint64_t next, count;            /* row to hand out; how many there are */
	struct records_scratch *scratch; /* owned */
};

struct walk {
	const struct rows *rows;
	size_t from, segments;
	struct stream *streams; /* owned */
	struct heap heap;
	struct buf found; /* struct parent_row: of the current id */
	struct buf record;
};

static struct parent_row row_of(const struct walk *w, size_t stream)
{
	return (struct parent_row){.segment = w->from + stream / 2,
		.n = (uint32_t)w->streams[stream].next,
		.history = stream % 2};
}

static int stream_id(const struct walk *w, size_t stream, struct slice *id, struct err *err)
{
	const struct segment *s = w->rows->g->segments[w->from + stream / 2];
	uint32_t n = (uint32_t)w->streams[stream].next;

	return stream % 2 ? segment_history_id(s, n, id, err) : segment_id(s, n, id, err);
}

static int stream_start(struct walk *w, size_t stream, struct err *err)
{
	struct stream *st = &w->streams[stream];
	const struct segment_info *info = segment_info(w->rows->g->segments[w->from + stream / 2]);
	struct slice id;
	int r;

	st->count = stream % 2 ? info->history : info->entries;
	st->scratch = records_scratch_new();
	if (!st->scratch)
		return err_set(err, -ENOMEM, "out of memory");
	if (!st->count)
		return 0;
	r = stream_id(w, stream, &id, err);
	if (r == 0)
		heap_push(&w->heap, (struct heap_item){id, stream});
	return r;
}

int walk_open(struct walk **out, const struct rows *rows, size_t from, size_t to, struct err *err)
{
	OWNED(walk) struct walk *w = calloc(1, sizeof(*w));
	int r = 0;

	*out = NULL;
	if (!w)
		return err_set(err, -ENOMEM, "out of memory");
	w->rows = rows;
	w->from = from;
	w->segments = to - from;
	w->streams = calloc(2 * w->segments + 1, sizeof(*w->streams));
	w->heap.items = calloc(2 * w->segments + 1, sizeof(*w->heap.items));
	if (!w->streams || !w->heap.items)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < 2 * w->segments; i++)
		r = stream_start(w, i, err);
	if (r == 0)
		*out = steal(&w);
	return r;
}

/* Takes the row on top of the heap. */
static int take_top(struct walk *w, struct err *err)
{
	size_t stream = w->heap.items[0].stream;
	struct parent_row row = row_of(w, stream);
	struct stream *st = &w->streams[stream];
	struct slice id;
	int r = rows_load(w->rows, &row, err);

	if (r < 0)
		return r;
	buf_add(&w->found, &row, sizeof(row));
	if (++st->next == st->count) {
		heap_pop(&w->heap);
		return 0;
	}
	r = stream_id(w, stream, &id, err);
	if (r == 0)
		heap_replace(&w->heap, id);
	return r;
}

int walk_next(struct walk *w, const struct parent_row **rows, size_t *count, struct err *err)
{
	struct slice id;
	int r = 0;

	buf_clear(&w->found);
	if (!w->heap.count)
		return 0;
	id = w->heap.items[0].key;
	while (r == 0 && w->heap.count && slice_eq(w->heap.items[0].key, id))
		r = take_top(w, err);
	if (r == 0 && buf_error(&w->found))
		r = err_set(err, -ENOMEM, "out of memory for the rows of an id");
	*rows = (const struct parent_row *)w->found.data;
	*count = w->found.len / sizeof(**rows);
	return r < 0 ? r : 1;
}

int walk_record(struct walk *w, const struct parent_row *row, struct slice *out, struct err *err)
{
	const struct segment *s = w->rows->g->segments[row->segment];
	struct stream *st = &w->streams[2 * (row->segment - w->from) + row->history];
	struct slice record;
	int r = segment_row_record(s, row->history, row->n, st->scratch, &record, err);

	if (r < 0)
		return r;
	buf_clear(&w->record);
	buf_add_slice(&w->record, record);
	if (!buf_reserve(&w->record, RECORD_PADDING))
		return err_set(err, -ENOMEM, "out of memory for a record of %zu bytes", record.len);
	memset(w->record.data + w->record.len, 0, RECORD_PADDING);
	*out = buf_slice(&w->record);
	return 0;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	for (size_t i = 0; w->streams && i < 2 * w->segments; i++)
		records_scratch_free(w->streams[i].scratch);
	free(w->streams);
	free(w->heap.items);
	buf_release(&w->found);
	buf_release(&w->record);
	free(w);
}
