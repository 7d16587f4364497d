/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"
#include "tap.h"

#define STREAMS 7

static bool in_order(struct heap_item a, struct heap_item b)
{
	int c = slice_cmp(a.key, b.key);

	return c < 0 || (c == 0 && a.stream <= b.stream);
}

static void a_merge_gives_every_key_once_and_in_order(void)
{
	char text[STREAMS][40][3];
	size_t count[STREAMS], at[STREAMS] = {0}, total = 0, seen = 0;
	struct heap_item items[STREAMS], last = {slice_str(""), 0};
	struct heap heap = {.items = items};

	srand(7);
	for (size_t s = 0; s < STREAMS; s++) {
		char key[3] = "aa";

		count[s] = (size_t)rand() % 40;
		total += count[s];
		for (size_t i = 0; i < count[s]; i++) {
			key[1] = (char)(key[1] +
					rand() % 3); /* ascending, with repeats within and across streams */
			memcpy(text[s][i], key, 3);
		}
		if (count[s])
			heap_push(&heap, (struct heap_item){slice_str(text[s][0]), s});
	}
	for (; heap.count; seen++) {
		struct heap_item top = heap.items[0];
		const struct heap_item *second = heap_second(&heap);

		check(in_order(last, top));
		check(second ? in_order(top, *second) : heap.count == 1);
		last = top;
		if (++at[top.stream] < count[top.stream])
			heap_replace(&heap, slice_str(text[top.stream][at[top.stream]]));
		else
			heap_pop(&heap);
	}
	check_int(seen, total);
}

int main(void)
{
	RUN(a_merge_gives_every_key_once_and_in_order);
	return tap_done();
}
