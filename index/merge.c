/* SPDX-License-Identifier: Apache-2.0 */
#include "merge.h"

#include <unistd.h>

#include "plan.h"
#include "publish.h"
#include "reader.h"
#include "recall.h"
#include "view.h"
#include "walk.h"

#define SEGMENT_FILE "merged"
#define TIER_FACTOR 4
#define TIERS_MAX 16
#define LOCK_WAIT TIME_MINUTE /* for a build that is under way to end */

/* ---- what to merge ---- */

static int64_t bucket_of(int64_t ts, int64_t width)
{
	int64_t n = ts / width;

	return ts % width < 0 ? n - 1 : n;
}

/* A longest run of two and more segments in one bucket that the watermark has left. A build for late files stands where
 * its time is by order, not by age: so the newest partition up to a segment counts for it. */
static bool tier_pick(const struct manifest *m, int64_t width, size_t *from, size_t *to)
{
	int64_t open = bucket_of(m->watermark, width), bucket = INT64_MIN, newest = INT64_MIN;
	size_t start = manifest_base_count(m);

	for (size_t i = start; i < m->segment_count; i++) {
		if (m->segments[i].last > newest)
			newest = m->segments[i].last;
		if (bucket_of(newest, width) != bucket) {
			if (i - start > 1)
				break;
			start = i;
			bucket = bucket_of(newest, width);
		}
		*from = start;
		*to = i + 1;
	}
	return m->segment_count > manifest_base_count(m) && *to - *from > 1 && bucket < open;
}

static void smallest_neighbours(const struct manifest *m, size_t *from, size_t *to)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = manifest_base_count(m); i + 1 < m->segment_count; i++) {
		uint64_t bytes = m->segments[i].bytes + m->segments[i + 1].bytes;

		if (bytes < least) {
			least = bytes;
			*from = i;
			*to = i + 2;
		}
	}
}

int merge_pick(const struct manifest *m, const struct config *cfg, size_t *from, size_t *to)
{
	int64_t width = cfg->cadence, widest = m->base_at == TIME_NONE ? cfg->window / 2 : INT64_MAX;

	for (int tier = 0; tier < TIERS_MAX; tier++) {
		if (__builtin_mul_overflow(width, TIER_FACTOR, &width) || width > widest)
			break;
		if (tier_pick(m, width, from, to))
			return 1;
	}
	if (m->segment_count - manifest_base_count(m) <= MERGE_SEGMENTS_MAX)
		return 0;
	smallest_neighbours(m, from, to);
	return 1;
}

/* ---- the rows of the new segment ---- */

struct merger {
	const struct merge_input *in;
	struct generation *g;
	struct rows rows;
	size_t from, to;
	int64_t horizon; /* files of partitions at or before it can be undone no more */
	struct arena arena;
	struct source *sources; /* by (ts, file) */
	size_t source_count;
	uint32_t **map; /* in the arena; of each merged segment, its sources' numbers here */
	struct buf entries, history;
};

static void mark_used(const struct segment *s, uint32_t *used)
{
	const struct segment_info *info = segment_info(s);

	for (uint32_t n = 0; n < info->entries; n++)
		if (segment_source_of(s, n) < info->sources)
			used[segment_source_of(s, n)] = 1;
	for (uint32_t n = 0; n < info->history; n++)
		if (segment_history_source_of(s, n) < info->sources)
			used[segment_history_source_of(s, n)] = 1;
}

/* Lists the sources that some row has and that were not undone. */
static int list_sources(struct merger *m, size_t i, struct buf *all, struct err *err)
{
	const struct segment *s = m->g->segments[i];
	struct undone undone = rows_undone(&m->rows, i);
	uint64_t n = segment_info(s)->sources;
	uint32_t *map = arena_alloc(&m->arena, (n + 1) * sizeof(*map));

	m->map[i - m->from] = map;
	if (!map)
		return err_set(err, -ENOMEM, "out of memory for %llu sources", (unsigned long long)n);
	memset(map, 0, (n + 1) * sizeof(*map));
	mark_used(s, map);
	for (uint32_t k = 0; k < n; k++) {
		struct source source;
		int r = segment_source(s, k, &source, err);

		if (r < 0)
			return r;
		map[k] = map[k] && !undone_has(&undone, k);
		if (map[k])
			buf_add(all, &source, sizeof(source));
	}
	return 0;
}

static void map_sources(struct merger *m, size_t i)
{
	const struct segment *s = m->g->segments[i];
	uint32_t *map = m->map[i - m->from];
	struct source source;

	for (uint32_t k = 0; k < segment_info(s)->sources; k++) {
		const struct source *at;

		if (!map[k] || segment_source(s, k, &source, NULL) < 0)
			continue;
		at = sources_find(m->sources, m->source_count, &source);
		map[k] = (uint32_t)(at - m->sources);
	}
}

static int merge_sources(struct merger *m, struct err *err)
{
	OWNED_BUF all = {0};
	int r;

	m->map = arena_alloc(&m->arena, (m->to - m->from) * sizeof(*m->map));
	r = m->map ? 0 : err_set(err, -ENOMEM, "out of memory for sources");
	for (size_t i = m->from; r == 0 && i < m->to; i++)
		r = list_sources(m, i, &all, err);
	if (r < 0)
		return r;
	m->sources = arena_alloc(&m->arena, all.len + sizeof(*m->sources));
	if (buf_error(&all) || !m->sources)
		return err_set(err, -ENOMEM, "out of memory for sources");
	if (all.len)
		memcpy(m->sources, all.data, all.len);
	m->source_count = sources_distinct(m->sources, all.len / sizeof(*m->sources));
	for (size_t i = m->from; i < m->to; i++)
		map_sources(m, i);
	return 0;
}

/* A row that is kept, with its record. */
static int put_row(
	struct merger *m, struct walk *w, const struct parent_row *row, struct buf *to, struct err *err)
{
	struct entry e = row->entry;
	struct slice record;
	char *copy;
	int r = walk_record(w, row, &record, err);

	if (r < 0)
		return r;
	copy = arena_alloc(&m->arena, record.len + RECORD_PADDING);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory for a record of %zu bytes", record.len);
	memcpy(copy, record.data, record.len + RECORD_PADDING);
	e.record = slice_of(copy, record.len);
	e.source = m->map[row->segment - m->from][e.source];
	if (e.state == ENTRY_HIDDEN) /* worked out again */
		e.state = ENTRY_LIVE;
	buf_add(to, &e, sizeof(e));
	return 0;
}

/* Is the row one of those that can come back when a newer one is undone? Of those that can be undone no more only the
 * newest is. */
static bool may_return(const struct merger *m, const struct parent_row *rows, size_t count, size_t i)
{
	if (m->horizon == TIME_NONE || rows[i].source.ts > m->horizon)
		return true;
	for (size_t k = 0; k < count; k++) {
		const struct parent_row *other = &rows[k];

		if (k == i || other->source.ts > m->horizon ||
			!rows_count(&m->rows, other->segment, other->entry.id, other->entry.source))
			continue;
		if (entry_order(&rows[i].entry, &rows[i].source, &other->entry, &other->source) < 0)
			return false;
	}
	return true;
}

static int by_age(const void *va, const void *vb)
{
	const struct parent_row *a = *(const struct parent_row *const *)va;
	const struct parent_row *b = *(const struct parent_row *const *)vb;

	return entry_order(&a->entry, &a->source, &b->entry, &b->source);
}

/* The rows of one id: at most one stays an entry, the one that shows; the others that still count go into the history, each
 * record once. */
static int merge_id(
	struct merger *m, struct walk *w, const struct parent_row *rows, size_t count, struct err *err)
{
	const struct parent_row *shown = NULL, **kept = malloc((count + 1) * sizeof(*kept));
	size_t n = 0;
	int r = 0;

	if (!kept)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const struct parent_row *row = &rows[i];

		if (!rows_count(&m->rows, row->segment, row->entry.id, row->entry.source))
			continue;
		if (!row->history && !live_is_superseded(&m->g->live.segments[row->segment], row->n))
			shown = row;
		else if (may_return(m, rows, count, i))
			kept[n++] = row;
	}
	qsort(kept, n, sizeof(*kept), by_age);
	for (size_t i = 0; r == 0 && i < n; i++) {
		bool again = i && by_age(&kept[i - 1], &kept[i]) == 0;

		if (!again && !(shown && by_age(&kept[i], &shown) == 0))
			r = put_row(m, w, kept[i], &m->history, err);
	}
	/* A deletion that counts stays: by its version it may beat what is still to come. */
	if (r == 0 && shown)
		r = put_row(m, w, shown, &m->entries, err);
	free(kept);
	return r;
}

static int merge_rows(struct merger *m, struct err *err)
{
	OWNED(walk) struct walk *w = NULL;
	const struct parent_row *rows;
	size_t count;
	int r = walk_open(&w, &m->rows, m->from, m->to, err);

	while (r == 0 && (r = walk_next(w, &rows, &count, err)) == 1) {
		r = merge_id(m, w, rows, count, err);
		if (r == 0 && m->in->stop && *m->in->stop)
			r = err_set(err, -EINTR, "stopped while merging");
	}
	if (r == 0 && (buf_error(&m->entries) || buf_error(&m->history)))
		r = err_set(err, -ENOMEM, "out of memory for merged rows");
	return r;
}

/* ---- publishing ---- */

static int write_merged(struct merger *m, struct segment_output *out, struct err *err)
{
	struct compose_input in = {.state = m->in->state,
		.cfg = m->in->cfg,
		.file = SEGMENT_FILE,
		.sources = m->sources,
		.source_count = m->source_count,
		.entries = (struct entry *)m->entries.data,
		.entry_count = m->entries.len / sizeof(struct entry),
		.history = (const struct entry *)m->history.data,
		.history_count = m->history.len / sizeof(struct entry),
		.attribute = view_attribute,
		.attribute_ctx = m->g,
		.stop = m->in->stop,
		.progress = m->in->progress,
		.progress_ctx = m->in->progress_ctx};

	return compose(&in, out, err);
}

static bool is_unchanged(const struct manifest_segment *a, const struct manifest_segment *b)
{
	return !strcmp(a->name, b->name) && a->left == b->left && a->undone_count == b->undone_count &&
	       (!a->undone_count || !memcmp(a->undone, b->undone, a->undone_count * sizeof(*a->undone)));
}

/* Where the merged segments are in `now`; false where they are not side by side any more, or something else in them counts: other
 * files are undone, or what had left is back by a rollback or a longer window. */
static bool find_run(const struct merger *m, const struct manifest *now, size_t *from)
{
	const struct manifest_segment *was = &m->g->manifest.segments[m->from];
	size_t n = m->to - m->from, i = 0;

	while (i < now->segment_count && strcmp(now->segments[i].name, was->name) != 0)
		i++;
	*from = i;
	if (n > now->segment_count - i || now->horizon < m->g->manifest.horizon ||
		now->watermark < m->g->manifest.watermark)
		return false;
	for (size_t k = 0; k < n; k++)
		if (!is_unchanged(&was[k], &now->segments[i + k]))
			return false;
	return true;
}

static int publish_over(struct merger *m, struct generation *now, struct catalog *catalog,
	const struct segment_output *written, struct merge_result *out, struct err *err)
{
	const struct manifest *parent = &now->manifest;
	struct publish_segment fresh = {.file = SEGMENT_FILE, .output = written};
	bool *dropped = calloc(parent->segment_count + 1, sizeof(*dropped));
	struct publish_input in = {.state = m->in->state,
		.catalog = catalog,
		.parent = now,
		.kind = MANIFEST_MERGE,
		.watermark = parent->watermark,
		.horizon = parent->horizon,
		.base_at = parent->base_at,
		.k1 = parent->k1,
		.b = parent->b,
		.now = time_now(),
		.segments = &fresh,
		.segment_count = written != NULL,
		.dropped = dropped};
	uint64_t documents;
	int r = dropped ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (r == 0 && find_run(m, parent, &fresh.at)) {
		memset(dropped + fresh.at, true, m->to - m->from);
		memcpy(in.config_hash, parent->config_hash, sizeof(in.config_hash));
		r = catalog_take_number(catalog, &in.number, err);
		if (r == 0)
			r = publish(&in, &documents, err);
		if (r == 0)
			out->generation = in.number;
	}
	free(dropped);
	return r;
}

/* The last step, with the writer's lock. */
static int publish_merged(
	struct merger *m, const struct segment_output *written, struct merge_result *out, struct err *err)
{
	OWNED(catalog) struct catalog *catalog = NULL;
	struct generation *now = NULL;
	uint64_t paused = 0;
	int r = state_lock(m->in->state, LOCK_WAIT, err);

	if (r == 0)
		r = catalog_open(&catalog, m->in->state, true, err);
	if (r == 0)
		r = catalog_paused(catalog, &paused, err);
	if (r == 0)
		r = current_generation(m->in->state, catalog, &now, err);
	if (r == 0 && now)
		r = publish_over(m, now, catalog, written, out, err);
	generation_unref(now);
	catalog_freep(&catalog);
	catalog = NULL;
	state_unlock(m->in->state);
	return r < 0 ? r : 0;
}

static int merge_build(struct merger *m, struct merge_result *out, struct err *err)
{
	struct segment_output written;
	int r = state_build_begin(m->in->state, err);
	bool any;

	if (r < 0)
		return r;
	r = merge_sources(m, err);
	if (r == 0)
		r = merge_rows(m, err);
	any = m->entries.len + m->history.len > 0;
	if (r == 0 && any)
		r = write_merged(m, &written, err);
	if (r == 0 && m->in->stop && *m->in->stop)
		r = err_set(err, -EINTR, "stopped before publishing");
	if (r == 0)
		r = publish_merged(m, any ? &written : NULL, out, err);
	state_build_end(m->in->state);
	if (r == 0 && out->generation) {
		out->segments = m->to - m->from;
		out->written = any ? written.bytes : 0;
		for (size_t i = m->from; i < m->to; i++)
			out->read += m->g->manifest.segments[i].bytes;
	}
	return r;
}

/* Picks what to merge: 1, or 0 nothing. What was built by other rules is folded again first. */
static int merge_open(struct merger *m, struct err *err)
{
	OWNED(catalog) struct catalog *catalog = NULL;
	uint64_t paused;
	int r = catalog_open(&catalog, m->in->state, false, err);

	if (r == 0)
		r = catalog_paused(catalog, &paused, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = current_generation(m->in->state, catalog, &m->g, err);
	if (r < 0 || !m->g || !config_has_hash(m->in->cfg, m->g->manifest.config_hash))
		return r;
	return merge_pick(&m->g->manifest, m->in->cfg, &m->from, &m->to);
}

static int merge_locked(struct merger *m, struct merge_result *out, struct err *err)
{
	const struct manifest *now;
	int r = merge_open(m, err);

	if (r != 1)
		return r;
	now = &m->g->manifest;
	m->horizon = plan_horizon(m->in->cfg, now->watermark, now->base_at);
	/* A window that is shorter now counts from the next build on. */
	if (now->base_at == TIME_NONE && now->horizon < m->horizon)
		m->horizon = now->horizon;
	r = rows_init(&m->rows, m->g, m->g->manifest.horizon, NULL, err);
	return r == 0 ? merge_build(m, out, err) : r;
}

int merge_step(const struct merge_input *in, struct merge_result *out, struct err *err)
{
	struct merger m = {.in = in};
	int lock, r = state_lock_side(in->state, "merge.lock", &lock, err);

	*out = (struct merge_result){0};
	if (r < 0)
		return r;
	r = merge_locked(&m, out, err);
	close(lock);
	rows_release(&m.rows);
	buf_release(&m.entries);
	buf_release(&m.history);
	arena_release(&m.arena);
	generation_unref(m.g);
	return r < 0 ? err_context(err, r, "merging") : 0;
}
