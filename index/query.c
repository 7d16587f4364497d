/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include "arena.h"
#include "expr.h"
#include "id_merge.h"
#include "matcher.h"
#include "record.h"
#include "view.h"

struct query {
	struct arena arena;       /* keys */
	struct query_node *nodes; /* owned */
	uint32_t count, cap, root;
	struct slice *words; /* owned; sorted, each once */
	size_t word_count;
};

void query_free(struct query *q)
{
	if (!q)
		return;
	arena_release(&q->arena);
	free(q->nodes);
	free(q->words);
	free(q);
}

uint32_t query_root(const struct query *q)
{
	return q->root;
}

const struct query_node *query_node(const struct query *q, uint32_t i)
{
	return &q->nodes[i];
}

size_t query_words(const struct query *q, const struct slice **keys)
{
	*keys = q->words;
	return q->word_count;
}

/* ---- from an expression ---- */

struct compiler {
	struct query *q;
	const struct expr *e;
	struct text *text;
	struct buf keys; /* of the words of one text, each with its length in front */
	unsigned terms, negations;
	struct err *err;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int node_new(struct compiler *c, enum query_kind kind, uint32_t *out)
{
	struct query *q = c->q;

	if (q->count == q->cap) {
		uint32_t cap = q->cap ? q->cap * 2 : 8;
		struct query_node *grown = realloc(q->nodes, cap * sizeof(*grown));

		if (!grown)
			return out_of_memory(c->err);
		q->nodes = grown;
		q->cap = cap;
	}
	*out = q->count++;
	q->nodes[*out] = (struct query_node){.kind = kind, .first = QUERY_NONE, .next = QUERY_NONE};
	return 0;
}

static int word_remember(struct query *q, struct slice key, struct err *err)
{
	struct slice *grown = realloc(q->words, (q->word_count + 1) * sizeof(*grown));

	if (!grown)
		return out_of_memory(err);
	q->words = grown;
	grown[q->word_count++] = key;
	return 0;
}

static int term_new(struct compiler *c, bool prefix, struct slice key, uint32_t *out)
{
	struct slice copy = arena_dup(&c->q->arena, key);
	int r;

	if (!copy.data)
		return out_of_memory(c->err);
	if (++c->terms > QUERY_TERMS_MAX)
		return err_set(c->err, -E2BIG, "more than %d words, keywords and prefixes", QUERY_TERMS_MAX);
	r = node_new(c, prefix ? QUERY_PREFIX : QUERY_TERM, out);
	if (r == 0)
		c->q->nodes[*out].key = copy;
	if (r == 0 && !prefix && copy.data[0] == TERM_WORD && c->negations % 2 == 0)
		r = word_remember(c->q, copy, c->err);
	return r;
}

static void add_word(void *ctx, const char *word, size_t len)
{
	struct buf *keys = ctx;

	buf_add_le32(keys, (uint32_t)len + 1);
	buf_add_byte(keys, TERM_WORD);
	buf_add(keys, word, len);
}

/* A text gives one word or several, all of which must be there; the last may be a prefix. */
static int compile_words(struct compiler *c, const struct expr_test *t, uint32_t *out)
{
	uint32_t first = QUERY_NONE, last = QUERY_NONE, child;
	bool prefix = t->cmp == EXPR_PREFIX;
	int r;

	buf_clear(&c->keys);
	r = text_words(c->text, t->value, add_word, &c->keys);
	if (r < 0 || buf_error(&c->keys))
		return out_of_memory(c->err);
	if (!c->keys.len)
		return err_set(c->err, -EINVAL, "\"%.*s\" has no letter and no digit",
			(int)(t->value.len < 100 ? t->value.len : 100), t->value.data);
	for (size_t at = 0, len; r == 0 && at < c->keys.len; at += 4 + len) {
		len = get_le32(c->keys.data + at);
		r = term_new(c, prefix && at + 4 + len == c->keys.len, slice_of(c->keys.data + at + 4, len),
			&child);
		if (r < 0)
			break;
		if (first == QUERY_NONE)
			first = child;
		else
			c->q->nodes[last].next = child;
		last = child;
	}
	*out = first;
	if (r < 0 || first == last)
		return r;
	r = node_new(c, QUERY_AND, out);
	if (r == 0)
		c->q->nodes[*out].first = first;
	return r;
}

static int compile_keyword(struct compiler *c, const struct expr_test *t, uint32_t *out)
{
	OWNED_BUF text = {0};
	OWNED_BUF key = {0};
	int r;

	buf_add_slice(&text, t->field);
	buf_add_byte(&text, ':');
	buf_add_slice(&text, t->value);
	buf_add_byte(&key, TERM_KEYWORD);
	r = buf_error(&text);
	if (r == 0)
		r = text_nfc(c->text, buf_slice(&text), &key);
	if (r < 0 || buf_error(&key))
		return out_of_memory(c->err);
	return term_new(c, t->cmp == EXPR_PREFIX, buf_slice(&key), out);
}

static int compile(struct compiler *c, uint32_t i, uint32_t *out);

static int compile_children(struct compiler *c, const struct expr_node *n, uint32_t *out)
{
	static const enum query_kind kinds[] = {
		[EXPR_AND] = QUERY_AND, [EXPR_OR] = QUERY_OR, [EXPR_NOT] = QUERY_NOT};
	uint32_t last = QUERY_NONE, child;
	int r = node_new(c, kinds[n->kind], out);

	c->negations += n->kind == EXPR_NOT;
	for (uint32_t i = n->first; r == 0 && i != EXPR_NONE; i = expr_node(c->e, i)->next) {
		r = compile(c, i, &child);
		if (r < 0)
			break;
		*(last == QUERY_NONE ? &c->q->nodes[*out].first : &c->q->nodes[last].next) = child;
		last = child;
	}
	c->negations -= n->kind == EXPR_NOT;
	return r;
}

static int compile(struct compiler *c, uint32_t i, uint32_t *out)
{
	const struct expr_node *n = expr_node(c->e, i);

	if (n->kind != EXPR_TEST)
		return compile_children(c, n, out);
	return n->test.field.len ? compile_keyword(c, &n->test, out) : compile_words(c, &n->test, out);
}

static int by_key(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void words_settle(struct query *q)
{
	size_t kept = 0;

	if (q->word_count)
		qsort(q->words, q->word_count, sizeof(*q->words), by_key);
	for (size_t i = 0; i < q->word_count; i++)
		if (i == 0 || !slice_eq(q->words[i], q->words[kept - 1]))
			q->words[kept++] = q->words[i];
	q->word_count = kept;
}

int query_parse(struct query **out, const char *text, struct err *err)
{
	OWNED(expr) struct expr *e = NULL;
	OWNED(text) struct text *scratch = NULL;
	OWNED(query) struct query *q = NULL;
	struct compiler c = {.err = err};
	int r = expr_parse_query(&e, text, err);

	*out = NULL;
	if (r < 0)
		return r;
	c.e = e;
	c.text = scratch = text_new();
	c.q = q = calloc(1, sizeof(*q));
	if (!scratch || !q)
		return out_of_memory(err);
	r = compile(&c, expr_root(e), &q->root);
	buf_release(&c.keys);
	if (r < 0)
		return r;
	words_settle(q);
	*out = steal(&q);
	return 0;
}

/* ---- asked of a generation ---- */

static int in_segment(const struct generation *g, size_t s, int r, struct err *err)
{
	return r < 0 ? err_context(err, r, "segment %s", g->manifest.segments[s].name) : r;
}

/* Counts the terms that live documents have, no further than to the bound. */
static int count_terms(const struct generation *g, struct slice prefix, uint64_t *count, struct err *err)
{
	OWNED(view_terms) struct view_terms *terms = NULL;
	struct slice text;
	uint64_t position;
	int r = view_terms_open_class(&terms, g, prefix, err);

	*count = 0;
	while (r >= 0 && *count <= QUERY_EXPAND_MAX &&
		(r = view_terms_next(terms, &text, &position, err)) == 1)
		++*count;
	return r < 0 ? r : 0;
}

/* The dictionaries tell at once that it is few enough; else the terms are counted. */
static int check_prefix(const struct generation *g, struct slice prefix, struct err *err)
{
	uint64_t sum = 0, count;
	int r;

	for (size_t s = 0; s < g->manifest.segment_count; s++) {
		r = matcher_expand(g->segments[s], prefix, &count, err);
		if (r < 0)
			return in_segment(g, s, r, err);
		sum += count;
	}
	if (sum <= QUERY_EXPAND_MAX)
		return 0;
	r = count_terms(g, prefix, &count, err);
	if (r < 0 || count <= QUERY_EXPAND_MAX)
		return r;
	return err_set(err, -E2BIG, "%.*s* stands for more than %d terms",
		(int)(prefix.len < 100 ? prefix.len - 1 : 99), prefix.data + 1, QUERY_EXPAND_MAX);
}

int query_check(const struct query *q, const struct generation *g, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < q->count && r == 0; i++)
		if (q->nodes[i].kind == QUERY_PREFIX)
			r = check_prefix(g, q->nodes[i].key, err);
	return r;
}

struct match_stream {
	struct matcher *matcher; /* owned */
	uint32_t from;           /* the first document that was not looked at */
	uint32_t docs[POSTINGS_BLOCK];
};

static int match_fill(struct id_stream *s, struct err *err)
{
	struct match_stream *m = s->ctx;
	uint32_t doc;
	int r = 1;

	for (s->count = 0; s->count < POSTINGS_BLOCK; s->count++, m->from = doc + 1) {
		r = matcher_seek(m->matcher, m->from, &doc, err);
		if (r != 1)
			break;
		m->docs[s->count] = doc;
	}
	s->docs = m->docs;
	return r < 0 ? r : s->count > 0;
}

static int ids_merge(const struct query *q, const struct generation *g, struct id_stream *streams,
	struct match_stream *matches, struct buf *out, struct err *err)
{
	int r = 0;

	for (size_t s = 0; r == 0 && s < g->manifest.segment_count; s++) {
		streams[s] = (struct id_stream){
			.segment = g->segments[s], .number = s, .ctx = &matches[s], .fill = match_fill};
		r = in_segment(g, s, matcher_open(&matches[s].matcher, q, g, s, err), err);
	}
	if (r == 0)
		r = id_merge(streams, g->manifest.segment_count, id_merge_lines, out, err);
	return r == 0 && buf_error(out) ? out_of_memory(err) : r;
}

int query_ids(const struct query *q, const struct generation *g, struct buf *out, struct err *err)
{
	size_t count = g->manifest.segment_count;
	struct id_stream *streams = NULL;
	struct match_stream *matches = NULL;
	int r = query_check(q, g, err);

	if (r < 0)
		return r;
	streams = calloc(count + 1, sizeof(*streams));
	matches = calloc(count + 1, sizeof(*matches));
	r = streams && matches ? ids_merge(q, g, streams, matches, out, err) : out_of_memory(err);
	for (size_t s = 0; matches && s < count; s++)
		matcher_free(matches[s].matcher);
	free(streams);
	free(matches);
	return r;
}
