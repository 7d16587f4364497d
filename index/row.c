/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"
#include "timefmt.h"

/* Part of the catalog and of partitions.tsv: a name, once released, keeps its meaning. */
static const char *const names[PART_STATES] = {
	[PART_OPEN] = "open",
	[PART_COMPLETE] = "complete",
	[PART_BUILDING] = "building",
	[PART_PUBLISHED] = "published",
	[PART_FAILED] = "failed",
	[PART_SKIPPED] = "skipped",
	[PART_EXPIRED] = "expired",
};

const char *partition_state_name(enum partition_state s)
{
	return (unsigned)s < PART_STATES ? names[s] : "unknown";
}

int partition_state_parse(const char *name, enum partition_state *out)
{
	for (unsigned i = 0; i < PART_STATES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum partition_state)i;
			return 1;
		}
	}
	return 0;
}

bool row_is_uncovered(const struct row *row)
{
	return row->state == PART_SKIPPED && slice_eq(row->reason, slice_str(ROW_UNCOVERED));
}

bool row_has_expired(const struct row *row)
{
	return row->state == PART_EXPIRED ||
	       (row->state == PART_BUILDING && !row->has_content && row->read_count);
}

const struct file_row *file_row_find(const struct row *row, struct slice path)
{
	size_t low = 0, high = row ? row->read_count : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(row->read[mid].path, path);

		if (c == 0)
			return &row->read[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Has the index the data of this one, or policy `newest` that of a newer one for it? */
static bool row_is_settled(const struct row *row)
{
	switch (row->state) {
	case PART_PUBLISHED:
		return true;
	case PART_EXPIRED:
		return slice_eq(row->reason, slice_str(ROW_REPLACED));
	case PART_SKIPPED:
		return slice_eq(row->reason, slice_str(ROW_SUPERSEDED));
	default:
		return false;
	}
}

int64_t rows_complete_through(const struct row *rows, size_t count, int64_t cadence, int64_t horizon,
	int64_t base_at, int64_t watermark)
{
	int64_t covered = time_add(base_at, -cadence);
	int64_t through = base_at == TIME_NONE ? TIME_NONE : time_slot(covered, cadence) * cadence;
	int64_t last = through; /* nothing is missing up to it */

	if (last == TIME_NONE && horizon != TIME_NONE && count && rows[0].ts <= horizon)
		last = horizon;
	for (size_t i = 0; i < count && rows[i].ts <= watermark; i++) {
		if ((horizon != TIME_NONE && rows[i].ts <= horizon) ||
			(base_at != TIME_NONE && rows[i].ts <= covered))
			continue;
		if (!row_is_settled(&rows[i]))
			break;
		if (last != TIME_NONE && time_slot(rows[i].ts, cadence) > time_slot(last, cadence) + 1)
			break;
		through = last = rows[i].ts;
	}
	return through;
}
