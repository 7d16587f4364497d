/* SPDX-License-Identifier: Apache-2.0 */
#include "dict.h"
#include "tap.h"

#define TERMS 1000
#define DOCS 5000

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

static struct dict_term terms[TERMS];
static char keys[TERMS][40];
static uint64_t postings_len;

static int by_key(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Random keys with long shared starts; some doubled letters make neighbours prefixes of each other. */
static uint32_t make_terms(uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned len = 1 + rnd() % 12;

		for (unsigned j = 0; j < len; j++)
			keys[i][j] = "ab\xc3"[rnd() % 3];
		keys[i][len] = 0;
	}
	qsort(keys, n, sizeof(keys[0]), by_key);
	postings_len = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i && !strcmp(keys[i], keys[i - 1]))
			continue;
		terms[count] = (struct dict_term){.key = slice_str(keys[i]),
			.df = 1 + rnd() % 3,
			.ids_bytes = rnd(),
			.offset = postings_len};
		terms[count].is_inline = terms[count].df == 1;
		if (terms[count].is_inline) {
			terms[count].doc = rnd() % DOCS;
			terms[count].tf = 1 + rnd() % 300;
			terms[count].offset = 0;
		} else {
			terms[count].length = rnd() % 500;
			postings_len += terms[count].length;
		}
		count++;
	}
	return count;
}

static void add_all(uint32_t n, struct buf *out)
{
	struct dict_writer w = {0};
	uint64_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct dict_term t = terms[i];

		t.offset = at;
		at += t.length;
		dict_add(&w, &t);
	}
	dict_finish(&w, out);
	check_int(buf_error(out), 0);
	dict_writer_release(&w);
}

static void check_term(const struct dict_cursor *c, uint32_t i)
{
	const struct dict_term *want = &terms[i], *got = &c->term;

	check_int(c->ordinal, i);
	check(slice_eq(got->key, want->key));
	check(got->df == want->df && got->ids_bytes == want->ids_bytes && got->is_inline == want->is_inline);
	check(got->doc == want->doc && got->tf == want->tf);
	check(got->offset == want->offset && got->length == want->length);
}

static void terms_are_found_by_key_prefix_and_number(void)
{
	for (uint32_t n = 0; n <= TERMS; n = n * 2 + 1) {
		uint32_t count = make_terms(n), i = 0;
		OWNED_BUF b = {0};
		struct dict d;
		struct dict_cursor c;
		int r;

		add_all(count, &b);
		check_int(dict_open(&d, buf_slice(&b), DOCS, postings_len, NULL), 0);
		check_int(d.count, count);
		for (r = dict_seek(&d, slice_str(""), &c, NULL); r == 1; r = dict_next(&c, NULL))
			check_term(&c, i++);
		check_int(r, 0);
		check_int(i, count);
		for (i = 0; i < count; i++) {
			check_int(dict_find(&d, terms[i].key, &c, NULL), 1);
			check_term(&c, i);
			check_int(dict_seek_ordinal(&d, i, &c, NULL), 1);
			check_term(&c, i);
		}
		check_int(dict_seek_ordinal(&d, count, &c, NULL), 0);
	}
}

static void a_seek_finds_the_first_key_at_or_behind(void)
{
	uint32_t count = make_terms(TERMS);
	OWNED_BUF b = {0};
	struct dict d;

	add_all(count, &b);
	check_int(dict_open(&d, buf_slice(&b), DOCS, postings_len, NULL), 0);
	for (unsigned round = 0; round < 2000; round++) {
		char key[8];
		size_t len = rnd() % sizeof(key);
		struct dict_cursor c;
		uint32_t want = 0;

		for (size_t j = 0; j < len; j++)
			key[j] = "abc\xc3\xff"[rnd() % 5];
		while (want < count && slice_cmp(terms[want].key, slice_of(key, len)) < 0)
			want++;
		check_int(dict_seek(&d, slice_of(key, len), &c, NULL), want < count);
		if (want < count)
			check_term(&c, want);
		check_int(dict_find(&d, slice_of(key, len), &c, NULL),
			want < count && slice_eq(terms[want].key, slice_of(key, len)));
	}
}

static void walk(struct slice section)
{
	struct dict d;
	struct dict_cursor c;
	OWNED_BUF last = {0};
	int r;

	if (dict_open(&d, section, DOCS, postings_len, NULL) < 0)
		return;
	for (r = dict_seek_ordinal(&d, 0, &c, NULL); r == 1; r = dict_next(&c, NULL)) {
		check(c.term.df && c.term.df <= DOCS && c.term.doc < DOCS);
		check(c.term.offset + c.term.length <= postings_len);
		check(!last.len || slice_cmp(buf_slice(&last), c.term.key) < 0);
		buf_clear(&last);
		buf_add_slice(&last, c.term.key);
	}
	for (unsigned i = 0; i < 40; i += 13)
		dict_find(&d, terms[i].key, &c, NULL);
}

static void flipped_bits_never_break_order_or_bounds(void)
{
	uint32_t count = make_terms(50);
	OWNED_BUF b = {0};

	add_all(count, &b);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		walk(buf_slice(&b));
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < b.len; len++) {
		char *exact = malloc(len + 1);

		memcpy(exact, b.data, len);
		walk(slice_of(exact, len));
		free(exact);
	}
}

static void an_open_dictionary_has_the_length_its_count_says(void)
{
	uint32_t count = make_terms(100);
	OWNED_BUF b = {0};
	struct err err = ERR_INIT;
	struct dict d;

	add_all(count, &b);
	put_le64(b.data, UINT64_MAX);
	check_int(dict_open(&d, buf_slice(&b), DOCS, postings_len, &err), -EBADMSG);
	put_le64(b.data, count + 100000);
	check_int(dict_open(&d, buf_slice(&b), DOCS, postings_len, &err), -EBADMSG);
	check_contains(err.message, "too few");
	put_le64(b.data, count);
	check_int(dict_open(&d, slice_of(b.data, b.len - 1), DOCS, postings_len, &err), -EBADMSG);
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	RUN(terms_are_found_by_key_prefix_and_number);
	RUN(a_seek_finds_the_first_key_at_or_behind);
	RUN(flipped_bits_never_break_order_or_bounds);
	RUN(an_open_dictionary_has_the_length_its_count_says);
	return tap_done();
}
