/* SPDX-License-Identifier: Apache-2.0 */
/* index/view_group.c - view_groups() and view_group_json(): the documents of a generation by group. */
#include "view_private.h"

#include "heap.h"
#include "id_merge.h"

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory for groups");
}

/* ---- one group ---- */

struct group_stream {
	struct buf entries; /* uint32_t; those that show */
	bool given;
};

static int group_fill(struct id_stream *s, struct err *err)
{
	struct group_stream *t = s->ctx;

	s->docs = (const uint32_t *)t->entries.data;
	s->count = (unsigned)(t->entries.len / sizeof(uint32_t));
	if (t->given || !s->count)
		return 0;
	return t->given = true;
}

struct group_writer {
	const struct generation *g;
	struct buf *out;
};

static int documents_add(void *ctx, const struct id_stream *s, unsigned run, struct err *err)
{
	const struct group_writer *w = ctx;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < run; i++) {
		struct view_doc doc = {.segment = s->number, .entry = s->docs[s->next + i]};

		r = view_entry_json(w->g, &doc, w->out, err);
	}
	return r;
}

static int group_stream_open(const struct generation *g, size_t s, struct slice group, struct group_stream *t,
	struct id_stream *stream, struct err *err)
{
	int r = segment_group_entries(g->segments[s], group, &t->entries, err);
	uint32_t *entries = (uint32_t *)t->entries.data;
	size_t kept = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < t->entries.len / sizeof(*entries); i++) {
		entries[kept] = entries[i];
		kept += view_shows(g, s, entries[i]);
	}
	t->entries.len = kept * sizeof(*entries);
	*stream = (struct id_stream){.segment = g->segments[s], .number = s, .ctx = t, .fill = group_fill};
	return 0;
}

int view_group_json(const struct generation *g, struct slice group, struct buf *out, struct err *err)
{
	size_t count = g->manifest.segment_count, start = out->len;
	struct id_stream *streams = calloc(count + 1, sizeof(*streams));
	struct group_stream *groups = calloc(count + 1, sizeof(*groups));
	struct group_writer w = {g, out};
	int r = streams && groups ? 0 : out_of_memory(err);

	for (size_t s = 0; r == 0 && s < count; s++)
		r = group_stream_open(g, s, group, &groups[s], &streams[s], err);
	if (r == 0)
		r = id_merge(streams, count, documents_add, &w, err);
	for (size_t s = 0; groups && s < count; s++)
		buf_release(&groups[s].entries);
	free(streams);
	free(groups);
	return r < 0 ? r : out->len > start;
}

/* ---- all groups ---- */

/* The groups of one segment that have a document, for the merge. */
struct group_names {
	uint8_t *bits; /* owned; bit i: group i has one */
	uint64_t next;
};

static int names_open(const struct generation *g, size_t s, struct group_names *names, struct err *err)
{
	const struct segment *seg = g->segments[s];
	uint64_t groups = segment_groups(seg);

	names->bits = calloc(groups / 8 + 1, 1);
	if (!names->bits)
		return out_of_memory(err);
	for (uint32_t n = 0; n < segment_info(seg)->entries; n++) {
		uint32_t group = segment_group_of(seg, n);

		if (group < groups && view_shows(g, s, n))
			names->bits[group / 8] |= (uint8_t)(1u << group % 8);
	}
	return 0;
}

/* The next name: 1, 0 at the end, or -EBADMSG. */
static int names_next(const struct segment *s, struct group_names *names, struct slice *name, struct err *err)
{
	uint64_t groups = segment_groups(s);
	int r;

	while (names->next < groups && !(names->bits[names->next / 8] >> names->next % 8 & 1))
		names->next++;
	if (names->next == groups)
		return 0;
	r = segment_group(s, names->next++, name, err);
	return r < 0 ? r : 1;
}

static int names_merge(const struct generation *g, struct group_names *names, struct heap *heap,
	struct buf *out, struct err *err)
{
	struct slice name;
	size_t last = 0;
	int r = 0;

	for (size_t s = 0; r >= 0 && s < g->manifest.segment_count; s++) {
		r = names_next(g->segments[s], &names[s], &name, err);
		if (r == 1)
			heap_push(heap, (struct heap_item){name, s});
	}
	while (r >= 0 && heap->count) {
		size_t s = heap->items[0].stream;

		name = heap->items[0].key;
		if (last == out->len || !slice_eq(name, slice_of(out->data + last, out->len - 1 - last))) {
			last = out->len;
			buf_add_slice(out, name);
			buf_add_byte(out, 0);
		}
		if (buf_error(out))
			return out_of_memory(err);
		r = names_next(g->segments[s], &names[s], &name, err);
		if (r == 1)
			heap_replace(heap, name);
		else if (r == 0)
			heap_pop(heap);
	}
	return r < 0 ? r : 0;
}

int view_groups(const struct generation *g, struct buf *out, struct err *err)
{
	size_t count = g->manifest.segment_count;
	struct group_names *names = calloc(count + 1, sizeof(*names));
	struct heap heap = {.items = calloc(count + 1, sizeof(*heap.items))};
	int r = names && heap.items ? 0 : out_of_memory(err);

	for (size_t s = 0; r == 0 && s < count; s++)
		r = names_open(g, s, &names[s], err);
	if (r == 0)
		r = names_merge(g, names, &heap, out, err);
	for (size_t s = 0; names && s < count; s++)
		free(names[s].bits);
	free(names);
	free(heap.items);
	return r;
}
