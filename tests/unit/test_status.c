/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"
#include "tap.h"

#define AT(seconds) (INT64_C(1777888800) * TIME_SECOND + (seconds)*TIME_SECOND) /* 2026-05-04T10:00:00Z */

static struct row row(int64_t ts, const char *path, enum partition_state state, const char *reason)
{
	return (struct row){.ts = ts,
		.path = slice_str(path),
		.state = state,
		.reason = slice_str(reason),
		.arrived = TIME_NONE,
		.detected = TIME_NONE,
		.published = TIME_NONE,
		.retry_at = TIME_NONE};
}

static const char *json_of(const struct status *s, int64_t now, struct buf *out)
{
	buf_clear(out);
	check_int(status_json(s, now, out), 0);
	return buf_cstr(out);
}

static void before_the_first_publish_times_are_null_and_counts_zero(void)
{
	OWNED(config) struct config *cfg = NULL;
	OWNED_BUF out = {0};
	struct status s;

	check_int(config_new(&cfg, NULL), 0);
	status_gather(&s, cfg, NULL, NULL, NULL, 0);
	check_int(status_age(&s, AT(0)), TIME_NONE);
	check_contains(json_of(&s, AT(0), &out), "\"generation\": 0,");
	check_contains(json_of(&s, AT(0), &out), "\"watermark\": null,");
	check_contains(json_of(&s, AT(0), &out), "\"age_seconds\": null,");
	check_contains(json_of(&s, AT(0), &out), "\"waiting_seconds\": null,");
	check_contains(json_of(&s, AT(0), &out), "\"last_error\": null\n}\n");
	check(!strstr(out.data, "refresh"));
}

static void partitions_are_counted_by_state(void)
{
	OWNED(config) struct config *cfg = NULL;
	OWNED_BUF out = {0};
	struct status s;
	struct row rows[] = {
		row(AT(0), "a", PART_PUBLISHED, ""),
		row(AT(300), "b", PART_FAILED, "broken"),
		row(AT(600), "c", PART_SKIPPED, "uncovered"),
		row(AT(900), "d", PART_SKIPPED, "old"),
	};

	rows[0].rejected = 2;
	rows[1].rejected = 5;
	check_int(config_new(&cfg, NULL), 0);
	status_gather(&s, cfg, NULL, NULL, rows, 4);
	check_int(s.partitions[PART_PUBLISHED], 1);
	check_int(s.partitions[PART_FAILED], 1);
	check_int(s.partitions[PART_SKIPPED], 2);
	check_int(s.uncovered, 1);
	check_int(s.rejected, 7);
	check_contains(json_of(&s, AT(0), &out), "\"skipped\": 2");
}

static void waiting_and_building_are_those_of_the_newest_that_was_published(void)
{
	OWNED(config) struct config *cfg = NULL;
	OWNED_BUF out = {0};
	struct status s;
	struct row rows[] = {row(AT(0), "a", PART_PUBLISHED, ""), row(AT(300), "b", PART_EXPIRED, ""),
		row(AT(600), "c", PART_OPEN, "")};

	rows[1].arrived = AT(601);
	rows[1].detected = AT(603);
	rows[1].published = AT(603) + TIME_SECOND / 4;
	check_int(config_new(&cfg, NULL), 0);
	status_gather(&s, cfg, NULL, NULL, rows, 3);
	check_int(s.waiting, 2 * TIME_SECOND);
	check_contains(
		json_of(&s, AT(900), &out), "\"waiting_seconds\": 2.0,\n  \"building_seconds\": 0.25,");
}

static void age_counts_from_the_end_of_the_watermarks_partition(void)
{
	struct status s = {.watermark = AT(0), .cadence = 300 * TIME_SECOND};

	check_int(status_age(&s, AT(367)), 67 * TIME_SECOND);
	check_int(status_age(&s, AT(300)), 0);
	check_int(status_age(&s, AT(0)), 0);
}

static void the_text_gives_ages_for_people(void)
{
	struct status s = {.feed = "/f",
		.state_dir = "/s",
		.index = "",
		.last_error = "",
		.generation = 3,
		.watermark = AT(0),
		.complete_through = TIME_NONE,
		.published = AT(310),
		.building_since = TIME_NONE,
		.refresh = "lazy"};
	OWNED_BUF out = {0};

	status_text(&s, AT(93784), &out);
	check_contains(buf_cstr(&out), "watermark         2026-05-04T10:00:00Z (age 1d 2h 3m 4s)\n");
	check_contains(buf_cstr(&out), "complete through  -\n");
	check_contains(buf_cstr(&out), "refresh           lazy\n");
	check_contains(buf_cstr(&out), "last error        -\n");
}

static void a_pause_is_told(void)
{
	struct status s;
	OWNED_BUF out = {0};
	struct config cfg = {.cadence = 5 * TIME_MINUTE, .window = TIME_FOREVER};

	status_gather(&s, &cfg, NULL, NULL, NULL, 0);
	check_contains(json_of(&s, AT(0), &out), "\"paused\": false");
	s.paused = 7;
	check_contains(json_of(&s, AT(0), &out), "\"paused\": true");
	buf_clear(&out);
	status_text(&s, AT(0), &out);
	check_contains(buf_cstr(&out), "paused            since the rollback that is generation 7;");
}

static void what_followers_can_have_is_told_where_it_is_published_for_them(void)
{
	struct status s;
	OWNED_BUF out = {0};
	struct config cfg = {.cadence = 5 * TIME_MINUTE, .window = TIME_FOREVER};

	status_gather(&s, &cfg, NULL, NULL, NULL, 0);
	status_text(&s, AT(0), &out);
	check(!strstr(buf_cstr(&out), "published to"));
	check(!strstr(json_of(&s, AT(0), &out), "dest"));
	s.generation = 7;
	s.dest = "s3://b/\xff\"";
	check_contains(json_of(&s, AT(0), &out), "\"dest\": \"s3://b/%FF\\\"\",\n  \"dest_generation\": 0,");
	buf_clear(&out);
	status_text(&s, AT(0), &out);
	check_contains(buf_cstr(&out), "published to      s3://b/\xff\": nothing yet\n");
	s.dest_generation = 6;
	status_text(&s, AT(0), &out);
	check_contains(buf_cstr(&out), ": generation 6, not yet 7\n");
	s.dest_generation = 7;
	status_text(&s, AT(0), &out);
	check_contains(buf_cstr(&out), ": generation 7\n");
}

static void json_stays_json_whatever_the_texts_hold(void)
{
	struct status s = {.feed = "/fe\"ed\n",
		.state_dir = "\xff\xfe",
		.index = "",
		.last_error = "a\tb",
		.watermark = TIME_NONE,
		.complete_through = TIME_NONE,
		.published = TIME_NONE,
		.building_since = TIME_NONE};
	OWNED_BUF out = {0};

	check_contains(json_of(&s, AT(0), &out), "\"feed\": \"/fe\\\"ed\\n\",");
	check_contains(json_of(&s, AT(0), &out), "\"state\": \"%FF%FE\",");
	check_contains(json_of(&s, AT(0), &out), "\"last_error\": \"a\\tb\"");
}

static void the_table_has_a_header_and_a_line_a_partition(void)
{
	struct row rows[] = {
		row(AT(0), "dt=1", PART_PUBLISHED, ""), row(AT(300), "d\tt\n", PART_OPEN, "young")};
	OWNED_BUF out = {0};

	rows[0].files = 2;
	rows[0].bytes = 100;
	rows[0].records = 9;
	rows[0].rejected = 1;
	rows[0].generation = 7;
	rows[0].arrived = AT(10);
	rows[0].detected = AT(20);
	rows[0].published = AT(30);
	status_partitions(rows, 2, &out);
	check_str(buf_cstr(&out),
		"partition\tstate\tfiles\tbytes\trecords\trejected\tarrived\tdetected\tpublished\tgeneration\treason\n"
		"dt=1\tpublished\t2\t100\t9\t1\t2026-05-04T10:00:10Z\t2026-05-04T10:00:20Z\t2026-05-04T10:00:30Z\t7\t\n"
		"d%09t%0A\topen\t0\t0\t0\t0\t\t\t\t\tyoung\n");
}

int main(void)
{
	RUN(before_the_first_publish_times_are_null_and_counts_zero);
	RUN(partitions_are_counted_by_state);
	RUN(waiting_and_building_are_those_of_the_newest_that_was_published);
	RUN(age_counts_from_the_end_of_the_watermarks_partition);
	RUN(the_text_gives_ages_for_people);
	RUN(a_pause_is_told);
	RUN(what_followers_can_have_is_told_where_it_is_published_for_them);
	RUN(json_stays_json_whatever_the_texts_hold);
	RUN(the_table_has_a_header_and_a_line_a_partition);
	return tap_done();
}
