/* SPDX-License-Identifier: Apache-2.0 */
#include "strsort.h"

#include <errno.h>

#define CHUNK 8
#define RUN 12 /* sorted by insertion */

struct item {
	uint64_t chunk; /* eight bytes at the depth looked at, big-endian, zeros behind the end */
	uint32_t index;
	uint32_t left; /* bytes from the depth on, CHUNK + 1 for more than CHUNK */
};

static void item_load(struct item *it, const struct slice *s, size_t depth)
{
	const struct slice *str = &s[it->index];
	size_t left = str->len - depth;
	uint64_t v = 0;

	if (left)
		memcpy(&v, str->data + depth, left < CHUNK ? left : CHUNK);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	it->chunk = v;
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

static void sort_from(const struct slice *s, struct item *a, size_t n, size_t depth, struct item *scratch)
{
	size_t start = 0;

	for (size_t i = 0; i < n; i++)
		item_load(&a[i], s, depth);
	merge_sort(a, n, scratch);
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
	struct item *items = calloc((size_t)n + n / 2 + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		items[i].index = i;
	sort_from(s, items, n, 0, items + n);
	for (uint32_t i = 0; i < n; i++)
		order[i] = items[i].index;
	free(items);
	return 0;
}
