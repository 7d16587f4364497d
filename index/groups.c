/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours often share their group, so each run of equal ones is sorted as one name. */
#include "groups.h"

#include "segment_format.h"
#include "strtab.h"
#include "strsort.h"

struct runs {
	struct slice *names; /* owned; of each run, then of each group */
	uint32_t *order;     /* owned; runs by name */
	uint32_t *group;     /* owned; of each run */
	uint32_t count;
};

static void runs_collect(struct runs *r, const struct entry *rows, size_t n, uint32_t *run_of)
{
	for (size_t i = 0; i < n; i++) {
		if (!i || !slice_eq(rows[i].group, rows[i - 1].group))
			r->names[r->count++] = rows[i].group;
		run_of[i] = r->count - 1;
	}
}

/* Numbers the runs' groups; returns how many there are, sorted in `distinct`. */
static uint64_t runs_number(struct runs *r, struct slice *distinct)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		struct slice name = r->names[r->order[i]];

		if (!name.len) {
			r->group[r->order[i]] = GROUP_NONE;
			continue;
		}
		if (!count || !slice_eq(name, distinct[count - 1]))
			distinct[count++] = name;
		r->group[r->order[i]] = (uint32_t)count - 1;
	}
	return count;
}

static void rows_number(const struct runs *r, size_t n, uint32_t *of)
{
	for (size_t i = 0; i < n; i++)
		of[i] = r->group[of[i]];
}

int groups_add(const struct entry *entries, size_t entry_count, uint32_t *of_entry,
	const struct entry *history, size_t history_count, uint32_t *of_history, uint64_t *count,
	struct buf *out, struct err *err)
{
	size_t rows = entry_count + history_count;
	struct slice *distinct = malloc((rows + 1) * sizeof(*distinct));
	struct runs runs = {.names = malloc((rows + 1) * sizeof(*runs.names)),
		.order = malloc((rows + 1) * sizeof(*runs.order)),
		.group = malloc((rows + 1) * sizeof(*runs.group))};
	int r = -ENOMEM;

	if (rows >= GROUP_NONE)
		r = -EOVERFLOW;
	else if (distinct && runs.names && runs.order && runs.group)
		r = 0;
	if (r == 0) {
		runs_collect(&runs, entries, entry_count, of_entry);
		runs_collect(&runs, history, history_count, of_history);
		r = strsort(runs.names, runs.count, runs.order);
	}
	if (r < 0)
		err_sys(err, r, "groups of %zu rows", rows);
	if (r == 0) {
		*count = runs_number(&runs, distinct);
		rows_number(&runs, entry_count, of_entry);
		rows_number(&runs, history_count, of_history);
		r = strtab_add(out, distinct, *count, err);
	}
	free(distinct);
	free(runs.names);
	free(runs.order);
	free(runs.group);
	return r;
}
