/* SPDX-License-Identifier: Apache-2.0 */
#include "picture_case.h"
#include "status_html.h"

#define MANY 10000

/* A window of 10,000 partitions and as many segments, each text as long and as hostile as it can be. */
static void the_page_has_a_maximum(void)
{
	struct row *rows = calloc(MANY, sizeof(*rows));
	struct manifest_segment *segments = calloc(MANY, sizeof(*segments));
	struct generation g = {
		.manifest = {.segments = segments, .segment_count = MANY, .watermark = AT(MANY)}};
	OWNED_BUF out = {0};
	struct status s;
	PICTURE p;
	char evil[3000];

	memset(evil, '"', sizeof(evil) - 1);
	evil[sizeof(evil) - 1] = 0;
	for (int i = 0; i < MANY; i++) {
		rows[i] = a_row(i, i % 2 ? PART_PUBLISHED : PART_FAILED);
		rows[i].path = rows[i].reason = slice_str(evil);
		rows[i].rejected = rows[i].records = UINT64_MAX;
		segments[i] = (struct manifest_segment){.bytes = UINT64_MAX,
			.documents = UINT64_MAX,
			.first = AT(i),
			.last = AT(i + 1000),
			.base = true};
		memset(segments[i].name, 'f', SEGMENT_NAME_HEX);
	}
	s = a_status(rows, MANY);
	s.feed = s.last_error = evil;
	check_int(picture_gather(&p, &s, &g, rows, MANY, AT(MANY)), 0);
	check_int(status_html(&p, &out), 0);
	printf("# %zu bytes\n", out.len);
	check(out.len < STATUS_HTML_MAX);
	check_contains(buf_cstr(&out), "9,712 older ones");
	check_contains(buf_cstr(&out), "9,988 older");
	check(!strstr(buf_cstr(&out), "\"\"\""));
	free(rows);
	free(segments);
}

static void every_cell_has_its_story(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED), a_row(2, PART_FAILED)};
	struct status s = a_status(rows, 2);
	OWNED_BUF out = {0};
	PICTURE p;

	rows[1].reason = slice_str("<script>&");
	check_int(picture_gather(&p, &s, NULL, rows, 2, AT(3)), 0);
	check_int(status_html(&p, &out), 0);
	check_contains(buf_cstr(&out), "aria-label=\"1 published, 1 failed, 1 late\"");
	check_contains(buf_cstr(&out), "x=\"0\"><title>10:00 published, waited 1s, built 0.5s</title>");
	check_contains(buf_cstr(&out), "x=\"12\"><title>10:05 late, nothing has arrived</title>");
	check_contains(buf_cstr(&out), "x=\"24\"><title>10:10 failed: &lt;script&gt;&amp;</title>");
}

static size_t count_of(const char *what, const char *text)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void rows_of_cells_fit_any_cadence(void)
{
	static const int seconds[] = {1, 10, 60, 90, 300, 420, 900, 3600, 10800, 86400, 604800, 10000000};

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		struct row rows[100];
		OWNED_BUF out = {0};
		struct status s;
		PICTURE p;

		for (int k = 0; k < 100; k++) {
			rows[k] = a_row(0, PART_PUBLISHED);
			rows[k].ts += k * seconds[i] * TIME_SECOND;
		}
		s = a_status(rows, 100);
		s.cadence = seconds[i] * TIME_SECOND;
		check_int(picture_gather(&p, &s, NULL, rows, 100, rows[99].ts), 0);
		check_int(status_html(&p, &out), 0);
		check_int(count_of("<title>", strstr(buf_cstr(&out), "<ol")) - p.bar_count, 100);
		check(!strstr(out.data, "x=\"-"));
	}
}

int main(void)
{
	RUN(the_page_has_a_maximum);
	RUN(rows_of_cells_fit_any_cadence);
	RUN(every_cell_has_its_story);
	return tap_done();
}
