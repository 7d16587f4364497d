/* SPDX-License-Identifier: Apache-2.0 */
#include "gc.h"
#include "published.h"

/* Six generations, five minutes apart; each segment supersedes the one before. */
static void fill(struct site *s)
{
	for (int i = 0; i < 6; i++) {
		char text[16];
		struct doc doc = {"a", text};

		snprintf(text, sizeof(text), "x%d", i);
		site_publish(s, &doc, 1, P_T0 + i * P_CADENCE, P_T0 + (i - 2) * P_CADENCE);
	}
}

static struct gc_result collect(
	struct site *s, unsigned keep, int64_t keep_for, unsigned keep_max, int64_t now)
{
	struct config cfg = {.keep = keep, .keep_for = keep_for, .keep_max = keep_max};
	struct gc_result out;
	struct err err = ERR_INIT;

	if (gc_run(s->state, s->catalog, &cfg, now, &out, &err))
		tap_fail("%s", err.message);
	return out;
}

static int kept(const struct site *s)
{
	return scratch_count(s->dir.path, "generations") / 2;
}

static void the_newest_generations_stay_however_old(void)
{
	SITE s = site_open();
	struct gc_result out;

	fill(&s);
	check_int(scratch_count(s.dir.path, "segments"), 6);
	out = collect(&s, 4, 0, 64, P_T0 + 1000 * P_CADENCE);
	check_int(out.generations, 2);
	check_int(kept(&s), 4);
	/* Each generation has the segments of two partitions: the first segment went with the first two. */
	check_int(scratch_count(s.dir.path, "segments"), 5);
	check_int(out.files, 5);
	check(out.bytes > 0);
	check_int(collect(&s, 4, 0, 64, P_T0).files, 0);
}

static void young_ones_stay_up_to_keep_max(void)
{
	SITE s = site_open();
	int64_t now = P_T0 + 5 * P_CADENCE + TIME_SECOND;

	fill(&s);
	check_int(collect(&s, 1, TIME_FOREVER, 64, now).generations, 0);
	check_int(collect(&s, 1, 4 * P_CADENCE, 64, now).generations, 2);
	check_int(kept(&s), 4);
	check_int(collect(&s, 1, 4 * P_CADENCE, 3, now).generations, 1);
	check_int(kept(&s), 3);
}

static void the_current_one_stays_whatever_the_rules_say(void)
{
	SITE s = site_open();
	struct generation *g;
	struct err err = ERR_INIT;

	fill(&s);
	check_int(collect(&s, 0, 0, 0, INT64_MAX - 1).generations, 5);
	check_int(kept(&s), 1);
	check_int(generation_open(&g, s.state, 6, &err), 0);
	generation_unref(g);
	check_int(generation_open(&g, s.state, 5, &err), -ENOENT);
}

static void who_has_a_generation_open_keeps_its_bytes(void)
{
	SITE s = site_open();
	const struct doc one[] = {{"a", "first"}};
	struct generation *g;
	struct err err = ERR_INIT;
	OWNED_BUF record = {0};

	site_publish(&s, one, 1, P_T0 - 10 * P_CADENCE, TIME_NONE);
	g = generation_ref(s.now);
	fill(&s);
	collect(&s, 1, 0, 1, INT64_MAX - 1);
	check_int(segment_record(g->segments[0], 0, &record, &err), 0);
	check_slice(buf_slice(&record), "first");
	generation_unref(g);
}

static void an_empty_state_has_nothing_to_let_go(void)
{
	SITE s = site_open();

	check_int(collect(&s, 8, 0, 64, P_T0).files, 0);
}

static void no_segment_goes_while_a_kept_manifest_cannot_be_read(void)
{
	SITE s = site_open();
	struct config cfg = {.keep = 2};
	struct gc_result out;
	struct err err = ERR_INIT;

	fill(&s);
	scratch_put(s.dir.path, "generations/5.json", "damaged", 7);
	check_int(gc_run(s.state, s.catalog, &cfg, P_T0, &out, &err), -EBADMSG);
	check_contains(err.message, "5.json");
	check_int(scratch_count(s.dir.path, "segments"), 6);
}

/* ---- rejects ---- */

static void put_reject(const struct site *s, const char *dir, const char *name)
{
	OWNED_STR char *path = state_path(s->state, "rejects/%s", dir);
	struct err err = ERR_INIT;

	check_int(make_dirs(path, &err), 0);
	scratch_put(path, name, "1\tno\t{}\n", 8);
}

static bool has_reject(const struct site *s, const char *name)
{
	OWNED_STR char *path = state_path(s->state, "rejects/%s", name);

	return access(path, F_OK) == 0;
}

static void note_rows(struct site *s)
{
	static const struct {
		const char *path;
		enum partition_state state;
	} parts[] = {{"d=1/h=1", PART_EXPIRED}, {"d=1/h=2", PART_SKIPPED}, {"d=2/h=1", PART_EXPIRED},
		{"d=2/h=2", PART_PUBLISHED}, {"d=2/h=22", PART_EXPIRED}, {"d=3/h=1", PART_FAILED},
		{"d=3/h=2", PART_OPEN}, {"d=3/h=3", PART_COMPLETE}};
	struct row rows[8];
	struct err err = ERR_INIT;

	for (int i = 0; i < 8; i++)
		rows[i] = (struct row){.ts = P_T0 + i * P_CADENCE,
			.path = slice_str(parts[i].path),
			.state = parts[i].state,
			.published = TIME_NONE,
			.arrived = TIME_NONE,
			.detected = TIME_NONE,
			.retry_at = TIME_NONE};
	check_int(catalog_note(s->catalog, rows, 8, &err), 0);
	for (int i = 0; i < 8; i++) {
		OWNED_STR char *deep = NULL;

		put_reject(s, parts[i].path, "a.jsonl.tsv");
		check(asprintf(&deep, "%s/sub", parts[i].path) > 0);
		put_reject(s, deep, "b.jsonl.tsv");
	}
}

static void rejects_go_with_their_partition(void)
{
	SITE s = site_open();
	struct gc_result out;

	note_rows(&s);
	out = collect(&s, 8, 0, 64, P_T0);
	check_int(out.files, 8);
	check_int(out.bytes, 64);
	check(!has_reject(&s, "d=1"));
	check(!has_reject(&s, "d=2/h=1") && !has_reject(&s, "d=2/h=22"));
	check(has_reject(&s, "d=2/h=2/a.jsonl.tsv") && has_reject(&s, "d=2/h=2/sub/b.jsonl.tsv"));
	check(has_reject(&s, "d=3/h=1/a.jsonl.tsv") && has_reject(&s, "d=3/h=2/sub/b.jsonl.tsv"));
	check(has_reject(&s, "d=3/h=3/a.jsonl.tsv"));
	check_int(collect(&s, 8, 0, 64, P_T0).files, 0);
}

static void what_is_not_ours_among_rejects_stays(void)
{
	SITE s = site_open();
	OWNED_STR char *outside = state_path(s.state, "outside");
	OWNED_STR char *link = state_path(s.state, "rejects/d=1/link");
	struct err err = ERR_INIT;

	note_rows(&s);
	check_int(make_dirs(outside, &err), 0);
	scratch_put(outside, "c.tsv", "", 0);
	put_reject(&s, "d=1/h=1", "notes.txt");
	check_int(symlink(outside, link), 0);
	check_int(collect(&s, 8, 0, 64, P_T0).files, 8);
	check(has_reject(&s, "d=1/h=1/notes.txt") && !has_reject(&s, "d=1/h=2"));
	check(scratch_has(s.dir.path, "outside/c.tsv"));
}

int main(void)
{
	RUN(the_newest_generations_stay_however_old);
	RUN(young_ones_stay_up_to_keep_max);
	RUN(the_current_one_stays_whatever_the_rules_say);
	RUN(who_has_a_generation_open_keeps_its_bytes);
	RUN(an_empty_state_has_nothing_to_let_go);
	RUN(no_segment_goes_while_a_kept_manifest_cannot_be_read);
	RUN(rejects_go_with_their_partition);
	RUN(what_is_not_ours_among_rejects_stays);
	return tap_done();
}
