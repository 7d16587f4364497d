/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

static bool item_before(const struct heap_item *a, const struct heap_item *b)
{
	int c = slice_cmp(a->key, b->key);

	return c < 0 || (c == 0 && a->stream < b->stream);
}

static void item_swap(struct heap_item *a, struct heap_item *b)
{
	struct heap_item t = *a;

	*a = *b;
	*b = t;
}

static void sift_down(struct heap *h)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < h->count) {
		if (child + 1 < h->count && item_before(&h->items[child + 1], &h->items[child]))
			child++;
		if (!item_before(&h->items[child], &h->items[at]))
			return;
		item_swap(&h->items[child], &h->items[at]);
		at = child;
	}
}

void heap_push(struct heap *h, struct heap_item item)
{
	size_t at = h->count++;

	h->items[at] = item;
	while (at && item_before(&h->items[at], &h->items[(at - 1) / 2])) {
		item_swap(&h->items[at], &h->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

void heap_replace(struct heap *h, struct slice key)
{
	h->items[0].key = key;
	sift_down(h);
}

void heap_pop(struct heap *h)
{
	h->items[0] = h->items[--h->count];
	sift_down(h);
}

const struct heap_item *heap_second(const struct heap *h)
{
	if (h->count < 2)
		return NULL;
	return h->count > 2 && item_before(&h->items[2], &h->items[1]) ? &h->items[2] : &h->items[1];
}
