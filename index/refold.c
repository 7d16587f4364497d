/* SPDX-License-Identifier: Apache-2.0 */
#include "refold.h"

#include <inttypes.h>

#include "base_private.h"
#include "timefmt.h"

/* ---- before anything is folded ---- */

struct refusals {
	uint64_t records, refused;
	struct buf first;
};

static int count_refusals(const struct refold_input *in, size_t from, size_t to, int64_t after,
	struct refusals *all, struct err *err)
{
	struct recall_input segments = {.rows = in->rows,
		.from = from,
		.to = to,
		.after = after,
		.horizon = TIME_NONE,
		.cfg = in->cfg,
		.judge = true,
		.stop = in->stop};
	struct recall found;
	int code = recall(&segments, &found, err);

	all->records += found.judged;
	all->refused += found.refused;
	if (!all->first.len)
		buf_add_slice(&all->first, found.first_refused);
	recall_release(&found);
	for (size_t i = from; i < to; i++)
		segment_forget(in->rows->g->segments[i]);
	if (in->progress)
		in->progress(in->progress_ctx, to, in->rows->g->manifest.segment_count);
	return code;
}

int refold_check(const struct refold_input *in, struct buf *text, struct err *err)
{
	const struct manifest *m = &in->rows->g->manifest;
	int64_t covered = in->base ? time_add(m->base_at, -in->cfg->cadence) : TIME_NONE;
	struct refusals all = {0};
	int code = 0;

	/* The segments of a base have no records in common; those of the deltas have copies, also of the base's. */
	for (size_t i = 0; code == 0 && i < in->base; i++)
		code = count_refusals(in, i, i + 1, TIME_NONE, &all, err);
	if (code == 0)
		code = count_refusals(in, in->base, m->segment_count, covered, &all, err);
	if (code == 0 && config_refuses(in->cfg, all.refused, all.records))
		buf_addf(text,
			"the new [document] and [attribute] rules refuse %" PRIu64 " of %" PRIu64
			" records that the index has (first: %s)",
			all.refused, all.records, buf_cstr(&all.first));
	if (code == 0 && (buf_error(&all.first) || buf_error(text)))
		code = err_set(err, -ENOMEM, "out of memory");
	buf_release(&all.first);
	return code;
}

/* ---- the base ---- */

struct refolder {
	const struct refold_input *in;
	struct sorter *sorter; /* owned */
	struct arena arena;    /* the sources */
	struct source *sources;
	size_t count;
	uint64_t records;
};

/* The segments of one base all name the same files. */
static int take_sources(struct refolder *r, const struct recall *from, struct err *err)
{
	if (r->sources)
		return 0;
	r->sources = arena_alloc(&r->arena, (from->source_count + 1) * sizeof(*r->sources));
	if (!r->sources)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(r->sources, from->sources, from->source_count * sizeof(*r->sources));
	r->count = from->source_count;
	return 0;
}

static int add_record(
	struct refolder *r, const struct recall *from, const struct record *record, struct err *err)
{
	const struct source *at = sources_find(r->sources, r->count, &from->sources[record->source]);
	struct arena *arena = sorter_arena(r->sorter);
	struct record copy = *record;

	if (!at)
		return err_set(err, -EBADMSG, "a segment of the base names a file that the others do not");
	copy.source = (uint32_t)(at - r->sources);
	copy.id = arena_dup(arena, record->id);
	if (record->group.len)
		copy.group = arena_dup(arena, record->group);
	if (record->version.len)
		copy.version = arena_dup(arena, record->version);
	copy.json = arena_dup(arena, record->json);
	if (!copy.id.data || (record->group.len && !copy.group.data) ||
		(record->version.len && !copy.version.data) || !copy.json.data)
		return err_set(err, -ENOMEM, "out of memory");
	r->records++;
	return sorter_add(r->sorter, &copy, err);
}

static int add_segment(struct refolder *r, size_t i, struct err *err)
{
	struct recall_input in = {.rows = r->in->rows,
		.from = i,
		.to = i + 1,
		.after = TIME_NONE,
		.horizon = TIME_NONE,
		.cfg = r->in->cfg,
		.stop = r->in->stop};
	struct recall found;
	int code = recall(&in, &found, err);

	if (code == 0)
		code = take_sources(r, &found, err);
	for (size_t k = 0; code == 0 && k < found.count; k++)
		code = add_record(r, &found, &found.records[k], err);
	recall_release(&found);
	segment_forget(r->in->rows->g->segments[i]);
	if (r->in->progress)
		r->in->progress(r->in->progress_ctx, i + 1, r->in->base);
	return code;
}

static int write_base(struct refolder *r, struct buf *pieces, struct err *err)
{
	struct base_write_input to = {.state = r->in->state,
		.cfg = r->in->cfg,
		.sorter = r->sorter,
		.sources = r->sources,
		.source_count = r->count,
		.stop = r->in->stop,
		.progress = r->in->progress,
		.progress_ctx = r->in->progress_ctx,
		.total = r->records};
	int code = sorter_finish(r->sorter, err);

	return code == 0 ? base_write(&to, pieces, err) : code;
}

int refold_base(const struct refold_input *in, struct buf *pieces, struct generation **out, struct err *err)
{
	OWNED_STR char *dir = state_path(in->state, "%s", in->state->build);
	struct refolder r = {.in = in};
	int code;

	*out = NULL;
	if (!in->base)
		return 0;
	code = dir ? sorter_new(&r.sorter, dir, in->cfg->memory / BASE_SORT_PART, err)
		   : err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; code == 0 && i < in->base; i++)
		code = add_segment(&r, i, err);
	if (code == 0)
		code = write_base(&r, pieces, err);
	if (code == 0)
		code = base_open(in->state, pieces, out, err);
	sorter_free(r.sorter);
	arena_release(&r.arena);
	return code < 0 ? err_context(err, code, "folding the base again") : 0;
}

/* ---- the deltas ---- */

/* Renumbers records by the sources in `all`, which has theirs. */
static void renumber(struct record *records, size_t count, const struct source *sources,
	const struct source *all, size_t n)
{
	for (size_t i = 0; i < count; i++) {
		const struct source *at = sources_find(all, n, &sources[records[i].source]);

		records[i].source = (uint32_t)(at - all);
	}
}

int refold_deltas(const struct refold_input *in, struct records_of_build *records, struct recall *recalled,
	struct arena *arena, struct err *err)
{
	struct recall_input from = {.rows = in->rows,
		.from = in->base,
		.to = in->rows->g->manifest.segment_count,
		.after = TIME_NONE,
		.horizon = in->horizon,
		.cfg = in->cfg,
		.stop = in->stop};
	int code = recall(&from, recalled, err);
	size_t n = records->source_count + recalled->source_count,
	       m = records->record_count + recalled->count;
	struct source *all = arena_alloc(arena, (n + 1) * sizeof(*all));
	struct record *list = arena_alloc(arena, (m + 1) * sizeof(*list));

	if (code < 0)
		return err_context(err, code, "folding the deltas again");
	if (!all || !list)
		return err_set(err, -ENOMEM, "out of memory for %zu records", m);
	memcpy(all, records->sources, records->source_count * sizeof(*all));
	memcpy(all + records->source_count, recalled->sources, recalled->source_count * sizeof(*all));
	n = sources_distinct(all, n);
	renumber(records->records, records->record_count, records->sources, all, n);
	renumber(recalled->records, recalled->count, recalled->sources, all, n);
	memcpy(list, records->records, records->record_count * sizeof(*list));
	memcpy(list + records->record_count, recalled->records, recalled->count * sizeof(*list));
	*records = (struct records_of_build){
		.sources = all, .source_count = n, .records = list, .record_count = m};
	return 0;
}
