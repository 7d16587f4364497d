/* SPDX-License-Identifier: Apache-2.0 */
#include "strsort.h"
#include "tap.h"

static uint64_t rng = 1;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

/* Of `letters` different bytes, also 0 and 255; many are equal, or start with another one. */
static void fill(struct slice *s, uint32_t n, unsigned letters, unsigned longest, char *text)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t len = rnd() % (longest + 1);

		for (size_t k = 0; k < len; k++)
			text[k] = (char)(rnd() % letters * 255 / (letters > 1 ? letters - 1 : 1));
		s[i] = slice_of(text, len);
		text += len;
	}
}

static void check_sorted(uint32_t n, unsigned letters, unsigned longest)
{
	struct slice *s = calloc(n + 1, sizeof(*s));
	uint32_t *order = calloc(n + 1, sizeof(*order));
	char *text = malloc((size_t)n * longest + 1), *seen = calloc(n + 1, 1);
	uint32_t wrong = 0;

	fill(s, n, letters, longest, text);
	check_int(strsort(s, n, order), 0);
	for (uint32_t i = 0; i < n; i++) {
		int c = i ? slice_cmp(s[order[i - 1]], s[order[i]]) : -1;

		wrong += seen[order[i]]++ || c > 0 || (c == 0 && order[i - 1] > order[i]);
	}
	check_int(wrong, 0);
	free(s);
	free(order);
	free(text);
	free(seen);
}

static void few_strings_come_in_order_and_equal_ones_keep_theirs(void)
{
	for (uint32_t n = 0; n < 40; n++)
		for (unsigned letters = 1; letters < 5; letters++)
			check_sorted(n, letters, 1 + n);
}

static void many_strings_come_in_order_and_equal_ones_keep_theirs(void)
{
	for (uint32_t n = 500; n < 530; n++)
		check_sorted(n, 2, 20);
	check_sorted(5000, 1, 3000);
	check_sorted(20000, 2, 12);
	check_sorted(20000, 2, 70);
	check_sorted(20000, 256, 9);
}

int main(void)
{
	RUN(few_strings_come_in_order_and_equal_ones_keep_theirs);
	RUN(many_strings_come_in_order_and_equal_ones_keep_theirs);
	return tap_done();
}
