/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <float.h>
#include <math.h>
#include <yyjson.h>

#include "scratch.h"
#include "tap.h"

#define check_json(print, want)                  \
	do {                                     \
		OWNED_BUF out = {0};             \
		print;                           \
		check_str(buf_cstr(&out), want); \
	} while (0)

static void strings_are_escaped_where_they_must_be(void)
{
	check_json(json_string(&out, slice_str("")), "\"\"");
	check_json(json_string(&out, slice_of("a\0b", 3)), "\"a\\u0000b\"");
	check_json(json_string(&out, slice_str("\"\\/\b\f\n\r\t\x01\x1f\x7f\xC3\xA9")),
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xC3\xA9\"");
}

static void bytes_are_base64(void)
{
	check_json(json_base64(&out, slice_str("")), "\"\"");
	check_json(json_base64(&out, slice_str("f")), "\"Zg==\"");
	check_json(json_base64(&out, slice_str("fo")), "\"Zm8=\"");
	check_json(json_base64(&out, slice_str("foo")), "\"Zm9v\"");
	check_json(json_base64(&out, slice_str("\xff\xfe\xfd\xfc")), "\"//79/A==\"");
}

static void integers_are_whole_to_their_limits(void)
{
	check_json(json_int(&out, 0), "0");
	check_json(json_int(&out, -7), "-7");
	check_json(json_int(&out, INT64_MIN), "-9223372036854775808");
	check_json(json_uint(&out, UINT64_MAX), "18446744073709551615");
}

static void decimals_have_all_their_digits(void)
{
	__int128 most = 0;

	for (int i = 0; i < 38; i++)
		most = most * 10 + 9;
	check_json(json_decimal(&out, 0, 0), "0");
	check_json(json_decimal(&out, 5, 2), "0.05");
	check_json(json_decimal(&out, -5, 2), "-0.05");
	check_json(json_decimal(&out, 12345, 2), "123.45");
	check_json(json_decimal(&out, -100, 2), "-1.00");
	check_json(json_decimal(&out, most, 0), "99999999999999999999999999999999999999");
	check_json(json_decimal(&out, -most, 38), "-0.99999999999999999999999999999999999999");
}

static void fractions_are_as_short_as_reads_back(void)
{
	check_json(json_double(&out, 0.1), "0.1");
	check_json(json_double(&out, -0.0), "-0.0");
	check_json(json_double(&out, 2), "2.0");
	check_json(json_double(&out, 5e-324), "5e-324");
	check_json(json_float(&out, 0.1f), "0.1");
	check_json(json_float(&out, 2), "2.0");
	check_json(json_float(&out, 16777216), "16777216.0");
	check_json(json_float(&out, -0.0f), "-0.0");
	check_json(json_float(&out, FLT_MIN), "1.1754944e-38");
}

static void random_fractions_read_back(void)
{
	uint64_t seed = seed_take(20260504);

	for (int i = 0; i < 100000; i++) {
		uint64_t bits = seed_next(&seed);
		uint32_t half = (uint32_t)(bits >> 32);
		OWNED_BUF out = {0}, short_out = {0};
		double d;
		float f;

		memcpy(&d, &bits, sizeof(d));
		memcpy(&f, &half, sizeof(f));
		if (isfinite(d)) {
			json_double(&out, d);
			check(strtod(buf_cstr(&out), NULL) == d);
			check(strpbrk(buf_cstr(&out), ".e") != NULL);
		}
		if (isfinite(f)) {
			json_float(&short_out, f);
			check(strtof(buf_cstr(&short_out), NULL) == f);
			check(strpbrk(buf_cstr(&short_out), ".e") != NULL);
		}
	}
}

static void times_have_as_many_decimals_as_they_need(void)
{
	check_json(json_time(&out, 0, 1000000, ""), "\"00:00:00\"");
	check_json(json_time(&out, INT64_C(86399999999), 1000000, ""), "\"23:59:59.999999\"");
	check_json(json_time(&out, INT64_C(3600500000000), 1000000000, "Z"), "\"01:00:00.500Z\"");
	check_json(json_timestamp(&out, 0, 1, "Z"), "\"1970-01-01T00:00:00Z\"");
	check_json(json_timestamp(&out, -1, 1000, "Z"), "\"1969-12-31T23:59:59.999Z\"");
	check_json(json_timestamp(&out, -1, 1000000, ""), "\"1969-12-31T23:59:59.999999\"");
	check_json(json_timestamp(&out, -1, 1000000000, ""), "\"1969-12-31T23:59:59.999999999\"");
	check_json(json_timestamp(&out, INT64_C(951782400500), 1000, ""), "\"2000-02-29T00:00:00.500\"");
}

static void dates_of_any_year_are_written(void)
{
	check_json(json_date(&out, 0), "\"1970-01-01\"");
	check_json(json_date(&out, -719162), "\"0001-01-01\"");
	check_json(json_date(&out, -719163), "\"0000-12-31\"");
	check_json(json_date(&out, -719529), "\"-0001-12-31\"");
	check_json(json_date(&out, 2932896), "\"9999-12-31\"");
	check_json(json_date(&out, 2932897), "\"+10000-01-01\"");
	check_json(json_timestamp(&out, INT64_MAX, 1000000, ""), "\"+294247-01-10T04:00:54.775807\"");
	check_json(json_timestamp(&out, INT64_MIN, 1000000, ""), "\"-290308-12-21T19:59:05.224192\"");
	check_json(json_timestamp(&out, INT64_MIN, 1000000000, ""), "\"1677-09-21T00:12:43.145224192\"");
}

static void every_day_of_two_thousand_years_is_right(void)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t day = -719162; /* 0001-01-01 */

	for (int year = 1; year <= 2200; year++) {
		bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);

		for (int month = 1; month <= 12; month++) {
			for (int d = 1; d <= lengths[month - 1] + (leap && month == 2); d++, day++) {
				OWNED_BUF out = {0};
				char want[32];

				snprintf(want, sizeof(want), "\"%04d-%02d-%02d\"", year, month, d);
				json_date(&out, day);
				if (strcmp(buf_cstr(&out), want))
					tap_fail("%s for %s", buf_cstr(&out), want);
			}
		}
	}
}

static void what_is_rare_is_written_too(void)
{
	check_json(json_interval(&out, 14, -3, 1500000), "\"P14M-3DT1.500S\"");
	check_json(json_interval(&out, 0, 0, -1), "\"P0M0DT-0.000001S\"");
	check_json(json_uuid(&out, ((unsigned __int128)0x0123456789abcdef << 64) | 0xfedcba9876543210),
		"\"01234567-89ab-cdef-fedc-ba9876543210\"");
}

int main(void)
{
	RUN(strings_are_escaped_where_they_must_be);
	RUN(bytes_are_base64);
	RUN(integers_are_whole_to_their_limits);
	RUN(decimals_have_all_their_digits);
	RUN(fractions_are_as_short_as_reads_back);
	RUN(random_fractions_read_back);
	RUN(times_have_as_many_decimals_as_they_need);
	RUN(dates_of_any_year_are_written);
	RUN(every_day_of_two_thousand_years_is_right);
	RUN(what_is_rare_is_written_too);
	return tap_done();
}
