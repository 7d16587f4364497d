/* SPDX-License-Identifier: Apache-2.0 */
/* Ticks after lag, over files that change, and after builds that died. */
#include <sys/wait.h>

#include "site.h"

static struct row row_at(struct site *s, int64_t ts, struct arena *arena)
{
	struct row *rows;
	size_t n, i;

	check_int(catalog_rows(s->catalog, TIME_NONE, true, arena, &rows, &n, &s->err), 0);
	for (i = 0; i < n; i++)
		if (rows[i].ts == ts)
			return rows[i];
	tap_fail("no row");
	return (struct row){0};
}
#define ARENA __attribute__((cleanup(arena_release))) struct arena

static void put_slices(struct site *s, int count)
{
	char path[80];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), DAY "%02d/a.jsonl", 5 * i);
		put(s, path, "{\"id\":\"a\",\"title\":\"cup\"}\n");
	}
}

static void newest_publishes_one_and_replaces_the_others(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.policy=newest");
	put_slices(&s, 2);
	check_int(tick(&s), 0);
	check_int(s.res.partitions, 1);
	check_int(s.res.watermark, AT(5));
	check_row(&s, AT(0), PART_SKIPPED, "superseded");
	put(&s, DAY "10/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_row(&s, AT(5), PART_EXPIRED, "replaced");
	check_row(&s, AT(10), PART_PUBLISHED, "");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
}

static void newest_replaces_nothing_when_it_fails(void)
{
	ARENA arena = {0};
	SITE s;

	site_init(&s);
	site_set(&s, "lag.policy=newest");
	put_slices(&s, 1);
	check_int(tick(&s), 0);
	put(&s, DAY "05/a.jsonl", "broken\n");
	put(&s, DAY "02/a.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.generation, 0);
	check(s.res.more);
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_int(row_at(&s, AT(5), &arena).state, PART_FAILED);
	check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(2));
	check_row(&s, AT(0), PART_EXPIRED, "replaced");
}

static void replay_publishes_one_generation_a_partition(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.policy=replay");
	put_slices(&s, 3);
	for (int i = 0; i < 3; i++) {
		check_int(tick(&s), 0);
		check_int(s.res.generation, (uint64_t)i + 1);
		check_int(s.res.watermark, AT(5 * i));
		check_int(s.res.more, i < 2);
		check_int(s.res.next_due, i < 2 ? s.now : AT(45));
		check_row(&s, AT(10), i < 2 ? PART_COMPLETE : PART_PUBLISHED, "");
	}
}

static void a_file_rewritten_with_the_same_bytes_is_only_noted(void)
{
	struct timespec times[2] = {{1700000000, 0}, {1700000000, 0}};
	ARENA arena = {0};
	char path[400];
	struct row row;
	SITE s;

	site_init(&s);
	put_slices(&s, 1);
	check_int(tick(&s), 0);
	snprintf(path, sizeof(path), "%s/" DAY "00/a.jsonl", s.feed);
	check_int(utimensat(AT_FDCWD, path, times, 0), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
	check_int(s.res.partitions, 0);
	check_int(s.res.failed, 0);
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_PUBLISHED);
	check_int(row.generation, 1);
	check_int(row.attempts, 0);
	check_int(row.read[0].mtime, 1700000000 * TIME_SECOND);
	site_set(&s, "feed.quiet=1s");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
}

static void a_rewritten_and_a_vanished_file_make_a_generation(void)
{
	ARENA arena = {0};
	char path[400];
	struct row before, after;
	SITE s;

	site_init(&s);
	put_slices(&s, 1);
	put(&s, DAY "00/b.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\nbroken\n");
	check_int(tick(&s), 0);
	before = row_at(&s, AT(0), &arena);
	check_int(before.read_count, 2);
	check_int(scratch_has(s.state->dir, "rejects/" DAY "00/b.jsonl.tsv"), 1);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"other cup\"}\n");
	snprintf(path, sizeof(path), "%s/" DAY "00/b.jsonl", s.feed);
	check_int(unlink(path), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	after = row_at(&s, AT(0), &arena);
	check_int(after.read_count, 1);
	check_int(after.records, 1);
	check_int(after.rejected, 0);
	check_int(after.generation, 2);
	check(memcmp(after.read[0].hash, before.read[0].hash, FILE_HASH_BYTES) != 0);
	check_int(scratch_has(s.state->dir, "rejects/" DAY "00/b.jsonl.tsv"), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
}

static void a_rewrite_that_fails_leaves_what_was_read(void)
{
	ARENA arena = {0};
	struct row before, after;
	SITE s;

	site_init(&s);
	put_slices(&s, 1);
	check_int(tick(&s), 0);
	before = row_at(&s, AT(0), &arena);
	put(&s, DAY "00/a.jsonl", "broken\n");
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.generation, 0);
	after = row_at(&s, AT(0), &arena);
	check_int(after.state, PART_FAILED);
	check(after.has_content);
	check_int(after.records, 1);
	check(memcmp(after.read[0].hash, before.read[0].hash, FILE_HASH_BYTES) == 0);
	check_term(&s, "cup", "a\n");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"mended cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_row(&s, AT(0), PART_PUBLISHED, "");
}

static void refused_records_are_judged_over_the_whole_partition(void)
{
	OWNED_BUF good = {0};
	OWNED_BUF bad = {0};
	SITE s;

	site_init(&s);
	fill(&good, 2000, 0);
	fill(&bad, 0, 11);
	put(&s, DAY "00/a.jsonl", buf_cstr(&good));
	check_int(tick(&s), 0);
	put(&s, DAY "00/b.jsonl", buf_cstr(&bad));
	check_int(tick(&s), 0);
	check_int(s.res.failed, 0);
	check_int(s.res.generation, 2);
	check_row(&s, AT(0), PART_PUBLISHED, "");
}

static void what_is_lost_is_counted(void)
{
	char path[400];
	SITE s;

	site_init(&s);
	site_set(&s, "lag.window=10m");
	site_set(&s, "feed.complete=marker");
	put_slices(&s, 1);
	check_int(tick(&s), 0);
	snprintf(path, sizeof(path), "%s/" DAY "00/a.jsonl", s.feed);
	check_int(unlink(path), 0);
	put(&s, DAY "20/_SUCCESS", "");
	check_int(tick(&s), 0);
	check_int(s.res.uncovered, 1);
	check_row(&s, AT(0), PART_SKIPPED, "uncovered");
	check_int(tick(&s), 0);
	check_int(s.res.uncovered, 0);
}

/* ---- builds that die ---- */

static void die(struct site *s)
{
	_exit(9);
}

static void site_close(struct site *s)
{
	catalog_free(s->catalog);
	state_free(s->state);
	s->catalog = NULL;
	s->state = NULL;
}

/* A tick in a process of its own, which ends when it begins to read. */
static void dying_tick(struct site *s)
{
	pid_t pid;
	int status;

	site_close(s);
	pid = fork();
	if (pid == 0) {
		site_state(s, "state");
		meddled_tick(s, die);
		_exit(0);
	}
	check_int(waitpid(pid, &status, 0), pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	site_state(s, "state");
}

static void a_death_is_remembered_until_it_goes_well(void)
{
	ARENA arena = {0};
	struct row row;
	SITE s;

	site_init(&s);
	put_slices(&s, 2);
	dying_tick(&s);
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_BUILDING);
	check_int(row.attempts, 1);
	check_int(tick(&s), 0);
	check_int(s.res.partitions, 2);
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_PUBLISHED);
	check_int(row.attempts, 0);
}

static void after_two_deaths_partitions_are_built_alone(void)
{
	SITE s;

	site_init(&s);
	put_slices(&s, 2);
	dying_tick(&s);
	dying_tick(&s);
	put_slices(&s, 3);
	check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(10));
	check_int(s.res.partitions, 3); /* the others were written again: other files */
	site_set(&s, "lag.policy=latest");
	put(&s, DAY "15/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	put(&s, DAY "20/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	dying_tick(&s);
	dying_tick(&s);
	put(&s, DAY "25/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	for (int i = 0; i < 3; i++) {
		check_int(tick(&s), 0);
		check_int(s.res.partitions, 1);
		check_int(s.res.watermark, AT(25));
		check_int(s.res.more, i < 2);
	}
	check_row(&s, AT(15), PART_PUBLISHED, "");
	check_row(&s, AT(20), PART_PUBLISHED, "");
}

static void after_three_deaths_a_partition_has_failed_and_is_retried_later(void)
{
	const int64_t waits[] = {20, 40, 80, 160, 320, 600, 600};
	ARENA arena = {0};
	struct row row;
	SITE s;

	site_init(&s);
	put_slices(&s, 1);
	for (int i = 0; i < 3; i++)
		dying_tick(&s);
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.generation, 0);
	check_contains(buf_cstr(&s.res.failed_text), DAY "00: crashed\n");
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_FAILED);
	check_int(row.retry_at, s.now + 10 * TIME_SECOND);
	s.now += 10 * TIME_SECOND;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		dying_tick(&s);
		check_int(tick(&s), 0);
		check_int(row_at(&s, AT(0), &arena).retry_at, s.now + waits[i] * TIME_SECOND);
		s.now += waits[i] * TIME_SECOND;
	}
	check_int(tick(&s), 0);
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_int(row_at(&s, AT(0), &arena).attempts, 0);
}

static atomic_int stop;

static void stop_now(struct site *s)
{
	stop = SIGTERM;
}

static void an_orderly_stop_counts_for_none(void)
{
	struct build_options opt = {.stop = &stop};
	struct build_progress progress;
	struct meddler m;
	ARENA arena = {0};
	struct row row;
	SITE s;

	site_init(&s);
	put_slices(&s, 1);
	dying_tick(&s);
	m = (struct meddler){&s, stop_now};
	progress = (struct build_progress){meddle, &m};
	opt.now = s.now;
	opt.progress = &progress;
	check_int(build_tick(s.state, s.catalog, s.store, s.cfg, &opt, &s.res, &s.err), -EINTR);
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_COMPLETE);
	check_int(row.attempts, 1);
	check_int(tick(&s), 0);
	put(&s, DAY "00/b.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	stop = 0;
	check_int(build_tick(s.state, s.catalog, s.store, s.cfg, &opt, &s.res, &s.err), -EINTR);
	row = row_at(&s, AT(0), &arena);
	check_int(row.state, PART_PUBLISHED);
	check_int(row.attempts, 0);
	check_int(row.read_count, 1);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
}

int main(void)
{
	RUN(newest_publishes_one_and_replaces_the_others);
	RUN(newest_replaces_nothing_when_it_fails);
	RUN(replay_publishes_one_generation_a_partition);
	RUN(a_file_rewritten_with_the_same_bytes_is_only_noted);
	RUN(a_rewritten_and_a_vanished_file_make_a_generation);
	RUN(a_rewrite_that_fails_leaves_what_was_read);
	RUN(refused_records_are_judged_over_the_whole_partition);
	RUN(what_is_lost_is_counted);
	RUN(a_death_is_remembered_until_it_goes_well);
	RUN(after_two_deaths_partitions_are_built_alone);
	RUN(after_three_deaths_a_partition_has_failed_and_is_retried_later);
	RUN(an_orderly_stop_counts_for_none);
	return tap_done();
}
