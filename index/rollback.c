/* SPDX-License-Identifier: Apache-2.0 */
/* index/rollback.c - publishing an older generation's content.
 *
 * The segments of a kept generation are still there, and its manifest says which sources in them are undone: so its content needs
 * nothing but another manifest. What has to be thought about is the rows: the catalog keeps each as it was
 * before a generation changed it, and a row of a partition whose content is another than it was then goes back to
 * that. Its fingerprint is forgotten, so that the next build compares the files with what was read. */
#include "rollback.h"

#include <inttypes.h>

#include "gc.h"
#include "plan.h"
#include "publish.h"

/* ---- rows ---- */

static bool same_files(const struct row *a, const struct row *b)
{
	if (a->read_count != b->read_count)
		return false;
	for (size_t i = 0; i < a->read_count; i++)
		if (!slice_eq(a->read[i].path, b->read[i].path) ||
			memcmp(a->read[i].hash, b->read[i].hash, FILE_HASH_BYTES) != 0)
			return false;
	return true;
}

/* Nothing of it is in the index: it may be built. */
static struct row row_complete(const struct row *now)
{
	struct row row = *now;

	row.state = PART_COMPLETE;
	row.reason = slice_str("");
	row.records = row.rejected = 0;
	row.published = row.retry_at = TIME_NONE;
	row.generation = row.fingerprint = 0;
	row.failures = row.attempts = 0;
	row.has_content = false;
	row.read = NULL;
	row.read_count = 0;
	return row;
}

/* As it was, but nothing is under way, and its files are compared again. */
static struct row row_restored(const struct row *past)
{
	struct row row = *past;

	if (row.has_content) {
		row.state = PART_PUBLISHED;
		row.reason = slice_str("");
	}
	row.retry_at = TIME_NONE;
	row.failures = row.attempts = 0;
	row.fingerprint = 0;
	return row;
}

static struct row row_expired(const struct row *past)
{
	struct row row = row_restored(past);

	row.state = PART_EXPIRED;
	return row;
}

static bool is_covered(const struct rollback_rows_input *in, int64_t ts)
{
	return in->to->base_at != TIME_NONE && time_add(ts, in->cfg->cadence) <= in->to->base_at;
}

/* Would it be skipped as of that generation too? */
static bool stays_skipped(const struct rollback_rows_input *in, const struct row *row)
{
	const struct manifest *to = in->to;
	int64_t horizon = plan_horizon(in->cfg, to->watermark, to->base_at);

	if (slice_eq(row->reason, slice_str(ROW_COVERED)))
		return is_covered(in, row->ts);
	if (horizon != TIME_NONE && row->ts <= horizon)
		return true;
	/* Policy `newest`: a newer one was built instead, and still is there. */
	return !slice_eq(row->reason, slice_str("old")) && row->ts < to->watermark;
}

/* Returns whether the row changes, to *out. `past` is NULL where no later generation changed it. */
static bool row_back(const struct rollback_rows_input *in, const struct row *now,
	const struct catalog_past *past, struct row *out)
{
	const struct row *was = past && past->there ? &past->row : NULL;

	if (past && was && was->has_content) {
		if (now->has_content && same_files(now, was))
			return false;
		*out = row_restored(was);
		return true;
	}
	if (was && (now->has_content || now->state == PART_EXPIRED) && row_has_expired(was)) {
		*out = row_expired(was);
		return true;
	}
	if (!past && (now->has_content || now->state == PART_EXPIRED))
		return false;
	*out = row_complete(now);
	if (is_covered(in, now->ts)) {
		out->state = PART_SKIPPED;
		out->reason = slice_str(ROW_COVERED);
		return now->state != PART_SKIPPED || !slice_eq(now->reason, out->reason);
	}
	if (now->has_content || now->state == PART_EXPIRED)
		return true;
	return now->state == PART_SKIPPED && !stays_skipped(in, now);
}

int rollback_rows(const struct rollback_rows_input *in, struct arena *arena, struct row **out, size_t *count,
	struct err *err)
{
	size_t k = 0, n = 0;

	*count = 0;
	*out = arena_alloc(arena, (in->count + 1) * sizeof(**out));
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory for %zu partitions", in->count);
	for (size_t i = 0; i < in->count; i++) {
		while (k < in->past_count && in->past[k].row.ts < in->rows[i].ts)
			k++;
		n += row_back(in, &in->rows[i],
			k < in->past_count && in->past[k].row.ts == in->rows[i].ts ? &in->past[k] : NULL,
			&(*out)[n]);
	}
	*count = n;
	return 0;
}

/* ---- publishing ---- */

struct rolling {
	struct state *state;
	struct catalog *catalog;
	const struct config *cfg;
	struct rollback_result *out;
	struct generation *parent, *to;
	struct row *rows; /* that change */
	size_t row_count;
	struct reject_file *rejects;
	size_t reject_count;
	struct arena arena;
};

static int open_generations(struct rolling *r, uint64_t number, struct err *err)
{
	struct catalog_generation *kept;
	size_t count, i = 0;
	int code = current_generation(r->state, r->catalog, &r->parent, err);

	if (code == 0 && !r->parent)
		return err_set(err, -ENOENT, "nothing is published yet");
	if (code == 0)
		code = catalog_generations(r->catalog, &r->arena, &kept, &count, err);
	if (code < 0)
		return code;
	while (i < count && kept[i].number != number)
		i++;
	if (i == count)
		return err_set(err, -ENOENT,
			"generation %" PRIu64 " is not kept: %zu are, from %" PRIu64 " to %" PRIu64, number,
			count, kept[count - 1].number, kept[0].number);
	return generation_open(&r->to, r->state, number, err);
}

/* What was refused of files that are not in the index any more. */
static int drop_rejects(struct rolling *r, const struct row *now, size_t count, struct err *err)
{
	OWNED_BUF list = {0};
	size_t k = 0;

	for (size_t i = 0; i < r->row_count; i++) {
		if (r->rows[i].has_content)
			continue;
		while (k < count && now[k].ts < r->rows[i].ts)
			k++;
		for (size_t f = 0; k < count && f < now[k].read_count; f++) {
			struct reject_file reject = {.partition = now[k].path, .file = now[k].read[f].path};

			buf_add(&list, &reject, sizeof(reject));
		}
	}
	r->rejects = arena_alloc(&r->arena, list.len + 1);
	if (buf_error(&list) || !r->rejects)
		return err_set(err, -ENOMEM, "out of memory");
	if (list.len)
		memcpy(r->rejects, list.data, list.len);
	r->reject_count = list.len / sizeof(struct reject_file);
	return 0;
}

static int make_rows(struct rolling *r, struct err *err)
{
	struct rollback_rows_input in = {.to = &r->to->manifest, .cfg = r->cfg};
	struct catalog_past *past;
	struct row *now;
	int code = catalog_rows(r->catalog, TIME_NONE, true, &r->arena, &now, &in.count, err);

	if (code == 0)
		code = catalog_past(
			r->catalog, r->to->manifest.number, &r->arena, &past, &in.past_count, err);
	if (code < 0)
		return err_context(err, code, "catalog.db");
	in.rows = now;
	in.past = past;
	code = rollback_rows(&in, &r->arena, &r->rows, &r->row_count, err);
	for (size_t i = 0; code == 0 && i < r->row_count; i++)
		r->out->complete += r->rows[i].state == PART_COMPLETE;
	return code == 0 ? drop_rejects(r, now, in.count, err) : code;
}

static int publish_back(struct rolling *r, struct err *err)
{
	const struct manifest *to = &r->to->manifest;
	struct publish_input in = {.state = r->state,
		.catalog = r->catalog,
		.parent = r->parent,
		.content = r->to,
		.kind = MANIFEST_ROLLBACK,
		.watermark = to->watermark,
		.horizon = to->horizon,
		.base_at = to->base_at,
		.k1 = to->k1,
		.b = to->b,
		.now = time_now(),
		.rows = r->rows,
		.row_count = r->row_count,
		.rejects = r->rejects,
		.reject_count = r->reject_count};
	int code = catalog_take_number(r->catalog, &in.number, err);

	memcpy(in.config_hash, to->config_hash, sizeof(in.config_hash));
	if (code == 0)
		code = publish(&in, &r->out->documents, err);
	if (code < 0)
		return code;
	r->out->generation = in.number;
	r->out->watermark = to->watermark;
	return 0;
}

static int roll(struct rolling *r, uint64_t number, struct err *err)
{
	struct gc_result removed;
	int code = publish_repair(r->state, r->catalog, err);

	if (code == 0)
		code = open_generations(r, number, err);
	if (code == 0)
		code = make_rows(r, err);
	if (code == 0)
		code = state_build_begin(r->state, err);
	if (code < 0)
		return code;
	code = publish_back(r, err);
	state_build_end(r->state);
	if (code == 0)
		r->out->gc_failed = gc_run(r->state, r->catalog, r->cfg, time_now(), &removed, NULL) < 0;
	return code;
}

int rollback(struct state *state, struct catalog *catalog, const struct config *cfg, uint64_t number,
	struct rollback_result *out, struct err *err)
{
	struct rolling r = {.state = state, .catalog = catalog, .cfg = cfg, .out = out};
	int code;

	*out = (struct rollback_result){.watermark = TIME_NONE};
	code = roll(&r, number, err);
	generation_unref(r.to);
	generation_unref(r.parent);
	arena_release(&r.arena);
	return code < 0 ? err_context(err, code, "rolling back to generation %" PRIu64, number) : 0;
}

/* ---- the pause ---- */

int rollback_resume(struct state *state, struct catalog *catalog, struct err *err)
{
	struct catalog_current current;
	uint64_t since;
	int r = publish_repair(state, catalog, err);

	if (r == 0)
		r = catalog_paused(catalog, &since, err);
	if (r <= 0)
		return r;
	r = catalog_set(catalog, CATALOG_PAUSED, slice_str(""), err);
	if (r == 0)
		r = catalog_current(catalog, &current, err);
	/* The same once more: mounts that watch it look at once. */
	if (r == 0 && current.number)
		r = current_write(state, current.number, current.sha256, err);
	return r < 0 ? r : 1;
}

int rollback_refuse_paused(struct catalog *catalog, const char *what, struct err *err)
{
	uint64_t since;
	int r = catalog_paused(catalog, &since, err);

	if (r == 1)
		r = err_set(err, -EBUSY,
			"%s: builds are paused since the rollback that is generation %" PRIu64
			"; `freshet rollback --resume` lets them go on",
			what, since);
	return r;
}
