/* SPDX-License-Identifier: Apache-2.0 */
#include "name.h"
#include "tap.h"

#include <time.h>

static uint64_t rng;

static uint64_t noise(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

static void check_name(const char *raw, const char *name)
{
	OWNED_BUF out = {0}, back = {0};

	check_int(name_escape(slice_str(raw), &out), 1);
	check_slice(buf_slice(&out), name);
	check_int(name_unescape(slice_str(name), &back), 1);
	check_slice(buf_slice(&back), raw);
}

static void names_are_as_documented(void)
{
	check_name("espresso", "espresso");
	check_name("brand:Acme", "brand:Acme");
	check_name("a b", "a b");
	check_name("a/b", "a%2Fb");
	check_name("100%", "100%25");
	check_name("%2F", "%252F");
	check_name(".", "%2E");
	check_name("..", "%2E.");
	check_name(".hidden.txt", "%2Ehidden.txt");
	check_name("v1.2", "v1.2");
	check_name("tab\there\n", "tab%09here%0A");
	check_name("\x7f", "%7F");
	check_name("caf\xc3\xa9 \xe5\x92\x96 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe5\x92\x96 \xf0\x9f\x98\x80");
}

static void a_nul_byte_has_a_name(void)
{
	OWNED_BUF out = {0}, back = {0};

	check_int(name_escape(slice_of("a\0b", 3), &out), 1);
	check_slice(buf_slice(&out), "a%00b");
	check_int(name_unescape(buf_slice(&out), &back), 1);
	check(slice_eq(buf_slice(&back), slice_of("a\0b", 3)));
}

static void another_spelling_is_no_name(void)
{
	static const char *const bad[] = {"", "%2f", "%2", "%", "%%", "%41", "%2G", "a%2E", ".a", "a/b",
		"%C3%A9", "%80", "a\tb", "\xc3", "%0a", "% 9", "%+9", "%00%"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		OWNED_BUF out = {0};

		if (name_unescape(slice_str(bad[i]), &out) != 0)
			tap_fail("\"%s\" was taken for a name", bad[i]);
		check_int(out.len, 0);
	}
}

static void what_has_no_name_appends_nothing(void)
{
	char long_raw[256], slashes[86];
	OWNED_BUF out = {0};

	memset(long_raw, 'x', sizeof(long_raw));
	memset(slashes, '/', sizeof(slashes));
	check_int(name_escape(slice_of(NULL, 0), &out), 0);
	check_int(name_escape(slice_of(long_raw, 256), &out), 0);
	check_int(name_escape(slice_of(slashes, 86), &out), 0); /* 258 bytes of name */
	check_int(name_escape(slice_str("\xff"), &out), 0);
	check_int(out.len, 0);
	check_int(name_escape(slice_of(slashes, 85), &out), 1);
	check_int(out.len, 255);
	buf_clear(&out);
	check_int(name_escape(slice_of(long_raw, 255), &out), 1);
	check_int(out.len, 255);
	check_int(name_unescape(slice_of(long_raw, 256), &out), 0);
}

static void utf8_is_judged_by_its_table(void)
{
	static const char *const good[] = {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
		"12345678\xc3\xa9wxyzwxyz"};
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xfe", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xe2(\xa1", "\xe2\x82(",
		"\xf0(\x8c\xbc", "\xf0\x9f\x98(", "12345678\xc3", "1234567\x80wxyzwxyz"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!utf8_is_valid(slice_str(good[i])))
			tap_fail("good text %zu was refused", i);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (utf8_is_valid(slice_str(bad[i])))
			tap_fail("bad text %zu was taken", i);
	}
	check(utf8_is_valid(slice_of("\0", 1)));
}

static size_t utf8_put(uint32_t c, char *out)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		out[0] = (char)c;
		return 1;
	}
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(0xf00u >> n | c);
	return n;
}

static void every_scalar_value_is_valid_and_no_other(void)
{
	for (uint32_t c = 0; c < 0x200000; c++) {
		bool want = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
		char text[4];
		size_t n = utf8_put(c, text);

		if (utf8_is_valid(slice_of(text, n)) != want) {
			tap_fail("U+%04X is judged wrongly", (unsigned)c);
			break;
		}
	}
}

/* A string of a few bytes from a small alphabet of awkward ones, so that near misses are common. */
static struct slice random_string(char *to, size_t max)
{
	static const char *const parts[] = {"%", "/", ".", "2", "E", "F", "e", "0", "5", "a", "\n", "\x7f",
		"\xc3\xa9", "\xe5\x92\x96", "\xf0\x9f\x98\x80", "\xc3", "\xa9", "\xed\xa0\x80", " ", "%2F",
		"%2E"};
	size_t want = 1 + noise() % max, len = 0;

	while (len < want) {
		const char *part = parts[noise() % (sizeof(parts) / sizeof(parts[0]))];
		char byte = (char)noise();
		struct slice s = noise() % 4 ? slice_str(part) : slice_of(&byte, 1);

		memcpy(to + len, s.data, s.len);
		len += s.len;
	}
	return slice_of(to, len);
}

static void escaping_loses_nothing(void)
{
	size_t named = 0;

	for (int i = 0; i < 300000; i++) {
		OWNED_BUF name = {0}, back = {0};
		char bytes[80];
		struct slice raw = random_string(bytes, i % 2 ? 6 : 70);

		if (!name_escape(raw, &name)) {
			check(!utf8_is_valid(raw)); /* none of these is too long */
			continue;
		}
		named++;
		check(!memchr(name.data, '/', name.len) && name.data[0] != '.');
		check_int(name_unescape(buf_slice(&name), &back), 1);
		check(slice_eq(buf_slice(&back), raw));
	}
	check(named > 1000);
}

/* With the case above: escape is injective, and each string is found under its one name only. */
static void whatever_is_a_name_is_the_name_of_its_string(void)
{
	size_t names = 0;

	for (int i = 0; i < 300000; i++) {
		OWNED_BUF raw = {0}, again = {0};
		char bytes[80];
		struct slice name = random_string(bytes, i % 2 ? 6 : 70);

		if (!name_unescape(name, &raw))
			continue;
		names++;
		check_int(name_escape(buf_slice(&raw), &again), 1);
		check(slice_eq(buf_slice(&again), name));
	}
	check(names > 1000);
}

static void printing_keeps_text_and_escapes_the_rest(void)
{
	OWNED_BUF out = {0};

	name_print(slice_str(".a/b 100%\tcaf\xc3\xa9\xff\xc3\x1b[0m\xed\xa0\x80"), &out);
	check_slice(buf_slice(&out), ".a/b 100%25%09caf\xc3\xa9%FF%C3%1B[0m%ED%A0%80");
	name_print(slice_of(NULL, 0), &out);
	buf_clear(&out);
	name_print(slice_of("\0", 1), &out);
	check_slice(buf_slice(&out), "%00");
}

static void print_back(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char hex[3] = {0};

		if (text.data[i] != '%') {
			buf_add_byte(out, text.data[i]);
			continue;
		}
		memcpy(hex, text.data + i + 1, 2);
		buf_add_byte(out, (int)strtoul(hex, NULL, 16));
		i += 2;
	}
}

static void printing_is_reversible_and_clean(void)
{
	for (int i = 0; i < 100000; i++) {
		OWNED_BUF out = {0}, back = {0};
		char bytes[80];
		struct slice raw = random_string(bytes, 70);

		name_print(raw, &out);
		check(utf8_is_valid(buf_slice(&out)));
		check(!memchr(out.data, '\n', out.len) && !memchr(out.data, 0x7f, out.len));
		print_back(buf_slice(&out), &back);
		check(slice_eq(buf_slice(&back), raw));
	}
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	rng += !rng;
	printf("# FRESHET_SEED=%" PRIu64 "\n", rng);
	RUN(names_are_as_documented);
	RUN(a_nul_byte_has_a_name);
	RUN(another_spelling_is_no_name);
	RUN(what_has_no_name_appends_nothing);
	RUN(utf8_is_judged_by_its_table);
	RUN(every_scalar_value_is_valid_and_no_other);
	RUN(escaping_loses_nothing);
	RUN(whatever_is_a_name_is_the_name_of_its_string);
	RUN(printing_keeps_text_and_escapes_the_rest);
	RUN(printing_is_reversible_and_clean);
	return tap_done();
}
