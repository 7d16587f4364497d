/* SPDX-License-Identifier: Apache-2.0 */
#include "bitpack.h"
#include "postings.h"
#include "tap.h"

#define MANY 3000

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

static uint32_t docs[MANY], tfs[MANY];

static void fill(uint32_t n, unsigned gap_bits, unsigned tf_bits)
{
	uint64_t doc = rnd() >> (32 - gap_bits);

	for (uint32_t i = 0; i < n; i++) {
		docs[i] = (uint32_t)doc;
		tfs[i] = 1 + (tf_bits ? rnd() >> (32 - tf_bits) : 0);
		doc += 1 + (rnd() >> (32 - gap_bits));
	}
}

/* Decodes a copy of exactly the right size and compares. */
static void check_list(uint32_t n)
{
	OWNED_BUF b = {0};
	struct postings p;
	struct err err = ERR_INIT;
	uint32_t at = 0;
	char *exact;
	int r;

	postings_encode(docs, tfs, n, &b);
	exact = malloc(b.len);
	memcpy(exact, b.data, b.len);
	postings_init(&p, slice_of(exact, b.len), n, docs[n - 1] + 1);
	while ((r = postings_next(&p, &err)) == 1) {
		check_int(postings_tfs(&p, &err), 0);
		for (unsigned i = 0; i < p.count; i++, at++)
			if (at >= n || p.docs[i] != docs[at] || p.tfs[i] != tfs[at])
				tap_fail("posting %u of %u differs", at, n);
	}
	check_int(r, 0);
	check_int(at, n);
	check_str(err.message, "");
	free(exact);
}

static void lists_of_every_length_read_back(void)
{
	for (uint32_t n = 1; n < 700; n++) {
		fill(n, 1 + n % 20, n % 9);
		check_list(n);
	}
	fill(MANY, 8, 3);
	check_list(MANY);
}

static void the_widest_gaps_and_frequencies_read_back(void)
{
	for (uint32_t n = 1; n <= 300; n++) {
		for (uint32_t i = 0; i < n; i++) {
			docs[i] = i;
			tfs[i] = i % 2 ? UINT32_MAX : 1;
		}
		docs[n - 1] = UINT32_MAX - 1;
		check_list(n);
	}
}

/* Jumps of every size through one list, against the array that it was made of. */
static void check_seeks(uint32_t n, unsigned jump_bits)
{
	OWNED_BUF b = {0};
	struct postings p;
	struct err err = ERR_INIT;
	uint32_t at = 0, target = 0;

	postings_encode(docs, tfs, n, &b);
	postings_init(&p, buf_slice(&b), n, docs[n - 1] + 1);
	for (;;) {
		uint32_t block, last;
		int r, peek = postings_peek(&p, target, &block, &last);

		while (at < n && docs[at] < target)
			at++;
		r = postings_seek(&p, target, &err);
		check_int(r, at < n);
		if (r != 1)
			break;
		check_int(peek, 1);
		if (n > POSTINGS_BLOCK)
			check(block == at / POSTINGS_BLOCK && last == p.docs[p.count - 1]);
		check_int(postings_tfs(&p, &err), 0);
		if (p.docs[at % POSTINGS_BLOCK] != docs[at] || p.tfs[at % POSTINGS_BLOCK] != tfs[at])
			tap_fail("seek of %u in %u postings", target, n);
		if (__builtin_add_overflow(target, 1 + (rnd() >> (32 - jump_bits)), &target))
			target = UINT32_MAX;
	}
	check_int(postings_seek(&p, target, &err), 0);
	check_str(err.message, "");
}

static void jumps_find_the_first_number_that_reaches(void)
{
	for (uint32_t n = 1; n < 1500; n += 1 + n / 7)
		for (unsigned jump = 1; jump < 20; jump += 3) {
			fill(n, 1 + n % 11, n % 4);
			check_seeks(n, jump);
		}
}

static void skip_data_that_leads_outside_is_refused(void)
{
	OWNED_BUF b = {0};
	struct postings p;
	struct err err = ERR_INIT;

	fill(300, 5, 0);
	postings_encode(docs, tfs, 300, &b);
	put_le32(b.data + 12, 1u << 20);
	postings_init(&p, buf_slice(&b), 300, UINT32_MAX);
	check_int(postings_seek(&p, docs[299], &err), -EBADMSG);
	check_contains(err.message, "skip data says byte");
	for (unsigned round = 0; round < 3000; round++) {
		for (size_t i = 0; i < 24 + round % 40; i++)
			b.data[i] = (char)rnd();
		postings_init(&p, buf_slice(&b), 300, docs[299] + 1);
		for (uint32_t to = 0; postings_seek(&p, to, NULL) == 1; to += 1 + rnd() % 1000)
			check(p.docs[p.count - 1] <= docs[299] && p.docs[p.count - 1] >= to);
	}
}

static int decode_all(struct slice bytes, uint32_t df, uint32_t limit, struct err *err)
{
	struct postings p;
	uint32_t before = 0;
	bool first = true;
	int r;

	postings_init(&p, bytes, df, limit);
	while ((r = postings_next(&p, err)) == 1) {
		for (unsigned i = 0; i < p.count; i++, first = false) {
			check(p.docs[i] < limit && (first || p.docs[i] > before));
			before = p.docs[i];
		}
		r = postings_tfs(&p, err);
		if (r < 0)
			return r;
	}
	return r;
}

static void a_list_that_ends_early_is_refused(void)
{
	for (uint32_t n = 2; n < 400; n += 37) {
		OWNED_BUF b = {0};

		fill(n, 9, 2);
		postings_encode(docs, tfs, n, &b);
		for (size_t len = 0; len < b.len; len++) {
			char *exact = malloc(len + 1);
			struct err err = ERR_INIT;

			memcpy(exact, b.data, len);
			check_int(decode_all(slice_of(exact, len), n, docs[n - 1] + 1, &err), -EBADMSG);
			free(exact);
		}
	}
}

static void bytes_behind_a_list_are_refused(void)
{
	OWNED_BUF b = {0};
	struct err err = ERR_INIT;

	fill(200, 5, 1);
	postings_encode(docs, tfs, 200, &b);
	buf_add_byte(&b, 0);
	check_int(decode_all(buf_slice(&b), 200, UINT32_MAX, &err), -EBADMSG);
	check_contains(err.message, "behind postings");
}

static void documents_at_the_limit_are_refused(void)
{
	struct err err = ERR_INIT;

	for (uint32_t n = 2; n < 300; n += 63) {
		OWNED_BUF b = {0};

		fill(n, 9, 0);
		postings_encode(docs, tfs, n, &b);
		check_int(decode_all(buf_slice(&b), n, docs[n - 1], &err), -EBADMSG);
		check_contains(err.message, "document number past");
	}
}

static void codecs_that_do_not_fit_are_refused(void)
{
	OWNED_BUF b = {0};
	struct err err = ERR_INIT;

	fill(128, 5, 0);
	postings_encode(docs, tfs, 128, &b);
	b.data[0] = (char)(1 << 6 | 5);
	check_int(decode_all(buf_slice(&b), 128, UINT32_MAX, &err), -EBADMSG);
	check_contains(err.message, "codec 1 in a block of 128");
	b.data[0] = 33;
	check_int(decode_all(buf_slice(&b), 128, UINT32_MAX, &err), -EBADMSG);
	check_contains(err.message, "33 and 0 bits wide");
}

/* Mostly small numbers, some large, some of the largest. */
static void fill_skewed(uint32_t n, unsigned rarity)
{
	uint64_t doc = 0, room = UINT32_MAX - 1 - (uint64_t)n * 16;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t gap = rnd() % rarity ? rnd() % 8 : rnd() >> (6 + rnd() % 20);

		if (gap > room)
			gap = 0;
		room -= gap;
		docs[i] = (uint32_t)(doc += 1 + gap);
		tfs[i] = 1 + (rnd() % rarity ? rnd() % 2 : rnd() >> rnd() % 32);
		tfs[i] += !tfs[i];
	}
}

static void skewed_lists_read_back_and_are_small(void)
{
	OWNED_BUF b = {0};

	for (unsigned scalar = 0; scalar < 2; scalar++) {
		bitpack_force_scalar(scalar);
		for (uint32_t n = 1; n < 1200; n += 1 + n / 9)
			for (unsigned rarity = 1; rarity < 60; rarity = rarity * 2 + 1) {
				fill_skewed(n, rarity);
				check_list(n);
				check_seeks(n, 26);
			}
	}
	bitpack_force_scalar(false);
	fill(128, 3, 0);
	docs[127] += 1u << 20;
	postings_encode(docs, tfs, 128, &b);
	/* Head 4, gaps of 3 bits 48, one exception: its width, its position, 18 bits. */
	check_int(b.len, 4 + 48 + 1 + 1 + 3);
}

static void exceptions_that_lie_are_refused(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *want;
	} cases[] = {{2, 129, "129 and 0 exceptions"}, {2, 0, "behind postings"}, {3, 1, "end early"},
		{52, 30, "exceptions 30 bits wider than 3"}, {52, 0, "exceptions 0 bits wider than 3"},
		{53, 128, "exception at 128 of 128"}};
	OWNED_BUF b = {0};

	fill(128, 3, 0);
	docs[127] += 1u << 20;
	postings_encode(docs, tfs, 128, &b);
	check_int(decode_all(buf_slice(&b), 128, UINT32_MAX, NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t before = (uint8_t)b.data[cases[i].at];
		struct err err = ERR_INIT;

		b.data[cases[i].at] = (char)cases[i].value;
		check_int(decode_all(buf_slice(&b), 128, UINT32_MAX, &err), -EBADMSG);
		check_contains(err.message, cases[i].want);
		b.data[cases[i].at] = (char)before;
	}
}

static void skip_data_that_lies_is_refused(void)
{
	OWNED_BUF b = {0};
	struct err err = ERR_INIT;

	fill(300, 5, 0);
	postings_encode(docs, tfs, 300, &b);
	for (unsigned i = 0; i < 3 * 8; i++) {
		b.data[i] ^= 1;
		check_int(decode_all(buf_slice(&b), 300, UINT32_MAX, &err), -EBADMSG);
		check_contains(err.message, "skip data");
		b.data[i] ^= 1;
	}
	check_int(decode_all(buf_slice(&b), 300, UINT32_MAX, &err), 0);
}

static void flipped_bits_never_break_order_or_bounds(void)
{
	OWNED_BUF b = {0};

	fill(290, 24, 3);
	postings_encode(docs, tfs, 290, &b);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		decode_all(buf_slice(&b), 290, docs[289] + 1, NULL);
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < b.len; i++)
			b.data[i] = (char)rnd();
		/* A valid head, so that the gaps are looked at; sometimes with exceptions. */
		b.data[24] = (char)(rnd() % 33 | (round & 1) << 7);
		b.data[25] = 0;
		b.data[26] = (char)(rnd() % 9);
		b.data[27] = 0;
		decode_all(buf_slice(&b), 290, UINT32_MAX, NULL);
	}
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	RUN(lists_of_every_length_read_back);
	RUN(the_widest_gaps_and_frequencies_read_back);
	RUN(jumps_find_the_first_number_that_reaches);
	RUN(skip_data_that_leads_outside_is_refused);
	RUN(a_list_that_ends_early_is_refused);
	RUN(bytes_behind_a_list_are_refused);
	RUN(documents_at_the_limit_are_refused);
	RUN(codecs_that_do_not_fit_are_refused);
	RUN(skewed_lists_read_back_and_are_small);
	RUN(exceptions_that_lie_are_refused);
	RUN(skip_data_that_lies_is_refused);
	RUN(flipped_bits_never_break_order_or_bounds);
	return tap_done();
}
