/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

int source_cmp(const struct source *a, const struct source *b)
{
	int c;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	c = slice_cmp(a->file, b->file);
	if (!c)
		c = slice_cmp(a->partition, b->partition);
	return c ? c : memcmp(a->hash, b->hash, sizeof(a->hash));
}

static int by_source(const void *a, const void *b)
{
	return source_cmp(a, b);
}

size_t sources_distinct(struct source *list, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(list, count, sizeof(*list), by_source);
	for (size_t i = 0; i < count; i++)
		if (!kept || source_cmp(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	return kept;
}

const struct source *sources_find(const struct source *list, size_t count, const struct source *s)
{
	return count ? bsearch(s, list, count, sizeof(*list), by_source) : NULL;
}
