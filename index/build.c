/* SPDX-License-Identifier: Apache-2.0 */
/* index/build.c - a tick, step by step. Each step leaves what it found in struct tick for the next; nothing is
 * visible to anyone before publish(), save rows that only note what was seen. */
#include "build.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "compose.h"
#include "fold.h"
#include "gc.h"
#include "name.h"
#include "outcome.h"
#include "publish.h"
#include "base_private.h"
#include "refold.h"
#include "undo.h"

#define SEGMENT_FILE "segment"
#define REPORT_EVERY (TIME_SECOND / 10)

/* Thins out what many threads report. */
struct meter {
	const struct build_progress *to; /* NULL: nobody listens */
	const char *phase;
	_Atomic int64_t last;
};

struct tick {
	struct state *state;
	struct catalog *catalog; /* NULL: nothing was ever built (dry run only) */
	struct store *store;
	const struct config *cfg;
	const struct build_options *opt;
	struct build_result *out;
	int64_t plan_now;
	unsigned threads;
	struct meter meter;

	struct generation *parent; /* NULL: none */
	struct generation *
		under; /* what the new records are folded over: the parent, or its base alone; NULL: nothing */
	struct undo undo;       /* of the parent's records */
	bool refolds;           /* everything that the parent has is folded again */
	struct rows rows;       /* then: the parent's, as they will count */
	struct recall recalled; /* the records of its deltas */
	struct buf pieces;      /* struct base_piece: its base, written anew */
	struct arena arena;
	struct listing listing;
	struct plan plan;
	struct intake intake;
	int64_t base_at;            /* TIME_NONE: there is no base */
	int64_t watermark, horizon; /* after this tick */
	size_t indexed;             /* partitions whose content changes, without failure */
	struct source
		*sources; /* one a file of the intake; with `refolds` those of the recalled records too */
	size_t source_count;
	struct record *records;
	size_t record_count;
	struct fold_input fold_in;
	struct fold_output fold;
	bool has_segment;
	struct segment_output segment;
	struct publish_reject *rejects;
	size_t reject_count;
	bool gc_failed; /* after the publish: only worth a note */
};

/* ---- progress ---- */

static int64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * TIME_SECOND + t.tv_nsec;
}

static void meter_report(void *ctx, uint64_t done, uint64_t total)
{
	struct meter *m = ctx;
	int64_t now, last;

	if (!m->to)
		return;
	now = monotonic();
	last = atomic_load(&m->last);
	if (now - last >= REPORT_EVERY && atomic_compare_exchange_strong(&m->last, &last, now))
		m->to->report(m->to->ctx, m->phase, done, total);
}

static void meter_phase(struct meter *m, const char *phase)
{
	m->phase = phase;
	if (m->to)
		m->to->report(m->to->ctx, phase, 0, 0);
}

static bool is_stopped(const struct tick *t)
{
	return t->opt->stop && *t->opt->stop;
}

/* ---- look ---- */

struct look {
	const struct config *cfg;
	struct catalog *catalog;
	struct store *store;
	int64_t now;
	bool retry;
};

static int look(const struct look *l, struct plan *plan, struct listing *listing, struct arena *arena,
	struct err *err)
{
	OWNED(template) struct template *template = NULL;
	struct catalog_current current = {.watermark = TIME_NONE, .base_at = TIME_NONE};
	struct plan_input in = {.cfg = l->cfg, .now = l->now, .listing = listing, .retry = l->retry};
	struct row *rows = NULL;
	int64_t from;
	int r;

	r = template_parse(&template, l->cfg->partition, err);
	if (r < 0)
		return err_context(err, r, "feed.partition");
	if (l->catalog)
		r = catalog_current(l->catalog, &current, err);
	in.watermark = current.number ? current.watermark : TIME_NONE;
	in.base_at = current.number ? current.base_at : TIME_NONE;
	from = plan_horizon(l->cfg, in.watermark, in.base_at);
	if (r == 0 && l->catalog)
		r = catalog_rows(l->catalog, from, true, arena, &rows, &in.row_count, err);
	if (r < 0)
		return err_context(err, r, "catalog.db");
	in.rows = rows;
	r = feed_list(l->store, template, l->cfg, from, l->now, listing, err);
	if (r < 0)
		return r;
	r = plan_make(&in, plan, err);
	if (r < 0)
		listing_release(listing);
	return r;
}

int build_look(struct catalog *catalog, struct store *store, const struct config *cfg, int64_t now,
	struct plan *plan, struct listing *listing, struct arena *arena, struct err *err)
{
	struct look l = {.cfg = cfg, .catalog = catalog, .store = store, .now = now};

	*plan = (struct plan){0};
	*listing = (struct listing){0};
	return look(&l, plan, listing, arena, err);
}

/* ---- before reading ---- */

/* Written once where it changes: each write of the catalog is a sync of the disk. */
static int remember(struct catalog *c, const char *key, struct slice value, struct err *err)
{
	OWNED_BUF old = {0};
	int r = catalog_get(c, key, &old, err);

	if (r < 0 || (r == 1 && slice_eq(buf_slice(&old), value)) || (r == 0 && !value.len))
		return r < 0 ? r : 0;
	return catalog_set(c, key, value, err);
}

static int remember_config(struct tick *t, struct err *err)
{
	OWNED_BUF text = {0};
	int r;

	config_dump(t->cfg, &text);
	if (buf_error(&text))
		return err_set(err, -ENOMEM, "out of memory");
	r = remember(t->catalog, "config", buf_slice(&text), err);
	if (r == 0)
		r = remember(t->catalog, "url", slice_str(t->store->url), err);
	return r < 0 ? err_context(err, r, "catalog.db") : 0;
}

/* Was the parent built by other rules? Then everything is folded again. */
static bool rules_differ(const struct tick *t)
{
	uint8_t hash[CONFIG_HASH_BYTES];

	config_hash(t->cfg, hash);
	return t->parent && memcmp(hash, t->parent->manifest.config_hash, sizeof(hash)) != 0;
}

static int open_parent(struct tick *t, struct err *err)
{
	return t->catalog ? current_generation(t->state, t->catalog, &t->parent, err) : 0;
}

static int prepare(struct tick *t, struct err *err)
{
	int r = 0;

	if (!t->opt->dry_run)
		r = publish_repair(t->state, t->catalog, err);
	if (r == 0 && t->catalog)
		r = catalog_paused(t->catalog, &t->out->paused, err);
	if (r >= 0)
		r = open_parent(t, err);
	t->refolds = r == 0 && rules_differ(t);
	if (r == 0 && !t->opt->dry_run && !t->out->paused)
		r = remember_config(t, err);
	t->watermark = t->parent ? t->parent->manifest.watermark : TIME_NONE;
	t->base_at = t->parent ? t->parent->manifest.base_at : TIME_NONE;
	t->out->watermark = t->watermark;
	return r;
}

static int list_and_plan(struct tick *t, struct err *err)
{
	struct look l = {.cfg = t->cfg,
		.catalog = t->catalog,
		.store = t->store,
		.now = t->plan_now,
		.retry = t->opt->retry};
	int r;

	meter_phase(&t->meter, "listing");
	r = look(&l, &t->plan, &t->listing, &t->arena, err);
	if (r < 0)
		return r;
	t->out->next_due = t->plan.next_due;
	t->out->covered_changes = t->plan.covered_changes;
	return r;
}

/* ---- reading and folding ---- */

static void note_failure(struct tick *t, struct slice path, const char *reason)
{
	t->out->failed++;
	name_print(path, &t->out->failed_text);
	buf_addf(&t->out->failed_text, ": %s\n", reason);
}

static int read_partitions(struct tick *t, struct err *err)
{
	struct intake_input in = {.store = t->store,
		.cfg = t->cfg,
		.plan = &t->plan,
		.threads = t->threads,
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	size_t i;
	int r;

	meter_phase(&t->meter, "reading");
	r = intake_read(&in, &t->intake, err);
	for (i = 0; r == 0 && i < t->intake.partition_count; i++) {
		const struct intake_partition *p = &t->intake.partitions[i];

		if (p->code && p->code != -ESTALE)
			note_failure(t, p->item->seen->path, p->reason);
		if (p->code)
			continue;
		if (p->is_unchanged)
			continue;
		t->indexed++;
		t->out->partitions++;
		t->out->records += p->records;
		t->out->rejected += p->rejected;
		if (t->watermark == TIME_NONE || p->item->ts > t->watermark)
			t->watermark = p->item->ts;
	}
	t->horizon = plan_horizon(t->cfg, t->watermark, t->base_at);
	return r;
}

static size_t record_total(const struct intake *in)
{
	size_t total = 0;

	for (size_t i = 0; i < in->file_count; i++)
		for (const struct intake_batch *b = in->files[i].batches; b; b = b->next)
			total += b->count;
	return total;
}

static void gather_file(struct tick *t, struct intake_file *f)
{
	for (struct intake_batch *b = f->batches; b; b = b->next) {
		memcpy(t->records + t->record_count, b->records, b->count * sizeof(*b->records));
		t->record_count += b->count;
		free(b->records);
		b->records = NULL;
	}
}

/* The records of the partitions that did not fail, as one array; those of files that are as before are in the index. */
static int gather_records(struct tick *t, struct err *err)
{
	const struct intake *in = &t->intake;
	size_t total = record_total(in), i, k;

	t->sources = arena_alloc(&t->arena, (in->file_count + 1) * sizeof(*t->sources));
	t->records = arena_alloc(&t->arena, (total + 1) * sizeof(*t->records));
	if (!t->sources || !t->records)
		return err_set(err, -ENOMEM, "no memory for %zu records", total);
	for (i = 0; i < in->file_count; i++) {
		const struct intake_file *f = &in->files[i];

		t->sources[i] = (struct source){
			.ts = f->item->ts, .partition = f->item->seen->path, .file = f->seen->path};
		memcpy(t->sources[i].hash, f->hash, sizeof(f->hash));
	}
	for (i = 0; i < in->partition_count; i++) {
		const struct intake_partition *p = &in->partitions[i];

		for (k = p->first; !p->code && k < p->first + p->count; k++)
			if (!in->files[k].same || !p->item->has_content)
				gather_file(t, &in->files[k]);
	}
	return 0;
}

/* Documents leave with their partition, unless there is a base: then an older version would shine through. */
static int64_t leaving(const struct tick *t)
{
	return t->base_at == TIME_NONE ? t->horizon : TIME_NONE;
}

static void add_undone(const struct intake_partition *p, const struct file_row *was, struct buf *out)
{
	struct source source = {.ts = p->item->ts, .partition = p->item->row->path, .file = was->path};

	memcpy(source.hash, was->hash, sizeof(source.hash));
	buf_add(out, &source, sizeof(source));
}

/* The files whose records count no more: rewritten and vanished ones of partitions that did not fail. Those of a partition that had
 * expired too, and comes back by a longer window: what else has left, its attributes had stayed. */
static int gather_undone(struct tick *t, struct err *err)
{
	OWNED_BUF sources = {0};

	for (size_t i = 0; i < t->intake.partition_count; i++) {
		const struct intake_partition *p = &t->intake.partitions[i];

		if (p->code)
			continue;
		for (size_t k = p->first; k < p->first + p->count; k++)
			if (t->intake.files[k].was && !t->intake.files[k].same)
				add_undone(p, t->intake.files[k].was, &sources);
		for (size_t k = 0; k < p->vanished_count; k++)
			add_undone(p, p->vanished[k], &sources);
	}
	if (buf_error(&sources))
		return err_set(err, -ENOMEM, "out of memory");
	return undo_init(&t->undo, t->parent, (const struct source *)sources.data,
		sources.len / sizeof(struct source), err);
}

/* Has the tick indexed the partition that takes the place of all others? */
static bool has_replaced(const struct tick *t)
{
	return t->plan.replaces && t->intake.partition_count == 1 && !t->intake.partitions[0].code;
}

static bool is_dropped(const struct tick *t, size_t segment)
{
	return t->refolds || (has_replaced(t) && !t->parent->manifest.segments[segment].base);
}

/* Everything again: the base into new segments, the deltas into the new records. */
static int refold(struct tick *t, struct err *err)
{
	struct records_of_build all = {t->sources, t->intake.file_count, t->records, t->record_count};
	struct refold_input in = {.state = t->state,
		.cfg = t->cfg,
		.rows = &t->rows,
		.horizon = leaving(t),
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	const struct manifest *m = &t->parent->manifest;
	int r = rows_init(&t->rows, t->parent, m->horizon, t->undo.fresh ? t->undo.list : NULL, err);

	meter_phase(&t->meter, "folding everything again");
	while (in.base < m->segment_count && m->segments[in.base].base)
		in.base++;
	if (r == 0)
		r = refold_base(&in, &t->pieces, &t->under, err);
	if (r == 0 && !has_replaced(t))
		r = refold_deltas(&in, &all, &t->recalled, &t->arena, err);
	t->sources = all.sources;
	t->source_count = all.source_count;
	t->records = all.records;
	t->record_count = all.record_count;
	return r;
}

static int choose_under(struct tick *t, struct err *err)
{
	size_t n = t->parent ? t->parent->manifest.segment_count : 0;
	bool *keep;
	int r;

	t->source_count = t->intake.file_count;
	if (t->refolds)
		return refold(t, err);
	if (!t->parent)
		return 0;
	if (!has_replaced(t)) {
		t->under = generation_ref(t->parent);
		return 0;
	}
	keep = calloc(n + 1, sizeof(*keep));
	if (!keep)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		keep[i] = !is_dropped(t, i);
	r = generation_part(&t->under, t->parent, keep, leaving(t), err);
	free(keep);
	return r;
}

static int fold_records(struct tick *t, struct err *err)
{
	struct fold_input *in = &t->fold_in;
	int r;

	meter_phase(&t->meter, "folding");
	r = gather_records(t, err);
	if (r == 0)
		r = gather_undone(t, err);
	if (r == 0)
		r = choose_under(t, err);
	if (r < 0)
		return r;
	*in = (struct fold_input){.cfg = t->cfg,
		.parent = t->under,
		.horizon = leaving(t),
		.undone = t->under == t->parent && t->undo.fresh ? t->undo.list : NULL,
		.sources = t->sources,
		.source_count = t->source_count,
		.records = t->records,
		.record_count = t->record_count};
	return fold(in, &t->fold, err);
}

/* ---- writing ---- */

static int write_segment(struct tick *t, struct err *err)
{
	struct fold_attributes attributes = fold_attributes(&t->fold_in, &t->fold);
	struct compose_input in = {.state = t->state,
		.cfg = t->cfg,
		.file = SEGMENT_FILE,
		.sources = t->fold.sources,
		.source_count = t->fold.source_count,
		.entries = t->fold.entries,
		.entry_count = t->fold.entry_count,
		.history = t->fold.history,
		.history_count = t->fold.history_count,
		.attribute = fold_attribute,
		.attribute_ctx = &attributes,
		.threads = t->threads,
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	int r;

	meter_phase(&t->meter, "writing");
	r = compose(&in, &t->segment, err);
	if (r < 0)
		return r;
	t->has_segment = true;
	t->out->segment_bytes = t->segment.bytes;
	return 0;
}

/* ---- publishing ---- */

/* What was refused of a partition's files: of those that were read, and, of those that are there no more, nothing. Where a change of it
 * fails, the last good records stay, and with them what was refused beside them. */
static void gather_rejects_of(struct tick *t, const struct intake_partition *p)
{
	struct slice path = p->item->seen ? p->item->seen->path : p->item->row->path;

	if (p->code && p->item->has_content)
		return;
	for (size_t i = p->first; i < p->first + p->count; i++) {
		struct intake_file *f = &t->intake.files[i];

		/* A file that is clean now takes back what was refused of it before. */
		if (f->rejects.count || !f->code)
			t->rejects[t->reject_count++] = (struct publish_reject){
				.partition = path, .file = f->seen->path, .text = reject_text(&f->rejects)};
	}
	for (size_t i = 0; !p->code && i < p->vanished_count; i++)
		t->rejects[t->reject_count++] =
			(struct publish_reject){.partition = path, .file = p->vanished[i]->path};
}

static int gather_rejects(struct tick *t, struct err *err)
{
	size_t room = t->intake.file_count + 1, i;

	for (i = 0; i < t->intake.partition_count; i++)
		room += t->intake.partitions[i].vanished_count;
	t->rejects = arena_alloc(&t->arena, room * sizeof(*t->rejects));
	if (!t->rejects)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; i < t->intake.partition_count; i++)
		gather_rejects_of(t, &t->intake.partitions[i]);
	return 0;
}

static struct outcome_input outcome_of(const struct tick *t, uint64_t generation)
{
	return (struct outcome_input){.plan = &t->plan,
		.intake = &t->intake,
		.generation = generation,
		.horizon = t->horizon,
		.plan_now = t->plan_now,
		.now = time_now()};
}

static int make_rows(struct tick *t, uint64_t generation, struct row **rows, size_t *count, struct err *err)
{
	struct outcome_input in = outcome_of(t, generation);
	int r = outcome_rows(&in, &t->arena, rows, count, err);

	t->out->uncovered = 0;
	for (size_t i = 0; r == 0 && i < *count; i++) {
		const struct row *row = &(*rows)[i];

		t->out->uncovered += row_is_uncovered(row);
		if (row->state == PART_FAILED && slice_eq(row->reason, slice_str(PLAN_CRASHED)))
			note_failure(t, row->path, PLAN_CRASHED);
	}
	return r;
}

/* The base, where it was written anew, under all, and what was folded over all. */
static struct publish_segment *fresh_segments(struct tick *t, size_t *count)
{
	const struct base_piece *pieces = (const struct base_piece *)t->pieces.data;
	size_t n = t->pieces.len / sizeof(*pieces);
	struct publish_segment *list = arena_alloc(&t->arena, (n + 1) * sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = (struct publish_segment){
			.file = pieces[i].file, .output = &pieces[i].output, .base = true};
	if (list)
		list[n] = (struct publish_segment){.file = SEGMENT_FILE,
			.output = &t->segment,
			.at = t->parent ? t->parent->manifest.segment_count : 0};
	*count = n + t->has_segment;
	return list;
}

static int publish_tick(struct tick *t, struct err *err)
{
	struct publish_input in = {.state = t->state,
		.catalog = t->catalog,
		.parent = t->parent,
		.watermark = t->watermark,
		.horizon = leaving(t),
		.base_at = t->base_at,
		.undone = t->fold_in.undone,

		.rejects = t->rejects,
		.reject_count = t->reject_count};
	size_t old = t->parent ? t->parent->manifest.segment_count : 0;
	bool *dropped = arena_alloc(&t->arena, old + 1);
	struct row *rows;
	int r;

	meter_phase(&t->meter, "publishing");
	in.dropped = dropped;
	in.segments = fresh_segments(t, &in.segment_count);
	r = dropped && in.segments ? catalog_take_number(t->catalog, &in.number, err)
				   : err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = make_rows(t, in.number, &rows, &in.row_count, err);
	if (r < 0)
		return r;
	in.rows = rows;
	in.now = time_now();
	in.k1 = t->cfg->k1;
	in.b = t->cfg->b;
	config_hash(t->cfg, in.config_hash);
	for (size_t i = 0; i < old; i++)
		dropped[i] = is_dropped(t, i);
	r = publish(&in, &t->out->documents, err);
	if (r < 0)
		return r;
	t->out->generation = in.number;
	t->out->watermark = t->watermark;
	return 0;
}

/* Nothing goes into the index: only what was seen is noted. */
static int note_tick(struct tick *t, struct err *err)
{
	struct row *rows;
	size_t count;
	int r = 0;

	if (t->reject_count)
		r = publish_rejects(t->state, t->rejects, t->reject_count, err);
	if (r == 0)
		r = make_rows(t, 0, &rows, &count, err);
	if (r == 0 && count)
		r = catalog_note(t->catalog, rows, count, err);
	return r;
}

/* ---- the tick ---- */

static int index_and_publish(struct tick *t, struct err *err)
{
	int r;

	r = fold_records(t, err);
	if (r == 0 && t->fold.entry_count + t->fold.history_count)
		r = write_segment(t, err);
	if (r == 0 && is_stopped(t))
		r = err_set(err, -EINTR, "stopped before publishing");
	return r == 0 ? publish_tick(t, err) : r;
}

/* Does content leave? Also where nothing new pushes it out: after `window` was made shorter. */
static bool content_leaves(const struct tick *t)
{
	struct outcome_input in = outcome_of(t, 0);

	for (size_t i = 0; i < t->plan.count; i++) {
		const struct plan_item *item = &t->plan.items[i];

		if (item->action == PLAN_NOTE && item->state == PART_EXPIRED && outcome_holds(&in, item))
			return true;
	}
	return false;
}

/* Notes in the catalog which partitions this build is about to read: one sync. */
static int begin_attempt(struct tick *t, struct err *err)
{
	struct row *rows;
	size_t count;
	int r = outcome_begin(&t->plan, time_now(), &t->arena, &rows, &count, err);

	return r == 0 && count ? catalog_note(t->catalog, rows, count, err) : r;
}

/* This build ends without publishing, but lives to tell: what begin_attempt() noted is not so. Where the catalog has
 * moved on, its rows are the published ones. */
static void take_back_attempt(struct tick *t)
{
	struct catalog_current current;
	struct row *rows;
	size_t count;

	if (catalog_current(t->catalog, &current, NULL) < 0 ||
		current.number != (t->parent ? t->parent->manifest.number : 0))
		return;
	if (outcome_take_back(&t->plan, time_now(), &t->arena, &rows, &count, NULL) == 0 && count)
		catalog_note(t->catalog, rows, count, NULL);
}

static int read_and_publish(struct tick *t, struct err *err)
{
	int r;

	r = read_partitions(t, err);
	if (r == 0)
		r = gather_rejects(t, err);
	if (r == 0)
		r = t->indexed || content_leaves(t) || t->refolds ? index_and_publish(t, err)
								  : note_tick(t, err);
	return r;
}

/* Is there work left that another tick can do at once? Not where all that this one read changed meanwhile. */
static bool has_more(const struct tick *t)
{
	for (size_t i = 0; i < t->intake.partition_count; i++)
		if (t->intake.partitions[i].code != -ESTALE)
			return t->plan.more || t->out->failed;
	return false;
}

static int run_due(struct tick *t, struct err *err)
{
	int r;

	r = state_build_begin(t->state, err);
	if (r < 0)
		return r;
	r = begin_attempt(t, err);
	if (r == 0) {
		r = read_and_publish(t, err);
		if (r < 0)
			take_back_attempt(t);
	}
	state_build_end(t->state);
	if (r == 0)
		t->out->more = has_more(t);
	return r;
}

static int run(struct tick *t, struct err *err)
{
	struct gc_result removed;
	int r;

	r = prepare(t, err);
	if (r == 0 && !t->out->paused)
		r = list_and_plan(t, err);
	if (r < 0 || t->out->paused)
		return r;
	if (t->opt->dry_run || t->opt->explain)
		plan_print(&t->plan, &t->out->plan_text);
	if (buf_error(&t->out->plan_text))
		return err_set(err, -ENOMEM, "out of memory");
	if (t->opt->dry_run)
		return 0;
	t->horizon = plan_horizon(t->cfg, t->watermark, t->base_at);
	if (t->plan.to_index || content_leaves(t) || t->refolds)
		r = run_due(t, err);
	else if (t->plan.to_note)
		r = note_tick(t, err);
	if (r < 0 || !t->out->generation)
		return r;
	/* What was published stands, even where old files cannot be removed. */
	t->gc_failed = gc_run(t->state, t->catalog, t->cfg, time_now(), &removed, err) < 0;
	return 0;
}

static void tick_release(struct tick *t)
{
	fold_release(&t->fold);
	undo_release(&t->undo);
	recall_release(&t->recalled);
	rows_release(&t->rows);
	buf_release(&t->pieces);
	generation_unref(t->under);
	intake_release(&t->intake);
	plan_release(&t->plan);
	listing_release(&t->listing);
	arena_release(&t->arena);
	generation_unref(t->parent);
}

int build_tick(struct state *state, struct catalog *catalog, struct store *store, const struct config *cfg,
	const struct build_options *opt, struct build_result *out, struct err *err)
{
	struct tick t = {.state = state,
		.catalog = catalog,
		.store = store,
		.cfg = cfg,
		.opt = opt,
		.out = out,
		.plan_now = opt->now == TIME_NONE ? time_now() : opt->now,
		.threads = compose_threads(cfg),
		.base_at = TIME_NONE,
		.meter = {.to = opt->progress}};
	struct err own = ERR_INIT;
	int r;

	*out = (struct build_result){.watermark = TIME_NONE, .next_due = TIME_FOREVER};
	if (!opt->dry_run && state->lockfd < 0)
		return err_set(err, -EBUSY, "%s: building without the writer's lock", state->dir);
	if (!err)
		err = &own;
	r = run(&t, err);
	if (r != -EINTR && !opt->dry_run)
		remember(catalog, "last_error", slice_str(r < 0 || t.gc_failed ? err->message : ""), NULL);
	tick_release(&t);
	return r;
}

void build_result_release(struct build_result *r)
{
	buf_release(&r->plan_text);
	buf_release(&r->failed_text);
}
