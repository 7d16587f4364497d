/* SPDX-License-Identifier: Apache-2.0 */
#include "picture_case.h"

static void nothing_at_all_is_a_picture_too(void)
{
	struct status s = a_status(NULL, 0);
	PICTURE p;

	check_int(picture_gather(&p, &s, NULL, NULL, 0, AT(0)), 0);
	check_int(p.slice_count, 0);
	check(!p.slowest);
	check_int(p.line_count, 1);
	check_line(&p, 0, "Nothing has been published yet.");
	check_int(p.lines[0].grade, GRADE_NOTE);
}

static void slices_without_a_partition_are_late(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED), a_row(2, PART_PUBLISHED), a_row(3, PART_OPEN)};
	struct status s = a_status(rows, 3);
	PICTURE p;

	s.generation = 1;
	check_int(picture_gather(&p, &s, NULL, rows, 3, AT(4)), 0);
	check_int(p.slice_count, 4);
	check_int(p.slices[0].mark, PART_PUBLISHED);
	check_int(p.slices[1].mark, MARK_LATE);
	check_int(p.slices[3].mark, PART_OPEN);
	check_int(p.holes, 1);
	check_int(p.behind, 0);
	check_int(p.line_count, 1);
	check_line(&p, 0, "1 slice is late, with newer ones there already: 10:05.");
}

/* A producer takes its time: what ended less than a cadence ago is not late. */
static void what_has_not_come_behind_the_newest_is_late_a_cadence_after_its_end(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED)};
	struct status s = a_status(rows, 1);

	s.generation = 1;
	for (int64_t cadences = 1; cadences < 20; cadences++) {
		uint64_t behind = cadences < 3 ? 0 : (uint64_t)cadences - 2;
		PICTURE p;

		check_int(picture_gather(&p, &s, NULL, rows, 1, AT(cadences)), 0);
		check_int(p.behind, behind);
		check_int(p.slice_count, 1 + (behind < PICTURE_TRAIL ? behind : PICTURE_TRAIL));
		check_int(p.holes, 0);
		check_int(p.line_count, behind ? 1 : 0);
	}
}

static void outside_the_window_and_under_the_base_nothing_is_late(void)
{
	struct row rows[] = {a_row(0, PART_EXPIRED), a_row(9, PART_PUBLISHED)};
	struct status s = a_status(rows, 2);
	PICTURE p, q;

	s.horizon = AT(3);
	check_int(picture_gather(&p, &s, NULL, rows, 2, AT(10)), 0);
	check_int(p.slices[3].mark, MARK_NONE);
	check_int(p.slices[4].mark, MARK_LATE);
	check_int(p.holes, 5);
	s.horizon = TIME_NONE;
	s.base_at = AT(6);
	check_int(picture_gather(&q, &s, NULL, rows, 2, AT(10)), 0);
	check_int(q.slices[5].mark, MARK_NONE);
	check_int(q.slices[6].mark, MARK_LATE);
	check_int(q.holes, 3);
}

static void of_several_in_a_slice_the_worst_is_shown(void)
{
	struct row rows[] = {a_row(0, PART_FAILED), a_row(0, PART_PUBLISHED), a_row(0, PART_EXPIRED)};
	struct status s;
	PICTURE p;

	rows[1].ts += TIME_SECOND;
	rows[2].ts += 2 * TIME_SECOND;
	s = a_status(rows, 3);
	check_int(picture_gather(&p, &s, NULL, rows, 3, AT(1)), 0);
	check_int(p.slice_count, 1);
	check(p.slices[0].row == &rows[0] && p.slices[0].mark == PART_FAILED);
}

static void the_newest_are_drawn_and_the_rest_is_counted(void)
{
	enum { N = PICTURE_SLICES + 100 };
	struct row *rows = calloc(N, sizeof(*rows));
	struct status s;
	PICTURE p;

	for (int i = 0; i < N; i++) {
		rows[i] = a_row(i, PART_PUBLISHED);
		rows[i].rejected = 1;
	}
	s = a_status(rows, N);
	check_int(picture_gather(&p, &s, NULL, rows, N, AT(N)), 0);
	check_int(p.slice_count, PICTURE_SLICES);
	check_int(p.slices[0].ts, AT(100));
	check_int(p.older, 100);
	check_int(p.bar_count, PICTURE_BARS);
	check_int(p.bars[PICTURE_BARS - 1].ts, AT(N - 1));
	check_int(p.reject_count, PICTURE_LIST);
	check_int(p.reject_partitions, N);
	check(p.rejects[0] == &rows[N - 1]);
	free(rows);
}

static void the_future_is_not_drawn(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED), a_row(1000000, PART_OPEN)};
	struct status s = a_status(rows, 2);
	PICTURE p;

	s.generation = 1;
	check_int(picture_gather(&p, &s, NULL, rows, 2, AT(1)), 0);
	check_int(p.slice_count, 1);
	check_int(p.ahead, 1);
	check_line(&p, 0, "1 partition lies in the future, and is not drawn.");
}

static void waiting_counts_from_when_a_partition_could_have_been_built(void)
{
	struct row row = a_row(0, PART_PUBLISHED);
	int64_t waiting, building;

	check(status_took(&row, CADENCE, &waiting, &building));
	check_int(waiting, TIME_SECOND);
	check_int(building, TIME_SECOND / 2);
	row.arrived = AT(0); /* while the slice lasts */
	check(status_took(&row, CADENCE, &waiting, &building));
	check_int(waiting, TIME_SECOND);
	row.arrived = AT(2); /* a clock that was set */
	check(status_took(&row, CADENCE, &waiting, &building));
	check_int(waiting, 0);
	row.published = TIME_NONE;
	check(!status_took(&row, CADENCE, &waiting, &building));
}

static void a_bar_is_the_slowest_of_its_span(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED), a_row(0, PART_PUBLISHED), a_row(3, PART_PUBLISHED)};
	struct status s;
	PICTURE p;

	rows[1].ts += TIME_MINUTE;
	rows[1].published += 5 * TIME_SECOND;
	s = a_status(rows, 3);
	s.cadence = TIME_MINUTE;
	check_int(picture_gather(&p, &s, NULL, rows, 3, AT(4)), 0);
	check_int(p.bar_span, CADENCE);
	check_int(p.bar_count, 4);
	check_int(p.bars[0].partitions, 2);
	check_int(p.bars[0].building, 5 * TIME_SECOND + TIME_SECOND / 2);
	check_int(p.bars[1].partitions, 0);
	check_int(p.bars[3].partitions, 1);
	check(p.slowest == &p.bars[0]);
}

static void one_that_took_days_does_not_hide_the_others(void)
{
	struct row rows[20];
	struct status s;
	PICTURE p;

	for (int i = 0; i < 20; i++)
		rows[i] = a_row(i, PART_PUBLISHED);
	rows[3].published += 240 * TIME_HOUR;
	s = a_status(rows, 20);
	check_int(picture_gather(&p, &s, NULL, rows, 20, AT(20)), 0);
	check_int(p.scale, 2 * TIME_SECOND);
	check_int(p.waiting, TIME_SECOND);
	check(p.slowest == &p.bars[3]);
}

static void what_is_wrong_comes_first_and_is_bounded(void)
{
	struct row rows[9];
	char error[2000];
	struct status s;
	PICTURE p;

	for (int i = 0; i < 9; i++) {
		rows[i] = a_row(2 * i, i % 2 ? PART_SKIPPED : PART_FAILED);
		rows[i].reason = slice_str(i % 2 ? ROW_UNCOVERED : "bad\n");
	}
	memset(error, 'x', sizeof(error));
	error[sizeof(error) - 1] = 0;
	s = a_status(rows, 9);
	s.last_error = error;
	s.paused = 7;
	s.rules_changed = true;
	s.building_since = AT(0);
	s.generation = 9;
	s.dest = "/mnt/\n";
	s.dest_generation = 8;
	check_int(picture_gather(&p, &s, NULL, rows, 9, AT(40)), 0);
	check_int(p.line_count, 12);
	check(p.lines[0].len < PICTURE_TEXT_MAX + 60);
	check_line(&p, 1, "dt=1 has failed: bad?");
	check_line(&p, 4, "2 more partitions have failed.");
	check_line(&p, 5, "4 partitions hold data that the index should have and has not (uncovered).");
	check_line(&p, 6, "8 slices are late, with newer ones there already: 11:15, 11:05, 10:55, 10:45, …");
	check_line(&p, 7,
		"Nothing newer has arrived since the slice that ended at 2026-05-04 11:25, 1h 55m ago: 22 slices are late.");
	check_line(&p, 11, "Generation 9 is not yet published to /mnt/?: generation 8 is.");
	for (size_t i = 1; i < p.line_count; i++)
		check(p.lines[i].grade <= p.lines[i - 1].grade);
}

int main(void)
{
	RUN(nothing_at_all_is_a_picture_too);
	RUN(slices_without_a_partition_are_late);
	RUN(what_has_not_come_behind_the_newest_is_late_a_cadence_after_its_end);
	RUN(outside_the_window_and_under_the_base_nothing_is_late);
	RUN(of_several_in_a_slice_the_worst_is_shown);
	RUN(the_newest_are_drawn_and_the_rest_is_counted);
	RUN(the_future_is_not_drawn);
	RUN(waiting_counts_from_when_a_partition_could_have_been_built);
	RUN(a_bar_is_the_slowest_of_its_span);
	RUN(one_that_took_days_does_not_hide_the_others);
	RUN(what_is_wrong_comes_first_and_is_bounded);
	return tap_done();
}
