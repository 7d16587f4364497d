/* SPDX-License-Identifier: Apache-2.0 */
#include "partition.h"

#include "scratch.h"
#include "tap.h"
#include "timefmt.h"

#define DEFAULT_TEMPLATE "dt=%Y-%m-%d/hour=%H/minute=%M"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct template *parse(const char *text)
{
	struct template *t;
	struct err err = ERR_INIT;

	if (template_parse(&t, text, &err) < 0) {
		printf("Bail out! %s\n", err.message);
		abort();
	}
	return t;
}

static int64_t at(const char *text)
{
	int64_t t = TIME_NONE;

	check_int(time_parse(text, &t, NULL), 0);
	return t;
}

static void templates_format_their_times(void)
{
	static const struct {
		const char *text, *time, *path;
		unsigned depth;
	} cases[] = {
		{DEFAULT_TEMPLATE, "2026-05-04T10:05:00Z", "dt=2026-05-04/hour=10/minute=05", 3},
		{"%Y%m%d%H%M%S", "2026-01-02T03:04:05Z", "20260102030405", 1},
		{"%Y/%j", "2024-12-31T00:00:00Z", "2024/366", 2},
		{"%Y/%j", "2026-03-01T00:00:00Z", "2026/060", 2},
		{"%Y", "1970-01-01T00:00:00Z", "1970", 1},
		{"a/%Y-%m/data", "2200-12-01T00:00:00Z", "a/2200-12/data", 3},
		{"100%%/%Y%%", "2026-01-01T00:00:00Z", "100%/2026%", 2},
		{"%H/%d.%m.%Y", "2026-05-04T10:00:00Z", "10/04.05.2026", 2},
		{"x y\n/\xff%Y", "2026-01-01T00:00:00Z",
			"x y\n/\xff"
			"2026",
			2},
		{".../%Y", "2026-01-01T00:00:00Z", ".../2026", 2},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		OWNED(template) struct template *t = parse(cases[i].text);
		OWNED_BUF path = {0};
		int64_t ts = TIME_NONE;

		template_format(t, at(cases[i].time), &path);
		check_str(buf_cstr(&path), cases[i].path);
		check_int(template_depth(t), cases[i].depth);
		check_int(template_match(t, slice_str(cases[i].path), &ts), 1);
		check_int(ts, at(cases[i].time));
	}
}

static void templates_that_name_no_time_are_refused(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "empty"},
		{"/%Y", "empty"},
		{"%Y/", "empty"},
		{"%Y//%m", "empty"},
		{"./%Y", "\".\""},
		{"%Y/..", "\"..\""},
		{"data", "no year"},
		{"%m-%d", "no year"},
		{"%Y-%Y", "%Y is there twice"},
		{"%Y/%d", "%d needs %m"},
		{"%Y/%H", "%H needs a day"},
		{"%Y-%m/%H", "%H needs a day"},
		{"%Y-%m-%d/%M", "%M needs %H"},
		{"%Y-%m-%d/%H/%S", "%S needs %M"},
		{"%Y-%j-%m", "without %m and %d"},
		{"%y", "%y is not known"},
		{"%Y-%", "plain one is written %%"},
		{"%Y-%\n", "odd byte"},
		{"%Y/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g", "more than 16 components"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = ERR_INIT;
		struct template *t;

		check_int(template_parse(&t, cases[i].text, &err), -EINVAL);
		check(t == NULL);
		check_contains(err.message, cases[i].why);
		check_contains(err.message, "partition template");
	}
}

static void a_template_of_the_greatest_depth_and_length_is_taken(void)
{
	OWNED(template) struct template *deep = parse("%Y/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f");
	char text[1100] = "%Y";
	struct template *t;

	check_int(template_depth(deep), TEMPLATE_DEPTH_MAX);
	memset(text + 2, 'x', sizeof(text) - 3);
	check_int(template_parse(&t, text, NULL), -EINVAL);
	text[1024] = '\0';
	check_int(template_parse(&t, text, NULL), 0);
	template_free(t);
}

static void only_the_one_spelling_of_a_time_is_a_partition(void)
{
	static const char *const cases[] = {
		"",
		"dt=2026-05-04",
		"dt=2026-05-04/hour=10",
		"dt=2026-05-04/hour=10/minute=05/",
		"dt=2026-05-04/hour=10/minute=05/x",
		"/dt=2026-05-04/hour=10/minute=05",
		"dt=2026-05-04/hour=10/minute=5",
		"dt=2026-05-04/hour=10/minute=005",
		"dt=2026-05-04/hour=10/minute=+5",
		"dt=2026-05-04/hour=10/minute= 5",
		"dt=2026-5-4/hour=10/minute=05",
		"dt=2026-05-04/hour=24/minute=00",
		"dt=2026-05-04/hour=10/minute=60",
		"dt=2026-02-29/hour=10/minute=00",
		"dt=2026-04-31/hour=10/minute=00",
		"dt=2026-00-01/hour=10/minute=00",
		"dt=2026-13-01/hour=10/minute=00",
		"dt=1969-12-31/hour=23/minute=55",
		"dt=2201-01-01/hour=00/minute=00",
		"DT=2026-05-04/hour=10/minute=05",
		"dt=2026-05-04/hour=10/minute=0\xd9\xa5",
	};
	OWNED(template) struct template *t = parse(DEFAULT_TEMPLATE);
	OWNED(template) struct template *days = parse("%Y/%j");
	int64_t ts;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (template_match(t, slice_str(cases[i]), &ts) != 0)
			tap_fail("\"%s\" is taken for a partition", cases[i]);
	check_int(template_match(t, slice_of("dt=2026-05-04/hour=10/minute=05\0", 32), &ts), 0);
	check_int(template_match(days, slice_str("2024/366"), &ts), 1);
	check_int(template_match(days, slice_str("2026/366"), &ts), 0);
	check_int(template_match(days, slice_str("2026/000"), &ts), 0);
	check_int(template_match(days, slice_str("2026/367"), &ts), 0);
}

static void prefixes_give_the_range_of_what_can_be_below(void)
{
	static const struct {
		const char *text, *prefix, *from, *to;
	} cases[] = {
		{DEFAULT_TEMPLATE, "", "1970-01-01T00:00:00Z", NULL},
		{DEFAULT_TEMPLATE, "dt=2026-12-31", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"},
		{DEFAULT_TEMPLATE, "dt=2200-12-31", "2200-12-31T00:00:00Z", NULL},
		{DEFAULT_TEMPLATE, "dt=2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{DEFAULT_TEMPLATE, "dt=2026-05-04/hour=23", "2026-05-04T23:00:00Z", "2026-05-05T00:00:00Z"},
		{DEFAULT_TEMPLATE, "dt=2026-05-04/hour=10/minute=05", "2026-05-04T10:05:00Z",
			"2026-05-04T10:06:00Z"},
		{"%Y/%m/%d", "2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"%Y/%m/%d", "2026/02", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"%Y/%m/%d", "2026/12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"%Y/%j/%H%M%S", "2024/366", "2024-12-31T00:00:00Z", "2025-01-01T00:00:00Z"},
		{"%Y/%j/%H%M%S", "2024/366/235959", "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"},
		{"feed/%Y", "feed", "1970-01-01T00:00:00Z", NULL},
		/* What lies below an unknown part says nothing yet. */
		{"%H/%d.%m.%Y", "10", "1970-01-01T00:00:00Z", NULL},
		{"%Y/%d/%m", "2026/31", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		OWNED(template) struct template *t = parse(cases[i].text);
		int64_t from = 0, to = 0;
		int64_t end = at("2200-12-31T00:00:00Z") + 24 * TIME_HOUR;

		check_int(template_range(t, slice_str(cases[i].prefix), &from, &to), 1);
		check_int(from, at(cases[i].from));
		check_int(to, cases[i].to ? at(cases[i].to) : end);
	}
}

static void prefixes_that_lead_nowhere_have_no_range(void)
{
	static const char *const cases[] = {"dt=2026", "dt=2026-05-04/", "dt=2026-05-04/hour=1",
		"dt=2026-02-30", "dt=2026-05-04/hour=24", "logs", "_tmp",
		"dt=2026-05-04/hour=10/minute=05/deeper", "/", "dt=9999-01-01"};
	OWNED(template) struct template *t = parse(DEFAULT_TEMPLATE);
	int64_t from, to;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (template_range(t, slice_str(cases[i]), &from, &to) != 0)
			tap_fail("\"%s\" has a range", cases[i]);
}

static void every_time_comes_back_through_every_template_and_all_its_prefixes(void)
{
	static const struct {
		const char *text;
		int64_t unit;
	} templates[] = {
		{DEFAULT_TEMPLATE, TIME_MINUTE},
		{"%Y/%j/%H%M%S", TIME_SECOND},
		{"%Y%m%d", 24 * TIME_HOUR},
		{"%S/%M/%H/%d/%m/%Y", TIME_SECOND},
		{"a%%/%Y/b/%m-%dT%H", TIME_HOUR},
	};
	uint64_t seed = seed_take(1);

	for (int round = 0; round < 20000; round++) {
		const char *text = templates[(size_t)round % COUNT(templates)].text;
		int64_t unit = templates[(size_t)round % COUNT(templates)].unit, ts, got, from, to;
		OWNED(template) struct template *t = parse(text);
		OWNED_BUF path = {0};

		ts = (int64_t)(seed_next(&seed) % UINT64_C(7289568000)) * TIME_SECOND;
		ts -= ts % unit;
		template_format(t, ts, &path);
		if (template_match(t, buf_slice(&path), &got) != 1 || got != ts) {
			tap_fail("%s does not read back by %s", buf_cstr(&path), text);
			return;
		}
		for (size_t n = 0; n <= path.len; n++) {
			if (n && n < path.len && path.data[n] != '/')
				continue;
			if (template_range(t, slice_of(path.data, n), &from, &to) != 1 || ts < from ||
				ts >= to)
				tap_fail("%s is not below its first %zu bytes", buf_cstr(&path), n);
		}
	}
}

int main(void)
{
	RUN(templates_format_their_times);
	RUN(templates_that_name_no_time_are_refused);
	RUN(a_template_of_the_greatest_depth_and_length_is_taken);
	RUN(only_the_one_spelling_of_a_time_is_a_partition);
	RUN(prefixes_give_the_range_of_what_can_be_below);
	RUN(prefixes_that_lead_nowhere_have_no_range);
	RUN(every_time_comes_back_through_every_template_and_all_its_prefixes);
	return tap_done();
}
