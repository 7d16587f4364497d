/* SPDX-License-Identifier: Apache-2.0 */
#include "strsort.h"

#include <errno.h>

#include "bigmem.h"

#define CHUNK 8
#define RUN 12        /* sorted by insertion */
#define RADIX_MIN 512 /* items worth a count of their bytes */
#define DIGITS (CHUNK + 1)

struct item {
	uint64_t chunk; /* eight bytes at the depth looked at, big-endian, zeros behind the end */
	uint32_t index;
	uint32_t left; /* bytes from the depth on, CHUNK + 1 for more than CHUNK */
};

/* Fewer than CHUNK bytes, little-endian; a call of memcpy() would cost several times as much. */
static uint64_t short_load(const char *p, size_t len)
{
	const uint8_t *b = (const uint8_t *)p;

	if (len >= 4)
		return get_le32(p) | (uint64_t)get_le32(p + len - 4) << (len - 4) * 8;
	if (!len)
		return 0;
	return b[0] | (uint64_t)b[len / 2] << len / 2 * 8 | (uint64_t)b[len - 1] << (len - 1) * 8;
}

static void item_load(struct item *it, const struct slice *s, size_t depth)
{
	const struct slice *str = &s[it->index];
	size_t left = str->len - depth;
	const char *at = left ? str->data + depth : NULL;

	it->chunk = __builtin_bswap64(left < CHUNK ? short_load(at, left) : get_le64(at));
	it->left = left > CHUNK ? CHUNK + 1 : (uint32_t)left;
}

static bool item_less(const struct item *a, const struct item *b)
{
	return a->chunk != b->chunk ? a->chunk < b->chunk : a->left < b->left;
}

static void insertion_sort(struct item *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct item it = a[i];
		size_t j = i;

		for (; j && item_less(&it, &a[j - 1]); j--)
			a[j] = a[j - 1];
		a[j] = it;
	}
}

static void merge(const struct item *a, size_t an, const struct item *b, size_t bn, struct item *to)
{
	while (an && bn) {
		bool take_b = item_less(b, a);

		*to++ = *(take_b ? b : a);
		a += !take_b;
		an -= !take_b;
		b += take_b;
		bn -= take_b;
	}
	memcpy(to, an ? a : b, (an ? an : bn) * sizeof(*to));
}

static void merge_sort(struct item *a, size_t n, struct item *scratch)
{
	size_t half = n / 2;

	if (n <= RUN) {
		insertion_sort(a, n);
		return;
	}
	merge_sort(a, half, scratch);
	merge_sort(a + half, n - half, scratch);
	if (!item_less(&a[half], &a[half - 1]))
		return;
	memcpy(scratch, a, half * sizeof(*a));
	merge(scratch, half, a + half, n - half, a);
}

/* Digit 0 is `left`, the others are the chunk's bytes, lowest first. */
static inline unsigned digit_of(const struct item *it, unsigned digit)
{
	return digit ? (it->chunk >> (digit - 1) * 8) & 0xFF : it->left;
}

/* Moves the items to where a digit that comes `counts` times says, in their order. */
static void radix_pass(
	const struct item *from, size_t n, struct item *to, unsigned digit, uint32_t counts[256])
{
	uint32_t at = 0;

	for (unsigned i = 0; i < 256; i++) {
		uint32_t count = counts[i];

		counts[i] = at;
		at += count;
	}
	for (size_t i = 0; i < n; i++)
		to[counts[digit_of(&from[i], digit)]++] = from[i];
}

/* `scratch` has room for all. */
static void radix_sort(struct item *a, size_t n, struct item *scratch)
{
	uint32_t counts[DIGITS][256] = {0};
	struct item *from = a, *to = scratch;

	for (size_t i = 0; i < n; i++)
		for (unsigned d = 0; d < DIGITS; d++)
			counts[d][digit_of(&a[i], d)]++;
	for (unsigned d = 0; d < DIGITS; d++) {
		struct item *swap = from;

		if (counts[d][digit_of(from, d)] == n)
			continue;
		radix_pass(from, n, to, d, counts[d]);
		from = to;
		to = swap;
	}
	if (from != a)
		memcpy(a, from, n * sizeof(*a));
}

static void sort_from(const struct slice *s, struct item *a, size_t n, size_t depth, struct item *scratch)
{
	size_t start = 0;

	for (size_t i = 0; i < n; i++)
		item_load(&a[i], s, depth);
	if (n < RADIX_MIN)
		merge_sort(a, n, scratch);
	else
		radix_sort(a, n, scratch);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && !item_less(&a[start], &a[i]))
			continue;
		if (i - start > 1 && a[start].left > CHUNK)
			sort_from(s, a + start, i - start, depth + CHUNK, scratch);
		start = i;
	}
}

int strsort(const struct slice *s, uint32_t n, uint32_t *order)
{
	struct bigmem memory = {0};
	struct item *items;

	if (!bigmem_grow(&memory, ((size_t)n + 1) * 2 * sizeof(*items)))
		return -ENOMEM;
	items = memory.data;
	for (uint32_t i = 0; i < n; i++)
		items[i].index = i;
	sort_from(s, items, n, 0, items + n);
	for (uint32_t i = 0; i < n; i++)
		order[i] = items[i].index;
	bigmem_release(&memory);
	return 0;
}
