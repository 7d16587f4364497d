/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <yyjson.h>

#define DAY_SECONDS INT64_C(86400)

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

static void add_escaped(struct buf *out, uint8_t c)
{
	static const char named[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	const char *at = c ? strchr(named, c) : NULL;

	if (at)
		buf_addf(out, "\\%c", letters[at - named]);
	else
		buf_addf(out, "\\u%04x", c);
}

void json_string(struct buf *out, struct slice s)
{
	size_t from = 0;

	buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (is_plain((uint8_t)s.data[i]))
			continue;
		buf_add(out, s.data + from, i - from);
		add_escaped(out, (uint8_t)s.data[i]);
		from = i + 1;
	}
	buf_add(out, s.data + from, s.len - from);
	buf_add_byte(out, '"');
}

void json_base64(struct buf *out, struct slice s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i += 3) {
		size_t left = s.len - i;
		uint32_t v = (uint32_t)(uint8_t)s.data[i] << 16;
		char text[4];

		v |= left > 1 ? (uint32_t)(uint8_t)s.data[i + 1] << 8 : 0;
		v |= left > 2 ? (uint8_t)s.data[i + 2] : 0;
		for (int k = 0; k < 4; k++)
			text[k] = digits[v >> (18 - 6 * k) & 63];
		if (left < 3)
			text[3] = '=';
		if (left < 2)
			text[2] = '=';
		buf_add(out, text, sizeof(text));
	}
	buf_add_byte(out, '"');
}

/* The digits of `v`, at least `least` of them, right-aligned in `room`. Returns where they begin. */
static char *digits_of(unsigned __int128 v, unsigned least, char room[40])
{
	char *at = room + 40;

	while (v || room + 40 - at < (ptrdiff_t)least) {
		*--at = (char)('0' + (int)(v % 10));
		v /= 10;
	}
	return at;
}

void json_decimal(struct buf *out, __int128 v, unsigned scale)
{
	char room[40], *at = digits_of(v < 0 ? -(unsigned __int128)v : (unsigned __int128)v, scale + 1, room);
	size_t whole = (size_t)(room + sizeof(room) - at) - scale;

	if (v < 0)
		buf_add_byte(out, '-');
	buf_add(out, at, whole);
	if (!scale)
		return;
	buf_add_byte(out, '.');
	buf_add(out, at + whole, scale);
}

void json_uint(struct buf *out, uint64_t v)
{
	char room[20], *at = room + sizeof(room);

	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	buf_add(out, at, (size_t)(room + sizeof(room) - at));
}

void json_int(struct buf *out, int64_t v)
{
	if (v < 0)
		buf_add_byte(out, '-');
	json_uint(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void json_double(struct buf *out, double v)
{
	char room[512]; /* more than what yyjson sets aside for one number */
	yyjson_alc pool;
	yyjson_val val = {0};
	size_t len;
	char *text;

	yyjson_set_real(&val, v);
	text = yyjson_alc_pool_init(&pool, room, sizeof(room))
		       ? yyjson_val_write_opts(&val, YYJSON_WRITE_NOFLAG, &pool, &len, NULL)
		       : NULL;
	if (text)
		buf_add(out, text, len);
	else
		out->failed = true;
}

void json_float(struct buf *out, float v)
{
	char text[32];
	size_t len = 0;

	/* Of those below FLT_MIN fewer digits than FLT_DIG may do. */
	for (int digits = fabsf(v) < FLT_MIN ? 1 : FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
		len = (size_t)snprintf(text, sizeof(text), "%.*g", digits, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	buf_add(out, text, len);
	if (strspn(text, "-0123456789") == len)
		buf_add_str(out, ".0");
}

/* The civil date of a day, for years far outside those of timefmt.h: Howard Hinnant's days_from_civil, backwards. */
static void add_date(struct buf *out, int64_t days)
{
	int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day = shifted - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	year += era * 400 + (month >= 10);
	buf_addf(out, year < 0 ? "%05" PRId64 : year > 9999 ? "+%" PRId64 : "%04" PRId64, year);
	buf_addf(out, "-%02d-%02d", (int)(month < 10 ? month + 3 : month - 9),
		(int)(of_year - (153 * month + 2) / 5 + 1));
}

/* Three, six or nine decimals, whichever says all; none where there is nothing to say. */
static void add_fraction(struct buf *out, int64_t v, int64_t per_second)
{
	int64_t nanos = v * (1000000000 / per_second);

	if (nanos % 1000)
		buf_addf(out, ".%09" PRId64, nanos);
	else if (nanos % 1000000)
		buf_addf(out, ".%06" PRId64, nanos / 1000);
	else if (nanos)
		buf_addf(out, ".%03" PRId64, nanos / 1000000);
}

static void add_clock(struct buf *out, int64_t seconds, int64_t rest, int64_t per_second, const char *zone)
{
	buf_addf(out, "%02" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60),
		(int)(seconds % 60));
	add_fraction(out, rest, per_second);
	buf_add_str(out, zone);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
	return a % b + (a % b < 0 ? b : 0);
}

void json_date(struct buf *out, int64_t days)
{
	buf_add_byte(out, '"');
	add_date(out, days);
	buf_add_byte(out, '"');
}

void json_time(struct buf *out, int64_t v, int64_t per_second, const char *zone)
{
	if (v < 0) { /* no time of day: as it is */
		json_int(out, v);
		return;
	}
	buf_add_byte(out, '"');
	add_clock(out, v / per_second, v % per_second, per_second, zone);
	buf_add_byte(out, '"');
}

void json_timestamp(struct buf *out, int64_t v, int64_t per_second, const char *zone)
{
	int64_t seconds = floor_div(v, per_second), days = floor_div(seconds, DAY_SECONDS);

	buf_add_byte(out, '"');
	add_date(out, days);
	buf_add_byte(out, 'T');
	add_clock(out, floor_mod(seconds, DAY_SECONDS), floor_mod(v, per_second), per_second, zone);
	buf_add_byte(out, '"');
}

void json_interval(struct buf *out, int64_t months, int64_t days, int64_t micros)
{
	uint64_t size = micros < 0 ? -(uint64_t)micros : (uint64_t)micros;

	buf_addf(out, "\"P%" PRId64 "M%" PRId64 "DT%s%" PRIu64, months, days, micros < 0 ? "-" : "",
		size / 1000000);
	add_fraction(out, (int64_t)(size % 1000000), 1000000);
	buf_add_str(out, "S\"");
}

void json_uuid(struct buf *out, unsigned __int128 v)
{
	static const char digits[] = "0123456789abcdef";
	char text[38], *at = text;

	*at++ = '"';
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*at++ = '-';
		*at++ = digits[v >> (124 - 4 * i) & 15];
	}
	*at = '"';
	buf_add(out, text, sizeof(text));
}
