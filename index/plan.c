/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes. The first judges each partition by itself, as if it were inside the horizon: is it complete, and
 * does it move the watermark? That gives the new watermark and with it the horizon, and the second pass
 * decides what becomes of those that lie outside. */
#include "plan.h"

#include "name.h"

#define YOUNG_AHEAD TIME_HOUR /* a file's time further ahead of now is a wrong clock, not a young file */

enum readiness { READY, NOT_ENDED, SETTLING, NO_FILES, QUIET, NO_MARKER };

/* Part of the catalog, the mount and scripts: a reason, once released, keeps its spelling. */
static const char *const open_reasons[] = {
	[READY] = "",
	[NOT_ENDED] = "not ended",
	[SETTLING] = "settling",
	[NO_FILES] = "no files",
	[QUIET] = "quiet",
	[NO_MARKER] = "no marker",
};

/* Some of a partition's files. */
struct selection {
	const struct feed_file **files;
	size_t count;
};

/* What the first pass knows of an item besides the item. */
struct verdict {
	int64_t due;      /* when this partition may change though no file does; TIME_NONE: never */
	bool moves;       /* its indexing moves the watermark, where it is newer */
	bool has_content; /* records of it are in the index now */
};

struct planner {
	const struct plan_input *in;
	struct plan *out;
	struct verdict *verdicts; /* one an item */
};

int64_t plan_horizon(const struct config *cfg, int64_t watermark)
{
	if (watermark == TIME_NONE || cfg->window == TIME_FOREVER)
		return TIME_NONE;
	return time_add(watermark, -cfg->window);
}

/* The newest time of any of the files. A file's mtime and ctime count each for itself, so that a wrong mtime
 * does not hide a true ctime. */
static int64_t youngest_time(const struct planner *p, const struct selection *sel)
{
	int64_t limit = time_add(p->in->now, YOUNG_AHEAD), youngest = TIME_NONE;

	for (size_t i = 0; i < sel->count; i++) {
		int64_t times[] = {sel->files[i]->mtime, sel->files[i]->ctime};

		for (size_t k = 0; k < 2; k++)
			if (times[k] <= limit && times[k] > youngest)
				youngest = times[k];
	}
	return youngest;
}

/* May these files of the partition be read now? If not, *due is when time alone may change that. */
static enum readiness judge(
	const struct planner *p, const struct feed_partition *seen, const struct selection *sel, int64_t *due)
{
	const struct config *cfg = p->in->cfg;
	int64_t now = p->in->now, end = time_add(seen->ts, cfg->cadence);
	bool by_rate = cfg->complete != COMPLETE_MARKER, by_marker = cfg->complete != COMPLETE_RATE;
	int64_t settled = by_rate ? time_add(end, cfg->settle) : end;

	if (now < settled) {
		*due = settled;
		return now < end ? NOT_ENDED : SETTLING;
	}
	if (by_rate && !sel->count)
		return NO_FILES;
	if (by_rate && cfg->quiet > 0) {
		int64_t quiet_at = time_add(youngest_time(p, sel), cfg->quiet);

		if (now < quiet_at) {
			*due = quiet_at;
			return QUIET;
		}
	}
	return by_marker && !seen->has_marker ? NO_MARKER : READY;
}

static int select_all(struct planner *p, const struct feed_partition *seen, struct selection *out)
{
	out->count = seen->file_count;
	out->files = arena_alloc(&p->out->arena, (seen->file_count + 1) * sizeof(out->files[0]));
	if (!out->files)
		return -ENOMEM;
	for (size_t i = 0; i < seen->file_count; i++)
		out->files[i] = &seen->files[i];
	return 0;
}

/* How the files that are listed differ from those that were read. */
struct difference {
	struct selection added;
	size_t rewritten, vanished;
};

static int compare(struct planner *p, const struct plan_item *item, struct difference *d)
{
	const struct feed_partition *seen = item->seen;
	const struct row *row = item->row;
	size_t i = 0, k = 0;

	*d = (struct difference){0};
	d->added.files = arena_alloc(&p->out->arena, (seen->file_count + 1) * sizeof(d->added.files[0]));
	if (!d->added.files)
		return -ENOMEM;
	while (i < seen->file_count || k < row->read_count) {
		const struct feed_file *f = i < seen->file_count ? &seen->files[i] : NULL;
		const struct file_row *was = k < row->read_count ? &row->read[k] : NULL;
		int c = !f ? 1 : !was ? -1 : slice_cmp(f->path, was->path);

		if (c < 0)
			d->added.files[d->added.count++] = f;
		else if (c > 0)
			d->vanished++;
		else if (f->size != was->size || f->mtime != was->mtime || f->ctime != was->ctime)
			d->rewritten++;
		i += c <= 0;
		k += c >= 0;
	}
	return 0;
}

static const char *difference_reason(const struct difference *d, const struct feed_partition *seen)
{
	if (d->rewritten)
		return "rewritten";
	if (d->vanished)
		return seen->file_count ? "vanished" : "gone";
	return "";
}

/* The item as its row has it. */
static int keep(struct planner *p, struct plan_item *item)
{
	struct slice reason = arena_dup(&p->out->arena, item->row->reason);

	item->state = item->row->state;
	item->reason = reason.data;
	item->fingerprint = item->row->fingerprint;
	return reason.data ? 0 : -ENOMEM;
}

static void note(struct plan_item *item, enum partition_state state, const char *reason)
{
	item->state = state;
	item->reason = reason;
	item->fingerprint = item->seen ? item->seen->fingerprint : 0;
}

static void index_files(struct plan_item *item, const struct selection *sel, const char *reason)
{
	note(item, PART_PUBLISHED, reason);
	item->action = PLAN_INDEX;
	item->read = sel->files;
	item->read_count = sel->count;
}

/* A partition of which nothing is in the index. */
static int judge_new(struct planner *p, struct plan_item *item, struct verdict *v)
{
	struct selection all;
	enum readiness ready;

	if (!item->seen) {
		note(item, PART_OPEN, open_reasons[NO_FILES]);
		return 0;
	}
	if (select_all(p, item->seen, &all) < 0)
		return -ENOMEM;
	ready = judge(p, item->seen, &all, &v->due);
	if (ready == READY)
		index_files(item, &all, "");
	else
		note(item, PART_OPEN, open_reasons[ready]);
	v->moves = ready == READY;
	return 0;
}

/* A partition that is in the index: files that were added to it are indexed, other changes are noted. Files
 * that may not be read yet leave the row as it is, fingerprint included, so that they are seen again. */
static int judge_indexed(struct planner *p, struct plan_item *item, struct verdict *v)
{
	const struct row *row = item->row;
	struct difference d;

	if (!item->seen) {
		note(item, PART_PUBLISHED, "gone");
		return 0;
	}
	if (row->state == PART_PUBLISHED && row->fingerprint == item->seen->fingerprint)
		return keep(p, item);
	if (compare(p, item, &d) < 0)
		return -ENOMEM;
	if (!d.added.count)
		note(item, PART_PUBLISHED, difference_reason(&d, item->seen));
	else if (judge(p, item->seen, &d.added, &v->due) == READY)
		index_files(item, &d.added, difference_reason(&d, item->seen));
	else
		return keep(p, item);
	return 0;
}

/* A failed partition rests until its files change, its time comes, or somebody asks. */
static bool is_resting(const struct planner *p, const struct plan_item *item)
{
	const struct row *row = item->row;

	if (row->state != PART_FAILED || !item->seen || item->seen->fingerprint != row->fingerprint)
		return false;
	return !p->in->retry && (row->retry_at == TIME_NONE || p->in->now < row->retry_at);
}

/* Not listed for another reason than that it is gone: it lies past the listing's end (the clock was set
 * back), or it is none of ours any more. */
static bool is_out_of_sight(const struct planner *p, const struct plan_item *item)
{
	const struct row *row = item->row;

	return !item->seen &&
	       (row->ts > p->in->now || row->state == PART_SKIPPED || row->state == PART_EXPIRED);
}

/* The first pass. */
static int judge_item(struct planner *p, struct plan_item *item, struct verdict *v)
{
	const struct row *row = item->row;

	*v = (struct verdict){.due = TIME_NONE};
	if (!row)
		return judge_new(p, item, v);
	v->has_content = row->state == PART_PUBLISHED ||
			 (row->read_count && row->state != PART_SKIPPED && row->state != PART_EXPIRED);
	if (is_resting(p, item)) {
		v->due = row->retry_at;
		return keep(p, item);
	}
	if (is_out_of_sight(p, item))
		return keep(p, item);
	return v->has_content ? judge_indexed(p, item, v) : judge_new(p, item, v);
}

/* What lies outside the horizon: content leaves, and what has none stays without. */
static int leave_outside(struct planner *p, struct plan_item *item, const struct verdict *v)
{
	const struct row *row = item->row;

	item->action = PLAN_KEEP;
	item->read = NULL;
	item->read_count = 0;
	if (row && (row->state == PART_SKIPPED || row->state == PART_EXPIRED))
		return keep(p, item);
	item->state = v->has_content ? PART_EXPIRED : PART_SKIPPED;
	item->reason = v->has_content ? "" : "old";
	item->fingerprint = item->seen ? item->seen->fingerprint : row->fingerprint;
	return 0;
}

static bool differs(const struct plan_item *item)
{
	const struct row *row = item->row;

	return !row || item->state != row->state || item->fingerprint != row->fingerprint ||
	       !slice_eq(slice_str(item->reason), row->reason);
}

static void due_at(struct plan *out, int64_t now, int64_t t)
{
	if (t > now && t < out->next_due)
		out->next_due = t;
}

/* The second pass. */
static int settle_item(struct planner *p, struct plan_item *item, const struct verdict *v, int64_t horizon)
{
	int r = 0;

	if (horizon == TIME_NONE || item->ts > horizon)
		due_at(p->out, p->in->now, v->due);
	else
		r = leave_outside(p, item, v);
	if (item->action != PLAN_INDEX && r == 0 && differs(item))
		item->action = PLAN_NOTE;
	p->out->to_index += item->action == PLAN_INDEX;
	p->out->to_note += item->action == PLAN_NOTE;
	return r;
}

/* When the next slice can be complete: a feed that tells nothing must be looked at then. */
static int64_t next_slice(const struct planner *p)
{
	const struct config *cfg = p->in->cfg;
	int64_t settle = cfg->complete == COMPLETE_MARKER ? 0 : cfg->settle % cfg->cadence;
	int64_t past = (p->in->now - settle) % cfg->cadence;

	return time_add(p->in->now, cfg->cadence - (past < 0 ? past + cfg->cadence : past));
}

/* One item for each timestamp in the rows or the listing, in order. */
static int merge_items(struct planner *p)
{
	const struct plan_input *in = p->in;
	size_t most = in->row_count + in->listing->count, i = 0, k = 0;
	struct plan *out = p->out;

	out->items = arena_alloc(&out->arena, (most + 1) * sizeof(out->items[0]));
	p->verdicts = arena_alloc(&out->arena, (most + 1) * sizeof(p->verdicts[0]));
	if (!out->items || !p->verdicts)
		return -ENOMEM;
	while (i < in->row_count || k < in->listing->count) {
		const struct row *row = i < in->row_count ? &in->rows[i] : NULL;
		const struct feed_partition *seen =
			k < in->listing->count ? &in->listing->partitions[k] : NULL;

		if (row && seen && row->ts != seen->ts) {
			if (row->ts < seen->ts)
				seen = NULL;
			else
				row = NULL;
		}
		out->items[out->count++] = (struct plan_item){
			.ts = row ? row->ts : seen->ts,
			.action = PLAN_KEEP,
			.reason = "",
			.seen = seen,
			.row = row,
		};
		i += row != NULL;
		k += seen != NULL;
	}
	return 0;
}

static int plan_fill(struct planner *p)
{
	struct plan *out = p->out;
	int64_t horizon;
	int r = merge_items(p);

	for (size_t i = 0; r == 0 && i < out->count; i++) {
		r = judge_item(p, &out->items[i], &p->verdicts[i]);
		if (p->verdicts[i].moves && out->items[i].ts > out->watermark)
			out->watermark = out->items[i].ts;
	}
	horizon = plan_horizon(p->in->cfg, out->watermark);
	for (size_t i = 0; r == 0 && i < out->count; i++)
		r = settle_item(p, &out->items[i], &p->verdicts[i], horizon);
	due_at(out, p->in->now, next_slice(p));
	return r;
}

int plan_make(const struct plan_input *in, struct plan *out, struct err *err)
{
	struct planner p = {.in = in, .out = out};
	int r;

	*out = (struct plan){.watermark = in->watermark, .next_due = TIME_FOREVER};
	r = plan_fill(&p);
	if (r < 0) {
		plan_release(out);
		return err_set(err, r, "out of memory while planning %zu partitions",
			in->row_count + in->listing->count);
	}
	return 0;
}

void plan_release(struct plan *p)
{
	arena_release(&p->arena);
	*p = (struct plan){.watermark = TIME_NONE, .next_due = TIME_FOREVER};
}

void plan_print(const struct plan *p, struct buf *out)
{
	char text[TIME_TEXT_MAX];

	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];

		if (item->action == PLAN_KEEP)
			continue;
		buf_add_str(out, item->action == PLAN_INDEX ? "index\t" : "note\t");
		name_print(item->seen ? item->seen->path : item->row->path, out);
		buf_addf(out, "\t%s\t%s\t%zu files\n", partition_state_name(item->state), item->reason,
			item->action == PLAN_INDEX ? item->read_count
			: item->seen               ? item->seen->file_count
						   : 0);
	}
	buf_addf(out, "watermark\t%s\n", time_text(p->watermark, text));
	buf_addf(out, "next_due\t%s\n", p->next_due == TIME_FOREVER ? "never" : time_text(p->next_due, text));
}
