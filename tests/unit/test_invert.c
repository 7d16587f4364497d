/* SPDX-License-Identifier: Apache-2.0 */
#include "invert.h"
#include "tap.h"

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

#define DOCS 400
#define WORDS 300

static uint32_t model[WORDS][DOCS];

#define ROOM 128

/* Distinct words of lengths 1 to some 100, of which many share their first 16 or 80 bytes. */
static size_t word(unsigned n, char text[ROOM])
{
	const char *longer = n % 2 ? "" : "-and-for-some-of-them-a-start-that-goes-on-past-all-that-waits";

	memset(text, 0, ROOM);
	return n % 3 ? (size_t)snprintf(text, ROOM - 16, "%u", n)
		     : (size_t)snprintf(text, ROOM - 16, "a-long-start-for-all-of-these%s-%u", longer, n);
}

static void add_word(struct invert *v, unsigned n, char cls)
{
	char text[ROOM];
	size_t len = word(n, text);

	invert_add(v, cls, text, len);
}

static void fill(struct invert *v)
{
	memset(model, 0, sizeof(model));
	for (uint32_t doc = 0; doc < DOCS; doc++) {
		unsigned count = rnd() % 60, words = 0;
		bool drop = rnd() % 5 == 0;

		invert_begin(v, doc * 3);
		for (unsigned i = 0; i < count; i++) {
			unsigned n = rnd() % (1 + rnd() % WORDS);

			add_word(v, n, n % 2 ? 'w' : 'k');
			words += n % 2;
			model[n][doc] += !drop;
		}
		if (drop)
			invert_abandon(v);
		else
			invert_end(v);
		check_int(invert_length(v), drop ? 0 : words);
	}
}

static void check_term(const struct invert *v, unsigned n, uint64_t *postings)
{
	char text[ROOM], key[ROOM + 1];
	size_t len = word(n, text);
	uint32_t df = 0;
	uint64_t found = UINT64_MAX;

	key[0] = n % 2 ? 'w' : 'k';
	memcpy(key + 1, text, len);
	for (uint64_t i = 0; i < invert_count(v); i++)
		if (slice_eq(invert_term(v, i).key, slice_of(key, len + 1)))
			found = i;
	for (uint32_t doc = 0; doc < DOCS; doc++) {
		struct inverted_term t;

		if (!model[n][doc])
			continue;
		check(found != UINT64_MAX);
		if (found == UINT64_MAX)
			return;
		t = invert_term(v, found);
		check(df < t.df && t.docs[df] == doc * 3 && t.tfs[df] == model[n][doc]);
		df++;
	}
	if (found == UINT64_MAX)
		return;
	check_int(invert_term(v, found).df, df);
	*postings += df;
}

static void postings_are_those_of_a_simple_model(void)
{
	for (unsigned round = 0; round < 5; round++) {
		struct invert *v = invert_new();
		uint64_t postings = 0;

		fill(v);
		check_int(invert_finish(v, NULL), 0);
		for (unsigned n = 0; n < WORDS; n++)
			check_term(v, n, &postings);
		check_int(invert_postings(v), postings);
		for (uint64_t i = 1; i < invert_count(v); i++)
			check(slice_cmp(invert_term(v, i - 1).key, invert_term(v, i).key) < 0);
		invert_free(v);
	}
}

static void the_table_grows_with_many_terms(void)
{
	struct invert *v = invert_new();
	char text[ROOM];

	for (uint32_t doc = 0; doc < 50; doc++) {
		invert_begin(v, doc);
		for (uint32_t i = 0; i < 1000; i++) {
			memset(text, 0, sizeof(text));
			snprintf(text, 48, "%x", doc * 500 + i);
			invert_add(v, 'w', text, strlen(text));
		}
		invert_end(v);
	}
	check_int(invert_finish(v, NULL), 0);
	check_int(invert_count(v), 49 * 500 + 1000);
	check_int(invert_postings(v), 50000);
	invert_free(v);
}

static void a_word_may_come_more_often_than_a_byte_counts(void)
{
	static const uint32_t times[] = {254, 255, 3, 70000, 256};
	struct invert *v = invert_new();
	struct inverted_term a, b;

	for (uint32_t doc = 0; doc < 5; doc++) {
		invert_begin(v, doc);
		for (uint32_t i = 0; i < times[doc]; i++)
			add_word(v, 1, 'w');
		for (uint32_t i = 0; i < times[4 - doc]; i++)
			add_word(v, 2, 'w');
		invert_end(v);
	}
	check_int(invert_finish(v, NULL), 0);
	a = invert_term(v, 0);
	b = invert_term(v, 1);
	check_int(a.df, 5);
	check_int(b.df, 5);
	for (uint32_t doc = 0; doc < 5; doc++) {
		check_int(a.tfs[doc], times[a.key.data[1] == '1' ? doc : 4 - doc]);
		check_int(b.tfs[doc], times[b.key.data[1] == '1' ? doc : 4 - doc]);
	}
	invert_free(v);
}

static void words_and_keywords_of_one_text_are_two_terms(void)
{
	struct invert *v = invert_new();

	invert_begin(v, 7);
	add_word(v, 1, 'w');
	add_word(v, 1, 'k');
	invert_end(v);
	check_int(invert_finish(v, NULL), 0);
	check_int(invert_count(v), 2);
	check_slice(invert_term(v, 0).key, "k1");
	check_slice(invert_term(v, 1).key, "w1");
	invert_free(v);
}

static void nothing_gives_nothing(void)
{
	struct invert *v = invert_new();

	check_int(invert_finish(v, NULL), 0);
	check_int(invert_count(v), 0);
	check_int(invert_postings(v), 0);
	invert_free(v);
	invert_free(NULL);
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	RUN(postings_are_those_of_a_simple_model);
	RUN(the_table_grows_with_many_terms);
	RUN(a_word_may_come_more_often_than_a_byte_counts);
	RUN(words_and_keywords_of_one_text_are_two_terms);
	RUN(nothing_gives_nothing);
	return tap_done();
}
