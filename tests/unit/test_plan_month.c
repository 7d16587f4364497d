/* SPDX-License-Identifier: Apache-2.0 */
/* Months of a feed through the plan and the outcome alone, a million ticks in all: late, rewritten and vanished files,
 * builds that fail, die or are stopped, a clock that jumps, a base that comes and moves. Each plan and each row is
 * compared with what plan_reference.h says by itself. */
#include "outcome.h"

#include "plan_reference.h"
#include "tap.h"

#define SLICES (30 * 288u)
/* With a sanitizer a third of it has to do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP 4
#else
#define SKIP 1
#endif
#define TO_EVENT 5 /* of ten steps so many go to the next event, the others anywhere before it */

struct sim {
	struct feed_sim feed;
	struct config cfg;
	struct reference ref;
	struct row *rows; /* one a slice; those that were never seen have `known` false */
	bool *known;
	struct file_row (*read)[FILES];
	struct row *given; /* scratch: what the plan is given */
	int64_t now;
	uint64_t ticks, builds, deaths;
	bool with_base;
};

/* One tick's. */
struct tick {
	struct listing listing;
	struct plan plan;
	struct arena arena;
	struct intake intake;
};

static int64_t below(struct sim *s, int64_t n)
{
	return sim_below(&s->feed, n);
}

static void sim_make(struct sim *s, const struct config *cfg, uint64_t seed)
{
	*s = (struct sim){.cfg = *cfg, .now = START};
	feed_sim_make(&s->feed, SLICES, seed);
	ref_make(&s->ref, &s->feed, &s->cfg);
	s->rows = calloc(SLICES, sizeof(*s->rows));
	s->known = calloc(SLICES, sizeof(*s->known));
	s->read = calloc(SLICES, sizeof(*s->read));
	s->given = calloc(SLICES, sizeof(*s->given));
	if (!s->rows || !s->known || !s->read || !s->given)
		abort();
}

static void sim_release(struct sim *s)
{
	free(s->feed.slices);
	free(s->ref.slices);
	free(s->ref.wants);
	free(s->rows);
	free(s->known);
	free(s->read);
	free(s->given);
}

static void tick_plan(struct sim *s, struct tick *t)
{
	struct plan_input in = {.cfg = &s->cfg,
		.now = s->now,
		.listing = &t->listing,
		.rows = s->given,
		.watermark = s->ref.watermark,
		.base_at = s->ref.base_at};

	*t = (struct tick){0};
	feed_sim_list(&s->feed, plan_horizon(&s->cfg, in.watermark, in.base_at), s->now, &t->listing);
	for (size_t n = s->ref.low; n < SLICES && n < s->ref.high; n++)
		if (s->known[n])
			s->given[in.row_count++] = s->rows[n];
	if (plan_make(&in, &t->plan, NULL) < 0)
		abort();
}

static void tick_release(struct tick *t)
{
	plan_release(&t->plan);
	listing_release(&t->listing);
	arena_release(&t->arena);
	free(t->intake.files);
	free(t->intake.partitions);
}

/* ---- the plan against the reference ---- */

static void complain(const struct sim *s, size_t n, const struct plan_item *item)
{
	const struct ref_want *w = &s->ref.wants[n];

	tap_fail("tick %llu, slice %zu, was %s/%s: %s%s/%s, want %s%s/%s", (unsigned long long)s->ticks, n,
		s->known[n] ? partition_state_name(s->ref.slices[n].state) : "unknown",
		s->known[n] ? s->ref.slices[n].reason : "", item->action == PLAN_INDEX ? "index " : "",
		partition_state_name(item->state), item->reason, w->index ? "index " : "",
		partition_state_name(w->state), w->reason);
}

/* The same files to read and to undo? */
static bool same_files(const struct plan_item *item, const struct ref_want *w)
{
	size_t reads = 0, vanished = 0;

	for (size_t i = 0; i < FILES; i++) {
		if (w->read[i] && (reads == item->read_count ||
					  !slice_eq(item->read[reads++]->path, slice_str(sim_names[i]))))
			return false;
		if (w->vanished[i] &&
			(vanished == item->vanished_count ||
				!slice_eq(item->vanished[vanished++]->path, slice_str(sim_names[i]))))
			return false;
	}
	return reads == item->read_count && vanished == item->vanished_count;
}

static void check_plan(struct sim *s, const struct plan *p)
{
	size_t k = 0;

	for (size_t n = s->ref.low; n < s->ref.high; n++) {
		const struct ref_want *w = &s->ref.wants[n];
		const struct plan_item *item = &p->items[k];

		if (!w->present)
			continue;
		if (k == p->count || item->ts != sim_ts(n)) {
			tap_fail("tick %llu: no item for slice %zu", (unsigned long long)s->ticks, n);
			return;
		}
		k++;
		if (w->index != (item->action == PLAN_INDEX) || item->state != w->state ||
			strcmp(item->reason, w->reason) != 0 || (w->index && !same_files(item, w)))
			complain(s, n, item);
	}
	check_int(p->count, k);
	check_int(p->watermark, s->ref.moved);
	check_int(p->more, s->ref.more);
	check_int(p->replaces, s->ref.replaces);
	if (p->watermark < s->ref.watermark)
		tap_fail("the watermark moves back");
	if (p->more ? p->next_due != s->now : p->next_due <= s->now)
		tap_fail("the next tick is due at the wrong time");
}

/* ---- what a build makes of it ---- */

/* A reason as the catalog would keep it: not in the plan's memory. */
static struct slice reason_kept(struct slice reason)
{
	static const char *const all[] = {"", "not ended", "settling", "no files", "quiet", "no marker",
		"old", "gone", "bad", "io", "crashed", "uncovered", "superseded", "replaced", "covered"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (slice_eq(slice_str(all[i]), reason))
			return slice_str(all[i]);
	tap_fail("unknown reason \"%.*s\"", (int)reason.len, reason.data);
	return slice_str("");
}

static void catalog_note_rows(struct sim *s, const struct row *rows, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		size_t n = sim_slice_of(rows[k].ts);
		struct file_row read[FILES];

		for (size_t i = 0; i < rows[k].read_count; i++) {
			read[i] = rows[k].read[i];
			read[i].path = slice_str(sim_names[read[i].path.data[0] - 'a']);
		}
		s->known[n] = true;
		s->rows[n] = rows[k];
		s->rows[n].path = slice_str(s->feed.slices[n].path);
		s->rows[n].reason = reason_kept(rows[k].reason);
		memcpy(s->read[n], read, rows[k].read_count * sizeof(read[0]));
		s->rows[n].read = s->read[n];
	}
}

static const struct sim_file *file_of(const struct sim *s, const struct plan_item *item, size_t i)
{
	return &s->feed.slices[sim_slice_of(item->ts)].files[item->read[i]->path.data[0] - 'a'];
}

/* Does any file that is to be read fail the build, or kill it? */
static bool reads(const struct sim *s, const struct plan_item *item, bool deadly)
{
	for (size_t i = 0; item->action == PLAN_INDEX && i < item->read_count; i++) {
		const struct sim_file *f = file_of(s, item, i);

		if (s->now < f->rewritten && (deadly ? f->deadly : f->broken))
			return true;
	}
	return false;
}

static void tick_read(struct sim *s, struct tick *t)
{
	const struct plan *p = &t->plan;

	t->intake.files = calloc(p->to_index * FILES + 1, sizeof(*t->intake.files));
	t->intake.partitions = calloc(p->to_index + 1, sizeof(*t->intake.partitions));
	if (!t->intake.files || !t->intake.partitions)
		abort();
	for (size_t k = 0; k < p->count; k++) {
		const struct plan_item *item = &p->items[k];
		struct intake_partition *part = &t->intake.partitions[t->intake.partition_count];

		if (item->action != PLAN_INDEX)
			continue;
		t->intake.partition_count++;
		*part = (struct intake_partition){.item = item,
			.first = t->intake.file_count,
			.count = item->read_count,
			.vanished = item->vanished,
			.vanished_count = item->vanished_count};
		for (size_t i = 0; i < item->read_count; i++)
			t->intake.files[t->intake.file_count++] =
				(struct intake_file){.item = item, .seen = item->read[i]};
		if (reads(s, item, false)) {
			part->code = -EBADMSG;
			part->reason = (char *)(uintptr_t) "bad";
		} else if (below(s, 200) == 0) {
			part->code = -EIO;
			part->reason = (char *)(uintptr_t) "io";
		}
	}
}

static void tick_finish(struct sim *s, struct tick *t)
{
	struct outcome_input in = {.plan = &t->plan,
		.intake = &t->intake,
		.generation = s->ticks,
		.plan_now = s->now,
		.began = s->now};
	bool replaced = false;
	struct row *rows;
	size_t count;

	tick_read(s, t);
	for (size_t k = 0; k < t->intake.partition_count; k++) {
		const struct intake_partition *part = &t->intake.partitions[k];

		ref_indexed(&s->ref, sim_slice_of(part->item->ts), part->reason, part->code == -EIO);
		replaced = replaced || (t->plan.replaces && !part->code);
	}
	in.horizon = plan_horizon(&s->cfg, s->ref.watermark, s->ref.base_at);
	if (outcome_rows(&in, &t->arena, &rows, &count, NULL) < 0)
		abort();
	catalog_note_rows(s, rows, count);
	ref_noted(&s->ref, replaced);
	s->builds += t->intake.partition_count > 0;
}

static void tick_die(struct sim *s, struct tick *t, bool in_order)
{
	struct row *rows;
	size_t count;

	if (outcome_begin(&t->plan, s->now, &t->arena, &rows, &count, NULL) < 0)
		abort();
	catalog_note_rows(s, rows, count);
	if (!in_order) {
		ref_died(&s->ref);
		s->deaths++;
		return;
	}
	if (outcome_take_back(&t->plan, s->now, &t->arena, &rows, &count, NULL) < 0)
		abort();
	catalog_note_rows(s, rows, count);
	ref_stopped(&s->ref);
}

static void check_rows(const struct sim *s)
{
	for (size_t n = s->ref.low; n < s->ref.high; n++) {
		const struct ref_slice *want = &s->ref.slices[n];
		const struct row *row = &s->rows[n];

		if (!want->known)
			continue;
		if (row->state != want->state || strcmp(row->reason.data, want->reason) != 0 ||
			row->has_content != want->content || row->attempts != want->deaths ||
			row->retry_at != want->retry_at)
			tap_fail(
				"tick %llu, slice %zu: the row is %s/%s, content %d, attempts %u; want %s/%s, %d, %u",
				(unsigned long long)s->ticks, n, partition_state_name(row->state),
				row->reason.data, row->has_content, row->attempts,
				partition_state_name(want->state), want->reason, want->content, want->deaths);
	}
}

/* With no file changing and before `next_due`, a tick that went well leaves nothing to do. */
static void check_done(struct sim *s, int64_t now)
{
	int64_t then = s->now;
	struct tick t;

	s->now = now;
	tick_plan(s, &t);
	if (t.plan.to_index || (now == then && t.plan.to_note))
		tap_fail("tick %llu is not done when it is done", (unsigned long long)s->ticks);
	tick_release(&t);
	s->now = then;
}

/* One tick; returns when the plan wants the next. */
static int64_t tick(struct sim *s)
{
	bool dies = below(s, 400) == 0, stops = below(s, 400) == 0, fails = false;
	struct tick t;
	int64_t due, next;

	ref_tick(&s->ref, s->now);
	tick_plan(s, &t);
	check_plan(s, &t.plan);
	for (size_t k = 0; k < t.plan.count; k++)
		dies = dies || reads(s, &t.plan.items[k], true);
	if (t.plan.to_index && (dies || stops))
		tick_die(s, &t, !dies);
	else
		tick_finish(s, &t);
	check_rows(s);
	for (size_t k = 0; k < t.intake.partition_count; k++)
		fails = fails || t.intake.partitions[k].code;
	for (size_t k = 0; k < t.plan.count; k++) /* when to try again stands in the row only */
		fails = fails ||
			(t.plan.items[k].action == PLAN_NOTE && t.plan.items[k].state == PART_FAILED);
	due = t.plan.next_due;
	next = feed_sim_next(&s->feed, s->now);
	if (!t.plan.more && !fails && !(t.plan.to_index && (dies || stops)) && s->ticks % 8 == 0) {
		check_done(s, s->now);
		check_done(s, (due < next ? due : next) - 1);
	}
	tick_release(&t);
	s->ticks++;
	return due;
}

/* A base of some time inside the window, never an older one than the last, comes about once a day. */
static void swap_base(struct sim *s)
{
	int64_t horizon = plan_horizon(&s->cfg, s->ref.watermark, s->ref.base_at), at;

	if (!s->with_base || s->ref.watermark == TIME_NONE || horizon < START || below(s, 500))
		return;
	at = horizon + below(s, s->ref.watermark - horizon) + CADENCE;
	if (at > s->ref.base_at)
		s->ref.base_at = at;
}

static void run_month(struct sim *s)
{
	int64_t end = START + (int64_t)SLICES * CADENCE + 12 * TIME_HOUR;

	while (s->now < end && !tap_bad) {
		int64_t due = tick(s), event = feed_sim_next(&s->feed, s->now);
		int64_t next = due < event ? due : event;

		if (below(s, 500) == 0) /* down for a while, at times longer than the window */
			s->now += below(s, 6 * TIME_HOUR);
		else if (below(s, 500) == 0 && s->now > START + TIME_HOUR) /* the clock is set back */
			s->now -= below(s, TIME_MINUTE);
		else if (below(s, 10) >= TO_EVENT && next > s->now)
			s->now += below(s, next - s->now) + 1;
		else
			s->now = next;
		swap_base(s);
	}
}

/* ---- cases ---- */

static uint64_t total;

/* Every state and reason that is there to be had has come up. */
static void check_variety(const struct sim *s)
{
	uint64_t states[PART_STATES] = {0}, uncovered = 0;

	for (size_t n = 0; n < SLICES; n++) {
		if (!s->known[n])
			continue;
		states[s->rows[n].state]++;
		uncovered += row_is_uncovered(&s->rows[n]);
	}
	printf("# %llu ticks, %llu builds, %llu deaths:", (unsigned long long)s->ticks,
		(unsigned long long)s->builds, (unsigned long long)s->deaths);
	for (int i = 0; i < PART_STATES; i++)
		printf(" %llu %s", (unsigned long long)states[i],
			partition_state_name((enum partition_state)i));
	printf(", %llu uncovered\n", (unsigned long long)uncovered);
	check(states[PART_EXPIRED] > SLICES / 4);
	check(states[PART_SKIPPED] > 0);
	check(s->builds > SLICES / 4);
	check(s->deaths > 10);
	total += s->ticks;
}

static void run_policy(enum lag_policy policy, int64_t overlap)
{
	static const enum complete_rule rules[] = {COMPLETE_RATE, COMPLETE_MARKER, COMPLETE_BOTH};
	uint64_t seed = seed_take(20260504);

	for (unsigned k = 0; k < 9 && !tap_bad; k += SKIP) {
		const struct config cfg = {.cadence = CADENCE,
			.quiet = 2 * TIME_SECOND,
			.settle = k >= 3 ? 20 * TIME_SECOND : 0,
			.window = k == 4 ? 2 * TIME_HOUR : 5 * TIME_HOUR,
			.complete = rules[k % 3],
			.policy = policy,
			.overlap = overlap,
			.gap_timeout = k == 1 ? 0 : TIME_HOUR};
		struct sim s;

		sim_make(&s, &cfg, seed + k + 16 * (uint64_t)policy);
		s.with_base = k >= 6;
		run_month(&s);
		check_variety(&s);
		sim_release(&s);
	}
}

static void months_of_latest_are_as_the_reference_says(void)
{
	run_policy(POLICY_LATEST, -1);
}

static void months_of_newest_are_as_the_reference_says(void)
{
	run_policy(POLICY_NEWEST, TIME_HOUR);
}

static void months_of_replay_are_as_the_reference_says(void)
{
	run_policy(POLICY_REPLAY, -1);
}

static void these_were_a_million_ticks(void)
{
	printf("# %llu ticks\n", (unsigned long long)total);
	check(total >= 1000000 / SKIP);
}

int main(void)
{
	RUN(months_of_latest_are_as_the_reference_says);
	RUN(months_of_newest_are_as_the_reference_says);
	RUN(months_of_replay_are_as_the_reference_says);
	RUN(these_were_a_million_ticks);
	return tap_done();
}
