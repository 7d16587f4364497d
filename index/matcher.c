/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of iterators over ascending document numbers. An AND leapfrogs from its rarest child, so that long lists
 * are galloped through by their skip data; what would be the union of many lists is a bitmap instead. */
#include "matcher.h"

#include "arena.h"

#define DOC_END UINT32_MAX /* above every document number */
#define UNION_MAX 8        /* children of an OR that is walked; more become a bitmap */

enum iter_kind { ITER_NONE, ITER_ALL, ITER_TERM, ITER_BITS, ITER_AND, ITER_OR };

struct iter {
	enum iter_kind kind;
	bool started;
	uint32_t doc;  /* where it stands, once started; DOC_END: behind the last */
	uint64_t cost; /* at most so many documents */
	/* ITER_TERM: */
	struct postings *postings;
	unsigned at; /* in the current block */
	/* ITER_BITS: */
	uint64_t *bits;
	/* ITER_AND, ITER_OR: the children, cheapest first, then those of which none may stand there */
	struct iter **children;
	uint32_t count, excluded;
};

struct matcher {
	struct arena arena; /* iterators, lists, bitmaps */
	const struct query *q;
	const struct segment *segment;
	const struct live_segment *live;
	uint32_t entries;
	struct postings scratch; /* for lists that go into a bitmap */
	struct iter *root;
};

/* ---- walking ---- */

/* The first of the block's numbers from `at` on that reaches `doc`; its last one does. */
static unsigned block_find(const struct postings *p, unsigned at, uint32_t doc)
{
	unsigned low = at, high = p->count - 1;

	for (unsigned i = 0; i < 4 && low < high; i++, low++)
		if (p->docs[low] >= doc)
			return low;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (p->docs[mid] < doc)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int term_seek(struct iter *it, uint32_t doc, struct err *err)
{
	struct postings *p = it->postings;

	if (!p->count || p->docs[p->count - 1] < doc) {
		int r = postings_seek(p, doc, err);

		it->at = 0;
		it->doc = DOC_END;
		if (r != 1)
			return r;
	}
	it->at = block_find(p, it->at, doc);
	it->doc = p->docs[it->at];
	return 0;
}

static void all_seek(const struct matcher *m, struct iter *it, uint32_t doc)
{
	while (doc < m->entries &&
		(segment_state(m->segment, doc) != ENTRY_LIVE || live_is_superseded(m->live, doc)))
		doc++;
	it->doc = doc < m->entries ? doc : DOC_END;
}

static void bits_seek(const struct matcher *m, struct iter *it, uint32_t doc)
{
	uint64_t words = ((uint64_t)m->entries + 63) / 64, w = doc / 64, bits;

	it->doc = DOC_END;
	if (doc >= m->entries)
		return;
	bits = it->bits[w] >> doc % 64 << doc % 64;
	while (!bits && ++w < words)
		bits = it->bits[w];
	if (bits)
		it->doc = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(bits));
}

static int iter_seek(const struct matcher *m, struct iter *it, uint32_t doc, struct err *err);

/* Moves `doc` on to where all children stand, or behind it; says by *agreed which. */
static int and_step(const struct matcher *m, struct iter *it, uint32_t *doc, bool *agreed, struct err *err)
{
	*agreed = false;
	for (uint32_t i = 0; i < it->count + it->excluded; i++) {
		struct iter *child = it->children[i];
		int r = iter_seek(m, child, *doc, err);

		if (r < 0)
			return r;
		if (i == 0)
			*doc = child->doc;
		if (*doc == DOC_END)
			break;
		if (i < it->count ? child->doc > *doc : child->doc == *doc) {
			*doc = i < it->count ? child->doc : *doc + 1;
			return 0;
		}
	}
	*agreed = true;
	return 0;
}

static int and_seek(const struct matcher *m, struct iter *it, uint32_t doc, struct err *err)
{
	bool agreed = false;
	int r = 0;

	while (r == 0 && !agreed)
		r = and_step(m, it, &doc, &agreed, err);
	it->doc = doc;
	return r;
}

static int or_seek(const struct matcher *m, struct iter *it, uint32_t doc, struct err *err)
{
	it->doc = DOC_END;
	for (uint32_t i = 0; i < it->count; i++) {
		int r = iter_seek(m, it->children[i], doc, err);

		if (r < 0)
			return r;
		if (it->children[i]->doc < it->doc)
			it->doc = it->children[i]->doc;
	}
	return 0;
}

static int iter_seek(const struct matcher *m, struct iter *it, uint32_t doc, struct err *err)
{
	if (it->started && it->doc >= doc)
		return 0;
	it->started = true;
	switch (it->kind) {
	case ITER_NONE:
		it->doc = DOC_END;
		return 0;
	case ITER_ALL:
		all_seek(m, it, doc);
		return 0;
	case ITER_BITS:
		bits_seek(m, it, doc);
		return 0;
	case ITER_TERM:
		return term_seek(it, doc, err);
	case ITER_AND:
		return and_seek(m, it, doc, err);
	case ITER_OR:
		return or_seek(m, it, doc, err);
	}
	return 0;
}

/* ---- building ---- */

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory for a query");
}

static int iter_new(struct matcher *m, enum iter_kind kind, struct iter **out, struct err *err)
{
	*out = arena_alloc(&m->arena, sizeof(**out));
	if (!*out)
		return out_of_memory(err);
	**out = (struct iter){.kind = kind, .cost = kind == ITER_ALL ? m->entries : 0};
	return 0;
}

static int term_iter(struct matcher *m, const struct dict_term *t, struct iter **out, struct err *err)
{
	int r = iter_new(m, ITER_TERM, out, err);

	if (r < 0)
		return r;
	(*out)->cost = t->df;
	(*out)->postings = arena_alloc(&m->arena, sizeof(struct postings));
	if (!(*out)->postings)
		return out_of_memory(err);
	return segment_postings(m->segment, t, (*out)->postings, err);
}

static int bits_iter(struct matcher *m, struct iter **out, struct err *err)
{
	size_t bytes = ((size_t)m->entries + 63) / 64 * 8 + 8;
	int r = iter_new(m, ITER_BITS, out, err);

	if (r < 0)
		return r;
	(*out)->bits = arena_alloc(&m->arena, bytes);
	if (!(*out)->bits)
		return out_of_memory(err);
	memset((*out)->bits, 0, bytes);
	return 0;
}

static int bits_add_term(struct matcher *m, struct iter *to, const struct dict_term *t, struct err *err)
{
	struct postings *p = &m->scratch;
	int r = segment_postings(m->segment, t, p, err);

	if (r < 0)
		return r;
	to->cost += t->df;
	while ((r = postings_next(p, err)) == 1)
		for (unsigned i = 0; i < p->count; i++)
			to->bits[p->docs[i] / 64] |= UINT64_C(1) << p->docs[i] % 64;
	return r;
}

/* The next term of a walk over those that start with `prefix`: 1, 0 at the end, or -EBADMSG. */
static int prefix_next(
	const struct matcher *m, struct slice prefix, struct dict_cursor *c, bool first, struct err *err)
{
	int r = first ? dict_seek(segment_dict(m->segment), prefix, c, err) : dict_next(c, err);

	return r == 1 ? slice_starts(c->term.key, prefix) : r;
}

static int bits_add_prefix(struct matcher *m, struct iter *to, struct slice prefix, struct err *err)
{
	struct dict_cursor c;
	int r = prefix_next(m, prefix, &c, true, err);

	while (r == 1) {
		r = bits_add_term(m, to, &c.term, err);
		if (r == 0)
			r = prefix_next(m, prefix, &c, false, err);
	}
	return r;
}

static int children_new(struct matcher *m, struct iter *it, uint32_t max, struct err *err)
{
	it->children = arena_alloc(&m->arena, (max + 1) * sizeof(*it->children));
	return it->children ? 0 : out_of_memory(err);
}

static int prefix_iter(struct matcher *m, struct slice prefix, struct iter **out, struct err *err)
{
	struct dict_cursor c;
	uint64_t count;
	int r = matcher_expand(m->segment, prefix, &count, err);

	if (r < 0)
		return r;
	if (count > UNION_MAX) {
		r = bits_iter(m, out, err);
		return r < 0 ? r : bits_add_prefix(m, *out, prefix, err);
	}
	r = iter_new(m, ITER_OR, out, err);
	if (r == 0)
		r = children_new(m, *out, UNION_MAX, err);
	if (r == 0)
		r = prefix_next(m, prefix, &c, true, err);
	while (r == 1 && (*out)->count < UNION_MAX) {
		r = term_iter(m, &c.term, &(*out)->children[(*out)->count], err);
		if (r < 0)
			break;
		(*out)->count++;
		(*out)->cost += c.term.df;
		r = prefix_next(m, prefix, &c, false, err);
	}
	return r < 0 ? r : 0;
}

static int build(struct matcher *m, uint32_t node, struct iter **out, struct err *err);

/* All that a child matches goes into the bitmap. */
static int bits_add_node(struct matcher *m, struct iter *to, uint32_t node, struct err *err)
{
	const struct query_node *n = query_node(m->q, node);
	struct dict_cursor c;
	struct iter *child;
	int r;

	if (n->kind == QUERY_TERM) {
		r = dict_find(segment_dict(m->segment), n->key, &c, err);
		return r == 1 ? bits_add_term(m, to, &c.term, err) : r;
	}
	if (n->kind == QUERY_PREFIX)
		return bits_add_prefix(m, to, n->key, err);
	r = build(m, node, &child, err);
	if (r == 0)
		r = iter_seek(m, child, 0, err);
	while (r == 0 && child->doc != DOC_END) {
		to->bits[child->doc / 64] |= UINT64_C(1) << child->doc % 64;
		to->cost++;
		r = iter_seek(m, child, child->doc + 1, err);
	}
	return r;
}

static uint32_t child_count(const struct query *q, const struct query_node *n)
{
	uint32_t count = 0;

	for (uint32_t i = n->first; i != QUERY_NONE; i = query_node(q, i)->next)
		count++;
	return count;
}

static int or_build(struct matcher *m, const struct query_node *n, struct iter **out, struct err *err)
{
	uint32_t count = child_count(m->q, n);
	bool bits = count > UNION_MAX;
	int r = bits ? bits_iter(m, out, err) : iter_new(m, ITER_OR, out, err);

	if (r == 0 && !bits)
		r = children_new(m, *out, count, err);
	for (uint32_t i = n->first; r == 0 && i != QUERY_NONE; i = query_node(m->q, i)->next) {
		struct iter *child;

		if (bits) {
			r = bits_add_node(m, *out, i, err);
			continue;
		}
		r = build(m, i, &child, err);
		if (r < 0)
			break;
		(*out)->children[(*out)->count++] = child;
		(*out)->cost += child->cost;
	}
	return r;
}

/* Children come cheapest first. */
static void and_add(struct iter *it, struct iter *child)
{
	uint32_t at = it->count++;

	for (; at && it->children[at - 1]->cost > child->cost; at--)
		it->children[at] = it->children[at - 1];
	it->children[at] = child;
	it->cost = it->children[0]->cost;
}

/* Of an AND's children those that are `negated`: NOTs, without the NOT. A NOT alone is an AND of itself. */
static int and_fill(
	struct matcher *m, struct iter *it, const struct query_node *n, bool negated, struct err *err)
{
	bool alone = n->kind == QUERY_NOT;
	int r = 0;

	for (uint32_t i = n->first; r == 0 && i != QUERY_NONE; i = query_node(m->q, i)->next) {
		const struct query_node *child = query_node(m->q, i);
		bool is_not = alone || child->kind == QUERY_NOT;
		struct iter *built;

		if (is_not != negated)
			continue;
		r = build(m, alone || !is_not ? i : child->first, &built, err);
		if (r < 0)
			break;
		if (negated)
			it->children[it->count + it->excluded++] = built;
		else
			and_add(it, built);
	}
	return r;
}

static int and_build(struct matcher *m, const struct query_node *n, struct iter **out, struct err *err)
{
	struct iter *all;
	int r = iter_new(m, ITER_AND, out, err);

	if (r == 0)
		r = children_new(m, *out, child_count(m->q, n) + 1, err);
	if (r == 0)
		r = and_fill(m, *out, n, false, err);
	if (r == 0 && !(*out)->count) {
		r = iter_new(m, ITER_ALL, &all, err);
		if (r == 0)
			and_add(*out, all);
	}
	return r < 0 ? r : and_fill(m, *out, n, true, err);
}

static int build(struct matcher *m, uint32_t node, struct iter **out, struct err *err)
{
	const struct query_node *n = query_node(m->q, node);
	struct dict_cursor c;
	int r;

	switch (n->kind) {
	case QUERY_TERM:
		r = dict_find(segment_dict(m->segment), n->key, &c, err);
		if (r == 1)
			return term_iter(m, &c.term, out, err);
		return r < 0 ? r : iter_new(m, ITER_NONE, out, err);
	case QUERY_PREFIX:
		return prefix_iter(m, n->key, out, err);
	case QUERY_OR:
		return or_build(m, n, out, err);
	case QUERY_AND:
	case QUERY_NOT:
		break;
	}
	return and_build(m, n, out, err);
}

int matcher_open(struct matcher **out, const struct query *q, const struct generation *g, size_t segment,
	struct err *err)
{
	struct matcher *m = calloc(1, sizeof(*m));
	int r;

	*out = NULL;
	if (!m)
		return out_of_memory(err);
	m->q = q;
	m->segment = g->segments[segment];
	m->live = &g->live.segments[segment];
	m->entries = (uint32_t)segment_info(m->segment)->entries;
	r = build(m, query_root(q), &m->root, err);
	if (r < 0) {
		matcher_free(m);
		return r;
	}
	*out = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	arena_release(&m->arena);
	free(m);
}

int matcher_seek(struct matcher *m, uint32_t from, uint32_t *doc, struct err *err)
{
	int r;

	for (;; from = m->root->doc + 1) {
		r = iter_seek(m, m->root, from, err);
		if (r < 0)
			return r;
		if (m->root->doc == DOC_END)
			return 0;
		if (!live_is_superseded(m->live, m->root->doc))
			break;
	}
	*doc = m->root->doc;
	return 1;
}

/* The ordinal of the first term whose key reaches `key`. */
static int ordinal_of(const struct dict *d, struct slice key, uint64_t *out, struct err *err)
{
	struct dict_cursor c;
	int r = dict_seek(d, key, &c, err);

	*out = r == 1 ? c.ordinal : d->count;
	return r < 0 ? r : 0;
}

int matcher_expand(const struct segment *s, struct slice prefix, uint64_t *count, struct err *err)
{
	char behind[DICT_KEY_MAX + 1];
	uint64_t first, end = 0;
	size_t len = prefix.len;
	int r;

	*count = 0;
	if (len > DICT_KEY_MAX)
		return 0;
	/* The first key behind all that start so: the last byte is one more. No key has the byte ff. */
	memcpy(behind, prefix.data, len);
	behind[len - 1]++;
	r = ordinal_of(segment_dict(s), prefix, &first, err);
	if (r == 0)
		r = ordinal_of(segment_dict(s), slice_of(behind, len), &end, err);
	if (r == 0 && end > first)
		*count = end - first;
	return r;
}
