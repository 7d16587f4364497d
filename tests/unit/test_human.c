/* SPDX-License-Identifier: Apache-2.0 */
#include "human.h"
#include "tap.h"
#include "timefmt.h"

static char text[HUMAN_MAX];

static void numbers_are_grouped(void)
{
	check_str(human_number(0, text), "0");
	check_str(human_number(999, text), "999");
	check_str(human_number(1000, text), "1,000");
	check_str(human_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void bytes_have_the_unit_that_fits(void)
{
	check_str(human_bytes(999, text), "999 B");
	check_str(human_bytes(1000, text), "1.0 kB");
	check_str(human_bytes(99940, text), "99.9 kB");
	check_str(human_bytes(99960, text), "100 kB");
	check_str(human_bytes(999499, text), "999 kB");
	check_str(human_bytes(999500, text), "1.0 MB");
	check_str(human_bytes(UINT64_MAX, text), "18.4 EB");
}

static void durations_have_two_parts_at_most(void)
{
	check_str(human_duration(-5, text), "0s");
	check_str(human_duration(1, text), "0.0s");
	check_str(human_duration(5 * TIME_SECOND, text), "5s");
	check_str(human_duration(TIME_SECOND * 12 / 10, text), "1.2s");
	check_str(human_duration(59 * TIME_SECOND, text), "59s");
	check_str(human_duration(125 * TIME_SECOND, text), "2m 5s");
	check_str(human_duration(2 * TIME_HOUR, text), "2h");
	check_str(human_duration(76 * TIME_HOUR, text), "3d 4h");
	check(strlen(human_duration(INT64_MAX, text)) < HUMAN_MAX);
}

static void instants_are_cut_to_what_they_say(void)
{
	int64_t t = INT64_C(1777889100) * TIME_SECOND; /* 2026-05-04T10:05:00Z */

	check_str(human_clock(t, text), "10:05");
	check_str(human_clock(t + TIME_SECOND, text), "10:05:01");
	check_str(human_day(t, text), "2026-05-04");
	check_str(human_instant(t, text), "2026-05-04 10:05");
	check_str(human_instant(TIME_NONE, text), "-");
}

static const char *told(const char *from, size_t max)
{
	static struct buf out;

	buf_clear(&out);
	human_add_text(slice_str(from), max, &out);
	return buf_cstr(&out);
}

static void text_from_outside_is_one_printable_line(void)
{
	check_str(told("a\x1b[2Jb\nc", 99), "a?[2Jb?c");
	check_str(told("\xff naïve 東", 99), "? naïve 東");
	check_str(told("a\u202eb\u2066c\xC2\x85"
		       "d\uFFFE"
		       "e",
			  99),
		"a?b?c?d?e");
	check_str(told("", 99), "");
}

static void text_is_cut_between_characters(void)
{
	check_str(told("abc", 3), "abc");
	check_str(told("abcd", 3), "abc…");
	check_str(told("aïb", 2), "a…");
	check_str(told("東京", 5), "東…");
}

int main(void)
{
	RUN(numbers_are_grouped);
	RUN(bytes_have_the_unit_that_fits);
	RUN(durations_have_two_parts_at_most);
	RUN(instants_are_cut_to_what_they_say);
	RUN(text_from_outside_is_one_printable_line);
	RUN(text_is_cut_between_characters);
	return tap_done();
}
