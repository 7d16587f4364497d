/* SPDX-License-Identifier: Apache-2.0 */
/* index/build.c - a tick, step by step: look, read, fold, publish. Nothing is visible to anyone before tick_publish(), save rows that
 * only note what was seen. */
#include "build.h"

#include "gc.h"
#include "look.h"
#include "outcome.h"
#include "publish.h"
#include "tick.h"

#define REPORT_EVERY (TIME_SECOND / 10)

/* ---- progress ---- */

void meter_report(void *ctx, uint64_t done, uint64_t total)
{
	struct meter *m = ctx;
	int64_t now, last;

	if (!m->to)
		return;
	now = time_monotonic();
	last = atomic_load(&m->last);
	if (now - last >= REPORT_EVERY && atomic_compare_exchange_strong(&m->last, &last, now))
		m->to->report(m->to->ctx, m->phase, done, total);
}

void meter_phase(struct meter *m, const char *phase)
{
	m->phase = phase;
	if (m->to)
		m->to->report(m->to->ctx, phase, 0, 0);
}

static bool is_stopped(const struct tick *t)
{
	return t->opt->stop && *t->opt->stop;
}

/* ---- before reading ---- */

int tick_remember(struct catalog *c, const char *key, struct slice value, struct err *err)
{
	OWNED_BUF old = {0};
	int r = catalog_get(c, key, &old, err);

	if (r < 0 || (r == 1 && slice_eq(buf_slice(&old), value)) || (r == 0 && !value.len))
		return r < 0 ? r : 0;
	return catalog_set(c, key, value, err);
}

int build_remember_config(struct catalog *catalog, const struct config *cfg, struct err *err)
{
	OWNED_BUF text = {0};
	int r;

	config_dump(cfg, &text);
	if (buf_error(&text))
		return err_set(err, -ENOMEM, "out of memory");
	r = tick_remember(catalog, "config", buf_slice(&text), err);
	return r < 0 ? err_context(err, r, "catalog.db") : 0;
}

static int remember_used(struct tick *t, struct err *err)
{
	int r = build_remember_config(t->catalog, t->cfg, err);

	if (r < 0)
		return r;
	r = tick_remember(t->catalog, "url", slice_str(t->store->url), err);
	return r < 0 ? err_context(err, r, "catalog.db") : 0;
}

/* Was the parent built by other rules? Then everything is folded again. */
static bool rules_differ(const struct tick *t)
{
	return t->parent && !config_has_hash(t->cfg, t->parent->manifest.config_hash);
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
		r = catalog_refuse_rowless(t->catalog, t->state->dir, err);
	if (r == 0 && t->catalog)
		r = catalog_paused(t->catalog, &t->out->paused, err);
	if (r >= 0)
		r = open_parent(t, err);
	t->refolds = r == 0 && rules_differ(t);
	if (t->refolds && !t->opt->dry_run && !t->out->paused)
		r = tick_refuse_rules(t, err);
	if (r == 0 && !t->opt->dry_run && !t->out->paused)
		r = remember_used(t, err);
	t->watermark = t->parent ? t->parent->manifest.watermark : TIME_NONE;
	t->base_at = t->parent ? t->parent->manifest.base_at : TIME_NONE;
	t->out->watermark = t->watermark;
	return r;
}

static int list_and_plan(struct tick *t, struct err *err)
{
	struct look look = {.cfg = t->cfg, .now = t->plan_now, .retry = t->opt->retry, .arena = &t->arena};
	int r;

	meter_phase(&t->meter, "listing");
	r = look_at_catalog(&look, t->catalog, err);
	if (r == 0)
		r = look_at_feed(&look, t->store, &t->listing, &t->plan, err);
	if (r == 0)
		t->out->next_due = t->plan.next_due;
	look_release(&look);
	return r;
}

/* ---- reading ---- */

static int read_partitions(struct tick *t, struct err *err)
{
	OWNED_STR char *spool = state_path(t->state, "%s", t->state->build);
	struct intake_input in = {.store = t->store,
		.cfg = t->cfg,
		.spool = spool,
		.plan = &t->plan,
		.threads = compose_threads(t->cfg),
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	size_t i;
	int r;

	if (!spool)
		return err_set(err, -ENOMEM, "out of memory");
	meter_phase(&t->meter, "reading");
	r = intake_read(&in, &t->intake, err);
	for (i = 0; r == 0 && i < t->intake.partition_count; i++) {
		const struct intake_partition *p = &t->intake.partitions[i];

		if (p->code && p->code != -ESTALE)
			tick_note_failure(t, p->item->seen->path, p->reason);
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

/* ---- the tick ---- */

static int index_and_publish(struct tick *t, struct err *err)
{
	int r = tick_fold(t, err);

	if (r == 0 && is_stopped(t))
		r = err_set(err, -EINTR, "stopped before publishing");
	return r == 0 ? tick_publish(t, err) : r;
}

/* Notes in the catalog which partitions this build is about to read: one sync. */
static int begin_attempt(struct tick *t, struct err *err)
{
	struct row *rows;
	size_t count;
	int r = outcome_begin(&t->plan, t->began, &t->arena, &rows, &count, err);

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
	if (outcome_take_back(&t->plan, t->began, &t->arena, &rows, &count, NULL) == 0 && count)
		catalog_note(t->catalog, rows, count, NULL);
}

static int read_and_publish(struct tick *t, struct err *err)
{
	int r;

	r = read_partitions(t, err);
	if (r == 0)
		r = tick_gather_rejects(t, err);
	if (r == 0)
		r = t->indexed || tick_content_leaves(t) || t->refolds ? index_and_publish(t, err)
								       : tick_note(t, err);
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
	if (t->plan.to_index || tick_content_leaves(t) || t->refolds)
		r = run_due(t, err);
	else if (t->plan.to_note)
		r = tick_note(t, err);
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
		.began = time_now(),
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
		tick_remember(
			catalog, "last_error", slice_str(r < 0 || t.gc_failed ? err->message : ""), NULL);
	tick_release(&t);
	return r;
}

void build_result_release(struct build_result *r)
{
	buf_release(&r->plan_text);
	buf_release(&r->failed_text);
	buf_release(&r->warning);
}
