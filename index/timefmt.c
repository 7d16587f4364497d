/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar is computed here, not asked of libc: timegm() accepts day 31 of a month of 30 and month
 * 13, and a partition's path must name one instant in one way. */
#include "timefmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define DAY_SECONDS INT64_C(86400)

int64_t time_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * TIME_SECOND + ts.tv_nsec;
}

int64_t time_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * TIME_SECOND + ts.tv_nsec;
}

int64_t time_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (a == TIME_FOREVER || a == TIME_NONE)
		return a;
	if (b == TIME_FOREVER || b == TIME_NONE)
		return b;
	if (b == -TIME_FOREVER)
		return TIME_NONE;
	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? TIME_FOREVER : TIME_NONE;
	return sum;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01, counting years from March so that the leap day comes last. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool time_from_civil(int year, int month, int day, int hour, int minute, int second, int64_t *out)
{
	int64_t seconds;

	if (year < TIME_YEAR_MIN || year > TIME_YEAR_MAX || month < 1 || month > 12 || day < 1 ||
		day > month_days(year, month))
		return false;
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	seconds = days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
	*out = seconds * TIME_SECOND;
	return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void time_to_civil(int64_t t, int *year, int *month, int *day, int *hour, int *minute, int *second)
{
	int64_t seconds = floor_div(t, TIME_SECOND), days = floor_div(seconds, DAY_SECONDS);
	int64_t of_day = seconds - days * DAY_SECONDS, z = days + 719468;
	int64_t era = floor_div(z, 146097), of_era = z - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
	*hour = (int)(of_day / 3600);
	*minute = (int)(of_day / 60 % 60);
	*second = (int)(of_day % 60);
}

int64_t time_slot(int64_t t, int64_t cadence)
{
	return floor_div(t, cadence);
}

char *time_text(int64_t t, char out[TIME_TEXT_MAX])
{
	int year, month, day, hour, minute, second;

	out[0] = 0;
	if (t == TIME_NONE)
		return out;
	time_to_civil(t, &year, &month, &day, &hour, &minute, &second);
	/* Unsigned and reduced, so that the compiler sees that it always fits. */
	snprintf(out, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000,
		(unsigned)month % 100, (unsigned)day % 100, (unsigned)hour % 100, (unsigned)minute % 100,
		(unsigned)second % 100);
	return out;
}

/* Takes exactly `digits` decimal digits off *p, then `after` unless that is 0. */
static bool take(const char **p, int digits, char after, int *out)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	if (!after)
		return true;
	return *(*p)++ == after;
}

/* ".5" → 500,000,000; digits beyond nanoseconds are dropped. No fraction is fine. */
static bool take_fraction(const char **p, int64_t *out)
{
	int64_t unit = TIME_SECOND;

	*out = 0;
	if (**p != '.')
		return true;
	if (*++*p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		unit /= 10;
		*out += (**p - '0') * unit;
	}
	return true;
}

/* "Z", "+02:00", "-11:30" → how far local time is ahead of UTC. */
static bool take_offset(const char **p, int64_t *out)
{
	int hour, minute, sign = **p == '-' ? -1 : 1;

	*out = 0;
	if (**p == 'Z' || **p == 'z') {
		(*p)++;
		return true;
	}
	if (**p != '+' && **p != '-')
		return false;
	(*p)++;
	if (!take(p, 2, ':', &hour) || !take(p, 2, 0, &minute) || hour > 23 || minute > 59)
		return false;
	*out = sign * (hour * TIME_HOUR + minute * TIME_MINUTE);
	return true;
}

static bool parse_rfc3339(const char *p, int64_t *out)
{
	int year, month, day, hour, minute, second;
	int64_t fraction, offset;

	if (!take(&p, 4, '-', &year) || !take(&p, 2, '-', &month) || !take(&p, 2, 0, &day))
		return false;
	if (*p != 'T' && *p != 't' && *p != ' ')
		return false;
	p++;
	if (!take(&p, 2, ':', &hour) || !take(&p, 2, ':', &minute) || !take(&p, 2, 0, &second))
		return false;
	if (!take_fraction(&p, &fraction) || !take_offset(&p, &offset) || *p)
		return false;
	if (!time_from_civil(year, month, day, hour, minute, second, out))
		return false;
	*out += fraction - offset;
	return *out >= 0;
}

static bool parse_epoch(const char *p, int64_t *out)
{
	int64_t seconds = 0, fraction, last;

	if (*p < '0' || *p > '9')
		return false;
	time_from_civil(TIME_YEAR_MAX, 12, 31, 23, 59, 59, &last);
	for (; *p >= '0' && *p <= '9'; p++) {
		seconds = seconds * 10 + (*p - '0');
		if (seconds > last / TIME_SECOND)
			return false;
	}
	if (!take_fraction(&p, &fraction) || *p)
		return false;
	*out = seconds * TIME_SECOND + fraction;
	return true;
}

int time_parse(const char *text, int64_t *out, struct err *err)
{
	int64_t t;

	if (text[0] == '@' ? !parse_epoch(text + 1, &t) : !parse_rfc3339(text, &t))
		return err_set(err, -EINVAL,
			"\"%s\" is not a time: write 2026-05-04T10:05:00Z or @SECONDS, years %d to %d", text,
			TIME_YEAR_MIN, TIME_YEAR_MAX);
	*out = t;
	return 0;
}

/* Largest first: the first that divides a duration gives its shortest text. */
static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{"d", 24 * TIME_HOUR},
	{"h", TIME_HOUR},
	{"m", TIME_MINUTE},
	{"s", TIME_SECOND},
	{"ms", TIME_SECOND / 1000},
	{"us", TIME_SECOND / 1000000},
	{"ns", 1},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

static const struct unit *unit_find(const char *name)
{
	for (size_t i = 0; i < UNITS; i++) {
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	}
	return NULL;
}

int duration_parse(const char *text, bool allow_all, int64_t *out, struct err *err)
{
	const struct unit *unit;
	const char *p = text;
	int64_t v = 0;

	if (allow_all && strcmp(text, "all") == 0) {
		*out = TIME_FOREVER;
		return 0;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
			goto too_long;
	}
	unit = unit_find(p);
	if (p == text || (!unit && (*p || v)))
		return err_set(err, -EINVAL, "\"%s\" is not a duration: write 500ms, 2s, 5m, 1h or 7d%s",
			text, allow_all ? ", or all" : "");
	if (__builtin_mul_overflow(v, unit ? unit->ns : 0, &v) || v == TIME_FOREVER)
		goto too_long;
	*out = v;
	return 0;
too_long:
	return err_set(err, -EINVAL, "\"%s\" is too long a time%s", text,
		allow_all ? ": write all for no limit" : "");
}

char *duration_text(int64_t d, char out[TIME_TEXT_MAX])
{
	if (d == TIME_FOREVER)
		return strcpy(out, "all");
	if (d == 0)
		return strcpy(out, "0s");
	for (size_t i = 0; i < UNITS; i++) {
		if (d % units[i].ns == 0) {
			snprintf(out, TIME_TEXT_MAX, "%" PRId64 "%s", d / units[i].ns, units[i].name);
			break;
		}
	}
	return out;
}
