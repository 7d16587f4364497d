/* SPDX-License-Identifier: Apache-2.0 */
#include "rollback.h"

#include "base.h"
#include "merge.h"
#include "plan.h"
#include "site.h"

#define FILE_OF(minute) DAY minute "/a.jsonl"
#define DOC(id, word) "{\"id\":\"" id "\",\"title\":\"" word "\"}\n"

static struct rollback_result back(struct site *s, uint64_t number)
{
	struct rollback_result res;

	s->err = ERR_INIT;
	check_int(rollback(s->state, s->catalog, s->cfg, number, &res, &s->err), 0);
	check_str(s->err.message, "");
	return res;
}

static void resume(struct site *s)
{
	check_int(rollback_resume(s->state, s->catalog, &s->err), 1);
}

/* Two partitions, a generation each. */
static void two(struct site *s)
{
	put(s, FILE_OF("00"), DOC("a", "espresso"));
	check_int(tick(s), 0);
	put(s, FILE_OF("05"), DOC("b", "mocha"));
	check_int(tick(s), 0);
	check_int(s->res.generation, 2);
}

static void what_is_newer_goes_and_builds_pause(void)
{
	SITE s;
	struct rollback_result res;
	struct catalog_current now;

	site_init(&s);
	two(&s);
	res = back(&s, 1);
	check_int(res.generation, 3);
	check_int(res.complete, 1);
	check_int(res.documents, 1);
	check_int(res.watermark, AT(0));
	check_int(catalog_current(s.catalog, &now, &s.err), 0);
	check_int(now.number, 3);
	check_int(now.watermark, AT(0));
	check_term(&s, "espresso", "a\n");
	check_term(&s, "mocha", "");
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_row(&s, AT(5), PART_COMPLETE, "");
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0);
	check_int(s.res.paused, 3);
	resume(&s);
	check_int(rollback_resume(s.state, s.catalog, &s.err), 0);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 4);
	check_int(s.res.partitions, 1);
	check_term(&s, "mocha", "b\n");
	check_row(&s, AT(5), PART_PUBLISHED, "");
}

static void a_generation_that_is_not_kept_is_refused(void)
{
	SITE s;
	struct rollback_result res;
	uint64_t since;

	site_init(&s);
	check_int(rollback(s.state, s.catalog, s.cfg, 1, &res, &s.err), -ENOENT);
	two(&s);
	check_int(rollback(s.state, s.catalog, s.cfg, 7, &res, &s.err), -ENOENT);
	check_contains(s.err.message, "from 1 to 2");
	check_int(catalog_paused(s.catalog, &since, &s.err), 0);
	check_term(&s, "mocha", "b\n");
}

static void two_at_once(struct site *s)
{
	put(s, FILE_OF("00"), DOC("a", "espresso"));
	put(s, FILE_OF("05"), DOC("b", "mocha"));
	check_int(tick(s), 0);
}

static void slot_put(struct site *s, int minutes)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "dt=2026-05-04/hour=%02d/minute=%02d/a.jsonl", 10 + minutes / 60,
		minutes % 60);
	snprintf(text, sizeof(text), "{\"id\":\"%d\",\"title\":\"cup\"}\n", minutes);
	put(s, path, text);
	check_int(tick(s), 0);
}

static void a_rollback_that_died_before_current_is_mended_while_paused(void)
{
	SITE s;
	OWNED(generation) struct generation *old = NULL;
	uint8_t sum[SHA256_BYTES];
	uint64_t number;

	site_init(&s);
	two(&s);
	old = current(&s);
	back(&s, 1);
	check_int(current_write(s.state, 2, old->sha256, &s.err), 0);
	check_int(tick(&s), 0);
	check_int(s.res.paused, 3);
	check_int(current_read(s.state, &number, sum, &s.err), 1);
	check_int(number, 3);
}

static void a_rewritten_file_is_what_it_was_and_is_read_again_later(void)
{
	SITE s;

	site_init(&s);
	two(&s);
	put(&s, FILE_OF("00"), DOC("a", "filter") DOC("c", "filter"));
	check_int(tick(&s), 0);
	check_term(&s, "filter", "a\nc\n");
	check_int(back(&s, 2).complete, 0);
	check_term(&s, "filter", "");
	check_term(&s, "espresso", "a\n");
	resume(&s);
	check_int(tick(&s), 0);
	check_int(s.res.partitions, 1);
	check_term(&s, "filter", "a\nc\n");
	check_term(&s, "espresso", "");
}

static void what_has_left_comes_back(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.window=10m");
	two(&s);
	put(&s, FILE_OF("20"), DOC("z", "grind"));
	check_int(tick(&s), 0);
	check_row(&s, AT(0), PART_EXPIRED, "");
	check_term(&s, "espresso", "");
	check_int(back(&s, 2).complete, 1);
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_row(&s, AT(20), PART_COMPLETE, "");
	check_term(&s, "espresso", "a\n");
	resume(&s);
	check_int(tick(&s), 0);
	check_row(&s, AT(0), PART_EXPIRED, "");
	check_term(&s, "espresso", "");
	check_term(&s, "grind", "z\n");
}

static void with_policy_newest_the_one_that_was_replaced_is_back(void)
{
	SITE s;

	site_init(&s);
	site_set(&s, "lag.policy=newest");
	two(&s);
	check_row(&s, AT(0), PART_EXPIRED, "replaced");
	check_term(&s, "espresso", "");
	back(&s, 1);
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_row(&s, AT(5), PART_COMPLETE, "");
	check_term(&s, "espresso", "a\n");
	check_term(&s, "mocha", "");
	back(&s, 2);
	check_row(&s, AT(0), PART_EXPIRED, "replaced");
	check_row(&s, AT(5), PART_PUBLISHED, "");
	check_term(&s, "mocha", "b\n");
}

static int swap_base(struct site *s, const char *text, int64_t at)
{
	struct base_input in = {.cfg = s->cfg, .at = at, .now = s->now, .from = slice_str("full.jsonl")};
	struct base_result res;
	struct store *store;
	int r;

	scratch_put(s->dir.path, "full.jsonl", text, strlen(text));
	check_int(store_open(&store, s->dir.path, NULL, &s->err), 0);
	state_unlock(s->state);
	in.state = s->state;
	in.store = store;
	r = base_build(&in, &res, &s->err);
	check_int(state_lock(s->state, 0, NULL), 0);
	base_result_release(&res);
	store_free(store);
	return r;
}

static void a_base_swap_is_taken_back_and_none_comes_while_paused(void)
{
	SITE s;
	struct catalog_current now;

	site_init(&s);
	two(&s);
	check_int(swap_base(&s, DOC("x", "roast"), AT(10)), 0);
	check_term(&s, "espresso", "");
	check_term(&s, "roast", "x\n");
	check_row(&s, AT(0), PART_EXPIRED, "covered");
	check_int(back(&s, 2).complete, 0);
	check_int(catalog_current(s.catalog, &now, &s.err), 0);
	check(now.base_at == TIME_NONE);
	check_term(&s, "espresso", "a\n");
	check_term(&s, "mocha", "b\n");
	check_term(&s, "roast", "");
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_int(swap_base(&s, DOC("x", "roast"), AT(10)), -EBUSY);
	check_contains(s.err.message, "--resume");
	resume(&s);
	check_int(tick(&s), 0);
	check_int(s.res.generation, 0); /* as before, down to the files that were read */
	back(&s, 3);                    /* on to the base again */
	check_term(&s, "roast", "x\n");
	check_row(&s, AT(0), PART_EXPIRED, "covered");
}

static void a_merge_is_taken_back_and_none_comes_while_paused(void)
{
	SITE s;
	struct merge_input in;
	struct merge_result merged;
	struct catalog_current now;
	OWNED(generation) struct generation *g = NULL;
	char path[64], text[64];

	site_init(&s);
	site_set(&s, "lag.window=all");
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), DAY "%02d/a.jsonl", i * 5);
		snprintf(text, sizeof(text), "{\"id\":\"%d\",\"title\":\"cup\"}\n", i);
		put(&s, path, text);
		check_int(tick(&s), 0);
	}
	in = (struct merge_input){.state = s.state, .cfg = s.cfg};
	state_unlock(s.state);
	check_int(merge_step(&in, &merged, &s.err), 0);
	check_int(merged.generation, 6);
	check_int(state_lock(s.state, 0, &s.err), 0);
	back(&s, 4);
	check_term(&s, "cup", "0\n1\n2\n3\n");
	g = current(&s);
	check_int(g->manifest.segment_count, 4);
	back(&s, 6);
	check_term(&s, "cup", "0\n1\n2\n3\n4\n");
	back(&s, 5);
	state_unlock(s.state);
	check_int(merge_step(&in, &merged, &s.err), 0);
	check_int(merged.generation, 0);
	check_int(state_lock(s.state, 0, &s.err), 0);
	check_int(catalog_current(s.catalog, &now, &s.err), 0);
	check_int(now.number, 9);
}

struct interrupted {
	struct site *site;
	bool done;
};

/* While a merge is under way: back to a generation of which more counts, and on. */
static void roll_back_meanwhile(void *ctx, uint64_t written, uint64_t total)
{
	struct interrupted *i = ctx;
	struct site other = {.cfg = i->site->cfg, .catalog = i->site->catalog};

	if (i->done)
		return;
	i->done = true;
	check_int(state_open(&other.state, i->site->state->dir, true, &other.err), 0);
	check_int(state_lock(other.state, 0, &other.err), 0);
	back(&other, 4);
	resume(&other);
	state_free(other.state);
}

static void a_merge_is_of_no_use_when_more_counts_after_it_than_before(void)
{
	SITE s;
	struct interrupted i = {.site = &s};
	struct merge_input in;
	struct merge_result merged;

	site_init(&s);
	site_set(&s, "lag.window=1h");
	site_set(&s, "build.keep=64");
	s.now = AT(90);
	two_at_once(&s);
	for (int slot = 10; slot <= 60; slot += 5)
		slot_put(&s, slot);
	check_int(s.res.generation, 12);
	check_row(&s, AT(0), PART_EXPIRED, "");
	in = (struct merge_input){
		.state = s.state, .cfg = s.cfg, .progress = roll_back_meanwhile, .progress_ctx = &i};
	state_unlock(s.state);
	check_int(merge_step(&in, &merged, &s.err), 0);
	check(i.done);
	check_int(merged.generation, 0);
	check_int(state_lock(s.state, 0, &s.err), 0);
	check_row(&s, AT(0), PART_PUBLISHED, "");
	check_term(&s, "espresso", "a\n");
}

static void what_was_refused_goes_with_the_partition(void)
{
	SITE s;
	OWNED_BUF text = {0};

	site_init(&s);
	put(&s, FILE_OF("00"), DOC("a", "espresso"));
	check_int(tick(&s), 0);
	fill(&text, 3, 1);
	put(&s, FILE_OF("05"), buf_cstr(&text));
	check_int(tick(&s), 0);
	check_int(s.res.rejected, 1);
	check_int(scratch_count(s.dir.path, "state/rejects/" DAY "05"), 1);
	back(&s, 1);
	check_int(scratch_count(s.dir.path, "state/rejects/" DAY "05"), 0);
}

static void rows_of_the_past_go_with_the_generations(void)
{
	SITE s;
	struct arena arena = {0};
	struct catalog_past *past;
	char path[64];
	size_t count;

	site_init(&s);
	site_set(&s, "build.keep=2");
	site_set(&s, "build.keep_max=2");
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), DAY "%02d/a.jsonl", i * 5);
		put(&s, path, DOC("a", "espresso"));
		check_int(tick(&s), 0);
	}
	check_int(catalog_past(s.catalog, 0, &arena, &past, &count, &s.err), 0);
	check_int(count, 1);
	if (count) {
		check_int(past[0].generation, 5);
		check_int(past[0].row.ts, AT(20));
		check_int(past[0].row.state, PART_BUILDING);
		check(past[0].there && !past[0].row.has_content);
	}
	arena_release(&arena);
}

/* ---- rows alone ---- */

static struct row a_row(int64_t ts, enum partition_state state, const char *reason, bool content)
{
	return (struct row){.ts = ts, .state = state, .reason = slice_str(reason), .has_content = content};
}

/* What becomes of a row that is skipped now, of the generation with watermark AT(10) and a window of 10 minutes. */
static bool stays(int64_t ts, const char *reason, int64_t base_at)
{
	struct config cfg = {.cadence = 5 * TIME_MINUTE, .window = 10 * TIME_MINUTE};
	struct manifest to = {.watermark = AT(10), .base_at = base_at};
	struct row row = a_row(ts, PART_SKIPPED, reason, false), *out;
	struct rollback_rows_input in = {.rows = &row, .count = 1, .to = &to, .cfg = &cfg};
	struct arena arena = {0};
	struct err err = ERR_INIT;
	size_t count = 0;

	check_int(rollback_rows(&in, &arena, &out, &count, &err), 0);
	if (count)
		check_int(out[0].state, PART_COMPLETE);
	arena_release(&arena);
	return !count;
}

static void what_was_skipped_by_a_later_horizon_is_complete(void)
{
	check(stays(AT(0), "old", TIME_NONE));
	check(!stays(AT(5), "old", TIME_NONE));
	check(!stays(AT(15), "old", TIME_NONE));
	check(stays(AT(5), "superseded", TIME_NONE));
	check(!stays(AT(15), "superseded", TIME_NONE));
	check(!stays(AT(5), "covered", TIME_NONE));
	check(stays(AT(5), "covered", AT(10)));
	check(!stays(AT(10), "covered", AT(10)));
}

int main(void)
{
	RUN(what_is_newer_goes_and_builds_pause);
	RUN(a_generation_that_is_not_kept_is_refused);
	RUN(a_rollback_that_died_before_current_is_mended_while_paused);
	RUN(a_rewritten_file_is_what_it_was_and_is_read_again_later);
	RUN(what_has_left_comes_back);
	RUN(with_policy_newest_the_one_that_was_replaced_is_back);
	RUN(a_base_swap_is_taken_back_and_none_comes_while_paused);
	RUN(a_merge_is_taken_back_and_none_comes_while_paused);
	RUN(a_merge_is_of_no_use_when_more_counts_after_it_than_before);
	RUN(what_was_refused_goes_with_the_partition);
	RUN(rows_of_the_past_go_with_the_generations);
	RUN(what_was_skipped_by_a_later_horizon_is_complete);
	return tap_done();
}
