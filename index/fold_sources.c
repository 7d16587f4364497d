/* SPDX-License-Identifier: Apache-2.0 */
/* index/fold_sources.c - the files whose records go into a new segment: new ones, and those of rows that are taken over from the
 * parent. */
#include "fold_private.h"
#include "source.h"

/* The place where a taken source's number is kept; NULL when memory is out. */
static uint32_t *taken_place(struct folder *f, const struct parent_row *row)
{
	const struct generation *parent = f->in->parent;
	uint32_t **map;

	if (!f->taken_at)
		f->taken_at = calloc(parent->manifest.segment_count, sizeof(*f->taken_at));
	if (!f->taken_at)
		return NULL;
	map = &f->taken_at[row->segment];
	if (!*map)
		*map = calloc(segment_info(parent->segments[row->segment])->sources, sizeof(**map));
	return *map ? &(*map)[row->entry.source] : NULL;
}

int source_take(struct folder *f, const struct parent_row *row, uint32_t *out)
{
	uint32_t *place = taken_place(f, row);
	struct source *grown;

	if (!place)
		return -ENOMEM;
	if (!*place && f->taken_count == f->taken_cap) {
		f->taken_cap = f->taken_cap ? 2 * f->taken_cap : 64;
		grown = realloc(f->taken, f->taken_cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		f->taken = grown;
	}
	if (!*place) {
		f->taken[f->taken_count++] = row->source;
		*place = (uint32_t)f->taken_count;
	}
	*out = (uint32_t)(f->in->source_count + *place - 1);
	return 0;
}

void taken_release(struct folder *f)
{
	for (size_t i = 0; f->taken_at && i < f->in->parent->manifest.segment_count; i++)
		free(f->taken_at[i]);
	free(f->taken_at);
	free(f->taken);
}

static const struct source *source_at(const struct folder *f, size_t number)
{
	size_t n = f->in->source_count;

	return number < n ? &f->in->sources[number] : &f->taken[number - n];
}

static int by_source(const void *va, const void *vb, void *ctx)
{
	return source_cmp(source_at(ctx, *(const uint32_t *)va), source_at(ctx, *(const uint32_t *)vb));
}

static void mark(const struct entry *entries, size_t count, uint32_t *map)
{
	for (size_t i = 0; i < count; i++)
		map[entries[i].source] = 1;
}

static void renumber(struct entry *entries, size_t count, const uint32_t *map)
{
	for (size_t i = 0; i < count; i++)
		entries[i].source = map[entries[i].source];
}

int fold_sources(struct folder *f, struct err *err)
{
	struct fold_output *out = f->out;
	size_t n = f->in->source_count + f->taken_count, used = 0;
	uint32_t *map = calloc(n ? n : 1, sizeof(*map)), *list = calloc(n ? n : 1, sizeof(*list));

	out->sources = arena_alloc(&out->arena, (n ? n : 1) * sizeof(*out->sources));
	if (!map || !list || !out->sources) {
		free(map);
		free(list);
		return err_set(err, -ENOMEM, "no memory for %zu sources", n);
	}
	mark(out->entries, out->entry_count, map);
	mark(out->history, out->history_count, map);
	for (size_t i = 0; i < n; i++)
		if (map[i])
			list[used++] = (uint32_t)i;
	qsort_r(list, used, sizeof(*list), by_source, f);
	for (size_t i = 0; i < used; i++) {
		const struct source *s = source_at(f, list[i]);

		if (!i || source_cmp(&out->sources[out->source_count - 1], s))
			out->sources[out->source_count++] = *s;
		map[list[i]] = (uint32_t)(out->source_count - 1);
	}
	renumber(out->entries, out->entry_count, map);
	renumber(out->history, out->history_count, map);
	free(map);
	free(list);
	return 0;
}
