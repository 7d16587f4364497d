/* SPDX-License-Identifier: Apache-2.0 */
#include "query_model.h"
#include "rank.h"

#include <math.h>

#define DOCS 6000
#define WORDS 40

static char *texts[DOCS]; /* of the documents that show; NULL: there is none */

static bool is_live(int i)
{
	return texts[i] && strncmp(texts[i], "hide", 4) != 0;
}

/* ---- every document scored, by the formula as it is written ---- */

struct found {
	uint64_t score;
	int doc;
};

static int by_score(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : x->doc - y->doc;
}

static unsigned text_length(const char *text)
{
	unsigned n = 0;

	for (const char *p = text; *p; p += strcspn(p, " ")) {
		p += strspn(p, " ");
		n += *p && !memchr(p, ':', strcspn(p, " "));
	}
	return n;
}

static double average_length(unsigned *documents)
{
	uint64_t total = 0;

	*documents = 0;
	for (int i = 0; i < DOCS; i++)
		if (is_live(i)) {
			total += text_length(texts[i]);
			++*documents;
		}
	return total ? (double)total / *documents : 1;
}

/* The words that are not under a NOT, sorted, each once. */
static void collect(const struct random_query *q, int at, bool negated, char words[][16], size_t *count)
{
	const struct random_node *n = &q->nodes[at];

	if (n->kind == '!') {
		collect(q, n->a, !negated, words, count);
	} else if (n->kind == '&' || n->kind == '|') {
		collect(q, n->a, negated, words, count);
		collect(q, n->b, negated, words, count);
	} else if (n->kind == 'w' && !negated && !strchr(n->word, ':')) {
		size_t to = *count;

		for (size_t i = 0; i < *count; i++)
			if (!strcmp(words[i], n->word))
				return;
		for (; to && strcmp(words[to - 1], n->word) > 0; to--)
			memcpy(words[to], words[to - 1], 16);
		memcpy(words[to], n->word, 16);
		++*count;
	}
}

static void model_rows(const struct random_query *q, size_t best, struct buf *out)
{
	struct found *all = calloc(DOCS, sizeof(*all));
	double *sums = calloc(DOCS, sizeof(*sums));
	char words[64][16];
	size_t count = 0, word_total = 0;
	unsigned documents;
	double average = average_length(&documents);

	collect(q, 0, false, words, &word_total);
	for (size_t w = 0; w < word_total; w++) {
		double n = 0, idf;

		for (int i = 0; i < DOCS; i++)
			n += is_live(i) && word_count(texts[i], words[w], false);
		idf = log(1 + (documents - n + 0.5) / (n + 0.5));
		for (int i = 0; i < DOCS; i++) {
			double tf = is_live(i) ? word_count(texts[i], words[w], false) : 0;

			if (tf > 0)
				sums[i] += idf * (tf * 2.2 /
							 (tf + 1.2 * (0.25 + 0.75 * (text_length(texts[i]) /
											    average))));
		}
	}
	for (int i = 0; i < DOCS; i++)
		if (is_live(i) && random_holds(q, 0, texts[i]))
			all[count++] = (struct found){(uint64_t)(sums[i] * 1e6 + 0.5), i};
	qsort(all, count, sizeof(*all), by_score);
	for (size_t i = 0; i < count && i < best; i++)
		buf_addf(out, "%u.%06u\t%05d\n", (unsigned)(all[i].score / 1000000),
			(unsigned)(all[i].score % 1000000), all[i].doc);
	free(all);
	free(sums);
}

/* ---- random generations ---- */

/* Some words are everywhere, most are rare; some come several times, in long and short documents. */
static char *random_text(uint64_t *seed)
{
	OWNED_BUF text = {0};
	unsigned words = 1 + seed_below(seed, seed_below(seed, 4) ? 8 : 40);

	buf_add_str(&text, seed_below(seed, 20) ? "" : "hide ");
	for (unsigned i = 0; i < words; i++) {
		unsigned w = seed_below(seed, 1 + seed_below(seed, 1 + seed_below(seed, WORDS)));

		if (i % 9 == 8)
			buf_addf(&text, "k:%u:x ", w);
		else
			buf_addf(&text, "w%u ", w);
	}
	return strdup(buf_cstr(&text));
}

static void publish_random(struct site *s, uint64_t *seed, int step, unsigned sparse)
{
	struct doc *docs = calloc(DOCS, sizeof(*docs));
	static char ids[DOCS][8];
	size_t count = 0;

	for (int i = 0; i < DOCS; i++) {
		if (seed_below(seed, sparse))
			continue;
		free(texts[i]);
		texts[i] = seed_below(seed, 10) ? random_text(seed) : NULL;
		snprintf(ids[i], sizeof(ids[i]), "%05d", i);
		docs[count++] = (struct doc){ids[i], texts[i], 0};
	}
	site_publish(s, docs, count, P_T0 + step * P_CADENCE, TIME_NONE);
	free(docs);
}

static void check_rank(
	const struct generation *g, const struct random_query *rq, size_t best, struct rank_counts *counts)
{
	OWNED(query) struct query *q = NULL;
	OWNED_BUF got = {0};
	OWNED_BUF want = {0};
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;
	int r;

	buf_add_slice(&text, buf_slice(&rq->text));
	r = query_parse(&q, buf_cstr(&text), &err);
	if (r == 0)
		r = rank_rows(q, g, best, &got, counts, &err);
	model_rows(rq, best, &want);
	if (r < 0 || !slice_eq(buf_slice(&got), buf_slice(&want)))
		tap_fail("%s, best %zu: %d \"%s\"\n# got:\n%.400s\n# want:\n%.400s", buf_cstr(&text), best, r,
			err.message, buf_cstr(&got), buf_cstr(&want));
}

static void forget_texts(void)
{
	for (int i = 0; i < DOCS; i++) {
		free(texts[i]);
		texts[i] = NULL;
	}
}

static void ranks_are_those_of_scoring_every_document(void)
{
	SITE s = site_open();
	uint64_t seed = seed_take(1492);

	for (int step = 0; step < 4 && !tap_bad; step++) {
		publish_random(&s, &seed, step, step ? 1 + seed_below(&seed, 40) : 1);
		for (int i = 0; i < 60 && !tap_bad; i++) {
			static const size_t bests[] = {1, 10, 100, RANK_BEST};
			struct random_query q = {0};

			random_node(&q, &seed, i % 3);
			check_rank(s.now, &q, bests[seed_below(&seed, 4)], NULL);
			buf_release(&q.text);
		}
	}
	forget_texts();
}

static void word_query(struct random_query *q, const char *a, const char *b, char kind)
{
	*q = (struct random_query){.count = 3};
	q->nodes[0] = (struct random_node){.kind = kind, .a = 1, .b = 2};
	q->nodes[1].kind = q->nodes[2].kind = 'w';
	strcpy(q->nodes[1].word, a);
	strcpy(q->nodes[2].word, b);
	buf_addf(&q->text, "%s%s%s", a, kind == '|' ? " OR " : " ", b);
}

/* Long documents with the word once, but for a few. */
static void publish_uneven(struct site *s)
{
	struct doc *docs = calloc(DOCS, sizeof(*docs));
	static char ids[DOCS][8];

	for (int i = 0; i < DOCS; i++) {
		OWNED_BUF text = {0};

		buf_add_str(&text, i / 50 == 80 ? "w0 w0 w1" : "w0 w1 w1");
		for (int w = 0; i / 50 != 80 && w < 10 + i % 7; w++)
			buf_addf(&text, " w%d", 2 + w);
		texts[i] = strdup(buf_cstr(&text));
		snprintf(ids[i], sizeof(ids[i]), "%05d", i);
		docs[i] = (struct doc){ids[i], texts[i], 0};
	}
	site_publish(s, docs, DOCS, P_T0, TIME_NONE);
	free(docs);
}

static void blocks_that_cannot_do_are_passed_over(void)
{
	SITE s = site_open();
	struct rank_counts few, all;

	publish_uneven(&s);
	for (int i = 0; i < 2; i++) {
		struct random_query q;

		word_query(&q, "w0", "w1", i ? '|' : '&');
		check_rank(s.now, &q, DOCS, &all);
		check_rank(s.now, &q, 20, &few);
		printf("# %s: %" PRIu64 " of %" PRIu64 " scored\n", buf_cstr(&q.text), few.scored,
			all.scored);
		check(all.scored == DOCS && few.scored < DOCS / 10);
		buf_release(&q.text);
	}
	forget_texts();
}

static void what_has_no_words_comes_in_order_of_ids(void)
{
	SITE s = site_open();
	const struct doc docs[] = {{"a", "x k:1"}, {"b", "x"}, {"c", "y k:1"}};
	const struct doc more[] = {{"0", "k:1 z"}};
	OWNED(query) struct query *q = NULL;
	OWNED_BUF out = {0};

	site_publish(&s, docs, 3, P_T0, TIME_NONE);
	site_publish(&s, more, 1, P_T0 + P_CADENCE, TIME_NONE);
	check_int(query_parse(&q, "k:1", NULL), 0);
	check_int(rank_rows(q, s.now, 2, &out, NULL, NULL), 0);
	check_slice(buf_slice(&out), "0.000000\t0\n0.000000\ta\n");
}

static void an_empty_generation_ranks_nothing(void)
{
	SITE s = site_open();
	OWNED(query) struct query *q = NULL;
	OWNED_BUF out = {0};

	site_publish(&s, NULL, 0, P_T0, TIME_NONE);
	check_int(query_parse(&q, "x OR NOT y", NULL), 0);
	check_int(rank_rows(q, s.now, RANK_BEST, &out, NULL, NULL), 0);
	check_int(out.len, 0);
}

int main(void)
{
	RUN(ranks_are_those_of_scoring_every_document);
	RUN(blocks_that_cannot_do_are_passed_over);
	RUN(what_has_no_words_comes_in_order_of_ids);
	RUN(an_empty_generation_ranks_nothing);
	return tap_done();
}
