/* SPDX-License-Identifier: Apache-2.0 */
/* Ticks over a directory feed, from files to the generation that they publish. */
#include <signal.h>
#include <zlib.h>

#include "site.h"

static void complete_partitions_become_one_generation(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl",
		"{\"id\":\"b\",\"title\":\"Espresso cup\"}\n{\"id\":\"a\",\"title\":\"espresso\"}\n");
	put(&s, DAY "05/x/a.jsonl", "{\"id\":\"c\",\"title\":\"cup\"}");
	put(&s, DAY "40/a.jsonl", "{\"id\":\"d\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 1);
	check_int(s.res.watermark, AT(5));
	check_int(s.res.partitions, 2);
	check_int(s.res.records, 3);
	check_int(s.res.documents, 3);
	check_int(s.res.next_due, AT(45));
	check_term(&s, "espresso", "a\nb\n");
	check_term(&s, "cup", "b\nc\n");
	check_row(&s, AT(5), PART_PUBLISHED, "");
	check_row(&s, AT(40), PART_OPEN, "not ended");
	check_int(scratch_count(s.state->dir, "tmp"), 0);
}

static void a_tick_with_nothing_due_publishes_nothing(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
	check_int(s.res.watermark, AT(0));
	check_int(scratch_count(s.state->dir, "segments"), 1);
}

static void a_late_file_takes_its_place_in_the_order(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/b.jsonl", "{\"id\":\"a\",\"title\":\"old\"}\n");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"newest\"}\n");
	check_int(tick(&s), 0);
	/* a: later in the same partition, wins; b: older than what there is, loses. */
	put(&s, DAY "00/c.jsonl", "{\"id\":\"a\",\"title\":\"late\"}\n{\"id\":\"b\",\"title\":\"late\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_int(s.res.watermark, AT(5));
	check_term(&s, "late", "a\n");
	check_term(&s, "old", "");
	check_term(&s, "newest", "b\n");
	check_row(&s, AT(0), PART_PUBLISHED, "");
}

static void refused_records_are_counted_and_written_down(void)
{
	OWNED_BUF text = {0};
	char path[600];
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\nbroken\n[1]\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 1);
	check_int(s.res.records, 3);
	check_int(s.res.rejected, 2);
	check_int(s.res.failed, 0);
	snprintf(path, sizeof(path), "%s/rejects/" DAY "00/a.jsonl.tsv", s.state->dir);
	check_int(read_file(path, 4096, &text, &s.err), 0);
	check_contains(buf_cstr(&text), "2\t");
	check_contains(buf_cstr(&text), "\tbroken\n");
}

static void a_partition_of_refused_records_only_fails(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	put(&s, DAY "05/a.jsonl", "broken\n");
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.watermark, AT(0));
	check_contains(
		buf_cstr(&s.res.failed_text), DAY "05: a.jsonl: 1 of 1 records refused (first: line 1: ");
	check_term(&s, "cup", "a\n");
	/* Content errors rest until the files change. */
	check_int(tick(&s), 0);
	check_int(s.res.failed, 0);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(5));
	check_term(&s, "cup", "a\nb\n");
	check_row(&s, AT(5), PART_PUBLISHED, "");
	check_int(scratch_has(s.state->dir, "rejects/" DAY "05/a.jsonl.tsv"), 0);
}

static void when_every_partition_fails_the_rejects_can_be_read_all_the_same(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "05/a.jsonl", "broken\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
	check_int(s.res.failed, 1);
	check_int(scratch_has(s.state->dir, "rejects/" DAY "05/a.jsonl.tsv"), 1);
	check_int(scratch_count(s.state->dir, "tmp"), 0);
}

static void ten_refused_records_are_no_failure_and_eleven_are(void)
{
	OWNED_BUF ten = {0};
	OWNED_BUF eleven = {0};
	SITE s;

	site_init(&s);
	fill(&ten, 5, 10);
	fill(&eleven, 5, 11);
	put(&s, DAY "00/a.jsonl", buf_cstr(&ten));
	put(&s, DAY "05/a.jsonl", buf_cstr(&eleven));
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.watermark, AT(0));
	site_set(&s, "build.max_reject_ratio=0.9");
	put(&s, DAY "05/b.jsonl", "{\"id\":\"z\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.failed, 0);
	check_int(s.res.watermark, AT(5));
}

static void a_file_that_ends_early_fails_its_partition_and_no_other(void)
{
	static const char text[] = "{\"id\":\"a\",\"title\":\"cup\"}\n";
	unsigned char packed[200];
	z_stream z = {0};
	SITE s;

	site_init(&s);
	check_int(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text;
	z.avail_in = sizeof(text) - 1;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	check_int(deflate(&z, Z_FINISH), Z_STREAM_END);
	put_bytes(&s, DAY "00/a.jsonl.gz", packed, z.total_out);
	put_bytes(&s, DAY "05/a.jsonl.gz", packed, z.total_out - 9);
	deflateEnd(&z);
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_contains(buf_cstr(&s.res.failed_text), DAY "05: a.jsonl.gz: ");
	check_int(s.res.watermark, AT(0));
	check_term(&s, "cup", "a\n");
}

/* The feed may spell the field's name in two characters what others spell in one. */
static void keywords_are_found_however_their_name_is_composed(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "document.keyword=cafe\u0301");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"cafe\u0301\":\"re\u0301al\"}\n");
	check_int(tick(&s), 0);
	check_term(&s, "cafe\u0301:re\u0301al", "a\n");
	check_term(&s, "caf\u00e9:r\u00e9al", "a\n");
}

static void a_late_file_that_fails_leaves_what_was_indexed(void)
{
	OWNED_BUF bad = {0};
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	fill(&bad, 0, 11);
	put(&s, DAY "00/b.jsonl", buf_cstr(&bad));
	check_int(tick(&s), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.generation, 0);
	check_term(&s, "cup", "a\n");
	put(&s, DAY "00/b.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_term(&s, "cup", "a\nb\n");
}

/* Many files, so that threads have something to quarrel about. */
static void put_many(struct site *s)
{
	char path[100];
	int p, f, i;

	for (p = 0; p < 6; p++) {
		for (f = 0; f < 5; f++) {
			OWNED_BUF text = {0};

			for (i = 0; i < 400; i++)
				buf_addf(&text,
					"{\"id\":\"ad-%d\",\"title\":\"word%d other%d\",\"n\":\"%d/%d\"}\n",
					(i * 7 + f * 131 + p * 17) % 1500, i % 97, (i * f) % 53, p, f);
			buf_add_str(&text, "broken\n");
			snprintf(path, sizeof(path), DAY "%02d/%d.jsonl", p * 5, f);
			put(s, path, buf_cstr(&text));
		}
	}
}

static void segment_names(struct site *s, char out[4][SEGMENT_NAME_HEX + 1])
{
	OWNED(generation) struct generation *g = current(s);
	size_t i;

	memset(out, 0, 4 * (SEGMENT_NAME_HEX + 1));
	for (i = 0; i < g->manifest.segment_count && i < 4; i++)
		memcpy(out[i], g->manifest.segments[i].name, SEGMENT_NAME_HEX);
}

static void one_thread_and_four_give_the_same_bytes(void)
{
	char one[4][SEGMENT_NAME_HEX + 1], four[4][SEGMENT_NAME_HEX + 1];
	int round;
	SITE s;

	site_init(&s);
	put_many(&s);
	check_int(tick(&s), 0);
	check_int(s.res.rejected, 30);
	segment_names(&s, one);
	check(one[0][0] != 0);
	site_set(&s, "build.threads=4");
	for (round = 0; round < 3; round++) {
		char name[16];

		snprintf(name, sizeof(name), "again%d", round);
		site_state(&s, name);
		check_int(tick(&s), 0);
		segment_names(&s, four);
		check_str(four[0], one[0]);
	}
}

/* One file for four threads: 12,000 lines, each fiftieth refused. */
static void put_big(struct site *s)
{
	OWNED_BUF text = {0};
	int i;

	for (i = 1; i <= 12000; i++) {
		if (i % 50 == 0)
			buf_addf(&text, "broken %d\n", i);
		else
			buf_addf(&text, "{\"title\":\"word%d\",\"n\":\"%0700d\"}\n", i % 97, 1);
	}
	put(s, DAY "00/big.jsonl", buf_cstr(&text));
}

static void threads_that_share_a_file_keep_its_lines_in_order(void)
{
	char one[4][SEGMENT_NAME_HEX + 1], four[4][SEGMENT_NAME_HEX + 1], path[600], want[40];
	OWNED_BUF rejects = {0};
	const char *p;
	int i;
	SITE s;

	site_init(&s);
	site_set(&s, "build.max_reject_ratio=0.5");
	put_big(&s);
	check_int(tick(&s), 0);
	segment_names(&s, one);
	site_set(&s, "build.threads=4");
	site_state(&s, "again");
	check_int(tick(&s), 0);
	check_int(s.res.records, 12000);
	check_int(s.res.rejected, 240);
	segment_names(&s, four);
	check_str(four[0], one[0]);
	snprintf(path, sizeof(path), "%s/rejects/" DAY "00/big.jsonl.tsv", s.state->dir);
	check_int(read_file(path, 1 << 20, &rejects, &s.err), 0);
	p = buf_cstr(&rejects);
	for (i = 50; i <= 12000 && p; i += 50) {
		snprintf(want, sizeof(want), "\tbroken %d\n", i);
		check_int(strtol(p, NULL, 10), i);
		p = strstr(p, want);
		p = p ? p + strlen(want) : NULL;
	}
	check(p && !*p);
}

/* Everything that terms/ and docs/ show. */
static void show(struct site *s, struct buf *out)
{
	OWNED(generation) struct generation *g = current(s);
	OWNED(view_terms) struct view_terms *terms = NULL;
	OWNED(view_ids) struct view_ids *ids = NULL;
	struct slice text;
	uint64_t position;

	check_int(view_terms_open(&terms, g, (struct slice){0}, 0, &s->err), 0);
	while (view_terms_next(terms, &text, &position, &s->err) == 1) {
		OWNED_BUF key = {0};

		buf_add_slice(out, text);
		buf_add_byte(out, '\n');
		check_int(view_term_key(text, &key), 1);
		check(view_term_ids(g, buf_slice(&key), out, &s->err) >= 0);
	}
	check_int(view_ids_open(&ids, g, 0, &s->err), 0);
	while (view_ids_next(ids, &text, &position, &s->err) == 1)
		check_int(view_doc_json(g, text, out, &s->err), 1);
	check_int(buf_error(out), 0);
}

static void the_path_that_led_there_does_not_show(void)
{
	OWNED_BUF at_once = {0};
	OWNED_BUF by_steps = {0};
	SITE s;

	site_init(&s);
	put_many(&s);
	check_int(tick(&s), 0);
	show(&s, &at_once);
	site_state(&s, "steps");
	for (s.now = AT(6); s.now <= AT(40); s.now += 10 * TIME_MINUTE)
		check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(25));
	show(&s, &by_steps);
	check(at_once.len > 10000);
	check(slice_eq(buf_slice(&at_once), buf_slice(&by_steps)));
}

static void an_empty_partition_with_a_marker_moves_the_watermark(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "feed.complete=marker");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	put(&s, DAY "00/_SUCCESS", "");
	check_int(tick(&s), 0);
	put(&s, DAY "05/_SUCCESS", "");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_int(s.res.watermark, AT(5));
	check_int(scratch_count(s.state->dir, "segments"), 1);
	check_term(&s, "cup", "a\n");
}

static void what_the_window_has_left_behind_is_gone(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.window=10m");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	put(&s, DAY "10/a.jsonl", "{\"id\":\"c\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_term(&s, "cup", "b\nc\n");
	check_row(&s, AT(0), PART_EXPIRED, "");
}

static void a_shorter_window_takes_effect_at_once_and_a_longer_one_brings_back(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n{\"id\":\"b\",\"title\":\"cup\"}\n");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"c\",\"title\":\"cup\"}\n");
	put(&s, DAY "20/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_term(&s, "cup", "a\nb\nc\n");
	site_set(&s, "lag.window=10m");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_int(s.res.watermark, AT(20));
	check_int(s.res.documents, 1);
	check_term(&s, "cup", "a\n");
	check_row(&s, AT(0), PART_EXPIRED, "");
	check_row(&s, AT(5), PART_EXPIRED, "");
	check_row(&s, AT(20), PART_PUBLISHED, "");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
	site_set(&s, "lag.window=1h");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 3);
	check_term(&s, "cup", "a\nb\nc\n");
	check_row(&s, AT(0), PART_PUBLISHED, "");
}

static void a_partition_that_fails_does_not_push_others_out_of_the_window(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.window=10m");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	put(&s, DAY "30/a.jsonl", "broken\n");
	check_int(tick(&s), 0);
	check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(5));
	check_term(&s, "cup", "a\nb\n");
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_row(&s, AT(5), PART_PUBLISHED, "");
}

static void other_rules_fold_everything_again(void)
{
	OWNED(generation) struct generation *g = NULL;
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\",\"body\":\"old\",\"brand\":\"x\"}\n");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"cup\",\"body\":\"pot\",\"brand\":\"y\"}\n");
	check_int(tick(&s), 0);
	check_term(&s, "pot", "b\n");
	site_set(&s, "document.text=title");
	site_set(&s, "document.id=brand");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 2);
	check_term(&s, "cup", "x\ny\n");
	check_term(&s, "pot", "");
	g = current(&s);
	check_int(g->manifest.segment_count, 1);
	check_int(g->manifest.watermark, AT(5));
	/* Nothing of it is due again. */
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
}

/* Copies of a record that the rewriting of its group leaves count once. */
static void rules_that_refuse_what_is_indexed_are_refused(void)
{
	static const char *wrong =
		"the new [document] and [attribute] rules refuse 4 of 4 records that the index has (first: " DAY
		"00/a.jsonl:1: barnd: missing or empty)";
	SITE s;

	site_init(&s);
	site_set(&s, "document.id=id");
	site_set(&s, "document.group=brand");
	put(&s, DAY "00/a.jsonl",
		"{\"id\":\"a\",\"title\":\"cup\",\"brand\":\"x\"}\n"
		"{\"id\":\"b\",\"title\":\"cup\",\"brand\":\"x\"}\n{\"id\":\"c\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"a\",\"title\":\"new cup\",\"brand\":\"x\"}\n");
	check_int(tick(&s), 0);
	put(&s, DAY "10/a.jsonl", "{\"id\":\"d\",\"title\":\"cup\",\"brand\":\"x\"}\n");
	site_set(&s, "document.id=barnd");
	for (int again = 0; again < 2; again++) {
		check_int(tick(&s), -EBADMSG);
		check_contains(s.err.message, wrong);
		check_contains(s.err.message, "--force");
		check_term(&s, "new", "a\n");
		check_term(&s, "cup", "a\nb\nc\n");
	}
	/* Others are judged anew; what refuses little is taken, and so is what somebody insists on. */
	site_set(&s, "document.id=brand");
	site_set(&s, "build.max_reject_ratio=0");
	check_int(tick(&s), 0);
	check_int(s.res.partitions, 1);
	check_term(&s, "cup", "x\n");
	site_set(&s, "document.id=barnd");
	check_int(tick(&s), -EBADMSG);
	check_contains(s.err.message, "refuse 4 of 4");
	check_int(tick_as(&s, true), 0);
	check_contains(buf_cstr(&s.res.warning), "the new [document] and [attribute] rules refuse");
	check_term(&s, "cup", "");
	check_int(tick(&s), 0);
}

static void rewrite(struct site *s)
{
	put(s, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"new cup\"}\n");
}

static void a_file_that_changes_while_it_is_read_puts_its_partition_back(void)
{
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	put(&s, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(meddled_tick(&s, rewrite), 0);
	check_int(s.res.failed, 0);
	check_int(s.res.watermark, AT(0));
	check_row(&s, AT(5), PART_OPEN, "changed while read");
	check_int(tick(&s), 0);
	check_int(s.res.watermark, AT(5));
	check_term(&s, "new", "b\n");
	check_row(&s, AT(5), PART_PUBLISHED, "");
}

static void obstruct(struct site *s)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/" DAY "05/b.jsonl", s->feed);
	check_int(unlink(path), 0);
	check_int(mkdir(path, 0777), 0);
}

static void an_input_error_is_tried_again_later(void)
{
	struct arena arena = {0};
	struct row *rows;
	size_t n;
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	put(&s, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(meddled_tick(&s, obstruct), 0);
	check_int(s.res.failed, 1);
	check_int(s.res.watermark, AT(0));
	check_int(catalog_rows(s.catalog, AT(0), false, &arena, &rows, &n, &s.err), 0);
	check_int(n, 2);
	check_int(rows[1].state, PART_FAILED);
	check_int(rows[1].failures, 1);
	check_int(rows[1].retry_at, s.now + 10 * TIME_SECOND);
	arena_release(&arena);
}

static void a_stopped_tick_leaves_nothing_behind(void)
{
	atomic_int stop = SIGTERM;
	struct build_options opt = {.stop = &stop};
	SITE s;

	site_init(&s);
	opt.now = s.now;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(build_tick(s.state, s.catalog, s.store, s.cfg, &opt, &s.res, &s.err), -EINTR);
	check_int(s.res.generation, 0);
	check_int(scratch_count(s.state->dir, "segments"), 0);
	check_int(scratch_count(s.state->dir, "tmp"), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 1);
}

static void a_dry_run_says_what_is_due_and_writes_nothing(void)
{
	struct build_options opt = {.dry_run = true};
	OWNED_BUF config = {0};
	SITE s;

	site_init(&s);
	opt.now = s.now;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(build_tick(s.state, s.catalog, s.store, s.cfg, &opt, &s.res, &s.err), 0);
	check_contains(buf_cstr(&s.res.plan_text), "index\t" DAY "00");
	check_int(s.res.generation, 0);
	check_int(scratch_count(s.state->dir, "segments"), 0);
	check_int(catalog_get(s.catalog, "config", &config, &s.err), 0);
}

static void a_record_without_id_is_called_by_its_place(void)
{
	OWNED(generation) struct generation *g = NULL;
	OWNED_BUF json = {0};
	SITE s;

	site_init(&s);
	put(&s, DAY "00/sub/a.jsonl", "\n{\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_term(&s, "cup", DAY "00/sub/a.jsonl:2\n");
	g = current(&s);
	check_int(view_doc_json(g, slice_str(DAY "00/sub/a.jsonl:2"), &json, &s.err), 1);
	check_str(buf_cstr(&json), "{\"title\":\"cup\"}\n");
}

static void a_hidden_document_shows_nowhere(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "document.drop_if=status:paused");
	put(&s, DAY "00/a.jsonl",
		"{\"id\":\"a\",\"title\":\"cup\",\"status\":\"paused\"}\n{\"id\":\"b\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	check_int(s.res.documents, 1);
	check_term(&s, "cup", "b\n");
}

static void a_feed_that_cannot_be_read_leaves_the_old_state(void)
{
	char gone[220];
	SITE s;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"cup\"}\n");
	check_int(tick(&s), 0);
	snprintf(gone, sizeof(gone), "%s.gone", s.feed);
	check_int(rename(s.feed, gone), 0);
	store_free(s.store);
	s.store = NULL;
	check(store_open(&s.store, s.feed, NULL, &s.err) < 0);
	check_int(rename(gone, s.feed), 0);
	check_int(store_open(&s.store, s.feed, NULL, &s.err), 0);
	check_int(tick(&s), 0);
	check_term(&s, "cup", "a\n");
}

int main(void)
{
	RUN(complete_partitions_become_one_generation);
	RUN(a_tick_with_nothing_due_publishes_nothing);
	RUN(a_late_file_takes_its_place_in_the_order);
	RUN(refused_records_are_counted_and_written_down);
	RUN(a_partition_of_refused_records_only_fails);
	RUN(when_every_partition_fails_the_rejects_can_be_read_all_the_same);
	RUN(ten_refused_records_are_no_failure_and_eleven_are);
	RUN(a_file_that_ends_early_fails_its_partition_and_no_other);
	RUN(keywords_are_found_however_their_name_is_composed);
	RUN(a_late_file_that_fails_leaves_what_was_indexed);
	RUN(one_thread_and_four_give_the_same_bytes);
	RUN(threads_that_share_a_file_keep_its_lines_in_order);
	RUN(the_path_that_led_there_does_not_show);
	RUN(an_empty_partition_with_a_marker_moves_the_watermark);
	RUN(what_the_window_has_left_behind_is_gone);
	RUN(a_shorter_window_takes_effect_at_once_and_a_longer_one_brings_back);
	RUN(a_partition_that_fails_does_not_push_others_out_of_the_window);
	RUN(other_rules_fold_everything_again);
	RUN(rules_that_refuse_what_is_indexed_are_refused);
	RUN(a_file_that_changes_while_it_is_read_puts_its_partition_back);
	RUN(an_input_error_is_tried_again_later);
	RUN(a_stopped_tick_leaves_nothing_behind);
	RUN(a_dry_run_says_what_is_due_and_writes_nothing);
	RUN(a_record_without_id_is_called_by_its_place);
	RUN(a_hidden_document_shows_nowhere);
	RUN(a_feed_that_cannot_be_read_leaves_the_old_state);
	return tap_done();
}
