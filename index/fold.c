/* SPDX-License-Identifier: Apache-2.0 */
/* The new records are sorted by id and order; then each run of one id is decided by itself, against the
 * one entry that the parent has for that id. The result depends on the set of records only, not on how they
 * were read or split over threads. */
#include "fold.h"

#include "reader.h"
#include "strsort.h"

struct folder {
	const struct fold_input *in;
	struct fold_output *out;
	uint32_t *order; /* records by id, then order; owned */
	/* Sources of the parent that entries were taken over from; by segment and source, their place there + 1. */
	struct source *taken;
	size_t taken_count, taken_cap;
	uint32_t **taken_at;
	struct buf scratch;
};

/* The parent's entry for an id: what is left of it. */
struct standing {
	bool there;
	struct view_doc doc;
	struct entry entry;
	struct source source;
};

/* Source numbers are in order of (ts, file), so they compare as section 6 wants. */
static int record_order(const struct record *a, const struct record *b)
{
	int c = slice_cmp(a->version, b->version);

	if (c)
		return c;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static int by_order(const void *a, const void *b, void *ctx)
{
	const struct record *records = ctx;

	return record_order(&records[*(const uint32_t *)a], &records[*(const uint32_t *)b]);
}

/* By id; fold_id() puts the few records of one id in order. */
static int sort_records(struct folder *f, struct err *err)
{
	size_t n = f->in->record_count, i;
	struct slice *ids;
	int r;

	if (n > UINT32_MAX - 1)
		return err_set(err, -EOVERFLOW, "%zu records in one build; at most %u can be folded at once",
			n, UINT32_MAX - 1);
	ids = malloc((n ? n : 1) * sizeof(*ids));
	f->order = malloc((n ? n : 1) * sizeof(*f->order));
	if (!ids || !f->order) {
		free(ids);
		return err_set(err, -ENOMEM, "no memory to sort %zu records", n);
	}
	for (i = 0; i < n; i++)
		ids[i] = f->in->records[i].id;
	r = strsort(ids, (uint32_t)n, f->order);
	free(ids);
	return r < 0 ? err_set(err, r, "no memory to sort %zu records", n) : 0;
}

static const struct record *nth(const struct folder *f, size_t i)
{
	return &f->in->records[f->order[i]];
}

/* What the parent still holds for an id: nothing once the last partition that named it has left. */
static int standing_find(const struct folder *f, struct slice id, struct standing *s, struct err *err)
{
	const struct segment *segment;
	int r;

	s->there = false;
	if (!f->in->parent)
		return 0;
	r = view_find(f->in->parent, id, &s->doc, err);
	if (r <= 0)
		return r;
	segment = f->in->parent->segments[s->doc.segment];
	r = segment_entry(segment, s->doc.entry, &s->entry, err);
	if (r == 0)
		r = segment_source(segment, s->entry.source, &s->source, err);
	if (r < 0)
		return err_context(err, r, "%s.seg", f->in->parent->manifest.segments[s->doc.segment].name);
	s->there = f->in->horizon == TIME_NONE || s->entry.named > f->in->horizon;
	return 0;
}

/* The place where a taken source's number is kept; NULL when memory is out. */
static uint32_t *taken_place(struct folder *f, const struct standing *s)
{
	const struct generation *parent = f->in->parent;
	uint32_t **map;

	if (!f->taken_at)
		f->taken_at = calloc(parent->manifest.segment_count, sizeof(*f->taken_at));
	if (!f->taken_at)
		return NULL;
	map = &f->taken_at[s->doc.segment];
	if (!*map)
		*map = calloc(segment_info(parent->segments[s->doc.segment])->sources, sizeof(**map));
	return *map ? &(*map)[s->entry.source] : NULL;
}

/* The number of a taken source among all: after the new ones. */
static int taken_number(struct folder *f, const struct standing *s, uint32_t *out)
{
	uint32_t *place = taken_place(f, s);
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
		f->taken[f->taken_count++] = s->source;
		*place = (uint32_t)f->taken_count;
	}
	*out = (uint32_t)(f->in->source_count + *place - 1);
	return 0;
}

/* Writes the parent's entry once more, so that `named` can move. */
static int take_over(
	struct folder *f, const struct standing *s, int64_t named, struct entry *to, struct err *err)
{
	char *copy;
	int r;

	*to = s->entry;
	to->named = named;
	/* Whether it is hidden is worked out again from the record. */
	if (to->state == ENTRY_HIDDEN)
		to->state = ENTRY_LIVE;
	r = taken_number(f, s, &to->source);
	if (r < 0)
		return err_set(err, r, "no memory for sources");
	buf_clear(&f->scratch);
	r = segment_record(f->in->parent->segments[s->doc.segment], s->doc.entry, &f->scratch, err);
	if (r < 0)
		return err_context(err, r, "%s.seg", f->in->parent->manifest.segments[s->doc.segment].name);
	copy = arena_alloc(&f->out->arena, f->scratch.len + RECORD_PADDING);
	if (!copy || buf_error(&f->scratch))
		return err_set(err, -ENOMEM, "no memory for a record of %zu bytes", f->scratch.len);
	if (f->scratch.len)
		memcpy(copy, f->scratch.data, f->scratch.len);
	memset(copy + f->scratch.len, 0, RECORD_PADDING);
	to->record = slice_of(copy, f->scratch.len);
	return 0;
}

static struct entry entry_of(const struct folder *f, const struct record *r)
{
	return (struct entry){
		.id = r->id,
		.group = r->group,
		.version = r->version,
		.state = r->deleted ? ENTRY_DELETED : ENTRY_LIVE,
		.source = r->source,
		.line = r->line,
		.named = f->in->sources[r->source].ts,
		.record = r->json,
	};
}

/* Decides the run [from, to) of one id. */
static int fold_id(struct folder *f, size_t from, size_t to, struct err *err)
{
	struct fold_output *out = f->out;
	struct entry newest;
	struct standing s;
	bool parent_wins;
	int64_t named = INT64_MIN;
	size_t i;
	int r;

	if (to - from > 1)
		qsort_r(f->order + from, to - from, sizeof(*f->order), by_order, f->in->records);
	newest = entry_of(f, nth(f, to - 1));
	r = standing_find(f, newest.id, &s, err);
	if (r < 0)
		return r;
	for (i = from; i < to; i++) {
		int64_t ts = f->in->sources[nth(f, i)->source].ts;

		if (ts > named)
			named = ts;
	}
	parent_wins =
		s.there && entry_order(&s.entry, &s.source, &newest, &f->in->sources[newest.source]) > 0;
	for (i = from; i < (parent_wins ? to : to - 1); i++)
		out->history[out->history_count++] = entry_of(f, nth(f, i));
	if (parent_wins && named <= s.entry.named)
		return 0;
	if (parent_wins)
		return take_over(f, &s, named, &out->entries[out->entry_count++], err);
	newest.named = s.there && s.entry.named > named ? s.entry.named : named;
	out->entries[out->entry_count++] = newest;
	return 0;
}

static int fold_ids(struct folder *f, struct err *err)
{
	size_t n = f->in->record_count, from, to;
	int r;

	for (from = 0; from < n; from = to) {
		struct slice id = nth(f, from)->id;

		for (to = from + 1; to < n && slice_eq(nth(f, to)->id, id);)
			to++;
		r = fold_id(f, from, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct source *source_at(const struct folder *f, size_t number)
{
	size_t n = f->in->source_count;

	return number < n ? &f->in->sources[number] : &f->taken[number - n];
}

static int source_cmp(const struct source *a, const struct source *b)
{
	int c;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	c = slice_cmp(a->file, b->file);
	if (!c)
		c = slice_cmp(a->partition, b->partition);
	return c ? c : memcmp(a->hash, b->hash, sizeof(a->hash));
}

static int by_source(const void *va, const void *vb, void *ctx)
{
	return source_cmp(source_at(ctx, *(const uint32_t *)va), source_at(ctx, *(const uint32_t *)vb));
}

static void mark_sources(const struct entry *entries, size_t count, uint32_t *map)
{
	size_t i;

	for (i = 0; i < count; i++)
		map[entries[i].source] = 1;
}

static void renumber(struct entry *entries, size_t count, const uint32_t *map)
{
	size_t i;

	for (i = 0; i < count; i++)
		entries[i].source = map[entries[i].source];
}

/* Keeps the sources that entries and history name, each once, in order, and gives entries the new numbers. */
static int fold_sources(struct folder *f, struct err *err)
{
	struct fold_output *out = f->out;
	size_t n = f->in->source_count + f->taken_count, used = 0, i;
	uint32_t *map = calloc(n ? n : 1, sizeof(*map)), *list = calloc(n ? n : 1, sizeof(*list));

	out->sources = arena_alloc(&out->arena, (n ? n : 1) * sizeof(*out->sources));
	if (!map || !list || !out->sources) {
		free(map);
		free(list);
		return err_set(err, -ENOMEM, "no memory for %zu sources", n);
	}
	mark_sources(out->entries, out->entry_count, map);
	mark_sources(out->history, out->history_count, map);
	for (i = 0; i < n; i++)
		if (map[i])
			list[used++] = (uint32_t)i;
	qsort_r(list, used, sizeof(*list), by_source, f);
	for (i = 0; i < used; i++) {
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

static void folder_release(struct folder *f)
{
	size_t i;

	for (i = 0; f->taken_at && i < f->in->parent->manifest.segment_count; i++)
		free(f->taken_at[i]);
	free(f->taken_at);
	free(f->taken);
	free(f->order);
	buf_release(&f->scratch);
}

int fold(const struct fold_input *in, struct fold_output *out, struct err *err)
{
	struct folder f = {.in = in, .out = out};
	size_t room = (in->record_count ? in->record_count : 1) * sizeof(struct entry);
	int r;

	*out = (struct fold_output){0};
	out->entries = arena_alloc(&out->arena, room);
	out->history = arena_alloc(&out->arena, room);
	r = out->entries && out->history
		    ? sort_records(&f, err)
		    : err_set(err, -ENOMEM, "no memory for %zu entries", in->record_count);
	if (r == 0)
		r = fold_ids(&f, err);
	if (r == 0)
		r = fold_sources(&f, err);
	folder_release(&f);
	if (r < 0)
		fold_release(out);
	return r;
}

void fold_release(struct fold_output *f)
{
	arena_release(&f->arena);
	*f = (struct fold_output){0};
}
