/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"
#include "query_model.h"

#define STEPS 7

static void check_query(const struct generation *g, const char *text, struct slice want, const char *what)
{
	OWNED(query) struct query *q = NULL;
	OWNED_BUF got = {0};
	struct err err = ERR_INIT;
	int r = query_parse(&q, text, &err);

	if (r == 0)
		r = query_ids(q, g, &got, &err);
	if (r < 0 || !slice_eq(buf_slice(&got), want))
		tap_fail("%s%s: %d \"%s\"\n# got:\n%.*s\n# want:\n%.*s", what, text, r, err.message,
			(int)got.len, got.data, (int)want.len, want.data);
}

static void check_random(const struct generation *g, const struct model *m, int64_t horizon, uint64_t *seed)
{
	struct random_query q = {0};
	OWNED_BUF want = {0};

	random_node(&q, seed, 0);
	for (int i = 0; i < IDS; i++)
		if (model_shows(&m->docs[i], horizon) && random_holds(&q, 0, m->docs[i].doc.text))
			buf_addf(&want, "%s\n", m->docs[i].doc.id);
	check_query(g, buf_cstr(&q.text), buf_slice(&want), "");
	buf_release(&q.text);
}

static void queries_find_what_a_plain_model_finds(void)
{
	uint64_t seed = seed_take(4712);

	for (int round = 0; round < 6 && !tap_bad; round++) {
		SITE s = site_open();
		struct model m = {0};
		struct arena arena = {0};
		struct doc docs[IDS];

		for (int step = 0; step < STEPS && !tap_bad; step++) {
			int64_t ts = P_T0 + step * P_CADENCE;
			int64_t horizon = round % 2 ? ts - 5 * P_CADENCE : TIME_NONE;
			size_t count =
				random_docs(&seed, IDS, 1 + (step ? seed_below(&seed, 30) : 0), docs, &arena);

			model_add(&m, docs, count, ts);
			site_publish(&s, docs, count, ts, horizon);
			for (int i = 0; i < 200 && !tap_bad; i++)
				check_random(s.now, &m, horizon, &seed);
		}
		arena_release(&arena);
	}
}

static void texts_are_cut_into_words_as_indexing_does(void)
{
	SITE s = site_open();
	const struct doc docs[] = {{"a", "wi fi router"}, {"b", "wi fi brand:Wi-Fi"},
		{"c", "fi brand:Caf\xc3\xa9"}, {"d", "\xe6\x9d\xb1 \xe4\xba\xac strasse"}, {"e", "and fire"}};

	site_publish(&s, docs, 5, P_T0, TIME_NONE);
	check_query(s.now, "Wi-Fi", slice_str("a\nb\n"), "");
	check_query(s.now, "\"FI wi\"", slice_str("a\nb\n"), "");
	check_query(s.now, "NOT wi-fi", slice_str("c\nd\ne\n"), "");
	check_query(s.now, "wi-f*", slice_str("a\nb\n"), "");
	check_query(s.now, "F*", slice_str("a\nb\nc\ne\n"), "");
	check_query(s.now, "brand:Wi-Fi", slice_str("b\n"), "");
	check_query(s.now, "brand:wi-fi", slice_str(""), "");
	check_query(s.now, "brand:Cafe\xcc\x81", slice_str("c\n"), "");
	check_query(s.now, "brand:*", slice_str("b\nc\n"), "");
	check_query(s.now, "brand*", slice_str(""), "");
	check_query(s.now, "\xe6\x9d\xb1\xe4\xba\xac", slice_str("d\n"), "");
	check_query(s.now,
		"Stra\xc3\x9f"
		"e",
		slice_str("d\n"), "");
	check_query(s.now, "\"AND\"", slice_str("e\n"), "");
	check_query(s.now, "fi NOT (router OR brand:*)", slice_str(""), "");
	check_query(s.now, "NOT NOT fi", slice_str("a\nb\nc\n"), "");
}

static void an_empty_generation_has_no_matches(void)
{
	SITE s = site_open();

	site_publish(&s, NULL, 0, P_T0, TIME_NONE);
	check_query(s.now, "x", slice_str(""), "");
	check_query(s.now, "NOT x", slice_str(""), "");
	check_query(s.now, "x* OR y:*", slice_str(""), "");
}

static void wrong_queries_are_refused(void)
{
	struct query *q = (struct query *)1;
	OWNED_BUF many = {0};
	struct err err = ERR_INIT;

	check_int(query_parse(&q, "a \"--\"", &err), -EINVAL);
	check_contains(err.message, "\"--\" has no letter");
	check(!q);
	check_int(query_parse(&q, "a AND", &err), -EINVAL);
	check_int(query_parse(&q, "a\xff", &err), -EINVAL);
	for (int i = 0; i <= QUERY_TERMS_MAX; i++)
		buf_add_str(&many, "a ");
	check_int(query_parse(&q, buf_cstr(&many), &err), -E2BIG);
	check_contains(err.message, "1024");
}

static void prefixes_of_too_many_terms_are_refused(void)
{
	SITE s = site_open();
	struct arena arena = {0};
	OWNED(query) struct query *q = NULL;
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;
	uint32_t next = 0, count = 4000;
	struct doc *docs = calloc(count, sizeof(*docs));

	/* 17 words a document. */
	for (uint32_t i = 0; i < count; i++) {
		OWNED_BUF text = {0};
		char id[16];

		for (int w = 0; w < 17; w++)
			buf_addf(&text, "x%06u ", next++);
		snprintf(id, sizeof(id), "%05u", i);
		docs[i] = (struct doc){
			arena_dup(&arena, slice_str(id)).data, arena_dup(&arena, buf_slice(&text)).data, 0};
	}
	site_publish(&s, docs, count, P_T0, TIME_NONE);
	check_int(query_parse(&q, "x*", &err), 0);
	check_int(query_ids(q, s.now, &out, &err), -E2BIG);
	check_contains(err.message, "x* stands for more than 65536 terms");
	/* Half of the documents go: their terms count no more. */
	for (uint32_t i = 0; i < count; i++)
		docs[i].text = i % 8 ? "y" : NULL;
	site_publish(&s, docs, count / 2, P_T0 + P_CADENCE, TIME_NONE);
	check_int(query_ids(q, s.now, &out, &err), 0);
	check_int(out.len, count / 2 * 6);
	free(docs);
	arena_release(&arena);
}

int main(void)
{
	RUN(queries_find_what_a_plain_model_finds);
	RUN(texts_are_cut_into_words_as_indexing_does);
	RUN(an_empty_generation_has_no_matches);
	RUN(wrong_queries_are_refused);
	RUN(prefixes_of_too_many_terms_are_refused);
	return tap_done();
}
