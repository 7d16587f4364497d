/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"
#include "tap.h"

static void state_names_read_back(void)
{
	for (int i = 0; i < PART_STATES; i++) {
		enum partition_state s = PART_STATES;

		check_int(partition_state_parse(partition_state_name((enum partition_state)i), &s), 1);
		check_int(s, i);
	}
	check_str(partition_state_name(PART_OPEN), "open");
	check_str(partition_state_name(PART_EXPIRED), "expired");
}

static void other_words_are_no_state(void)
{
	static const char *const bad[] = {"", "Open", "opened", "building", "unknown"};
	enum partition_state s = PART_FAILED;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_int(partition_state_parse(bad[i], &s), 0);
	check_int(s, PART_FAILED);
	check_str(partition_state_name(PART_STATES), "unknown");
}

int main(void)
{
	RUN(state_names_read_back);
	RUN(other_words_are_no_state);
	return tap_done();
}
