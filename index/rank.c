/* SPDX-License-Identifier: Apache-2.0 */
/* Segment by segment, the matches of the query are scored and the best kept in a heap. Once it is full, what the heap's
 * worst has is compared with what the blocks around the next match can give at most (ranking.h): where that is not
 * more, matching goes on behind the first of those blocks that ends. This holds for whatever the query is. */
#include "rank.h"

#include <inttypes.h>
#include <math.h>

#include "matcher.h"

#define DOC_END UINT32_MAX

struct hit {
	uint64_t score; /* in RANK_SCALE parts */
	struct slice id;
};

struct best { /* a heap, worst on top */
	struct hit *hits;
	size_t count, max;
};

/* One word in one segment. */
struct scorer {
	double idf;
	bool there, has_ranking;
	struct postings postings;
	uint32_t tfs_of; /* the block whose frequencies are decoded, plus one */
	struct ranking_list ranking;
	/* The block that was looked at last: what it can score at most, up to which document. */
	uint32_t block, last;
	bool known;
	double most;
};

struct ranker {
	const struct generation *g;
	const struct query *q;
	double k1, b, average;
	const struct slice *words;
	size_t word_count;
	double *idf;            /* owned */
	struct scorer *scorers; /* owned; a word each */
	struct best best;       /* owned */
	struct rank_counts counts;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory for ranking");
}

/* ---- the best so far ---- */

static bool hit_worse(const struct hit *a, const struct hit *b)
{
	return a->score != b->score ? a->score < b->score : slice_cmp(a->id, b->id) > 0;
}

static void best_sink(struct best *h, struct hit hit)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < h->count) {
		child += child + 1 < h->count && hit_worse(&h->hits[child + 1], &h->hits[child]);
		if (!hit_worse(&h->hits[child], &hit))
			break;
		h->hits[at] = h->hits[child];
		at = child;
	}
	h->hits[at] = hit;
}

static void best_add(struct best *h, struct hit hit)
{
	size_t at = h->count;

	if (h->count == h->max) {
		if (hit_worse(&h->hits[0], &hit))
			best_sink(h, hit);
		return;
	}
	for (h->count++; at && hit_worse(&hit, &h->hits[(at - 1) / 2]); at = (at - 1) / 2)
		h->hits[at] = h->hits[(at - 1) / 2];
	h->hits[at] = hit;
}

static int by_rank(const void *a, const void *b)
{
	return hit_worse(a, b) ? 1 : hit_worse(b, a) ? -1 : 0;
}

/* ---- statistics of the live documents ---- */

static uint32_t next_superseded(const struct live_segment *live, uint64_t from)
{
	while (from < live->entries && !(live->bits[from / 8] >> from % 8))
		from = (from / 8 + 1) * 8;
	while (from < live->entries && !live_is_superseded(live, (uint32_t)from))
		from++;
	return from < live->entries ? (uint32_t)from : DOC_END;
}

static void add_length(const struct generation *g, uint64_t *total)
{
	for (size_t s = 0; s < g->manifest.segment_count; s++) {
		const struct live_segment *live = &g->live.segments[s];
		const struct segment *seg = g->segments[s];

		*total += segment_info(seg)->total_length;
		for (uint32_t n = live->bits ? next_superseded(live, 0) : DOC_END; n != DOC_END;
			n = next_superseded(live, (uint64_t)n + 1))
			*total -= segment_length(seg, n);
	}
}

/* How many of a list's documents are superseded: by the shorter of the two. */
static int count_dead(
	struct postings *p, const struct live_segment *live, uint32_t df, uint64_t *dead, struct err *err)
{
	int r = 1;

	if (live->superseded < df / 16) {
		for (uint32_t n = next_superseded(live, 0); r == 1 && n != DOC_END;
			n = next_superseded(live, (uint64_t)n + 1)) {
			r = postings_seek(p, n, err);
			for (unsigned i = 0; r == 1 && i < p->count && p->docs[i] <= n; i++)
				*dead += p->docs[i] == n;
		}
		return r < 0 ? r : 0;
	}
	while ((r = postings_next(p, err)) == 1)
		for (unsigned i = 0; i < p->count; i++)
			*dead += live_is_superseded(live, p->docs[i]);
	return r;
}

static int live_df(struct ranker *k, struct slice word, uint64_t *df, struct err *err)
{
	struct postings *p = &k->scorers[0].postings;

	*df = 0;
	for (size_t s = 0; s < k->g->manifest.segment_count; s++) {
		const struct live_segment *live = &k->g->live.segments[s];
		struct dict_cursor c;
		uint64_t dead = 0;
		int r = dict_find(segment_dict(k->g->segments[s]), word, &c, err);

		if (r == 1 && live->bits) {
			r = segment_postings(k->g->segments[s], &c.term, p, err);
			if (r == 0)
				r = count_dead(p, live, c.term.df, &dead, err);
			*df += c.term.df - dead;
		} else if (r == 1) {
			*df += c.term.df;
		}
		if (r < 0)
			return err_context(err, r, "segment %s", k->g->manifest.segments[s].name);
	}
	return 0;
}

static int statistics(struct ranker *k, struct err *err)
{
	double all = (double)k->g->manifest.documents;
	uint64_t total = 0, df;

	add_length(k->g, &total);
	k->average = total && all > 0 ? (double)total / all : 1;
	for (size_t i = 0; i < k->word_count; i++) {
		int r = live_df(k, k->words[i], &df, err);

		if (r < 0)
			return r;
		if (df > k->g->manifest.documents)
			return err_set(err, -EBADMSG, "a word in %" PRIu64 " of %" PRIu64 " documents", df,
				k->g->manifest.documents);
		k->idf[i] = log(1 + (all - (double)df + 0.5) / ((double)df + 0.5));
	}
	return 0;
}

/* ---- one segment ---- */

static double word_score(const struct ranker *k, double idf, uint32_t tf, uint32_t length)
{
	double norm = k->k1 * (1 - k->b + k->b * ((double)length / k->average));

	return idf * ((double)tf * (k->k1 + 1) / ((double)tf + norm));
}

static uint64_t rounded(double score)
{
	return (uint64_t)(score * RANK_SCALE + 0.5);
}

/* The most that any document of the scorer's block has. A list without ranking data is one block of its own. */
static int block_most(const struct ranker *k, struct scorer *s, struct err *err)
{
	struct ranking_pair p = {0};
	struct slice bytes;
	struct cursor in;
	int r;

	s->known = true;
	s->most = s->idf * (k->k1 + 1);
	if (!s->has_ranking)
		return 0;
	r = ranking_block(&s->ranking, s->block, &bytes, err);
	if (r < 0)
		return r;
	s->most = 0;
	in = cursor_of(bytes);
	while ((r = ranking_pair_next(&in, &p, err)) == 1) {
		double score = word_score(k, s->idf, p.tf, p.length);

		s->most = score > s->most ? score : s->most;
	}
	return r;
}

/* What a document from `doc` on can have at most, and up to which one that is true. */
static int bound(struct ranker *k, uint32_t doc, double *most, uint32_t *last, struct err *err)
{
	*most = 0;
	*last = DOC_END;
	for (size_t i = 0; i < k->word_count; i++) {
		struct scorer *s = &k->scorers[i];
		int r = 0;

		if (!s->there)
			continue;
		if (!s->known || s->last < doc) {
			if (!postings_peek(&s->postings, doc, &s->block, &s->last)) {
				s->there = false;
				continue;
			}
			r = block_most(k, s, err);
		}
		if (r < 0)
			return r;
		*most += s->most;
		*last = s->last < *last ? s->last : *last;
	}
	*most *= 1 + 1e-9; /* sums in another order, and their rounding */
	return 0;
}

static int score(struct ranker *k, const struct segment *seg, uint32_t doc, double *sum, struct err *err)
{
	uint32_t length = segment_length(seg, doc);

	*sum = 0;
	for (size_t i = 0; i < k->word_count; i++) {
		struct scorer *s = &k->scorers[i];
		struct postings *p = &s->postings;
		unsigned low = 0, high;
		int r = s->there ? postings_seek(p, doc, err) : 0;

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		for (high = p->count; low < high;) {
			unsigned mid = low + (high - low) / 2;

			if (p->docs[mid] < doc)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == p->count || p->docs[low] != doc)
			continue;
		if (s->tfs_of != p->block) {
			r = postings_tfs(p, err);
			s->tfs_of = p->block;
		}
		if (r < 0)
			return r;
		*sum += word_score(k, s->idf, p->tfs[low], length);
	}
	return 0;
}

static int scorers_open(struct ranker *k, const struct segment *seg, struct err *err)
{
	for (size_t i = 0; i < k->word_count; i++) {
		struct scorer *s = &k->scorers[i];
		struct dict_cursor c;
		int r = dict_find(segment_dict(seg), k->words[i], &c, err);

		s->idf = k->idf[i];
		s->there = r == 1;
		s->tfs_of = 0;
		s->has_ranking = s->known = false;
		if (r == 1) {
			r = segment_postings(seg, &c.term, &s->postings, err);
			if (r == 0 && !c.term.is_inline)
				r = segment_ranking(seg, &c.term, &s->ranking, err);
			s->has_ranking = r == 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether a document that scores at most `most`, whose id is not before `id`, is none of the best. */
static bool hopeless(const struct best *h, double most, struct slice id)
{
	struct hit hit = {rounded(most), id};

	return h->count == h->max && !hit_worse(&h->hits[0], &hit);
}

static int rank_segment(struct ranker *k, struct matcher *m, const struct segment *seg, struct err *err)
{
	uint32_t from = 0, last = 0, doc;
	bool bounded = false;
	double most = 0, sum = 0;
	struct slice id;
	int r = scorers_open(k, seg, err);

	while (r >= 0 && (r = matcher_seek(m, from, &doc, err)) == 1) {
		r = segment_id(seg, doc, &id, err);
		if (r == 0 && (!bounded || last < doc)) {
			r = bound(k, doc, &most, &last, err);
			bounded = true;
		}
		if (r == 0 && hopeless(&k->best, most, id)) {
			if (last >= DOC_END - 1)
				break;
			from = last + 1;
			continue;
		}
		if (r == 0)
			r = score(k, seg, doc, &sum, err);
		if (r < 0)
			break;
		k->counts.scored++;
		best_add(&k->best, (struct hit){rounded(sum), id});
		from = doc + 1;
	}
	return r < 0 ? r : 0;
}

/* ---- the whole ---- */

static int rank_segments(struct ranker *k, struct err *err)
{
	int r = statistics(k, err);

	for (size_t s = 0; r == 0 && s < k->g->manifest.segment_count; s++) {
		struct matcher *m;

		r = matcher_open(&m, k->q, k->g, s, err);
		if (r == 0)
			r = rank_segment(k, m, k->g->segments[s], err);
		matcher_free(m);
		if (r < 0)
			err_context(err, r, "segment %s", k->g->manifest.segments[s].name);
	}
	return r;
}

static void rows_add(const struct best *h, struct buf *out)
{
	qsort(h->hits, h->count, sizeof(*h->hits), by_rank);
	for (size_t i = 0; i < h->count; i++) {
		buf_addf(out, "%" PRIu64 ".%06" PRIu64 "\t", h->hits[i].score / RANK_SCALE,
			h->hits[i].score % RANK_SCALE);
		buf_add_slice(out, h->hits[i].id);
		buf_add_byte(out, '\n');
	}
}

int rank_rows(const struct query *q, const struct generation *g, size_t best, struct buf *out,
	struct rank_counts *counts, struct err *err)
{
	struct ranker k = {.g = g,
		.q = q,
		.k1 = g->manifest.k1 / 1000.0,
		.b = g->manifest.b / 1000.0,
		.best = {.max = best}};
	int r = query_check(q, g, err);

	if (r < 0)
		return r;
	k.word_count = query_words(q, &k.words);
	k.idf = calloc(k.word_count + 1, sizeof(*k.idf));
	k.scorers = calloc(k.word_count + 1, sizeof(*k.scorers));
	k.best.hits = calloc(best + 1, sizeof(*k.best.hits));
	r = k.idf && k.scorers && k.best.hits ? rank_segments(&k, err) : out_of_memory(err);
	if (r == 0)
		rows_add(&k.best, out);
	if (r == 0 && buf_error(out))
		r = out_of_memory(err);
	if (counts)
		*counts = k.counts;
	free(k.idf);
	free(k.scorers);
	free(k.best.hits);
	return r;
}
