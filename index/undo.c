/* SPDX-License-Identifier: Apache-2.0 */
#include "undo.h"

#include "source.h"

static int segment_undo(struct undo *u, size_t i, const struct generation *g, const struct source *sorted,
	size_t count, struct err *err)
{
	const struct segment *s = g->segments[i];
	struct undone before = manifest_undone(&g->manifest.segments[i]);
	uint64_t n = segment_info(s)->sources;
	uint32_t *list = malloc((n + 1) * sizeof(*list));
	size_t used = 0;

	u->owned[i] = list;
	if (!list)
		return err_set(err, -ENOMEM, "out of memory for %llu sources", (unsigned long long)n);
	for (uint32_t k = 0; k < n; k++) {
		bool known = undone_has(&before, k);
		struct source source;
		int r = segment_source(s, k, &source, err);

		if (r < 0)
			return r;
		if (!known && !sources_find(sorted, count, &source))
			continue;
		list[used++] = k;
		u->fresh += !known;
	}
	u->list[i] = (struct undone){list, used, before.left};
	return 0;
}

int undo_init(struct undo *u, const struct generation *g, const struct source *sources, size_t count,
	struct err *err)
{
	size_t segments = g ? g->manifest.segment_count : 0;
	struct source *sorted;
	int r = 0;

	*u = (struct undo){0};
	if (!count)
		return 0;
	sorted = malloc(count * sizeof(*sorted));
	*u = (struct undo){.list = calloc(segments + 1, sizeof(*u->list)),
		.owned = calloc(segments + 1, sizeof(*u->owned)),
		.count = segments};
	if (!sorted || !u->list || !u->owned)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0) {
		memcpy(sorted, sources, count * sizeof(*sorted));
		count = sources_distinct(sorted, count);
	}
	for (size_t i = 0; r == 0 && i < segments; i++)
		r = segment_undo(u, i, g, sorted, count, err);
	free(sorted);
	return r;
}

void undo_release(struct undo *u)
{
	for (size_t i = 0; u->owned && i < u->count; i++)
		free(u->owned[i]);
	free(u->owned);
	free(u->list);
	*u = (struct undo){0};
}
