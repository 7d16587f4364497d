/* SPDX-License-Identifier: Apache-2.0 */
#include "timefmt.h"
#include "tap.h"

#include <time.h>

/* Deterministic noise; the seed is printed and may be given by FRESHET_SEED. */
static uint64_t rng;

static uint64_t noise(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

static int64_t at(const char *text)
{
	struct err err = ERR_INIT;
	int64_t t = -7;

	if (time_parse(text, &t, &err) < 0)
		tap_fail("%s", err.message);
	return t;
}

static void known_instants_are_read(void)
{
	check_int(at("1970-01-01T00:00:00Z"), 0);
	check_int(at("2026-05-04T10:05:00Z"), INT64_C(1777889100) * TIME_SECOND);
	check_int(at("2000-02-29T23:59:59Z"), INT64_C(951868799) * TIME_SECOND);
	check_int(at("2100-03-01T00:00:00Z"), INT64_C(4107542400) * TIME_SECOND);
	check_int(at("2200-12-31T23:59:59Z"), INT64_C(7289654399) * TIME_SECOND);
	check_int(at("2026-05-04T12:05:00+02:00"), at("2026-05-04T10:05:00Z"));
	check_int(at("2026-05-04T04:35:00-05:30"), at("2026-05-04T10:05:00Z"));
	check_int(at("2026-05-04t10:05:00z"), at("2026-05-04T10:05:00Z"));
	check_int(at("2026-05-04 10:05:00.25Z"), at("2026-05-04T10:05:00Z") + TIME_SECOND / 4);
	check_int(at("1970-01-01T00:00:00.1234567899Z"), 123456789);
	check_int(at("@1777889100"), at("2026-05-04T10:05:00Z"));
	check_int(at("@1.5"), 3 * TIME_SECOND / 2);
}

static void words_that_are_no_time_are_refused(void)
{
	static const char *const bad[] = {"", "now", "2026-05-04", "2026-05-04T10:05:00",
		"2026-5-4T10:05:00Z", "2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-12-31T23:59:60Z",
		"1969-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "2026-05-04T10:05:00.Z",
		"2026-05-04T10:05:00Zx", "2026-05-04T10:05:00+0200", "2026-05-04T10:05:00+24:00",
		"1970-01-01T00:00:00+00:01", " 2026-05-04T10:05:00Z", "@", "@-1", "@1x", "@1.", "@7289654400",
		"@99999999999999999999999"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		int64_t t = 42;

		if (time_parse(bad[i], &t, &err) != -EINVAL)
			tap_fail("\"%s\" was read as a time", bad[i]);
		check_int(t, 42);
		check_contains(err.message, bad[i]);
	}
}

static void instants_are_written_in_utc_rounded_down(void)
{
	char text[TIME_TEXT_MAX];

	check_str(time_text(at("2026-05-04T10:05:00Z"), text), "2026-05-04T10:05:00Z");
	check_str(time_text(TIME_SECOND - 1, text), "1970-01-01T00:00:00Z");
	check_str(time_text(-1, text), "1969-12-31T23:59:59Z");
	check_str(time_text(TIME_NONE, text), "");
	check_int(strlen(time_text(TIME_FOREVER, text)), 20);
}

static void the_calendar_agrees_with_libc_on_every_day(void)
{
	for (int64_t day = 0; day < 84371; day++) {
		time_t seconds = (time_t)(day * 86400 + (int64_t)(noise() % 86400));
		int y, mo, d, h, mi, s;
		int64_t back = -1;
		struct tm tm;

		gmtime_r(&seconds, &tm);
		time_to_civil(seconds * TIME_SECOND, &y, &mo, &d, &h, &mi, &s);
		check(y == tm.tm_year + 1900 && mo == tm.tm_mon + 1 && d == tm.tm_mday);
		check(h == tm.tm_hour && mi == tm.tm_min && s == tm.tm_sec);
		check(time_from_civil(y, mo, d, h, mi, s, &back));
		check_int(back, seconds * TIME_SECOND);
		if (tap_bad)
			break;
	}
}

static void civil_fields_out_of_range_are_refused(void)
{
	int64_t t;

	check(!time_from_civil(2026, 2, 29, 0, 0, 0, &t));
	check(time_from_civil(2028, 2, 29, 0, 0, 0, &t));
	check(!time_from_civil(2026, 1, 1, -1, 0, 0, &t));
	check(!time_from_civil(1969, 12, 31, 0, 0, 0, &t));
	check(!time_from_civil(2026, 0, 1, 0, 0, 0, &t));
}

static void sums_stay_within_never_and_forever(void)
{
	check_int(time_add(2, 3), 5);
	check_int(time_add(TIME_FOREVER, -5), TIME_FOREVER);
	check_int(time_add(TIME_NONE, 5), TIME_NONE);
	check_int(time_add(5, TIME_FOREVER), TIME_FOREVER);
	check_int(time_add(5, -TIME_FOREVER), TIME_NONE);
	check_int(time_add(TIME_FOREVER - 1, 2), TIME_FOREVER);
	check_int(time_add(TIME_NONE + 1, -2), TIME_NONE);
}

static void durations_are_read_and_written(void)
{
	static const struct {
		const char *text;
		int64_t ns;
		const char *shortest;
	} cases[] = {{"0", 0, "0s"}, {"0s", 0, "0s"}, {"0m", 0, "0s"}, {"500ms", TIME_SECOND / 2, "500ms"},
		{"2s", 2 * TIME_SECOND, "2s"}, {"5m", 5 * TIME_MINUTE, "5m"}, {"300s", 5 * TIME_MINUTE, "5m"},
		{"1h", TIME_HOUR, "1h"}, {"90m", 90 * TIME_MINUTE, "90m"}, {"24h", 24 * TIME_HOUR, "1d"},
		{"7d", 168 * TIME_HOUR, "7d"}, {"1001us", 1001000, "1001us"}, {"1ns", 1, "1ns"},
		{"all", TIME_FOREVER, "all"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[TIME_TEXT_MAX];
		int64_t d = -1;

		check_int(duration_parse(cases[i].text, true, &d, NULL), 0);
		check_int(d, cases[i].ns);
		check_str(duration_text(d, text), cases[i].shortest);
	}
}

static void words_that_are_no_duration_are_refused(void)
{
	static const char *const bad[] = {"", "5", "m", "-5m", "+5m", " 5m", "5m ", "5 m", "1.5h", "5min",
		"5M", "1h30m", "all", "0x5s", "9223372036854775807ns", "9223372036854775808ns", "106752d",
		"99999999999999999999999s"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		int64_t d = 42;

		if (duration_parse(bad[i], false, &d, &err) != -EINVAL)
			tap_fail("\"%s\" was read as a duration", bad[i]);
		check_int(d, 42);
		check_contains(err.message, bad[i]);
	}
}

static void every_duration_reads_back_the_same(void)
{
	for (int i = 0; i < 100000; i++) {
		int64_t d = (int64_t)(noise() >> (1 + noise() % 63)), back = -1;
		char text[TIME_TEXT_MAX];

		check_int(duration_parse(duration_text(d, text), true, &back, NULL), 0);
		check_int(back, d);
	}
}

static void the_clock_shows_this_age(void)
{
	check(time_now() > at("2020-01-01T00:00:00Z"));
	check(time_now() < at("2200-01-01T00:00:00Z"));
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : (uint64_t)time_now();
	rng += !rng;
	printf("# FRESHET_SEED=%" PRIu64 "\n", rng);
	RUN(known_instants_are_read);
	RUN(words_that_are_no_time_are_refused);
	RUN(instants_are_written_in_utc_rounded_down);
	RUN(the_calendar_agrees_with_libc_on_every_day);
	RUN(civil_fields_out_of_range_are_refused);
	RUN(sums_stay_within_never_and_forever);
	RUN(durations_are_read_and_written);
	RUN(words_that_are_no_duration_are_refused);
	RUN(every_duration_reads_back_the_same);
	RUN(the_clock_shows_this_age);
	return tap_done();
}
