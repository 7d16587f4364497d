/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"
#include "tap.h"
#include "timefmt.h"

#define T0 (INT64_C(1777888800) * TIME_SECOND)

static void state_names_read_back(void)
{
	for (int i = 0; i < PART_STATES; i++) {
		enum partition_state s = PART_STATES;

		check_int(partition_state_parse(partition_state_name((enum partition_state)i), &s), 1);
		check_int(s, i);
	}
	check_str(partition_state_name(PART_OPEN), "open");
	check_str(partition_state_name(PART_BUILDING), "building");
	check_str(partition_state_name(PART_EXPIRED), "expired");
}

static void other_words_are_no_state(void)
{
	static const char *const bad[] = {"", "Open", "opened", "built", "unknown"};
	enum partition_state s = PART_FAILED;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_int(partition_state_parse(bad[i], &s), 0);
	check_int(s, PART_FAILED);
	check_str(partition_state_name(PART_STATES), "unknown");
}

static struct row slot(int minute, enum partition_state state, const char *reason)
{
	return (struct row){.ts = T0 + minute * TIME_MINUTE, .state = state, .reason = slice_str(reason)};
}

static int64_t through(const struct row *rows, size_t count, int64_t horizon, int watermark)
{
	int64_t t = rows_complete_through(
		rows, count, 5 * TIME_MINUTE, horizon, TIME_NONE, T0 + watermark * TIME_MINUTE);

	return t == TIME_NONE ? -1 : (t - T0) / TIME_MINUTE;
}

static void complete_through_stops_at_holes(void)
{
	const struct row rows[] = {slot(0, PART_PUBLISHED, ""), slot(5, PART_PUBLISHED, ""),
		slot(7, PART_PUBLISHED, ""), slot(10, PART_SKIPPED, "superseded"),
		slot(15, PART_EXPIRED, "replaced"), slot(20, PART_FAILED, "crashed"),
		slot(25, PART_PUBLISHED, ""), slot(35, PART_PUBLISHED, ""), slot(40, PART_OPEN, "")};
	struct row changed[2] = {slot(0, PART_PUBLISHED, ""), slot(5, PART_COMPLETE, "")};

	check_int(through(rows, 0, TIME_NONE, 40), -1);
	check_int(through(rows, 9, TIME_NONE, 5), 5);
	check_int(through(rows, 9, TIME_NONE, 40), 15);
	check_int(through(rows, 9, rows[4].ts, 40), -1);
	check_int(through(rows, 9, rows[0].ts, 40), 15);
	check_int(through(rows, 9, rows[5].ts, 40), 25);
	check_int(through(rows, 9, rows[6].ts, 35), -1);
	check_int(through(rows + 6, 3, rows[6].ts - 1, 25), 25);
	check_int(through(changed, 2, TIME_NONE, 5), 0);
	changed[1] = slot(5, PART_BUILDING, "");
	check_int(through(changed, 2, TIME_NONE, 5), 0);
	changed[1] = slot(5, PART_SKIPPED, "uncovered");
	check_int(through(changed, 2, TIME_NONE, 5), 0);
	changed[1] = slot(5, PART_SKIPPED, "old");
	check_int(through(changed, 2, TIME_NONE, 5), 0);
	changed[1] = slot(5, PART_EXPIRED, "");
	check_int(through(changed, 2, TIME_NONE, 5), 0);
	changed[1] = slot(9, PART_PUBLISHED, "");
	check_int(through(changed, 2, TIME_NONE, 9), 9);
	changed[1] = slot(10, PART_PUBLISHED, "");
	check_int(through(changed, 2, TIME_NONE, 10), 0);
}

static void a_slot_right_behind_the_horizon_is_missing_when_older_ones_are_known(void)
{
	const struct row rows[] = {
		slot(0, PART_EXPIRED, ""), slot(10, PART_PUBLISHED, ""), slot(15, PART_PUBLISHED, "")};

	check_int(through(rows, 3, T0, 15), -1);
	check_int(through(rows, 3, T0 + 5 * TIME_MINUTE, 15), 15);
	check_int(through(rows + 1, 2, T0, 15), 15);
}

int main(void)
{
	RUN(state_names_read_back);
	RUN(other_words_are_no_state);
	RUN(complete_through_stops_at_holes);
	RUN(a_slot_right_behind_the_horizon_is_missing_when_older_ones_are_known);
	return tap_done();
}
