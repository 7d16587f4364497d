/* SPDX-License-Identifier: Apache-2.0 */
/* Which row of an id stands, which is the newest that still counts. */
#include "rows.h"

#include "memory_generation.h"

static void check_row(const struct rows *r, int found, const struct parent_row *row, const char *want)
{
	OWNED_BUF record = {0};
	struct err err = ERR_INIT;

	check_int(found, want != NULL);
	if (found != 1 || !want)
		return;
	check_int(rows_record(r, row, &record, &err), 0);
	check_str(err.message, "");
	check_str(buf_cstr(&record), want);
}

/* What is the newest row of `id` under a horizon and undone files? NULL: there is none. */
static void check_newest(const struct memory *m, const char *id, int64_t horizon, const struct undone *undone,
	const char *want)
{
	struct rows r;
	struct parent_row row;
	struct err err = ERR_INIT;

	check_int(rows_init(&r, m->g, horizon, undone, &err), 0);
	check_row(&r, rows_newest(&r, slice_str(id), &row, &err), &row, want);
	rows_release(&r);
}

static void check_standing(const struct memory *m, const char *id, int64_t horizon, const char *want)
{
	struct rows r;
	struct parent_row row;
	struct err err = ERR_INIT;

	check_int(rows_init(&r, m->g, horizon, NULL, &err), 0);
	check_row(&r, rows_standing(&r, slice_str(id), &row, &err), &row, want);
	rows_release(&r);
}

static void without_a_generation_nothing_is_found(void)
{
	struct rows r;
	struct parent_row row;

	check_int(rows_init(&r, NULL, 5, NULL, NULL), 0);
	check_int(rows_standing(&r, slice_str("a"), &row, NULL), 0);
	check_int(rows_newest(&r, slice_str("a"), &row, NULL), 0);
	rows_release(&r);
}

static void the_newest_row_may_be_an_entry_or_history_of_any_segment(void)
{
	static const struct memory_row one[] = {
		{"a", 3}, {"b", 1}, {"a", 1, .history = true}, {"a", 2, .history = true}};
	static const struct memory_row two[] = {
		{"b", 2, "x"}, {"c", 2}, {"a", 2, "z", .history = true}, {"b", 1, "z", .history = true}};
	MEMORY m;

	memory_init(&m);
	memory_add(&m, one, 4, NULL, 0);
	memory_add(&m, two, 4, NULL, 0);
	memory_derive(&m, TIME_NONE);
	check_newest(&m, "a", TIME_NONE, NULL, "a@3");
	check_newest(&m, "b", TIME_NONE, NULL, "x@2");
	check_newest(&m, "c", TIME_NONE, NULL, "a@2");
	check_newest(&m, "", TIME_NONE, NULL, NULL);
	check_newest(&m, "aa", TIME_NONE, NULL, NULL);
	check_newest(&m, "d", TIME_NONE, NULL, NULL);
}

static void what_was_undone_gives_way_row_by_row(void)
{
	static const struct memory_row one[] = {
		{"a", 3}, {"a", 1, .history = true}, {"a", 2, .history = true}};
	static const struct memory_row two[] = {{"b", 2, "z"}, {"a", 2, "z", .history = true}};
	uint32_t last = 2, both[] = {1, 2}, all[] = {0, 1, 2}, first = 0;
	MEMORY m;

	memory_init(&m);
	memory_add(&m, one, 3, NULL, 0);
	memory_add(&m, two, 2, NULL, 0);
	memory_derive(&m, TIME_NONE);
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{&last, 1}, {NULL, 0}}, "z@2");
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{&last, 1}, {&first, 1}}, "a@2");
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{both, 2}, {&first, 1}}, "a@1");
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{all, 3}, {NULL, 0}}, "z@2");
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{all, 3}, {&first, 1}}, NULL);
	/* Without a list of its own, what the generation has undone counts. */
	memory_undo(&m, 0, 2);
	check_newest(&m, "a", TIME_NONE, NULL, "z@2");
	check_newest(&m, "a", TIME_NONE, (struct undone[]){{NULL, 0}, {NULL, 0}}, "a@3");
}

static void documents_leave_and_attributes_only_where_they_expire(void)
{
	static const struct memory_row rows[] = {{CAMPAIGN("c"), 2, .state = ENTRY_ATTRIBUTE},
		{SHOP("s"), 2, .state = ENTRY_ATTRIBUTE}, {"a", 2, .version = "\x02z"},
		{CAMPAIGN("c"), 1, .history = true, .state = ENTRY_ATTRIBUTE},
		{SHOP("s"), 1, .history = true, .state = ENTRY_ATTRIBUTE},
		{"a", 3, .version = "\x02y", .history = true}};
	MEMORY m;

	memory_init(&m);
	memory_add(&m, rows, 6, memory_rules, 2);
	memory_derive(&m, TIME_NONE);
	for (int64_t horizon = 1; horizon <= 3; horizon++) {
		check_newest(&m, CAMPAIGN("c"), horizon, NULL, "a@2");
		check_newest(&m, SHOP("s"), horizon, NULL, horizon < 2 ? "a@2" : NULL);
		check_newest(&m, "a", horizon, NULL, horizon < 2 ? "a@2" : horizon < 3 ? "a@3" : NULL);
	}
	/* What stands is the parent's affair. */
	check_standing(&m, "a", 3, "a@2");
	check_standing(&m, SHOP("s"), 3, "a@2");
	memory_derive(&m, 2);
	check_standing(&m, "a", 2, NULL);
	check_standing(&m, SHOP("s"), 2, NULL);
	check_standing(&m, CAMPAIGN("c"), 2, "a@2");
}

static void of_copies_the_entry_of_the_newest_segment_counts(void)
{
	static const struct memory_row lost[] = {{"b", 5}, {"a", 2, .history = true}};
	static const struct memory_row won[] = {{"a", 2}};
	struct rows r;
	struct parent_row row;
	MEMORY m;

	memory_init(&m);
	memory_add(&m, won, 1, NULL, 0);
	memory_add(&m, won, 1, NULL, 0);
	memory_add(&m, lost, 2, NULL, 0);
	memory_derive(&m, TIME_NONE);
	check_int(rows_init(&r, m.g, TIME_NONE, NULL, NULL), 0);
	check_int(rows_newest(&r, slice_str("a"), &row, NULL), 1);
	check(row.segment == 1 && !row.history);
	check_int(rows_standing(&r, slice_str("a"), &row, NULL), 1);
	check(row.segment == 1 && !row.history);
	rows_release(&r);
}

int main(void)
{
	RUN(without_a_generation_nothing_is_found);
	RUN(the_newest_row_may_be_an_entry_or_history_of_any_segment);
	RUN(what_was_undone_gives_way_row_by_row);
	RUN(documents_leave_and_attributes_only_where_they_expire);
	RUN(of_copies_the_entry_of_the_newest_segment_counts);
	return tap_done();
}
