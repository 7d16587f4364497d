/* SPDX-License-Identifier: Apache-2.0 */
/* index/text.c - three ways to the same words.
 *
 * ASCII (nearly all input) is lower-cased and classified 64 bytes at a time; words are the runs in the
 * resulting bit mask. Only a chunk between ASCII blanks that has a byte over 0x7F is decoded. Cutting
 * there is safe: a blank is a starter, composes with nothing, and is no part of a word.
 *
 * A chunk is taken in pieces of PIECE characters or a little more. A piece of "simple" characters, for
 * which NFKC changes nothing wherever they stand and folding is one character for one, is mapped by
 * table. Any other goes through NFKC, folding and NFKC as written; all three are needed, since folding
 * sees other characters before and after composition (alpha, U+0345, U+0301). Canonical ordering is
 * done here because the library's takes quadratic time on long runs of marks. */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <utf8proc.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define TAIL 16           /* readable bytes after every word */
#define PIECE 1024        /* characters; keeps a piece in the cache and memory bounded */
#define EXPANSION_MAX 32  /* characters that one becomes; 18 in Unicode 15 */
#define SORT_INSERTION 32 /* marks in a run; longer ones are counted */
#define BLANK_MAX 0x20    /* ASCII bytes up to this cut chunks */
#define HANGUL_BEFORE_FINALS 0x11A7
#define HANGUL_JAMO 0x1100u /* to 0x11FF: letters that compose with what is before them */

/* What the tables know of a BMP character; the low 16 bits are its case folding. */
#define CHAR_WORD (1u << 16)   /* the folding is part of a word */
#define CHAR_HAN (1u << 17)    /* … and a word of its own */
#define CHAR_SIMPLE (1u << 18) /* see above */
#define CHAR_SAFE (1u << 19)   /* a piece may begin here: composes with nothing before it, ever */

#define NFC_OPTIONS (UTF8PROC_COMPOSE | UTF8PROC_STABLE)
#define NFKC_OPTIONS (NFC_OPTIONS | UTF8PROC_COMPAT)

struct chars {
	int32_t *at; /* owned */
	size_t len, cap;
};

struct text {
	enum text_path path;
	word_fn *fn; /* of the running call */
	void *ctx;
	struct buf lower;          /* ASCII, lower-cased */
	struct chars in, out, tmp; /* of one piece */
	uint32_t *pages[256];      /* by character / 256, filled when first needed */
	size_t word_len;
	bool word_full; /* TERM_MAX reached: the rest of the word is dropped */
	char word[TERM_MAX + 4 + TAIL];
};

struct text *text_new(void)
{
	return calloc(1, sizeof(struct text));
}

void text_free(struct text *t)
{
	if (!t)
		return;
	buf_release(&t->lower);
	free(t->in.at);
	free(t->out.at);
	free(t->tmp.at);
	for (size_t i = 0; i < 256; i++)
		free(t->pages[i]);
	free(t);
}

void text_force_path(struct text *t, enum text_path path)
{
	t->path = path;
}

const char *text_version(void)
{
	static _Thread_local char version[64];

	snprintf(version, sizeof(version), "utf8proc %s unicode %s", utf8proc_version(),
		utf8proc_unicode_version());
	return version;
}

static bool chars_reserve(struct chars *c, size_t more)
{
	size_t cap = c->cap ? c->cap : PIECE * 2;
	int32_t *at;

	if (c->cap - c->len >= more)
		return true;
	while (cap - c->len < more)
		cap *= 2;
	at = realloc(c->at, cap * sizeof(*at));
	if (!at)
		return false;
	c->at = at;
	c->cap = cap;
	return true;
}

static bool is_word(int32_t c)
{
	int category = utf8proc_category(c);

	return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO; /* L*, M*, N* */
}

/* The blocks of CJK unified ideographs and their extensions; planes 2 and 3 hold nothing else that
 * is left after NFKC. */
static bool is_han(int32_t c)
{
	return (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/* True for a starter that composes with nothing before it. In the BMP the others are marks and
 * conjoining jamo. */
static bool is_lone_starter(int32_t c)
{
	const utf8proc_property_t *p;

	if (c > 0xFFFF)
		return c >= 0x20000 && c <= 0x3FFFF;
	p = utf8proc_get_property(c);
	return !p->combining_class &&
	       !(p->category >= UTF8PROC_CATEGORY_MN && p->category <= UTF8PROC_CATEGORY_ME) &&
	       (uint32_t)c - HANGUL_JAMO > 0xFF;
}

static uint32_t char_facts(int32_t c)
{
	int32_t nfkc[EXPANSION_MAX], fold[EXPANSION_MAX], again[EXPANSION_MAX];
	utf8proc_ssize_t n = utf8proc_decompose_char(c, nfkc, EXPANSION_MAX, NFKC_OPTIONS, NULL), m;
	uint32_t facts;

	if (n < 1 || n > EXPANSION_MAX || !is_lone_starter(nfkc[0]))
		return 0;
	n = utf8proc_normalize_utf32(nfkc, n, NFC_OPTIONS);
	m = utf8proc_decompose_char(c, fold, EXPANSION_MAX, UTF8PROC_CASEFOLD, NULL);
	if (n != 1 || nfkc[0] != c || m != 1 || fold[0] > 0xFFFF)
		return CHAR_SAFE;
	m = utf8proc_decompose_char(fold[0], again, EXPANSION_MAX, NFKC_OPTIONS, NULL);
	if (m < 1 || m > EXPANSION_MAX || !is_lone_starter(again[0]))
		return 0;
	m = utf8proc_normalize_utf32(again, m, NFC_OPTIONS);
	if (m != 1 || again[0] != fold[0])
		return CHAR_SAFE;
	facts = (uint32_t)fold[0] | CHAR_SIMPLE | CHAR_SAFE;
	if (is_word(fold[0]))
		facts |= CHAR_WORD;
	if (is_han(fold[0]))
		facts |= CHAR_HAN;
	return facts;
}

static const uint32_t *page_fill(struct text *t, size_t page)
{
	uint32_t *facts = malloc(256 * sizeof(*facts));

	if (!facts)
		return NULL;
	for (int32_t i = 0; i < 256; i++)
		facts[i] = char_facts((int32_t)page * 256 + i);
	t->pages[page] = facts;
	return facts;
}

static void word_add(struct text *t, int32_t c)
{
	utf8proc_ssize_t n = utf8proc_encode_char(c, (uint8_t *)t->word + t->word_len);

	if (t->word_full || t->word_len + (size_t)n > TERM_MAX)
		t->word_full = true;
	else
		t->word_len += (size_t)n;
}

static void word_end(struct text *t)
{
	if (t->word_len)
		t->fn(t->ctx, t->word, t->word_len);
	t->word_len = 0;
	t->word_full = false;
}

static inline void word_put(struct text *t, int32_t c, bool word, bool han)
{
	if (!word || han)
		word_end(t);
	if (word)
		word_add(t, c);
	if (han)
		word_end(t);
}

/* Stable sort of a run of marks by combining class, each packed as class << 24 | character. */
static bool marks_sort(struct text *t, uint32_t *run, size_t len)
{
	size_t starts[257] = {0};
	uint32_t *sorted;

	if (len <= SORT_INSERTION) {
		for (size_t i = 1; i < len; i++) {
			uint32_t mark = run[i];
			size_t j = i;

			for (; j && run[j - 1] >> 24 > mark >> 24; j--)
				run[j] = run[j - 1];
			run[j] = mark;
		}
		return true;
	}
	t->tmp.len = 0;
	if (!chars_reserve(&t->tmp, len))
		return false;
	sorted = (uint32_t *)t->tmp.at;
	for (size_t i = 0; i < len; i++)
		starts[(run[i] >> 24) + 1]++;
	for (size_t i = 1; i < 257; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < len; i++)
		sorted[starts[run[i] >> 24]++] = run[i];
	memcpy(run, sorted, len * sizeof(*run));
	return true;
}

/* Canonical ordering. */
static bool marks_order(struct text *t, struct chars *c)
{
	size_t i = 0;

	while (i < c->len) {
		uint32_t *run = (uint32_t *)c->at + i;
		size_t len = 0;

		for (; i < c->len; i++) {
			uint32_t class = (uint32_t)utf8proc_get_property(c->at[i])->combining_class & 0xFF;

			if (!class)
				break;
			run[len++] |= class << 24;
		}
		if (len > 1 && !marks_sort(t, run, len))
			return false;
		for (size_t j = 0; j < len; j++)
			run[j] &= 0xFFFFFF;
		i++;
	}
	return true;
}

/* from -> to, each character on its own: decomposition or folding. */
static bool chars_map(const struct chars *from, struct chars *to, int options)
{
	to->len = 0;
	for (size_t i = 0; i < from->len; i++) {
		utf8proc_ssize_t n = EXPANSION_MAX;

		do {
			if (!chars_reserve(to, (size_t)n))
				return false;
			n = utf8proc_decompose_char(from->at[i], to->at + to->len,
				(utf8proc_ssize_t)(to->cap - to->len), (utf8proc_option_t)options, NULL);
			if (n < 0)
				return false;
		} while ((size_t)n > to->cap - to->len);
		to->len += (size_t)n;
	}
	return true;
}

/* Composition in place. utf8proc up to 2.8 at least takes U+11A7 for a Hangul final and swallows it behind
 * a syllable; it composes with nothing, so both its sides are composed apart. */
static void compose(struct chars *c)
{
	size_t from = 0, to = 0;

	while (from < c->len) {
		size_t end = from;
		utf8proc_ssize_t n;

		while (end < c->len && c->at[end] != HANGUL_BEFORE_FINALS)
			end++;
		n = utf8proc_normalize_utf32(c->at + from, (utf8proc_ssize_t)(end - from), NFC_OPTIONS);
		memmove(c->at + to, c->at + from, (size_t)n * sizeof(*c->at));
		to += (size_t)n;
		if (end < c->len)
			c->at[to++] = HANGUL_BEFORE_FINALS;
		from = end + 1;
	}
	c->len = to;
}

/* t->in -> t->out: NFC or NFKC. */
static bool normalise(struct text *t, int options)
{
	if (!chars_map(&t->in, &t->out, options) || !marks_order(t, &t->out))
		return false;
	compose(&t->out);
	return true;
}

static bool piece_words_slow(struct text *t)
{
	if (!normalise(t, NFKC_OPTIONS) || !chars_map(&t->out, &t->in, UTF8PROC_CASEFOLD) ||
		!normalise(t, NFKC_OPTIONS))
		return false;
	for (size_t i = 0; i < t->out.len; i++) {
		int32_t c = t->out.at[i];

		word_put(t, c, is_word(c), is_han(c));
	}
	return true;
}

static void piece_words_simple(struct text *t)
{
	for (size_t i = 0; i < t->in.len; i++) {
		uint32_t facts = t->pages[t->in.at[i] >> 8][t->in.at[i] & 0xFF];

		word_put(t, facts & 0xFFFF, facts & CHAR_WORD, facts & CHAR_HAN);
	}
}

/* Facts about `c`, 0 for all outside the BMP. Returns 0 or -ENOMEM. */
static inline int char_look(struct text *t, int32_t c, uint32_t *facts)
{
	const uint32_t *page;

	*facts = 0;
	if (c > 0xFFFF)
		return 0;
	page = t->pages[c >> 8];
	if (!page && !(page = page_fill(t, (size_t)c >> 8)))
		return -ENOMEM;
	*facts = page[c & 0xFF];
	return 0;
}

/* Decodes characters from *s into t->in until `max` are there and one comes that may begin a piece.
 * `simple` says whether all of them are. */
static int piece_read(struct text *t, struct slice *s, size_t max, bool *simple)
{
	uint32_t all = CHAR_SIMPLE;

	t->in.len = 0;
	while (s->len) {
		int32_t c;
		uint32_t facts;
		utf8proc_ssize_t n = utf8proc_iterate((const uint8_t *)s->data, (utf8proc_ssize_t)s->len, &c);

		if (n <= 0)
			return -EBADMSG;
		if (char_look(t, c, &facts) < 0 || !chars_reserve(&t->in, 1))
			return -ENOMEM;
		if (t->in.len >= max && (facts & CHAR_SAFE))
			break;
		all &= facts;
		t->in.at[t->in.len++] = c;
		s->data += n;
		s->len -= (size_t)n;
	}
	*simple = all;
	return 0;
}

static int chunk_words(struct text *t, struct slice s)
{
	bool whole = t->path == TEXT_UNICODE, simple;
	int r;

	while (s.len) {
		r = piece_read(t, &s, whole ? SIZE_MAX : PIECE, &simple);
		if (r < 0)
			goto out;
		if (simple && !whole) {
			piece_words_simple(t);
		} else if (!piece_words_slow(t)) {
			r = -ENOMEM;
			goto out;
		}
	}
	word_end(t);
	return 0;
out:
	t->word_len = 0;
	t->word_full = false;
	return r;
}

/* Lower-cases 64 ASCII bytes; bit i of the result says that byte i is a letter or digit. */
static uint64_t ascii_block_scalar(const char *in, char *out)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < 64; i++) {
		uint8_t c = (uint8_t)in[i], low = c | 0x20;
		bool letter = (uint8_t)(low - 'a') < 26, digit = (uint8_t)(c - '0') < 10;

		out[i] = (char)(letter ? low : c);
		mask |= (uint64_t)(letter | digit) << i;
	}
	return mask;
}

#ifdef __SSE2__
static inline uint64_t ascii_block_16(const char *in, char *out)
{
	__m128i c = _mm_loadu_si128((const __m128i *)in), low = _mm_or_si128(c, _mm_set1_epi8(0x20));
	__m128i l = _mm_sub_epi8(low, _mm_set1_epi8('a')), d = _mm_sub_epi8(c, _mm_set1_epi8('0'));
	__m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(l, _mm_set1_epi8(25)), l);
	__m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(9)), d);

	_mm_storeu_si128((__m128i *)out, _mm_or_si128(c, _mm_and_si128(letter, _mm_set1_epi8(0x20))));
	return (uint16_t)_mm_movemask_epi8(_mm_or_si128(letter, digit));
}

static inline uint64_t ascii_block_simd(const char *in, char *out)
{
	return ascii_block_16(in, out) | ascii_block_16(in + 16, out + 16) << 16 |
	       ascii_block_16(in + 32, out + 32) << 32 | ascii_block_16(in + 48, out + 48) << 48;
}
#else
#define ascii_block_simd ascii_block_scalar
#endif

static inline void ascii_word(struct text *t, size_t start, size_t end)
{
	size_t len = end - start;

	t->fn(t->ctx, t->lower.data + start, len < TERM_MAX ? len : TERM_MAX);
}

/* Gives the words that end in a block of 64 bytes at `at`. `*start` is where the word that goes on from the
 * block before began; afterwards, where the one that goes on into the next did. */
static inline void block_words(struct text *t, size_t at, uint64_t mask, bool carry, size_t *start)
{
	uint64_t before = mask << 1 | carry, starts = mask & ~before, ends = before & ~mask;

	if (!carry) {
		*start = at + (size_t)__builtin_ctzll(starts | UINT64_C(1) << 63);
		starts &= starts - 1;
	}
	while (ends) {
		ascii_word(t, *start, at + (size_t)__builtin_ctzll(ends));
		ends &= ends - 1;
		*start = at + (size_t)__builtin_ctzll(starts | UINT64_C(1) << 63);
		starts &= starts - 1;
	}
}

static int ascii_words(struct text *t, struct slice s)
{
	size_t start = 0, at = 0;
	uint64_t mask;
	bool carry = false;
	char last[64] = {0};

	buf_clear(&t->lower);
	if (!buf_reserve(&t->lower, s.len + 64 + TAIL)) {
		buf_release(&t->lower);
		return -ENOMEM;
	}
	for (; at < s.len; at += 64) {
		const char *in = s.data + at;
		char *out = t->lower.data + at;

		if (s.len - at < 64)
			in = memcpy(last, in, s.len - at);
		mask = t->path == TEXT_FAST ? ascii_block_simd(in, out) : ascii_block_scalar(in, out);
		block_words(t, at, mask, carry, &start);
		carry = mask >> 63;
	}
	if (carry)
		ascii_word(t, start, s.len);
	return 0;
}

/* Where the first byte over 0x7F is; s.len without. */
static size_t ascii_prefix(struct slice s)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; s.len - i >= 16; i += 16) {
		int high = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(s.data + i)));

		if (high)
			return i + (size_t)__builtin_ctz((unsigned)high);
	}
#endif
	while (i < s.len && (uint8_t)s.data[i] < 0x80)
		i++;
	return i;
}

int text_words(struct text *t, struct slice s, word_fn *fn, void *ctx)
{
	int r = 0;

	t->fn = fn;
	t->ctx = ctx;
	if (t->path == TEXT_UNICODE)
		return chunk_words(t, s);
	while (s.len && r == 0) {
		size_t high = ascii_prefix(s), start = high, end = high;

		if (high == s.len)
			return ascii_words(t, s);
		while (start && (uint8_t)s.data[start - 1] > BLANK_MAX)
			start--;
		while (end < s.len && (uint8_t)s.data[end] > BLANK_MAX)
			end++;
		if (start)
			r = ascii_words(t, slice_of(s.data, start));
		if (r == 0)
			r = chunk_words(t, slice_of(s.data + start, end - start));
		s = slice_of(s.data + end, s.len - end);
	}
	return r;
}

int text_nfc(struct text *t, struct slice s, struct buf *out)
{
	struct slice rest = s;
	bool simple = true;
	int r = 0;

	if (ascii_prefix(s) < s.len)
		r = piece_read(t, &rest, SIZE_MAX, &simple);
	if (r < 0)
		return r;
	if (simple) {
		buf_add_slice(out, s);
		return buf_error(out);
	}
	if (!normalise(t, NFC_OPTIONS))
		return -ENOMEM;
	for (size_t i = 0; i < t->out.len; i++) {
		char bytes[4];

		buf_add(out, bytes, (size_t)utf8proc_encode_char(t->out.at[i], (uint8_t *)bytes));
	}
	return buf_error(out);
}
