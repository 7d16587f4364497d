/* SPDX-License-Identifier: Apache-2.0 */
/* index/view_terms.c - all terms in order, over the dictionaries of all segments. */
#include "view_private.h"

#include <inttypes.h>

#include "heap.h"
#include "record.h"

static const char classes[] = {TERM_KEYWORD, TERM_WORD};
#define CLASSES sizeof(classes)

/* Stream CLASSES * s + c walks class c of segment s; its key in the heap is the term's text alone. */
struct view_terms {
	const struct generation *g; /* borrowed */
	struct dict_cursor *cursors;
	struct heap heap;
	struct buf prefix, text; /* text: what was handed out last */
};

static bool stream_key(const struct view_terms *v, size_t stream, struct slice *text)
{
	struct slice key = v->cursors[stream].term.key;

	if (!key.len || key.data[0] != classes[stream % CLASSES])
		return false;
	*text = slice_of(key.data + 1, key.len - 1);
	return slice_starts(*text, buf_slice(&v->prefix));
}

static int stream_seek(struct view_terms *v, size_t stream, struct slice text, bool after, struct err *err)
{
	const struct dict *dict = segment_dict(v->g->segments[stream / CLASSES]);
	OWNED_BUF key = {0};
	struct slice found;
	int r;

	buf_add_byte(&key, classes[stream % CLASSES]);
	buf_add_slice(&key, text);
	if (buf_error(&key))
		return err_set(err, -ENOMEM, "out of memory");
	r = dict_seek(dict, buf_slice(&key), &v->cursors[stream], err);
	if (r == 1 && after && slice_eq(v->cursors[stream].term.key, buf_slice(&key)))
		r = dict_next(&v->cursors[stream], err);
	if (r == 1 && stream_key(v, stream, &found))
		heap_push(&v->heap, (struct heap_item){found, stream});
	return r < 0 ? r : 0;
}

/* The text at a position, to go on behind it. */
static int position_text(const struct generation *g, uint64_t position, struct buf *text, struct err *err)
{
	struct dict_cursor c;
	uint64_t ordinal;
	size_t s;
	int r = view_position_split(g, position, &s, &ordinal, err);

	if (r < 0)
		return r;
	r = dict_seek_ordinal(segment_dict(g->segments[s]), ordinal, &c, err);
	if (r == 0)
		r = err_set(err, -EINVAL, "segment %s has no term %" PRIu64, g->manifest.segments[s].name,
			ordinal);
	if (r < 0)
		return r;
	buf_add(text, c.term.key.data + 1, c.term.key.len - 1);
	return buf_error(text) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* `cls`: of this class only; 0: of both. */
static int terms_open(struct view_terms **out, const struct generation *g, char cls, struct slice prefix,
	uint64_t position, struct err *err)
{
	size_t streams = g->manifest.segment_count * CLASSES;
	OWNED(view_terms) struct view_terms *v = calloc(1, sizeof(*v));
	int r = 0;

	*out = NULL;
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->g = g;
	v->cursors = calloc(streams + 1, sizeof(*v->cursors));
	v->heap.items = calloc(streams + 1, sizeof(*v->heap.items));
	buf_add_slice(&v->prefix, prefix);
	if (!v->cursors || !v->heap.items || buf_error(&v->prefix))
		return err_set(err, -ENOMEM, "out of memory");
	if (position)
		r = position_text(g, position, &v->text, err);
	for (size_t i = 0; i < streams && r == 0; i++)
		if (!cls || classes[i % CLASSES] == cls)
			r = stream_seek(v, i, position ? buf_slice(&v->text) : prefix, position != 0, err);
	if (r < 0)
		return r;
	*out = steal(&v);
	return 0;
}

int view_terms_open(struct view_terms **out, const struct generation *g, struct slice prefix,
	uint64_t position, struct err *err)
{
	return terms_open(out, g, 0, prefix, position, err);
}

int view_terms_open_class(
	struct view_terms **out, const struct generation *g, struct slice key, struct err *err)
{
	return terms_open(out, g, key.data[0], slice_of(key.data + 1, key.len - 1), 0, err);
}

static int stream_has_live(const struct view_terms *v, size_t stream, struct err *err)
{
	size_t s = stream / CLASSES;
	struct postings p;
	int r;

	if (view_segment_is_whole(v->g, s))
		return 1;
	r = segment_postings(v->g->segments[s], &v->cursors[stream].term, &p, err);
	return r < 0 ? r : view_postings_next(&v->g->live.segments[s], &p, err);
}

static int stream_advance(struct view_terms *v, struct err *err)
{
	size_t stream = v->heap.items[0].stream;
	struct slice text;
	int r = dict_next(&v->cursors[stream], err);

	if (r == 1 && stream_key(v, stream, &text))
		heap_replace(&v->heap, text);
	else if (r >= 0)
		heap_pop(&v->heap);
	return r < 0 ? r : 0;
}

int view_terms_next(struct view_terms *v, struct slice *text, uint64_t *position, struct err *err)
{
	int live = 0, r;

	while (!live && v->heap.count) {
		size_t stream = v->heap.items[0].stream;

		*position = view_position(stream / CLASSES, v->cursors[stream].ordinal);
		buf_clear(&v->text);
		buf_add_slice(&v->text, v->heap.items[0].key);
		if (buf_error(&v->text))
			return err_set(err, -ENOMEM, "out of memory");
		while (v->heap.count && slice_eq(v->heap.items[0].key, buf_slice(&v->text))) {
			r = live ? 1 : stream_has_live(v, v->heap.items[0].stream, err);
			if (r < 0)
				return r;
			live |= r;
			r = stream_advance(v, err);
			if (r < 0)
				return r;
		}
	}
	*text = buf_slice(&v->text);
	return live;
}

size_t view_first_character(struct slice text)
{
	size_t n = text.len > 0;

	while (n && n < text.len && n < 4 && ((uint8_t)text.data[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* The first text behind all that start with `text`, in place; false: there is none. */
static bool text_successor(struct buf *text)
{
	while (text->len && (uint8_t)text->data[text->len - 1] == 0xff)
		text->len--;
	if (text->len)
		text->data[text->len - 1]++;
	return text->len > 0;
}

int view_terms_skip_character(struct view_terms *v, struct err *err)
{
	struct slice first = slice_of(v->text.data, view_first_character(buf_slice(&v->text)));
	OWNED_BUF behind = {0};
	bool any;
	int r = 0;

	buf_add_slice(&behind, first);
	if (buf_error(&behind))
		return err_set(err, -ENOMEM, "out of memory");
	any = text_successor(&behind);
	while (r == 0 && first.len && v->heap.count && slice_starts(v->heap.items[0].key, first)) {
		size_t stream = v->heap.items[0].stream;

		heap_pop(&v->heap);
		if (any)
			r = stream_seek(v, stream, buf_slice(&behind), false, err);
	}
	return r;
}

void view_terms_free(struct view_terms *v)
{
	if (!v)
		return;
	free(v->cursors);
	free(v->heap.items);
	buf_release(&v->prefix);
	buf_release(&v->text);
	free(v);
}
