/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#define BACKOFF_FIRST (10 * TIME_SECOND)
#define BACKOFF_LAST (10 * TIME_MINUTE)

static int64_t backoff(uint32_t failures)
{
	int64_t wait = BACKOFF_FIRST;

	while (failures-- > 1 && wait < BACKOFF_LAST)
		wait *= 2;
	return wait < BACKOFF_LAST ? wait : BACKOFF_LAST;
}

/* The row as the listing has it now; state and reason are the plan's. */
static struct row row_begin(const struct plan_item *item, int64_t now)
{
	const struct feed_partition *seen = item->seen;
	struct row row = {.ts = item->ts,
		.arrived = TIME_NONE,
		.detected = TIME_NONE,
		.published = TIME_NONE,
		.retry_at = TIME_NONE};

	if (item->row)
		row = *item->row;
	row.state = item->state;
	row.reason = slice_str(item->reason);
	if (item->fingerprint != row.fingerprint) {
		row.failures = row.attempts = 0;
		row.retry_at = TIME_NONE;
	}
	row.fingerprint = item->fingerprint;
	if (!seen && row.state == PART_OPEN)
		row.files = row.bytes = 0;
	if (seen) {
		row.path = seen->path;
		row.files = seen->file_count;
		row.bytes = seen->bytes;
		if (row.arrived == TIME_NONE)
			row.arrived = seen->oldest;
	}
	if (row.detected == TIME_NONE && (row.state == PART_COMPLETE || row.state == PART_PUBLISHED))
		row.detected = now;
	return row;
}

static struct file_row file_row_of(const struct intake_file *f)
{
	struct file_row row = {.path = f->seen->path,
		.size = f->seen->size,
		.mtime = f->seen->mtime,
		.ctime = f->seen->ctime,
		.records = f->lines,
		.rejected = f->rejects.count};

	memcpy(row.hash, f->hash, sizeof(row.hash));
	return row;
}

/* The files that were read before and those read now, by path; a file read again replaces its old row, and one
 * that has vanished is left out. */
static int merge_read(
	const struct intake *in, const struct intake_partition *p, struct arena *arena, struct row *row)
{
	size_t old = row->read_count, fresh = p->count, i = 0, k = 0, n = 0, gone = 0;
	struct file_row *merged = arena_alloc(arena, (old + fresh ? old + fresh : 1) * sizeof(*merged));

	if (!merged)
		return -ENOMEM;
	while (i < old || k < fresh) {
		const struct intake_file *f = k < fresh ? &in->files[p->first + k] : NULL;
		int c = i == old ? 1 : !f ? -1 : slice_cmp(row->read[i].path, f->seen->path);

		if (c < 0) {
			if (gone < p->vanished_count && p->vanished[gone] == &row->read[i])
				gone++;
			else
				merged[n++] = row->read[i];
			i++;
			continue;
		}
		merged[n++] = file_row_of(f);
		k++;
		if (c == 0)
			i++;
	}
	row->read = merged;
	row->read_count = n;
	return 0;
}

static int row_indexed(const struct outcome_input *in, const struct intake_partition *p, struct arena *arena,
	struct row *row)
{
	size_t i;
	int r = merge_read(in->intake, p, arena, row);

	if (r < 0)
		return r;
	if (!p->is_unchanged)
		row->generation = in->generation;
	row->has_content = true;
	row->failures = row->attempts = 0;
	row->retry_at = TIME_NONE;
	row->records = row->rejected = 0;
	for (i = 0; i < row->read_count; i++) {
		row->records += row->read[i].records;
		row->rejected += row->read[i].rejected;
	}
	return 0;
}

/* What was indexed of the partition before stays indexed: `read` and the counts with it. */
static void row_failed(const struct outcome_input *in, const struct intake_partition *p, struct row *row)
{
	row->state = p->code == -ESTALE ? PART_OPEN : PART_FAILED;
	row->reason = slice_str(p->reason);
	if (!row->has_content) {
		row->records = p->records;
		row->rejected = p->rejected;
	}
	row->retry_at = TIME_NONE;
	row->attempts = 0;
	if (p->code == -ESTALE)
		return;
	row->failures++;
	if (p->code != -EBADMSG)
		row->retry_at = time_add(in->plan_now, backoff(row->failures));
}

bool outcome_has_replaced(const struct plan *plan, const struct intake *intake)
{
	return plan->replaces && intake->partition_count == 1 && !intake->partitions[0].code;
}

bool outcome_holds(const struct outcome_input *in, const struct plan_item *item)
{
	bool has_left = in->horizon != TIME_NONE && item->ts <= in->horizon;

	/* Where the one that was to replace it failed, it may have left all the same. */
	if (item->is_replaced)
		return outcome_has_replaced(in->plan, in->intake) ||
		       (item->state == PART_EXPIRED && has_left);
	return !item->is_left || has_left;
}

/* Only what is noted: the builds that died at it, or that its content has left. */
static void row_noted(const struct outcome_input *in, const struct plan_item *item, struct row *row)
{
	bool has_crashed = row->state == PART_FAILED && item->row->state != PART_FAILED;

	if (row->state == PART_EXPIRED || row->state == PART_SKIPPED)
		row->has_content = false;
	if (!has_crashed)
		return;
	row->failures = row->attempts + 1 > PLAN_DEATHS_FAILED ? row->attempts + 1 - PLAN_DEATHS_FAILED : 1;
	row->retry_at = time_add(in->plan_now, backoff(row->failures));
}

static struct row row_to_build(const struct plan_item *item, int64_t now)
{
	struct row row = row_begin(item, now);

	row.state = PART_BUILDING;
	row.attempts++;
	/* A rollback, or the end of an attempt that comes to nothing, needs it. */
	if (item->row && row_has_expired(item->row))
		row.reason = item->row->reason;
	return row;
}

static struct row row_taken_back(const struct plan_item *item, int64_t now)
{
	struct row row;

	if (item->row && item->row->state != PART_BUILDING)
		return *item->row;
	row = item->row ? *item->row : row_begin(item, now);
	row.state = row_has_expired(&row) ? PART_EXPIRED : row.has_content ? PART_PUBLISHED : PART_COMPLETE;
	return row;
}

typedef struct row row_fn(const struct plan_item *item, int64_t now);

/* It was to leave, and stays, since what was to push it out failed. Which files it has now is noted all the same: a later listing may not
 * reach it. Returns whether there is anything to note. */
static bool row_stays(const struct plan_item *item, struct row *out)
{
	const struct feed_partition *seen = item->seen;

	if (!item->is_left || !item->row || item->row->has_content)
		return false;
	*out = *item->row;
	out->files = seen ? seen->file_count : 0;
	out->bytes = seen ? seen->bytes : 0;
	return out->files != item->row->files || out->bytes != item->row->bytes;
}

static int rows_to_index(const struct plan *plan, int64_t now, row_fn *make, struct arena *arena,
	struct row **rows, size_t *count, struct err *err)
{
	*count = 0;
	*rows = arena_alloc(arena, (plan->to_index ? plan->to_index : 1) * sizeof(**rows));
	if (!*rows)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].action == PLAN_INDEX)
			(*rows)[(*count)++] = make(&plan->items[i], now);
	return 0;
}

int outcome_begin(const struct plan *plan, int64_t now, struct arena *arena, struct row **rows, size_t *count,
	struct err *err)
{
	return rows_to_index(plan, now, row_to_build, arena, rows, count, err);
}

int outcome_take_back(const struct plan *plan, int64_t now, struct arena *arena, struct row **rows,
	size_t *count, struct err *err)
{
	return rows_to_index(plan, now, row_taken_back, arena, rows, count, err);
}

int outcome_rows(const struct outcome_input *in, struct arena *arena, struct row **rows, size_t *count,
	struct err *err)
{
	size_t room = in->plan->to_index + in->plan->to_note, p = 0, n = 0, i;
	struct row *out = arena_alloc(arena, (room ? room : 1) * sizeof(*out));
	int r = 0;

	if (!out)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; r == 0 && i < in->plan->count; i++) {
		const struct plan_item *item = &in->plan->items[i];
		const struct intake_partition *part;

		if (item->action == PLAN_KEEP)
			continue;
		if (item->action == PLAN_NOTE && !outcome_holds(in, item)) {
			n += row_stays(item, &out[n]);
			continue;
		}
		out[n] = row_begin(item, in->began);
		if (item->is_replaced && !outcome_has_replaced(in->plan, in->intake))
			out[n].reason = slice_str("");
		if (item->action == PLAN_NOTE) {
			row_noted(in, item, &out[n]);
		} else {
			part = &in->intake->partitions[p++];
			if (part->code)
				row_failed(in, part, &out[n]);
			else
				r = row_indexed(in, part, arena, &out[n]);
		}
		n++;
	}
	if (r < 0)
		return err_set(err, r, "out of memory");
	*rows = out;
	*count = n;
	return 0;
}
