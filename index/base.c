/* SPDX-License-Identifier: Apache-2.0 */
#include "base_private.h"

#include <inttypes.h>
#include <unistd.h>

#include "build.h"
#include "fold.h"
#include "gc.h"
#include "publish.h"
#include "recall.h"
#include "rollback.h"
#include "segment_verify.h"

#define DELTA_FILE "delta"
#define LOCK_WAIT (10 * TIME_MINUTE)
#define RECORDS_MIN 1000 /* a smaller base may change as it likes */
#define SAMPLE_TERMS 1000
#define SAMPLE_DF 100   /* a term in so many documents does not vanish by chance */
#define SAMPLE_GONE 0.1 /* so many of them at most */

struct base {
	const struct base_input *in;
	struct base_result *out;
	struct base_files files;
	struct buf pieces;         /* struct base_piece */
	struct generation *made;   /* of the pieces alone */
	struct generation *parent; /* NULL: nothing is published */
	struct catalog *catalog;   /* owned */
	struct rows rows;          /* of the parent */
	struct recall later;       /* records of later partitions */
	struct fold_input fold_in;
	struct fold_output fold;
	struct segment_output delta;
	bool has_delta;
	struct arena arena;
};

static void report(const struct base *b, const char *phase)
{
	if (b->in->report)
		b->in->report(b->in->report_ctx, phase, 0, 0);
}

static void written(void *ctx, uint64_t done, uint64_t total)
{
	const struct base *b = ctx;

	if (b->in->report)
		b->in->report(b->in->report_ctx, "writing", done, total);
}

static bool is_stopped(const struct base *b)
{
	return b->in->stop && *b->in->stop;
}

/* ---- before anything ---- */

static int check_at(const struct base *b, int64_t current_at, struct err *err)
{
	char text[TIME_TEXT_MAX];

	if (b->in->at > b->in->now)
		return err_set(err, -EINVAL, "--at %s lies in the future", time_text(b->in->at, text));
	if (current_at != TIME_NONE && b->in->at < current_at)
		return err_set(err, -EINVAL, "--at is before %s, the time of the base that is there",
			time_text(current_at, text));
	return 0;
}

/* Was the parent built by other rules? Then its records are read anew. */
static bool rules_differ(const struct base *b)
{
	return b->parent && !config_has_hash(b->in->cfg, b->parent->manifest.config_hash);
}

static int look_first(struct base *b, struct err *err)
{
	OWNED(catalog) struct catalog *catalog = NULL;
	struct catalog_current current = {.base_at = TIME_NONE};
	int r = catalog_open(&catalog, b->in->state, false, err);

	if (r == -ENOENT)
		return check_at(b, TIME_NONE, err);
	if (r == 0)
		r = rollback_refuse_paused(catalog, "a base cannot be swapped in", err);
	if (r == 0)
		r = catalog_current(catalog, &current, err);
	return r == 0 ? check_at(b, current.base_at, err) : r;
}

/* ---- the segments ---- */

static int write_segments(struct base *b, struct err *err)
{
	OWNED_STR char *dir = state_path(b->in->state, "%s", b->in->state->build);
	OWNED(sorter) struct sorter *sorter = NULL;
	struct base_write_input to = {.state = b->in->state,
		.cfg = b->in->cfg,
		.stop = b->in->stop,
		.progress = written,
		.progress_ctx = b};
	int r = dir ? sorter_new(&sorter, dir, b->in->cfg->memory / BASE_SORT_PART, err)
		    : err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = base_read(b->in, sorter, &b->files, err);
	if (r == 0)
		r = sorter_finish(sorter, err);
	if (r < 0)
		return r;
	b->out->records = b->files.records;
	b->out->rejected = b->files.rejected;
	b->out->spilled = sorter_spilled(sorter);
	to.sorter = sorter;
	to.sources = b->files.sources;
	to.source_count = b->files.count;
	to.total = b->files.records;
	report(b, "writing");
	r = base_write(&to, &b->pieces, err);
	if (r == 0)
		r = base_open(b->in->state, &b->pieces, &b->made, err);
	if (r < 0)
		return r;
	b->out->documents = b->made->manifest.documents;
	b->out->segments = b->made->manifest.segment_count;
	for (size_t i = 0; i < b->made->manifest.segment_count; i++)
		b->out->bytes += b->made->manifest.segments[i].bytes;
	return 0;
}

/* ---- validation ---- */

/* A finding refuses the base, or becomes a warning. */
static int finding(struct base *b, struct err *err, const char *text)
{
	if (!b->in->force)
		return err_set(err, -EBADMSG, "%s; --force takes it all the same", text);
	buf_addf(&b->out->warnings, "%s\n", text);
	return 0;
}

static int validate_rejects(struct base *b, struct err *err)
{
	uint64_t bad = b->files.rejected, all = b->files.records;
	struct err text = ERR_INIT;

	if (!config_refuses(b->in->cfg, bad, all))
		return 0;
	err_set(&text, 0, "%" PRIu64 " of %" PRIu64 " records refused (first: %s)", bad, all,
		b->files.first_reject);
	return finding(b, err, text.message);
}

static uint64_t base_documents(const struct generation *g)
{
	uint64_t n = 0;

	for (size_t i = 0; i < g->manifest.segment_count; i++)
		n += g->manifest.segments[i].base ? segment_info(g->segments[i])->live : 0;
	return n;
}

static int validate_count(struct base *b, const struct generation *old, struct err *err)
{
	double was = (double)base_documents(old), is = (double)b->out->documents;
	struct err text = ERR_INIT;

	if (was < RECORDS_MIN || (is <= was * b->in->cfg->max_change && is * b->in->cfg->max_change >= was))
		return 0;
	err_set(&text, 0,
		"%.0f documents, the last base has %.0f: more than a factor of %g (build.max_change)", is,
		was, b->in->cfg->max_change);
	return finding(b, err, text.message);
}

/* Frequent terms of one old segment, spread evenly; counts those that the new base lacks. */
static int sample_segment(
	struct base *b, const struct segment *s, uint64_t *asked, uint64_t *gone, struct err *err)
{
	const struct dict *dict = segment_dict(s);
	uint64_t step = dict->count / SAMPLE_TERMS + 1;
	int r = 0;

	for (uint64_t i = 0; r >= 0 && i < dict->count; i += step) {
		struct dict_cursor c;
		struct view_term found;

		r = dict_seek_ordinal(dict, i, &c, err);
		if (r != 1 || c.term.df < SAMPLE_DF || term_class_is_internal(c.term.key.data[0]))
			continue;
		r = view_term_stat(b->made, c.term.key, &found, err);
		(*asked)++;
		*gone += r == 0;
	}
	return r < 0 ? r : 0;
}

static int validate_terms(struct base *b, const struct generation *old, struct err *err)
{
	uint64_t asked = 0, gone = 0;
	struct err text = ERR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < old->manifest.segment_count; i++)
		if (old->manifest.segments[i].base)
			r = sample_segment(b, old->segments[i], &asked, &gone, err);
	if (r < 0 || (double)gone <= SAMPLE_GONE * (double)asked)
		return r;
	err_set(&text, 0,
		"%" PRIu64 " of %" PRIu64 " frequent terms of the last base have no document in this one",
		gone, asked);
	return finding(b, err, text.message);
}

static int validate_segments(struct base *b, struct err *err)
{
	int r = 0;

	report(b, "verifying");
	for (size_t i = 0; r == 0 && i < b->made->manifest.segment_count; i++) {
		r = segment_verify_checksums(b->made->segments[i], err);
		if (r == 0)
			r = segment_verify_structure(b->made->segments[i], err);
		segment_forget(b->made->segments[i]);
		if (r == 0 && is_stopped(b))
			r = err_set(err, -EINTR, "stopped while verifying");
	}
	return r;
}

static int validate(struct base *b, const struct generation *old, struct err *err)
{
	int r = validate_rejects(b, err);

	if (r == 0 && old)
		r = validate_count(b, old, err);
	if (r == 0 && old)
		r = validate_terms(b, old, err);
	return r < 0 ? err_context(err, r, "the new base") : 0;
}

/* ---- the swap ---- */

/* Other rules may refuse what the deltas have, as they may what the snapshot has. */
static int validate_later(struct base *b, struct err *err)
{
	struct err text = ERR_INIT;

	if (!config_refuses(b->in->cfg, b->later.refused, b->later.judged))
		return 0;
	err_set(&text, 0,
		"the new [document] and [attribute] rules refuse %" PRIu64 " of %" PRIu64
		" records of later partitions (first: %.*s)",
		b->later.refused, b->later.judged, (int)b->later.first_refused.len,
		b->later.first_refused.data);
	return finding(b, err, text.message);
}

/* What the deltas have of partitions that the base does not cover, folded over it. */
static int fold_later(struct base *b, struct err *err)
{
	struct recall_input in = {.rows = &b->rows,
		.after = time_add(b->in->at, -b->in->cfg->cadence),
		.horizon = TIME_NONE,
		.cfg = rules_differ(b) ? b->in->cfg : NULL,
		.judge = rules_differ(b),
		.stop = b->in->stop};
	int r = 0;

	if (b->parent) {
		in.from = manifest_base_count(&b->parent->manifest);
		in.to = b->parent->manifest.segment_count;
		r = rows_init(&b->rows, b->parent, b->parent->manifest.horizon, NULL, err);
		if (r == 0)
			r = recall(&in, &b->later, err);
		if (r == 0)
			r = validate_later(b, err);
	}
	b->fold_in = (struct fold_input){.cfg = b->in->cfg,
		.parent = b->made,
		.horizon = TIME_NONE,
		.sources = b->later.sources,
		.source_count = b->later.source_count,
		.records = b->later.records,
		.record_count = b->later.count};
	return r == 0 ? fold(&b->fold_in, &b->fold, err) : r;
}

static int write_delta(struct base *b, struct err *err)
{
	struct compose_input in = {
		.state = b->in->state, .cfg = b->in->cfg, .file = DELTA_FILE, .stop = b->in->stop};

	if (!b->fold.entry_count && !b->fold.history_count)
		return 0;
	b->has_delta = true;
	return compose_fold(&in, &b->fold_in, &b->fold, &b->delta, err);
}

/* The rows of partitions that the base covers now. */
static int cover_rows(struct base *b, struct row **rows, size_t *count, struct err *err)
{
	size_t all;
	int r = catalog_rows(b->catalog, TIME_NONE, false, &b->arena, rows, &all, err);

	*count = 0;
	for (size_t i = 0; r == 0 && i < all; i++) {
		struct row row = (*rows)[i];

		if (time_add(row.ts, b->in->cfg->cadence) > b->in->at ||
			slice_eq(row.reason, slice_str(ROW_COVERED)))
			continue;
		row.state = row.state == PART_EXPIRED || row.has_content ? PART_EXPIRED : PART_SKIPPED;
		row.reason = slice_str(ROW_COVERED);
		row.has_content = false;
		row.retry_at = TIME_NONE;
		row.failures = row.attempts = 0;
		(*rows)[(*count)++] = row;
	}
	return r;
}

/* The newest slot that the base covers, or what is published, where that is newer. */
static int64_t watermark_of(const struct base *b)
{
	int64_t cadence = b->in->cfg->cadence, last = time_add(b->in->at, -cadence);
	int64_t slot = last - ((last % cadence + cadence) % cadence);

	return b->parent && b->parent->manifest.watermark > slot ? b->parent->manifest.watermark : slot;
}

static int publish_swap(struct base *b, struct err *err)
{
	const struct base_piece *pieces = (const struct base_piece *)b->pieces.data;
	size_t n = b->pieces.len / sizeof(*pieces), old = b->parent ? b->parent->manifest.segment_count : 0;
	struct publish_segment *fresh = arena_alloc(&b->arena, (n + 1) * sizeof(*fresh));
	bool *dropped = arena_alloc(&b->arena, old + 1);
	struct publish_input in = {.state = b->in->state,
		.catalog = b->catalog,
		.parent = b->parent,
		.kind = MANIFEST_BASE,
		.watermark = watermark_of(b),
		.horizon = TIME_NONE,
		.base_at = b->in->at,
		.k1 = b->in->cfg->k1,
		.b = b->in->cfg->b,
		.now = time_now(),
		.segments = fresh,
		.segment_count = n + b->has_delta,
		.dropped = dropped};
	uint64_t documents;
	struct row *rows;
	int r;

	if (!fresh || !dropped)
		return err_set(err, -ENOMEM, "out of memory");
	memset(dropped, true, old);
	for (size_t i = 0; i < n; i++)
		fresh[i] = (struct publish_segment){
			.file = pieces[i].file, .output = &pieces[i].output, .base = true};
	fresh[n] = (struct publish_segment){.file = DELTA_FILE, .output = &b->delta, .at = old};
	config_hash(b->in->cfg, in.config_hash);
	r = cover_rows(b, &rows, &in.row_count, err);
	in.rows = rows;
	if (r == 0)
		r = catalog_take_number(b->catalog, &in.number, err);
	if (r == 0)
		r = publish(&in, &documents, err);
	if (r == 0)
		b->out->generation = in.number;
	return r;
}

/* With the writer's lock: what was published meanwhile is taken in. */
static int swap(struct base *b, struct err *err)
{
	struct gc_result removed;
	int r = catalog_open(&b->catalog, b->in->state, true, err);

	if (r == 0)
		r = publish_repair(b->in->state, b->catalog, err);
	if (r == 0)
		r = rollback_refuse_paused(b->catalog, "a base cannot be swapped in", err);
	if (r == 0)
		r = current_generation(b->in->state, b->catalog, &b->parent, err);
	if (r == 0)
		r = check_at(b, b->parent ? b->parent->manifest.base_at : TIME_NONE, err);
	if (r == 0)
		r = validate(b, b->parent, err);
	report(b, "folding");
	if (r == 0)
		r = fold_later(b, err);
	if (r == 0)
		r = write_delta(b, err);
	if (r == 0 && is_stopped(b))
		r = err_set(err, -EINTR, "stopped before publishing");
	report(b, "publishing");
	if (r == 0)
		r = publish_swap(b, err);
	/* It stands, whatever comes now. */
	if (r == 0 && build_remember_config(b->catalog, b->in->cfg, NULL) < 0)
		buf_add_str(
			&b->out->warnings, "the configuration could not be noted; name it with --config\n");
	if (r == 0 && gc_run(b->in->state, b->catalog, b->in->cfg, time_now(), &removed, NULL) < 0)
		buf_add_str(&b->out->warnings, "old files could not be removed; `freshet gc` tries again\n");
	return r;
}

static int build(struct base *b, struct err *err)
{
	int r = look_first(b, err);

	if (r == 0)
		r = state_build_begin(b->in->state, err);
	if (r < 0)
		return r;
	r = write_segments(b, err);
	if (r == 0)
		r = validate_segments(b, err);
	if (r == 0)
		r = state_lock(b->in->state, LOCK_WAIT, err);
	if (r == 0)
		r = swap(b, err);
	catalog_free(b->catalog);
	state_unlock(b->in->state);
	state_build_end(b->in->state);
	return r;
}

int base_build(const struct base_input *in, struct base_result *out, struct err *err)
{
	struct base b = {.in = in, .out = out};
	int lock, r;

	*out = (struct base_result){0};
	r = state_lock_side(in->state, "base.lock", &lock, err);
	if (r < 0)
		return r;
	r = build(&b, err);
	close(lock);
	fold_release(&b.fold);
	recall_release(&b.later);
	rows_release(&b.rows);
	generation_unref(b.made);
	generation_unref(b.parent);
	buf_release(&b.pieces);
	base_files_release(&b.files);
	arena_release(&b.arena);
	return r < 0 ? err_context(err, r, "base") : 0;
}

void base_result_release(struct base_result *r)
{
	buf_release(&r->warnings);
}
