/* SPDX-License-Identifier: Apache-2.0 */
/* index/view_term.c - one term: what names it, how many documents have it, and which. */
#include "view_private.h"

#include <inttypes.h>

#include "id_merge.h"
#include "record.h"

static int count_filtered(const struct generation *g, size_t s, const struct dict_term *t,
	struct view_term *out, struct err *err)
{
	struct postings p;
	int r = segment_postings(g->segments[s], t, &p, err);

	while (!r && (r = view_postings_next(&g->live.segments[s], &p, err)) == 1) {
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

		if (r == 1 && !view_segment_is_whole(g, s)) {
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
	int r = view_postings_next(t->live, &t->postings, err);

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
