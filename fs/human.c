/* SPDX-License-Identifier: Apache-2.0 */
#include "human.h"
#include "name.h"
#include "timefmt.h"

#include <inttypes.h>
#include <stdio.h>

char *human_number(uint64_t n, char out[HUMAN_MAX])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), i;
	char *to = out;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return out;
}

char *human_bytes(uint64_t n, char out[HUMAN_MAX])
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)n / 1000;
	size_t unit = 0;

	if (n < 1000) {
		snprintf(out, HUMAN_MAX, "%" PRIu64 " B", n);
		return out;
	}
	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(out, HUMAN_MAX, "%.*f %s", value < 99.95 ? 1 : 0, value, units[unit]);
	return out;
}

/* The second part is left out where it is 0. */
static void two_parts(int64_t a, const char *unit_a, int64_t b, const char *unit_b, char out[HUMAN_MAX])
{
	int n = snprintf(out, HUMAN_MAX, "%" PRId64 "%s", a, unit_a);

	if (b)
		snprintf(out + n, HUMAN_MAX - (size_t)n, " %" PRId64 "%s", b, unit_b);
}

char *human_duration(int64_t d, char out[HUMAN_MAX])
{
	int64_t s = d / TIME_SECOND, tenths = d % TIME_SECOND / (TIME_SECOND / 10);

	if (d <= 0)
		snprintf(out, HUMAN_MAX, "0s");
	else if (s < 10 && d % TIME_SECOND)
		snprintf(out, HUMAN_MAX, "%" PRId64 ".%" PRId64 "s", s, tenths);
	else if (s < 60)
		snprintf(out, HUMAN_MAX, "%" PRId64 "s", s);
	else if (s < 3600)
		two_parts(s / 60, "m", s % 60, "s", out);
	else if (s < 86400)
		two_parts(s / 3600, "h", s / 60 % 60, "m", out);
	else
		two_parts(s / 86400, "d", s / 3600 % 24, "h", out);
	return out;
}

char *human_day(int64_t t, char out[HUMAN_MAX])
{
	char text[TIME_TEXT_MAX];

	snprintf(out, HUMAN_MAX, "%.10s", t == TIME_NONE ? "-" : time_text(t, text));
	return out;
}

char *human_clock(int64_t t, char out[HUMAN_MAX])
{
	char text[TIME_TEXT_MAX];
	bool minutes = t % TIME_MINUTE == 0;

	if (t == TIME_NONE)
		return strcpy(out, "-");
	time_text(t, text);
	snprintf(out, HUMAN_MAX, "%.*s", minutes ? 5 : 8, text + sizeof("2026-05-04T") - 1);
	return out;
}

char *human_instant(int64_t t, char out[HUMAN_MAX])
{
	char day[HUMAN_MAX], clock[HUMAN_MAX];

	if (t == TIME_NONE)
		return strcpy(out, "-");
	snprintf(out, HUMAN_MAX, "%.10s %.8s", human_day(t, day), human_clock(t, clock));
	return out;
}

/* Of valid UTF-8. */
static uint32_t code_point(const uint8_t *s, size_t *len)
{
	uint32_t c = s[0];

	*len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	if (*len > 1)
		c &= 0x7FU >> *len;
	for (size_t i = 1; i < *len; i++)
		c = c << 6 | (s[i] & 0x3F);
	return c;
}

static bool is_plain(uint32_t c)
{
	if ((c >= 0x80 && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F || c == 0x2028 ||
		c == 0x2029)
		return false;
	if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069))
		return false;
	return (c < 0xFDD0 || c > 0xFDEF) && (c & 0xFFFE) != 0xFFFE;
}

void human_add_text(struct slice text, size_t max, struct buf *out)
{
	OWNED_BUF line = {0};
	size_t len, begin = out->len;

	line_print(text, &line);
	for (size_t i = 0; i < line.len; i += len) {
		uint32_t c = code_point((const uint8_t *)line.data + i, &len);

		if (out->len - begin + len > max) {
			buf_add_str(out, "…");
			return;
		}
		buf_add(out, is_plain(c) ? line.data + i : "?", is_plain(c) ? len : 1);
	}
	if (line.failed)
		out->failed = true;
}
