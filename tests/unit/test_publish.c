/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/time.h>
#include <sys/wait.h>

#include "published.h"

static const struct doc docs_one[] = {{"a", "x"}, {"b", "y"}};
static const struct doc docs_two[] = {{"b", "z"}, {"c", "z"}};

static uint64_t current_number(const struct site *s)
{
	uint8_t sum[SHA256_BYTES];
	struct err err = ERR_INIT;
	uint64_t number = 0;

	check(current_read(s->state, &number, sum, &err) >= 0);
	return number;
}

static void check_shape(const struct site *s, int generations, int segments)
{
	check_int(scratch_count(s->dir.path, "generations"), 2 * generations);
	check_int(scratch_count(s->dir.path, "segments"), segments);
	check_int(scratch_count(s->dir.path, "tmp"), 0);
}

static void the_first_publish_makes_generation_one(void)
{
	SITE s = site_open();
	struct catalog_current now;
	struct err err = ERR_INIT;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	check_int(catalog_current(s.catalog, &now, &err), 0);
	check(now.number == 1 && now.watermark == P_T0 && now.published == P_T0);
	check(!memcmp(now.sha256, s.now->sha256, SHA256_BYTES));
	check_int(current_number(&s), 1);
	check_str(s.now->manifest.index, catalog_index(s.catalog));
	check(s.now->manifest.parent == 0 && s.now->manifest.documents == 2);
	check_shape(&s, 1, 1);
}

static void each_publish_is_a_whole_second_later_than_its_parent(void)
{
	SITE s = site_open();

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	site_publish(&s, NULL, 0, P_T0, TIME_NONE);
	check_int(s.now->manifest.published, P_T0 + TIME_SECOND);
	check_int(s.now->manifest.parent, 1);
	check_int(s.now->manifest.segment_count, 1);
	site_publish(&s, docs_two, 2, P_T0, TIME_NONE);
	check_int(s.now->manifest.published, P_T0 + 2 * TIME_SECOND);
	check_int(s.now->manifest.documents, 3);
	check_shape(&s, 3, 2);
}

static void rows_get_the_publish_time_once(void)
{
	SITE s = site_open();
	struct row rows[] = {{.ts = P_T0,
				     .state = PART_PUBLISHED,
				     .published = TIME_NONE,
				     .path = slice_str("p"),
				     .generation = 1},
		{.ts = P_T0 + 1, .state = PART_FAILED, .published = TIME_NONE, .path = slice_str("q")},
		{.ts = P_T0 + 2, .state = PART_PUBLISHED, .published = 77, .path = slice_str("r")}};
	struct publish_input in = {.rows = rows, .row_count = 3};
	struct arena arena = {0};
	struct row *got;
	struct err err = ERR_INIT;
	size_t count;

	check_int(site_publish_with(&s, docs_one, 2, P_T0, TIME_NONE, &in, &err), 0);
	check_int(catalog_rows(s.catalog, TIME_NONE, true, &arena, &got, &count, &err), 0);
	check_int(count, 3);
	/* To the fraction, unlike the manifest. */
	check_int(got[0].published, P_T0 + TIME_SECOND / 2);
	check(got[1].published == TIME_NONE && got[2].published == 77);
	arena_release(&arena);
}

static void a_twin_of_a_segment_takes_its_place(void)
{
	SITE s = site_open();

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	check_int(s.now->manifest.segment_count, 1);
	check_int(s.now->manifest.documents, 2);
	check_shape(&s, 2, 1);
}

static void a_segment_behind_the_horizon_goes_when_nothing_of_it_shows(void)
{
	SITE s = site_open();
	const struct doc kept[] = {{"a", "x"}, {"b", "x", P_T0 + 2 * P_CADENCE}};

	site_publish(&s, kept, 2, P_T0, TIME_NONE);
	site_publish(&s, docs_two, 2, P_T0 + P_CADENCE, P_T0 - P_CADENCE);
	check_int(s.now->manifest.segment_count, 2);
	/* All of the first is superseded by the second or expired, and it is behind the horizon. */
	site_publish(&s, NULL, 0, P_T0 + P_CADENCE, P_T0);
	check_int(s.now->manifest.segment_count, 1);
	check_int(s.now->manifest.documents, 2);
}

static void a_segment_with_an_entry_named_later_stays(void)
{
	SITE s = site_open();
	const struct doc kept[] = {{"a", "x"}, {"b", "x", P_T0 + 2 * P_CADENCE}};

	site_publish(&s, kept, 2, P_T0, TIME_NONE);
	site_publish(&s, NULL, 0, P_T0 + P_CADENCE, P_T0);
	check_int(s.now->manifest.segment_count, 1);
	check_int(s.now->manifest.documents, 1);
}

static void a_horizon_before_1970_is_none(void)
{
	SITE s = site_open();

	site_publish(&s, docs_one, 2, P_T0, -5 * TIME_HOUR);
	check(s.now->manifest.horizon == TIME_NONE);
	check_int(s.now->manifest.documents, 2);
}

static void a_publish_that_fails_leaves_the_parent(void)
{
	SITE s = site_open();
	struct publish_input in = {0};
	struct err err = ERR_INIT;
	struct catalog_current now;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	check_int(site_publish_with(&s, docs_two, 2, P_T0 - P_CADENCE, TIME_NONE, &in, &err), -ESTALE);
	check_contains(err.message, "publishing generation 2");
	check_int(catalog_current(s.catalog, &now, &err), 0);
	check_int(now.number, 1);
	check_int(current_number(&s), 1);
	/* What it had renamed goes with the next repair. */
	check_int(scratch_count(s.dir.path, "segments"), 2);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_shape(&s, 1, 1);
}

static void a_segment_that_is_not_what_was_written_is_refused(void)
{
	SITE s = site_open();
	struct segment_output written;
	struct publish_segment fresh = {.file = "segment", .output = &written};
	struct publish_input in = {.state = s.state,
		.catalog = s.catalog,
		.watermark = P_T0,
		.horizon = TIME_NONE,
		.base_at = TIME_NONE,
		.now = P_T0,
		.segments = &fresh,
		.segment_count = 1};
	struct err err = ERR_INIT;
	OWNED_STR char *path = NULL;
	uint64_t documents;

	check_int(catalog_take_number(s.catalog, &in.number, &err), 0);
	check_int(state_build_begin(s.state, &err), 0);
	path = state_path(s.state, "%s/segment", s.state->build);
	check_int(write_docs(path, docs_one, 2, P_T0, &written, &err), 0);
	written.bytes++;
	check_int(publish(&in, &documents, &err), -EBADMSG);
	check_contains(err.message, "not what was written");
	check_int(scratch_count(s.dir.path, "segments"), 0);
}

/* ---- several segments, and fewer ---- */

struct fresh {
	const struct doc *docs; /* NULL ends the list */
	size_t count, at;
	bool base;
	int64_t ts; /* 0: the generation's */
};

/* Publishes several segments, and without those of the parent's that `dropped` says; at P_T0 + its number. */
static int publish_many(struct site *s, const struct fresh *fresh, const bool *dropped,
	const struct undone *undone, struct err *err)
{
	struct segment_output written[4];
	struct publish_segment segments[4];
	char names[4][8];
	struct publish_input in = {.state = s->state,
		.catalog = s->catalog,
		.parent = s->now,
		.horizon = TIME_NONE,
		.base_at = TIME_NONE,
		.segments = segments,
		.dropped = dropped,
		.undone = undone};
	struct generation *next = NULL;
	uint64_t documents;
	int r = catalog_take_number(s->catalog, &in.number, err);

	if (!r)
		r = state_build_begin(s->state, err);
	in.watermark = in.now = P_T0 + (int64_t)in.number * TIME_SECOND;
	for (size_t i = 0; !r && fresh && fresh[i].docs; i++) {
		OWNED_STR char *path = NULL;

		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		path = state_path(s->state, "%s/%s", s->state->build, names[i]);
		segments[i] = (struct publish_segment){
			.file = names[i], .output = &written[i], .base = fresh[i].base, .at = fresh[i].at};
		r = write_docs(path, fresh[i].docs, fresh[i].count, fresh[i].ts ? fresh[i].ts : in.now,
			&written[i], err);
		in.segment_count++;
	}
	if (!r)
		r = publish(&in, &documents, err);
	state_build_end(s->state);
	if (!r)
		r = generation_open(&next, s->state, in.number, err);
	if (!r) {
		check_int(documents, next->manifest.documents);
		generation_unref(s->now);
		s->now = next;
	}
	return r;
}

/* The first id of each segment, in order. */
static void check_order(const struct site *s, const char *want)
{
	OWNED_BUF got = {0};
	struct slice id;

	for (size_t i = 0; i < s->now->manifest.segment_count; i++) {
		check_int(segment_id(s->now->segments[i], 0, &id, NULL), 0);
		buf_add_slice(&got, id);
	}
	check_str(buf_cstr(&got), want);
}

static const struct doc doc_a[] = {{"a", "x"}}, doc_b[] = {{"b", "x"}}, doc_c[] = {{"c", "x"}},
			doc_d[] = {{"d", "x"}, {"e", "x"}}, doc_e[] = {{"e", "y"}};

static void new_segments_stand_where_they_are_put(void)
{
	SITE s = site_open();
	struct err err = ERR_INIT;

	check_int(publish_many(&s, (struct fresh[]){{doc_b, 1}, {doc_d, 2}, {NULL}}, NULL, NULL, &err), 0);
	check_order(&s, "bd");
	check_int(
		publish_many(&s,
			(struct fresh[]){{doc_a, 1, 0}, {doc_c, 1, 1}, {doc_e, 1, 1}, {doc_e, 1, 2}, {NULL}},
			NULL, NULL, &err),
		0);
	/* Two in one place keep their order. The older "e" is under "d", which has it too; the newer is over all. */
	check_order(&s, "abcede");
	check_int(s.now->manifest.segment_count, 6);
	check_int(s.now->manifest.documents, 5);
	check_int(s.now->live.segments[3].superseded, 1);
	check_int(s.now->live.segments[4].superseded, 1);
	check_int(s.now->live.segments[5].superseded, 0);
	check_str(err.message, "");
}

static void what_is_dropped_is_not_there_any_more(void)
{
	SITE s = site_open();
	struct err err = ERR_INIT;

	check_int(publish_many(
			  &s, (struct fresh[]){{doc_a, 1}, {doc_d, 2}, {doc_e, 1}, {NULL}}, NULL, NULL, &err),
		0);
	check_int(s.now->live.segments[1].superseded, 1);
	/* With "e" on top gone, the one below shows again. */
	check_int(publish_many(&s, NULL, (bool[]){false, false, true}, NULL, &err), 0);
	check_order(&s, "ad");
	check_int(s.now->live.segments[1].superseded, 0);
	check_int(s.now->manifest.documents, 3);
	check_int(publish_many(&s, (struct fresh[]){{doc_c, 1, 1}, {NULL}}, (bool[]){true, true}, NULL, &err),
		0);
	check_order(&s, "c");
	check_int(publish_many(&s, NULL, (bool[]){true}, NULL, &err), 0);
	check_int(s.now->manifest.segment_count, 0);
	check_int(s.now->manifest.documents, 0);
	check_str(err.message, "");
}

static void a_twin_stands_in_the_new_place_with_nothing_undone(void)
{
	SITE s = site_open();
	const struct fresh a = {doc_a, 1, .ts = P_T0};
	uint32_t first = 0;
	struct err err = ERR_INIT;

	check_int(publish_many(&s, (struct fresh[]){a, {doc_b, 1}, {NULL}}, NULL, NULL, &err), 0);
	check_int(publish_many(&s, NULL, NULL, (struct undone[]){{&first, 1}, {NULL, 0}}, &err), 0);
	check_order(&s, "ab");
	check_int(s.now->manifest.documents, 1);
	/* The same records came again. */
	check_int(publish_many(&s, (struct fresh[]){{doc_a, 1, 2, .ts = P_T0}, {NULL}}, NULL, NULL, &err), 0);
	check_order(&s, "ba");
	check_int(s.now->manifest.documents, 2);
	check_int(s.now->manifest.segments[1].undone_count, 0);
	check_str(err.message, "");
}

static void undone_files_are_kept_in_mind(void)
{
	SITE s = site_open();
	const struct doc two[] = {{"a", "x", P_T0}, {"b", "x", P_T0 + 1}};
	uint32_t first = 0;
	struct err err = ERR_INIT;

	site_publish(&s, two, 2, P_T0, TIME_NONE);
	check_int(publish_many(&s, NULL, NULL, (struct undone[]){{&first, 1}}, &err), 0);
	check_int(s.now->manifest.documents, 1);
	check(live_is_superseded(&s.now->live.segments[0], 0));
	/* NULL: as in the parent. */
	check_int(publish_many(&s, (struct fresh[]){{doc_c, 1, 1}, {NULL}}, NULL, NULL, &err), 0);
	check_int(s.now->manifest.segments[0].undone_count, 1);
	check_int(s.now->manifest.segments[1].undone_count, 0);
	check_int(s.now->manifest.documents, 2);
	check_str(err.message, "");
}

static void bases_lie_below_all_others(void)
{
	SITE s = site_open();
	struct err err = ERR_INIT;

	check_int(publish_many(&s, (struct fresh[]){{doc_c, 1}, {NULL}}, NULL, NULL, &err), 0);
	check_int(publish_many(&s, (struct fresh[]){{doc_a, 1, 0, true}, {doc_b, 1, 0, true}, {NULL}}, NULL,
			  NULL, &err),
		0);
	check_order(&s, "abc");
	check(s.now->manifest.segments[1].base && !s.now->manifest.segments[2].base);
	/* Only deltas go for being behind the horizon. */
	site_publish(&s, doc_d, 2, P_T0 + 3 * TIME_SECOND, P_T0 + 2 * TIME_SECOND);
	check_order(&s, "abd");
	check_int(publish_many(&s, (struct fresh[]){{doc_e, 1, 3, true}, {NULL}}, NULL, NULL, &err), -EINVAL);
	check_contains(err.message, "of the base would lie over a delta");
	check_int(current_number(&s), 3);
}

static void a_segment_with_attributes_stays_unless_they_expire(void)
{
	SITE s = site_open();
	const struct doc kept[] = {{"\x01"
				    "campaign"
				    "\x01"
				    "c",
					   "x"},
		{"a", "x"}};
	const struct doc gone[] = {{"\x01"
				    "shop"
				    "\x01"
				    "s",
					   "x"},
		{"a", "x"}};

	site_publish(&s, kept, 2, P_T0, TIME_NONE);
	site_publish(&s, gone, 2, P_T0 + TIME_SECOND, TIME_NONE);
	/* Also where a newer one has its place: undoing that brings it back. */
	site_publish(&s, kept, 2, P_T0 + 2 * TIME_SECOND, TIME_NONE);
	check_int(s.now->live.segments[0].superseded, 2);
	site_publish(&s, doc_b, 1, P_T0 + P_CADENCE, P_T0 + P_CADENCE - 1);
	check_int(s.now->manifest.segment_count, 3);
	check_int(s.now->manifest.segments[1].first, P_T0 + 2 * TIME_SECOND);
	check_int(s.now->manifest.documents, 1);
}

/* ---- rejects ---- */

static void check_reject_path(const char *partition, const char *file, const char *want)
{
	OWNED_BUF path = {0};

	check_int(reject_path(slice_str(partition), slice_str(file), &path), 0);
	if (want)
		check_slice(buf_slice(&path), want);
	check(path.len < 2400);
	for (size_t i = 0, start = 0; i <= path.len; i++)
		if (i == path.len || path.data[i] == '/') {
			check(i > start && i - start <= 255);
			start = i + 1;
		}
}

static void reject_paths_follow_the_feed_and_never_leave_it(void)
{
	char name[300], deep[64], text[1200];
	OWNED_BUF out = {0};
	static const char *const bad[] = {"", "/a", "a/", "a//b", "..", "a/../b", ".", "../a"};

	check_reject_path("dt=1/h=2", "a.jsonl", "dt=1/h=2/a.jsonl.tsv");
	check_reject_path("p", "sub/a b", "p/sub/a b.tsv");
	check_reject_path("p", "x.tsv/a", "p/x.tsv%/a.tsv");
	check_reject_path("p", "x%/a%", "p/x%%/a%.tsv");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	check_reject_path("p", name, NULL);
	name[251] = '\0';
	check_reject_path("p", name, NULL);
	name[252] = '\0';
	check_reject_path("p", name, NULL);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 100; i < sizeof(text) - 1; i += 100)
		text[i] = '/';
	check_reject_path("p", text, NULL);
	memset(deep, 0, sizeof(deep));
	for (int i = 0; i < 20; i++)
		memcpy(deep + 2 * i, "d/", 2);
	deep[40] = 'f';
	check_reject_path("p", deep, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		check_int(reject_path(slice_str("p"), slice_str(bad[i]), &out), -EINVAL);
		check_int(reject_path(slice_str(bad[i]), slice_str("f"), &out), -EINVAL);
	}
	check_int(reject_path(slice_str("p"), slice_of("a\0b", 3), &out), -EINVAL);
}

static void rejects_are_published_with_the_generation(void)
{
	SITE s = site_open();
	const struct reject_file rejects[] = {
		{slice_str("dt=1/h=2"), slice_str("b.jsonl"), slice_str("1\tnot JSON\tx\n")},
		{slice_str("dt=1/h=2"), slice_str("sub/a.jsonl"), slice_str("2\tnot JSON\ty\n")},
		{slice_str("dt=1/h=2"), slice_str("b.jsonl.tsv/c"), slice_str("3\tnot JSON\tz\n")}};
	struct publish_input in = {.rejects = rejects, .reject_count = 3};
	OWNED_STR char *path = NULL;
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;

	check_int(site_publish_with(&s, docs_one, 2, P_T0, TIME_NONE, &in, &err), 0);
	path = state_path(s.state, "rejects/dt=1/h=2/b.jsonl.tsv");
	check_int(read_file(path, 100, &text, &err), 0);
	check_slice(buf_slice(&text), "1\tnot JSON\tx\n");
	check(scratch_has(s.dir.path, "rejects/dt=1/h=2/sub/a.jsonl.tsv"));
	check(scratch_has(s.dir.path, "rejects/dt=1/h=2/b.jsonl.tsv%/c.tsv"));
	check_shape(&s, 1, 1);
}

/* ---- repair ---- */

static void repair_on_a_whole_state_changes_nothing(void)
{
	SITE s = site_open();
	struct err err = ERR_INIT;

	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(current_number(&s), 0);
	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	site_publish(&s, docs_two, 2, P_T0, TIME_NONE);
	scratch_put(s.dir.path, "segments/README", "mine", 4);
	scratch_put(s.dir.path, "generations/3.txt", "mine", 4);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(scratch_count(s.dir.path, "segments"), 3);
	check_int(scratch_count(s.dir.path, "generations"), 5);
	check_int(current_number(&s), 2);
}

static void what_a_dead_publish_left_goes(void)
{
	SITE s = site_open();
	struct generation *g;
	struct err err = ERR_INIT;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	scratch_put(s.dir.path, "segments/00112233445566778899aabbccddeeff.seg", "x", 1);
	scratch_put(s.dir.path, "generations/2.live", "x", 1);
	scratch_put(s.dir.path, "generations/2.json", "x", 1);
	scratch_put(s.dir.path, "tmp/current", "x", 1);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_shape(&s, 1, 1);
	check_int(generation_open(&g, s.state, 1, &err), 0);
	generation_unref(g);
}

static void the_catalog_decides_what_current_says(void)
{
	SITE s = site_open();
	uint8_t first[SHA256_BYTES];
	char path[256];
	struct err err = ERR_INIT;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	memcpy(first, s.now->sha256, sizeof(first));
	site_publish(&s, docs_two, 2, P_T0, TIME_NONE);
	check_int(current_write(s.state, 1, first, &err), 0);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(current_number(&s), 2);
	snprintf(path, sizeof(path), "%s/current", s.dir.path);
	unlink(path);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(current_number(&s), 2);
	scratch_put(s.dir.path, "current", "torn", 4);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(current_number(&s), 2);
}

static void a_catalog_older_than_current_is_an_error_that_says_what_to_do(void)
{
	SITE s = site_open();
	uint8_t other[SHA256_BYTES] = {9};
	struct err err = ERR_INIT;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	check_int(current_write(s.state, 2, other, &err), 0);
	scratch_put(s.dir.path, "generations/2.json", "precious", 8);
	check_int(publish_repair(s.state, s.catalog, &err), -EBADMSG);
	check_contains(err.message, "put back the catalog.db");
	check(scratch_has(s.dir.path, "generations/2.json"));
	check_int(current_number(&s), 2);
	check_int(current_write(s.state, 1, other, &err), 0);
	check_int(publish_repair(s.state, s.catalog, &err), -EBADMSG);
}

static void an_unreadable_old_generation_stops_no_build_and_loses_no_segment(void)
{
	SITE s = site_open();
	struct err err = ERR_INIT;

	site_publish(&s, docs_one, 2, P_T0, TIME_NONE);
	site_publish(&s, docs_two, 2, P_T0, TIME_NONE);
	scratch_put(s.dir.path, "generations/1.json", "{}", 2);
	scratch_put(s.dir.path, "segments/00112233445566778899aabbccddeeff.seg", "x", 1);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(scratch_count(s.dir.path, "segments"), 3);
}

/* In a child that a timer ends without a word; the parent of this process has no catalog open meanwhile. */
static void publish_and_die(const char *dir, uint32_t after_us)
{
	struct itimerval timer = {.it_value = {.tv_usec = after_us + 1}};
	struct site s = {0};
	struct catalog_current now;
	struct publish_input in = {0};
	struct err err = ERR_INIT;

	setitimer(ITIMER_REAL, &timer, NULL); /* SIGALRM ends the process */
	if (state_open(&s.state, dir, true, &err) || state_lock(s.state, 0, &err) ||
		catalog_open(&s.catalog, s.state, true, &err) || publish_repair(s.state, s.catalog, &err) ||
		catalog_current(s.catalog, &now, &err))
		_exit(1);
	if (now.number && generation_open(&s.now, s.state, now.number, &err))
		_exit(2);
	_exit(site_publish_with(&s, docs_two, 2, P_T0 + (int64_t)now.number * P_CADENCE, TIME_NONE, &in, &err)
			? 3
			: 0);
}

static void whenever_a_publish_dies_repair_leaves_one_whole_state(void)
{
	SCRATCH dir = scratch_make();
	struct site s = {.dir = dir};
	struct arena arena = {0};
	struct catalog_generation *g;
	struct err err = ERR_INIT;
	uint64_t seed = seed_take(99);
	size_t count;
	int died = 0;

	for (int round = 0; round < 60; round++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0)
			publish_and_die(dir.path, seed_below(&seed, 60000));
		check(waitpid(child, &status, 0) == child);
		seed_next(&seed);
		died += WIFSIGNALED(status);
		check(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	}
	check_int(state_open(&s.state, dir.path, true, &err), 0);
	check_int(state_lock(s.state, 0, &err), 0);
	check_int(catalog_open(&s.catalog, s.state, true, &err), 0);
	check_int(publish_repair(s.state, s.catalog, &err), 0);
	check_int(catalog_generations(s.catalog, &arena, &g, &count, &err), 0);
	check_int(current_number(&s), count ? g[0].number : 0);
	check_int(scratch_count(dir.path, "generations"), 2 * (int)count);
	check_int(scratch_count(dir.path, "tmp"), 0);
	for (size_t i = 0; i < count; i++) {
		OWNED(generation) struct generation *open = NULL;

		check_int(generation_open(&open, s.state, g[i].number, &err), 0);
	}
	printf("# %d of 60 died, %zu published\n", died, count);
	arena_release(&arena);
	catalog_free(s.catalog);
	state_free(s.state);
}

int main(void)
{
	RUN(the_first_publish_makes_generation_one);
	RUN(each_publish_is_a_whole_second_later_than_its_parent);
	RUN(rows_get_the_publish_time_once);
	RUN(a_twin_of_a_segment_takes_its_place);
	RUN(a_segment_behind_the_horizon_goes_when_nothing_of_it_shows);
	RUN(a_segment_with_an_entry_named_later_stays);
	RUN(a_horizon_before_1970_is_none);
	RUN(a_publish_that_fails_leaves_the_parent);
	RUN(a_segment_that_is_not_what_was_written_is_refused);
	RUN(new_segments_stand_where_they_are_put);
	RUN(what_is_dropped_is_not_there_any_more);
	RUN(a_twin_stands_in_the_new_place_with_nothing_undone);
	RUN(undone_files_are_kept_in_mind);
	RUN(bases_lie_below_all_others);
	RUN(a_segment_with_attributes_stays_unless_they_expire);
	RUN(reject_paths_follow_the_feed_and_never_leave_it);
	RUN(rejects_are_published_with_the_generation);
	RUN(repair_on_a_whole_state_changes_nothing);
	RUN(what_a_dead_publish_left_goes);
	RUN(the_catalog_decides_what_current_says);
	RUN(a_catalog_older_than_current_is_an_error_that_says_what_to_do);
	RUN(an_unreadable_old_generation_stops_no_build_and_loses_no_segment);
	RUN(whenever_a_publish_dies_repair_leaves_one_whole_state);
	return tap_done();
}
