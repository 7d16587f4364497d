/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry of a generation that is not superseded is the only one of its id, so the segments' live ids
 * are disjoint sorted streams: all listings here are merges of them. A segment with nothing
 * superseded answers from its dictionary; else its postings are decoded and filtered. */
#include "view.h"

#include <inttypes.h>

#include "heap.h"
#include "id_merge.h"
#include "join.h"
#include "record.h"

/* A position is the segment and the ordinal in it of what was handed out last, plus one: 0 is the start. */
#define POSITION_SHIFT 40
#define POSITION_MASK ((UINT64_C(1) << POSITION_SHIFT) - 1)

static uint64_t position_make(size_t segment, uint64_t ordinal)
{
	return ((uint64_t)segment << POSITION_SHIFT | (ordinal & POSITION_MASK)) + 1;
}

static int position_split(
	const struct generation *g, uint64_t position, size_t *segment, uint64_t *ordinal, struct err *err)
{
	*segment = (size_t)((position - 1) >> POSITION_SHIFT);
	*ordinal = (position - 1) & POSITION_MASK;
	if (*segment >= g->manifest.segment_count)
		return err_set(err, -EINVAL, "position %" PRIu64 " is in none of %zu segments", position,
			g->manifest.segment_count);
	return 0;
}

static bool segment_is_whole(const struct generation *g, size_t s)
{
	return g->live.segments[s].superseded == 0;
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

/* The next block of a term's documents in one segment that has any left: 1, 0 at the end, or -errno. */
static int postings_next_live(const struct live_segment *live, struct postings *p, struct err *err)
{
	int r;

	while ((r = postings_next(p, err)) == 1) {
		p->count = block_filter(live, p->docs, p->count);
		if (p->count)
			break;
	}
	return r;
}

/* ---- one term ---- */

static int count_filtered(const struct generation *g, size_t s, const struct dict_term *t,
	struct view_term *out, struct err *err)
{
	struct postings p;
	int r = segment_postings(g->segments[s], t, &p, err);

	while (!r && (r = postings_next_live(&g->live.segments[s], &p, err)) == 1) {
		r = 0;
		for (unsigned i = 0; i < p.count && !r; i++) {
			struct slice id;

			r = segment_id(g->segments[s], p.docs[i], &id, err);
			out->bytes += id.len + 1;
		}
		out->df += p.count;
		if (r)
			return r;
	}
	return r;
}

int view_term_stat(const struct generation *g, struct slice key, struct view_term *out, struct err *err)
{
	*out = (struct view_term){0};
	for (size_t s = 0; s < g->manifest.segment_count; s++) {
		struct dict_cursor c;
		int r = dict_find(segment_dict(g->segments[s]), key, &c, err);

		if (r == 1 && !segment_is_whole(g, s)) {
			r = count_filtered(g, s, &c.term, out, err);
		} else if (r == 1) {
			out->df += c.term.df;
			out->bytes += c.term.ids_bytes;
			r = 0;
		}
		if (r < 0)
			return err_context(err, r, "segment %s", g->manifest.segments[s].name);
	}
	return out->df > 0;
}

/* One term in one segment, for the merge. */
struct term_stream {
	const struct live_segment *live;
	struct postings postings;
};

static int term_fill(struct id_stream *s, struct err *err)
{
	struct term_stream *t = s->ctx;
	int r = postings_next_live(t->live, &t->postings, err);

	s->docs = t->postings.docs;
	s->count = t->postings.count;
	return r;
}

/* The same with frequencies. */
static int row_fill(struct id_stream *s, struct err *err)
{
	struct term_stream *t = s->ctx;
	struct postings *p = &t->postings;
	int r;

	s->docs = p->docs;
	while ((r = postings_next(p, err)) == 1) {
		r = postings_tfs(p, err);
		if (r < 0)
			break;
		s->count = 0;
		for (unsigned i = 0; i < p->count; i++) {
			if (live_is_superseded(t->live, p->docs[i]))
				continue;
			p->docs[s->count] = p->docs[i];
			p->tfs[s->count++] = p->tfs[i];
		}
		if (s->count)
			return 1;
	}
	return r;
}

/* Opens a stream in each segment that has the term. */
static int term_streams_open(const struct generation *g, struct slice key,
	int (*fill)(struct id_stream *, struct err *), struct id_stream *streams, struct term_stream *terms,
	size_t *count, struct err *err)
{
	*count = 0;
	for (size_t s = 0; s < g->manifest.segment_count; s++) {
		struct term_stream *t = &terms[*count];
		struct dict_cursor c;
		int r = dict_find(segment_dict(g->segments[s]), key, &c, err);

		if (r == 1) {
			t->live = &g->live.segments[s];
			r = segment_postings(g->segments[s], &c.term, &t->postings, err);
			streams[*count] = (struct id_stream){
				.segment = g->segments[s], .number = s, .ctx = t, .fill = fill};
			*count += r == 0;
		}
		if (r < 0)
			return err_context(err, r, "segment %s", g->manifest.segments[s].name);
	}
	return 0;
}

static int term_merge_ids(const struct generation *g, struct slice key,
	int (*fill)(struct id_stream *, struct err *), id_run_fn *fn, void *ctx, struct err *err)
{
	size_t max = g->manifest.segment_count, count = 0;
	struct id_stream *streams = calloc(max + 1, sizeof(*streams));
	struct term_stream *terms = calloc(max + 1, sizeof(*terms));
	int r = streams && terms ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (!r)
		r = term_streams_open(g, key, fill, streams, terms, &count, err);
	if (!r)
		r = id_merge(streams, count, fn, ctx, err);
	free(streams);
	free(terms);
	return r;
}

int view_term_ids(const struct generation *g, struct slice key, struct buf *out, struct err *err)
{
	int r = term_merge_ids(g, key, term_fill, id_merge_lines, out, err);

	if (!r && buf_error(out))
		r = err_set(err, -ENOMEM, "out of memory");
	return r;
}

struct row_writer {
	const struct generation *g;
	struct buf *out;
};

static int rows_add(void *ctx, const struct id_stream *s, unsigned run, struct err *err)
{
	const struct row_writer *w = ctx;
	const struct postings *p = &((const struct term_stream *)s->ctx)->postings;
	struct source source;
	struct entry e;
	int r = 0;

	for (unsigned i = s->next; r == 0 && i < s->next + run; i++) {
		r = segment_entry(s->segment, s->docs[i], &e, err);
		if (r == 0)
			r = segment_source(s->segment, e.source, &source, err);
		if (r < 0)
			break;
		buf_add_slice(w->out, e.id);
		buf_add_byte(w->out, '\t');
		buf_add_slice(w->out, e.group);
		buf_addf(w->out, "\t%" PRIu32 "\t", p->tfs[i]);
		buf_add_slice(w->out, source.partition);
		buf_addf(w->out, "\t%s\n", w->g->manifest.segments[s->number].name);
	}
	return r;
}

int view_term_rows(const struct generation *g, struct slice key, struct buf *out, struct err *err)
{
	struct row_writer w = {g, out};
	size_t start = out->len;
	int r = term_merge_ids(g, key, row_fill, rows_add, &w, err);

	if (!r && buf_error(out))
		r = err_set(err, -ENOMEM, "out of memory");
	return r < 0 ? r : out->len > start;
}

/* ---- what a term's text means ---- */

struct one_word {
	struct buf *key;
	unsigned count;
};

static void one_word_add(void *ctx, const char *word, size_t len)
{
	struct one_word *w = ctx;

	if (!w->count++)
		buf_add(w->key, word, len);
}

int view_term_key(struct slice text, struct buf *key)
{
	bool keyword = text.len && memchr(text.data, ':', text.len);
	struct one_word word = {.key = key};
	OWNED(text) struct text *scratch = text_new();
	size_t start = key->len;
	int r;

	if (!scratch)
		return -ENOMEM;
	buf_add_byte(key, keyword ? TERM_KEYWORD : TERM_WORD);
	if (keyword)
		r = text_nfc(scratch, text, key);
	else
		r = text_words(scratch, text, one_word_add, &word);
	if (buf_error(key))
		return -ENOMEM;
	if (r == 0 && (keyword || word.count == 1))
		return 1;
	key->len = start;
	return r == -ENOMEM ? r : 0;
}

/* ---- all terms ---- */

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
	int r = position_split(g, position, &s, &ordinal, err);

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

	if (segment_is_whole(v->g, s))
		return 1;
	r = segment_postings(v->g->segments[s], &v->cursors[stream].term, &p, err);
	return r < 0 ? r : postings_next_live(&v->g->live.segments[s], &p, err);
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

		*position = position_make(stream / CLASSES, v->cursors[stream].ordinal);
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

		if (segment_state(seg, n) != ENTRY_LIVE || live_is_superseded(&v->g->live.segments[s], n))
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
	int r = position_split(v->g, position, &at, &ordinal, err);

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
	*position = position_make(s, v->next[s] - 1);
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
