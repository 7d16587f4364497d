/* SPDX-License-Identifier: Apache-2.0 */
/* A template is a list of tokens: literal bytes, '/' and fields of fixed width. Fixed widths make matching a
 * single pass without choices, and make a path that matches the only spelling of its time. */
#include "partition.h"

#include "timefmt.h"

#define TEMPLATE_TEXT_MAX 1024 /* bytes; its paths are at most twice as long */

enum field { F_YEAR, F_MONTH, F_DAY, F_YDAY, F_HOUR, F_MINUTE, F_SECOND, F_COUNT, F_LITERAL, F_SLASH };

static const struct {
	char letter;
	int width, low, high;
} fields[F_COUNT] = {
	[F_YEAR] = {'Y', 4, TIME_YEAR_MIN, TIME_YEAR_MAX},
	[F_MONTH] = {'m', 2, 1, 12},
	[F_DAY] = {'d', 2, 1, 31},
	[F_YDAY] = {'j', 3, 1, 366},
	[F_HOUR] = {'H', 2, 0, 23},
	[F_MINUTE] = {'M', 2, 0, 59},
	[F_SECOND] = {'S', 2, 0, 59},
};

struct token {
	enum field kind;
	char byte; /* of F_LITERAL */
};

struct template
{
	unsigned depth;
	size_t count;
	struct token tokens[];
};

/* Field values as far as they are known; -1 is unknown. */
struct values {
	int v[F_COUNT];
};

static int parse_field(struct template *t, bool seen[F_COUNT], char letter, struct err *err)
{
	for (enum field f = 0; f < F_COUNT; f++) {
		if (fields[f].letter != letter)
			continue;
		if (seen[f])
			return err_set(err, -EINVAL, "%%%c is there twice", letter);
		seen[f] = true;
		t->tokens[t->count++].kind = f;
		return 0;
	}
	if (letter > ' ' && letter < 0x7f)
		return err_set(
			err, -EINVAL, "%%%c is not known; use %%Y %%m %%d %%j %%H %%M %%S %%%%", letter);
	return err_set(err, -EINVAL, "a %% at its end or before an odd byte; a plain one is written %%%%");
}

static int parse_tokens(struct template *t, const char *text, bool seen[F_COUNT], struct err *err)
{
	for (const char *p = text; *p; p++) {
		int r = 0;

		if (*p == '%' && p[1] != '%')
			r = parse_field(t, seen, *++p, err);
		else if (*p == '/')
			t->tokens[t->count++].kind = F_SLASH;
		else
			t->tokens[t->count++] = (struct token){F_LITERAL, *p};
		if (r < 0)
			return r;
		p += *p == '%'; /* of two, one is kept */
	}
	return 0;
}

static int check_component(const struct token *tok, size_t n, struct err *err)
{
	bool dots = n <= 2;

	for (size_t i = 0; i < n; i++)
		dots = dots && tok[i].kind == F_LITERAL && tok[i].byte == '.';
	if (dots)
		return err_set(err, -EINVAL, "a component is empty, \".\" or \"..\"");
	return 0;
}

static int check_components(struct template *t, struct err *err)
{
	size_t start = 0;

	for (size_t i = 0; i <= t->count; i++) {
		int r;

		if (i < t->count && t->tokens[i].kind != F_SLASH)
			continue;
		r = check_component(t->tokens + start, i - start, err);
		if (r < 0)
			return r;
		if (++t->depth > TEMPLATE_DEPTH_MAX)
			return err_set(err, -EINVAL, "more than %d components", TEMPLATE_DEPTH_MAX);
		start = i + 1;
	}
	return 0;
}

/* Without a hole, the fields that are there name one instant. */
static int check_fields(const bool seen[F_COUNT], struct err *err)
{
	bool day = seen[F_DAY] || seen[F_YDAY];

	if (!seen[F_YEAR])
		return err_set(err, -EINVAL, "it names no year (%%Y)");
	if (seen[F_YDAY] && (seen[F_MONTH] || seen[F_DAY]))
		return err_set(err, -EINVAL, "%%j is the day of the year: use it without %%m and %%d");
	if (seen[F_DAY] && !seen[F_MONTH])
		return err_set(err, -EINVAL, "%%d needs %%m");
	if (seen[F_HOUR] && !day)
		return err_set(err, -EINVAL, "%%H needs a day (%%m and %%d, or %%j)");
	if (seen[F_MINUTE] && !seen[F_HOUR])
		return err_set(err, -EINVAL, "%%M needs %%H");
	if (seen[F_SECOND] && !seen[F_MINUTE])
		return err_set(err, -EINVAL, "%%S needs %%M");
	return 0;
}

int template_parse(struct template **out, const char *text, struct err *err)
{
	OWNED(template) struct template *t = NULL;
	bool seen[F_COUNT] = {false};
	size_t len = strlen(text);
	int r = 0;

	*out = NULL;
	if (len > TEMPLATE_TEXT_MAX)
		return err_set(err, -EINVAL, "partition template: %zu bytes are too long (the most is %d)",
			len, TEMPLATE_TEXT_MAX);
	t = calloc(1, sizeof(*t) + (len + 1) * sizeof(t->tokens[0]));
	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	r = parse_tokens(t, text, seen, err);
	if (r == 0)
		r = check_components(t, err);
	if (r == 0)
		r = check_fields(seen, err);
	if (r < 0)
		return err_context(err, r, "partition template \"%.300s\"", text);
	*out = steal(&t);
	return 0;
}

void template_free(struct template *t)
{
	free(t);
}

unsigned template_depth(const struct template *t)
{
	return t->depth;
}

static int day_of_year(int64_t ts, int year)
{
	int64_t start;

	return time_from_civil(year, 1, 1, 0, 0, 0, &start) ? (int)((ts - start) / (24 * TIME_HOUR)) + 1 : 0;
}

void template_format(const struct template *t, int64_t ts, struct buf *out)
{
	int v[F_COUNT];

	time_to_civil(ts, &v[F_YEAR], &v[F_MONTH], &v[F_DAY], &v[F_HOUR], &v[F_MINUTE], &v[F_SECOND]);
	v[F_YDAY] = day_of_year(ts, v[F_YEAR]);
	for (size_t i = 0; i < t->count; i++) {
		const struct token *tok = &t->tokens[i];

		if (tok->kind == F_SLASH)
			buf_add_byte(out, '/');
		else if (tok->kind == F_LITERAL)
			buf_add_byte(out, tok->byte);
		else
			buf_addf(out, "%0*d", fields[tok->kind].width, v[tok->kind]);
	}
}

/* Reads one number of full width at `at`; advances it. */
static bool match_field(struct slice path, size_t *at, enum field f, struct values *known)
{
	int n = 0;

	if (path.len - *at < (size_t)fields[f].width)
		return false;
	for (int i = 0; i < fields[f].width; i++) {
		char c = path.data[(*at)++];

		if (c < '0' || c > '9')
			return false;
		n = n * 10 + (c - '0');
	}
	known->v[f] = n;
	return n >= fields[f].low && n <= fields[f].high;
}

/* Matches all of `path`. Returns how many tokens it took, or -1: it fits no prefix of the template that ends
 * between two components. */
static ptrdiff_t match_tokens(const struct template *t, struct slice path, struct values *known)
{
	size_t i = 0, at = 0;

	for (enum field f = 0; f < F_COUNT; f++)
		known->v[f] = -1;
	for (; i < t->count && at < path.len; i++) {
		const struct token *tok = &t->tokens[i];

		if (tok->kind < F_COUNT) {
			if (!match_field(path, &at, tok->kind, known))
				return -1;
		} else if (path.data[at++] != (tok->kind == F_SLASH ? '/' : tok->byte)) {
			return -1;
		}
	}
	if (at < path.len || (i > 0 && i < t->count && t->tokens[i].kind != F_SLASH) ||
		(i > 0 && t->tokens[i - 1].kind == F_SLASH))
		return -1;
	return (ptrdiff_t)i;
}

/* The first instant that the known fields allow, unknown ones at their lowest, and how long they stay so.
 * Fields below an unknown one say nothing about the range. False where there is no such day. */
static bool values_range(const struct values *known, int64_t *from, int64_t *to)
{
	const int *v = known->v;
	int month = v[F_MONTH] > 0 ? v[F_MONTH] : 1, day = v[F_MONTH] > 0 && v[F_DAY] > 0 ? v[F_DAY] : 1;
	int hour = 0, minute = 0, second = 0;
	int64_t year_end, length;

	if (!time_from_civil(v[F_YEAR], month, day, 0, 0, 0, from) ||
		!time_from_civil(v[F_YEAR], 12, 31, 0, 0, 0, &year_end))
		return false;
	year_end += 24 * TIME_HOUR;
	if (v[F_YDAY] > 0) {
		*from += (v[F_YDAY] - 1) * 24 * TIME_HOUR;
		if (*from >= year_end)
			return false;
	} else if (v[F_MONTH] < 0) {
		*to = year_end;
		return true;
	} else if (v[F_DAY] < 0) {
		if (!time_from_civil(v[F_YEAR], month + 1, 1, 0, 0, 0, to))
			*to = year_end;
		return true;
	}
	length = 24 * TIME_HOUR;
	if (v[F_HOUR] >= 0) {
		hour = v[F_HOUR];
		length = TIME_HOUR;
		if (v[F_MINUTE] >= 0) {
			minute = v[F_MINUTE];
			length = TIME_MINUTE;
			if (v[F_SECOND] >= 0) {
				second = v[F_SECOND];
				length = TIME_SECOND;
			}
		}
	}
	*from += hour * TIME_HOUR + minute * TIME_MINUTE + second * TIME_SECOND;
	*to = *from + length;
	return true;
}

int template_match(const struct template *t, struct slice path, int64_t *ts)
{
	struct values known;
	int64_t to;

	return match_tokens(t, path, &known) == (ptrdiff_t)t->count && values_range(&known, ts, &to);
}

int template_range(const struct template *t, struct slice prefix, int64_t *from, int64_t *to)
{
	struct values known;

	if (match_tokens(t, prefix, &known) < 0)
		return 0;
	if (known.v[F_YEAR] >= 0)
		return values_range(&known, from, to);
	if (!time_from_civil(TIME_YEAR_MIN, 1, 1, 0, 0, 0, from) ||
		!time_from_civil(TIME_YEAR_MAX, 12, 31, 0, 0, 0, to))
		return 0;
	*to += 24 * TIME_HOUR;
	return 1;
}

bool template_is_sorted(const struct template *t)
{
	int last = -1;

	for (size_t i = 0; i < t->count; i++) {
		int kind = (int)t->tokens[i].kind;

		if (kind >= F_COUNT)
			continue;
		if (kind < last)
			return false;
		last = kind;
	}
	return true;
}
