/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>

#include "tap.h"
#include "text.h"
#include "text_golden.h"

static void add_word(void *ctx, const char *word, size_t len)
{
	struct buf *out = ctx;

	if (out->len)
		buf_add_byte(out, '|');
	buf_add(out, word, len);
}

/* Words of `s` joined by '|', by one path. */
static int words_by(enum text_path path, struct slice s, struct buf *out)
{
	OWNED(text) struct text *t = text_new();

	text_force_path(t, path);
	buf_clear(out);
	return text_words(t, s, add_word, out);
}

#define check_words(text, want)                                                  \
	do {                                                                     \
		OWNED_BUF words_ = {0};                                          \
		for (int path_ = TEXT_FAST; path_ <= TEXT_UNICODE; path_++) {    \
			check_int(words_by(path_, slice_str(text), &words_), 0); \
			check_str(buf_cstr(&words_), want);                      \
		}                                                                \
	} while (0)

static void words_are_runs_of_letters_and_digits_in_lower_case(void)
{
	check_words("Espresso-Machine, 2nd EDITION (v1.5)", "espresso|machine|2nd|edition|v1|5");
	check_words("", "");
	check_words(" \t.,;-_", "");
	check_words("@AZ[`az{/09:", "az|az|09");
}

static void words_agree_with_another_implementation(void)
{
	OWNED_BUF got = {0};

	for (size_t i = 0; i < sizeof(text_golden) / sizeof(*text_golden); i++) {
		struct slice s = slice_of(text_golden[i].text, text_golden[i].len);

		for (int path = TEXT_FAST; path <= TEXT_UNICODE; path++) {
			check_int(words_by(path, s, &got), 0);
			check_str(buf_cstr(&got), text_golden[i].words);
		}
	}
}

static void every_length_and_place_in_a_block_gives_the_same(void)
{
	char text[200];
	OWNED_BUF fast = {0};
	OWNED_BUF slow = {0};

	for (size_t start = 0; start < 70; start++) {
		for (size_t len = 0; len < 130 - start; len++) {
			memset(text, ' ', sizeof(text));
			memset(text + start, 'Q', len);
			struct slice s = slice_of(text, start + len + start % 3);

			check_int(words_by(TEXT_FAST, s, &fast), 0);
			check_int(words_by(TEXT_UNICODE, s, &slow), 0);
			check(slice_eq(buf_slice(&fast), buf_slice(&slow)));
			check_int(fast.len, len);
		}
	}
}

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % below);
}

/* One character of a kind that matters to normalisation, as UTF-8. */
static void add_random_char(struct buf *b, unsigned kind)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{0x20, 0x5F},
		{0x61, 26},
		{0x09, 24},
		{0xC0, 0x190},
		{0x300, 0x70},
		{0x370, 0x90},
		{0x1F00, 0x100},
		{0x1100, 0x100},
		{0xAC00, 0x800},
		{0x4E00, 0x100},
		{0x3040, 0xC0},
		{0xFB00, 0x500},
		{0x1D400, 0x400},
		{0x20000, 0x20},
		{0x900, 0x400},
		{0x2000, 0x200},
		{0xF900, 0x200},
		{0x1F300, 0x100},
		{0x11100, 0x100},
	};
	uint32_t c = ranges[kind % 19].first + rnd(ranges[kind % 19].count);

	if (c < 0x80) {
		buf_add_byte(b, (int)c);
		return;
	}
	if (c >= 0x10000)
		buf_add_byte(b, (int)(0xF0 | c >> 18));
	if (c >= 0x800)
		buf_add_byte(b, (int)((c < 0x10000 ? 0xE0 : 0x80) | (c >> 12 & (c < 0x10000 ? 15 : 63))));
	buf_add_byte(b, (int)((c < 0x800 ? 0xC0 : 0x80) | (c >> 6 & (c < 0x800 ? 31 : 63))));
	buf_add_byte(b, (int)(0x80 | (c & 63)));
}

static void all_paths_give_the_same_words_for_random_text(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF got = {0};
	OWNED_BUF want = {0};
	const char *env = getenv("FRESHET_SEED");

	seed = env ? strtoull(env, NULL, 0) : 20260504;
	printf("# FRESHET_SEED=%" PRIu64 "\n", seed);
	for (int i = 0; i < 4000; i++) {
		unsigned kinds[3] = {rnd(3), rnd(19), rnd(19)};
		uint32_t n = rnd(i % 100 ? 60 : 6000);

		buf_clear(&text);
		for (uint32_t j = 0; j < n; j++)
			add_random_char(&text, kinds[rnd(3)]);
		check_int(words_by(TEXT_UNICODE, buf_slice(&text), &want), 0);
		for (int path = TEXT_FAST; path <= TEXT_SCALAR; path++) {
			check_int(words_by(path, buf_slice(&text), &got), 0);
			check(slice_eq(buf_slice(&got), buf_slice(&want)));
		}
	}
}

static void a_long_word_is_cut_at_a_character(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF got = {0};

	for (int path = TEXT_FAST; path <= TEXT_UNICODE; path++) {
		buf_clear(&text);
		for (int i = 0; i < 5000; i++)
			buf_add_byte(&text, 'A');
		check_int(words_by(path, buf_slice(&text), &got), 0);
		check_int(got.len, TERM_MAX);
		buf_clear(&text);
		for (int i = 0; i < 3000; i++) /* 3 bytes each, 1024 is no multiple */
			buf_add_str(&text, "\xE0\xA4\x95");
		buf_add_str(&text, "z z");
		check_int(words_by(path, buf_slice(&text), &got), 0);
		check_int(got.len, TERM_MAX / 3 * 3 + 2);
		check_int(got.data[got.len - 1], 'z');
	}
}

static void invalid_utf8_is_refused_wherever_it_stands(void)
{
	static const char *const bad[] = {"\xFF", "abc \xC3", "\xC0\x80", "\xED\xA0\x80 x",
		"\xF4\x90\x80\x80", "ok \x80 ok", "\xE2\x82"};
	OWNED_BUF got = {0};
	OWNED(text) struct text *t = text_new();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		for (int path = TEXT_FAST; path <= TEXT_UNICODE; path++)
			check_int(words_by(path, slice_str(bad[i]), &got), -EBADMSG);
		buf_clear(&got);
		check_int(text_nfc(t, slice_str(bad[i]), &got), -EBADMSG);
		check_int(got.len, 0);
	}
	/* Nothing of the word that was cut short is left over. */
	check_int(text_words(t, slice_str("\xC3\xA9\xFF"), add_word, &got), -EBADMSG);
	buf_clear(&got);
	check_int(text_words(t, slice_str("\xC3\xA9"), add_word, &got), 0);
	check_str(buf_cstr(&got), "\xC3\xA9");
}

static void a_million_marks_in_the_worst_order_are_sorted_in_no_time(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF got = {0};

	buf_add_byte(&text, 'a');
	for (int i = 0; i < 500000; i++)
		buf_add_str(&text, "\xCC\x80"); /* class 230 */
	for (int i = 0; i < 500000; i++)
		buf_add_str(&text, "\xCC\x96"); /* class 220: all go before */
	check_int(words_by(TEXT_FAST, buf_slice(&text), &got), 0);
	check_int(got.len, TERM_MAX);
	check(!memcmp(got.data, "\xC3\xA0\xCC\x96\xCC\x96", 6));
}

#define check_nfc(raw, want)                                       \
	do {                                                       \
		OWNED(text) struct text *t_ = text_new();          \
		OWNED_BUF out_ = {0};                              \
		check_int(text_nfc(t_, slice_str(raw), &out_), 0); \
		check_str(buf_cstr(&out_), want);                  \
	} while (0)

static void nfc_composes_and_keeps_case_and_compatibility_characters(void)
{
	check_nfc("Acme", "Acme");
	check_nfc("Cafe\xCC\x81", "Caf\xC3\xA9");
	check_nfc("Caf\xC3\xA9", "Caf\xC3\xA9");
	check_nfc("\xEF\xAC\x81", "\xEF\xAC\x81");                         /* the fi ligature */
	check_nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"); /* conjoining jamo */
	check_nfc("\xEC\x89\xAC\xE1\x86\xA7", "\xEC\x89\xAC\xE1\x86\xA7"); /* U+11A7 is no final */
	check_nfc("\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC");             /* a composition exclusion */
}

struct tail_check {
	unsigned count;
	unsigned sum;
};

static void read_tail(void *ctx, const char *word, size_t len)
{
	struct tail_check *c = ctx;

	for (size_t i = 0; i < 16; i++)
		c->sum += (uint8_t)word[len + i];
	c->count++;
}

static void sixteen_bytes_behind_each_word_can_be_read(void)
{
	OWNED(text) struct text *t = text_new();
	struct tail_check c = {0};

	for (size_t len = 1; len < 300; len++) {
		char *exact = malloc(len);

		memset(exact, 'x', len);
		check_int(text_words(t, slice_of(exact, len), read_tail, &c), 0);
		free(exact);
	}
	check_int(text_words(t, slice_str("\xC3\xA9"), read_tail, &c), 0);
	check_int(c.count, 300);
}

static void the_version_names_library_and_unicode(void)
{
	check_contains(text_version(), "utf8proc ");
	check_contains(text_version(), " unicode ");
}

int main(void)
{
	RUN(words_are_runs_of_letters_and_digits_in_lower_case);
	RUN(words_agree_with_another_implementation);
	RUN(every_length_and_place_in_a_block_gives_the_same);
	RUN(all_paths_give_the_same_words_for_random_text);
	RUN(a_long_word_is_cut_at_a_character);
	RUN(invalid_utf8_is_refused_wherever_it_stands);
	RUN(a_million_marks_in_the_worst_order_are_sorted_in_no_time);
	RUN(nfc_composes_and_keeps_case_and_compatibility_characters);
	RUN(sixteen_bytes_behind_each_word_can_be_read);
	RUN(the_version_names_library_and_unicode);
	return tap_done();
}
