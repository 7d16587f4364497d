/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

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

/* What is at work while one item is judged. */
struct judge {
	const struct plan_input *in;
	struct arena *arena;
};

/* The newest time of any of the files. A file's mtime and ctime count each for itself, so that a wrong mtime
 * does not hide a true ctime. */
static int64_t youngest_time(const struct judge *j, const struct selection *sel)
{
	int64_t limit = time_add(j->in->now, YOUNG_AHEAD), youngest = TIME_NONE;

	for (size_t i = 0; i < sel->count; i++) {
		int64_t times[] = {sel->files[i]->mtime, sel->files[i]->ctime};

		for (size_t k = 0; k < 2; k++)
			if (times[k] <= limit && times[k] > youngest)
				youngest = times[k];
	}
	return youngest;
}

/* May these files of the partition be read now? If not, *due is when time alone may change that. */
static enum readiness judge_files(
	const struct judge *j, const struct feed_partition *seen, const struct selection *sel, int64_t *due)
{
	const struct config *cfg = j->in->cfg;
	int64_t now = j->in->now, end = time_add(seen->ts, cfg->cadence);
	bool by_rate = cfg->complete != COMPLETE_MARKER, by_marker = cfg->complete != COMPLETE_RATE;
	int64_t settled = by_rate ? time_add(end, cfg->settle) : end;

	if (now < settled) {
		*due = settled;
		return now < end ? NOT_ENDED : SETTLING;
	}
	if (by_rate && !sel->count)
		return NO_FILES;
	if (by_rate && cfg->quiet > 0) {
		int64_t quiet_at = time_add(youngest_time(j, sel), cfg->quiet);

		if (now < quiet_at) {
			*due = quiet_at;
			return QUIET;
		}
	}
	return by_marker && !seen->has_marker ? NO_MARKER : READY;
}

/* How the files that are listed differ from those that were read. */
struct difference {
	struct selection changed; /* added, or with another size or time */
	const struct file_row **vanished;
	size_t vanished_count;
};

static bool looks_same(const struct feed_file *f, const struct file_row *was)
{
	return f->size == was->size && f->mtime == was->mtime && f->ctime == was->ctime;
}

/* `all`: every file counts as changed. */
static int compare(const struct judge *j, const struct plan_item *item, bool all, struct difference *d)
{
	const struct feed_partition *seen = item->seen;
	const struct row *row = item->row;
	size_t rows = row ? row->read_count : 0, i = 0, k = 0;

	*d = (struct difference){0};
	d->changed.files = arena_alloc(j->arena, (seen->file_count + 1) * sizeof(d->changed.files[0]));
	d->vanished = arena_alloc(j->arena, (rows + 1) * sizeof(d->vanished[0]));
	if (!d->changed.files || !d->vanished)
		return -ENOMEM;
	while (i < seen->file_count || k < rows) {
		const struct feed_file *f = i < seen->file_count ? &seen->files[i] : NULL;
		const struct file_row *was = k < rows ? &row->read[k] : NULL;
		int c = !f ? 1 : !was ? -1 : slice_cmp(f->path, was->path);

		if (c > 0)
			d->vanished[d->vanished_count++] = was;
		else if (all || c < 0 || !looks_same(f, was))
			d->changed.files[d->changed.count++] = f;
		i += c <= 0;
		k += c >= 0;
	}
	return 0;
}

void verdict_note(struct plan_item *item, enum partition_state state, const char *reason)
{
	item->action = PLAN_KEEP;
	item->state = state;
	item->reason = reason;
	item->fingerprint = item->seen ? item->seen->fingerprint : 0;
	item->read_count = item->vanished_count = 0;
}

int verdict_keep(struct arena *arena, struct plan_item *item)
{
	const struct row *row = item->row;
	struct slice reason = arena_dup(arena, row->reason);

	verdict_note(item, row->state, reason.data);
	if (row->state == PART_BUILDING)
		item->state = row_has_expired(row) ? PART_EXPIRED
			      : row->has_content   ? PART_PUBLISHED
						   : PART_COMPLETE;
	item->fingerprint = row->fingerprint;
	return reason.data ? 0 : -ENOMEM;
}

int verdict_wait(struct arena *arena, struct plan_item *item)
{
	/* The row keeps its fingerprint, so that what differs is seen again. */
	if (item->has_content)
		return verdict_keep(arena, item);
	verdict_note(item, PART_COMPLETE, "");
	return 0;
}

/* Data was there, or could not be used, and has never come into the index. Where the listing did not reach, after the window was made
 * shorter, what was seen last holds. */
static bool is_lost(const struct plan_item *item, bool is_listed)
{
	const struct row *row = item->row;
	bool is_empty = !item->seen || !item->seen->file_count;

	if (item->state == PART_FAILED || (row && row->state == PART_FAILED))
		return true;
	if (row && !is_listed)
		is_empty = !row->files;
	return row && row->arrived != TIME_NONE && is_empty;
}

int verdict_leave(struct arena *arena, struct plan_item *item, bool is_listed)
{
	const struct row *row = item->row;
	bool lost = is_lost(item, is_listed);

	if (row && (row->state == PART_SKIPPED || row->state == PART_EXPIRED))
		return verdict_keep(arena, item);
	if (item->has_content)
		verdict_note(item, PART_EXPIRED, "");
	else
		verdict_note(item, PART_SKIPPED, lost ? ROW_UNCOVERED : ROW_OLD);
	if (!item->seen)
		item->fingerprint = row->fingerprint;
	return 0;
}

static void index_files(struct plan_item *item, const struct difference *d, struct verdict *v)
{
	verdict_note(item, PART_PUBLISHED, "");
	item->action = PLAN_INDEX;
	item->read = d->changed.files;
	item->read_count = d->changed.count;
	item->vanished = d->vanished;
	item->vanished_count = d->vanished_count;
	v->wants = true;
}

/* A partition of which nothing is in the index. */
static int judge_new(const struct judge *j, struct plan_item *item, struct verdict *v)
{
	struct difference d;
	enum readiness ready;

	if (!item->seen) {
		verdict_note(item, PART_OPEN, open_reasons[NO_FILES]);
		return 0;
	}
	if (compare(j, item, true, &d) < 0)
		return -ENOMEM;
	ready = judge_files(j, item->seen, &d.changed, &v->due);
	if (ready == READY)
		index_files(item, &d, v);
	else
		verdict_note(item, PART_OPEN, open_reasons[ready]);
	return 0;
}

/* A partition that is in the index: what was added, rewritten or has vanished is read and undone. Files that may
 * not be read yet leave the row as it is, fingerprint included, so that they are seen again. */
static int judge_indexed(const struct judge *j, struct plan_item *item, struct verdict *v)
{
	const struct row *row = item->row;
	struct difference d;

	/* A build that was to read a change may have died at it: then the fingerprint says nothing. */
	if (item->seen && row->state == PART_PUBLISHED && !row->attempts &&
		row->fingerprint == item->seen->fingerprint)
		return verdict_keep(j->arena, item);
	if (!item->seen || (!item->seen->file_count && row->read_count)) {
		verdict_note(item, PART_PUBLISHED, "gone");
		return 0;
	}
	if (compare(j, item, false, &d) < 0)
		return -ENOMEM;
	if (!d.changed.count && !d.vanished_count)
		verdict_note(item, PART_PUBLISHED, "");
	else if (!d.changed.count || judge_files(j, item->seen, &d.changed, &v->due) == READY)
		index_files(item, &d, v);
	else
		return verdict_keep(j->arena, item);
	return 0;
}

static bool is_unchanged(const struct plan_item *item)
{
	return item->row && item->seen && item->seen->fingerprint == item->row->fingerprint;
}

/* A failed partition rests until its files change, its time comes, or somebody asks. */
static bool is_resting(const struct judge *j, const struct plan_item *item)
{
	const struct row *row = item->row;

	if (row->state != PART_FAILED || !is_unchanged(item))
		return false;
	return !j->in->retry && (row->retry_at == TIME_NONE || j->in->now < row->retry_at);
}

/* The last of the builds that died at it has left it so. */
static bool has_crashed(const struct judge *j, const struct plan_item *item)
{
	const struct row *row = item->row;

	return row->state == PART_BUILDING && row->attempts >= PLAN_DEATHS_FAILED && is_unchanged(item) &&
	       !j->in->retry;
}

/* Not listed for another reason than that it is gone: it lies past the listing's end (the clock was set
 * back), or it is none of ours any more. */
static bool is_out_of_sight(const struct judge *j, const struct plan_item *item)
{
	const struct row *row = item->row;

	return !item->seen &&
	       (row->ts > j->in->now || row->state == PART_SKIPPED || row->state == PART_EXPIRED);
}

/* What the base covers is looked at once; later changes of it are only counted, by whoever compares the fingerprints. */
static int judge_covered(const struct judge *j, struct plan_item *item)
{
	const struct row *row = item->row;

	if (row && row->state == PART_EXPIRED)
		return verdict_keep(j->arena, item);
	verdict_note(item, item->has_content ? PART_EXPIRED : PART_SKIPPED, ROW_COVERED);
	if (!item->seen || item->has_content || (row && row->state == PART_SKIPPED))
		item->fingerprint = row->fingerprint;
	return 0;
}

static bool is_covered(const struct plan_input *in, int64_t ts)
{
	return in->base_at != TIME_NONE && time_add(ts, in->cfg->cadence) <= in->base_at;
}

int verdict_make(const struct plan_input *in, struct arena *arena, struct plan_item *item, struct verdict *v)
{
	const struct judge j = {in, arena};
	const struct row *row = item->row;

	*v = (struct verdict){.due = TIME_NONE, .is_covered = is_covered(in, item->ts)};
	item->has_content = row && row->has_content;
	if (v->is_covered)
		return judge_covered(&j, item);
	if (!row)
		return judge_new(&j, item, v);
	v->is_suspect = row->attempts >= PLAN_DEATHS_ALONE && is_unchanged(item);
	if (has_crashed(&j, item)) {
		verdict_note(item, PART_FAILED, PLAN_CRASHED);
		return 0;
	}
	if (is_resting(&j, item)) {
		v->due = row->retry_at;
		return verdict_keep(arena, item);
	}
	if (is_out_of_sight(&j, item))
		return verdict_keep(arena, item);
	return row->has_content ? judge_indexed(&j, item, v) : judge_new(&j, item, v);
}
