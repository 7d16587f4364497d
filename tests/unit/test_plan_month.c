/* SPDX-License-Identifier: Apache-2.0 */
/* A month of a feed through the plan alone: producers that are early, late or never there, files that are
 * added, rewritten and removed, builds that fail, a clock that jumps. After each tick the rows become what the
 * plan said. Every rule that must hold at all times is checked at each tick. */
#include "plan.h"

#include "scratch.h"
#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define START (1775001600 * TIME_SECOND) /* 2026-04-01 */
#define CADENCE (5 * TIME_MINUTE)
#define QUIET (2 * TIME_SECOND)
#define WINDOW (5 * TIME_HOUR)
#define SLICES (30 * 288u)
#define FILES 3u /* at most, in a partition */
#define NEVER TIME_FOREVER

struct sim_file {
	int64_t comes, goes; /* NEVER */
	int64_t rewritten;
	bool broken;    /* reading it fails */
	unsigned taken; /* times that its records were indexed */
};

struct sim_slice {
	struct sim_file files[FILES];
	int64_t marker; /* when it comes */
	char path[24];
};

struct sim {
	struct config cfg;
	uint64_t seed;
	struct sim_slice *slices;
	struct row *rows; /* one a slice; those that were never seen have `known` false */
	bool *known;
	struct file_row (*read)[FILES];
	int64_t now, watermark;
	uint64_t ticks, builds;
};

static const char *const names[FILES] = {"a.jsonl", "b.jsonl", "c.jsonl"};

static int64_t below(struct sim *s, int64_t n)
{
	return (int64_t)(seed_next(&s->seed) >> 1) % n;
}

/* Most files come within seconds of the slice's end, some in it, some minutes or hours later, some never. */
static int64_t lateness(struct sim *s)
{
	switch (below(s, 20)) {
	case 0:
		return NEVER;
	case 1:
	case 2:
		return below(s, 8 * TIME_HOUR);
	case 3:
	case 4:
		return below(s, 10 * TIME_MINUTE);
	case 5:
		return -below(s, CADENCE);
	default:
		return below(s, 5 * TIME_SECOND);
	}
}

static void slice_make(struct sim *s, size_t n)
{
	struct sim_slice *slice = &s->slices[n];
	int64_t end = START + (int64_t)(n + 1) * CADENCE;
	size_t files = 1 + (size_t)below(s, FILES);

	snprintf(slice->path, sizeof(slice->path), "slice=%05zu", n);
	slice->marker = time_add(lateness(s), end);
	for (size_t i = 0; i < FILES; i++) {
		struct sim_file *f = &slice->files[i];

		*f = (struct sim_file){NEVER, NEVER, NEVER, false, 0};
		if (i >= files)
			continue;
		f->comes = time_add(lateness(s), end);
		if (below(s, 30) == 0)
			f->goes = time_add(f->comes, below(s, 3 * TIME_HOUR));
		if (below(s, 30) == 0)
			f->rewritten = time_add(f->comes, below(s, 3 * TIME_HOUR));
		f->broken = below(s, 200) == 0;
	}
}

static void sim_make(struct sim *s, enum complete_rule rule, uint64_t seed)
{
	*s = (struct sim){
		.cfg = {.cadence = CADENCE, .quiet = QUIET, .window = WINDOW, .complete = rule},
		.seed = seed,
		.now = START,
		.watermark = TIME_NONE,
	};
	s->slices = calloc(SLICES, sizeof(*s->slices));
	s->rows = calloc(SLICES, sizeof(*s->rows));
	s->known = calloc(SLICES, sizeof(*s->known));
	s->read = calloc(SLICES, sizeof(*s->read));
	if (!s->slices || !s->rows || !s->known || !s->read)
		abort();
	for (size_t n = 0; n < SLICES; n++)
		slice_make(s, n);
}

static void sim_release(struct sim *s)
{
	free(s->slices);
	free(s->rows);
	free(s->known);
	free(s->read);
}

static size_t slice_of_ts(int64_t ts)
{
	return ts < START ? 0 : (size_t)((ts - START) / CADENCE);
}

/* The first slice that is inside the horizon. */
static size_t first_inside(const struct sim *s)
{
	int64_t horizon = plan_horizon(&s->cfg, s->watermark);

	return horizon < START ? 0 : slice_of_ts(horizon) + 1;
}

/* What a listing would find of a slice now; false: no directory yet. */
static bool slice_list(const struct sim *s, size_t n, struct feed_partition *p, struct feed_file *files)
{
	const struct sim_slice *slice = &s->slices[n];
	bool there = s->now >= slice->marker;

	*p = (struct feed_partition){
		.ts = START + (int64_t)n * CADENCE, .path = slice_str(slice->path), .files = files};
	p->has_marker = there;
	p->fingerprint = 1 + there;
	for (size_t i = 0; i < FILES; i++) {
		const struct sim_file *f = &slice->files[i];
		int64_t time = s->now >= f->rewritten ? f->rewritten : f->comes;

		there = there || s->now >= f->comes;
		if (s->now < f->comes || s->now >= f->goes)
			continue;
		files[p->file_count++] = (struct feed_file){slice_str(names[i]), 1, time, time};
		p->fingerprint = (p->fingerprint * 31 + i + 1) * UINT64_C(1000000007) + (uint64_t)time;
	}
	return there;
}

static void sim_list(const struct sim *s, struct listing *l)
{
	size_t n = first_inside(s), to = slice_of_ts(s->now) + 1;
	struct feed_file *files;

	*l = (struct listing){0};
	to = to > SLICES ? SLICES : to;
	l->partitions = arena_alloc(&l->arena, (to - n + 1) * sizeof(l->partitions[0]));
	files = arena_alloc(&l->arena, (to - n + 1) * FILES * sizeof(files[0]));
	for (; n < to; n++, files += FILES)
		l->count += slice_list(s, n, &l->partitions[l->count], files);
}

/* All rows from a bit before the horizon on, as the catalog might give them. */
static size_t sim_rows(const struct sim *s, struct row *rows)
{
	size_t count = 0, n = first_inside(s);

	n -= n > 0;
	for (; n < SLICES; n++)
		if (s->known[n])
			rows[count++] = s->rows[n];
	return count;
}

static void check_taken(struct sim *s, const struct plan_item *item, const struct feed_file *file)
{
	size_t n = slice_of_ts(item->ts), i = (size_t)(file->path.data[0] - 'a');
	bool by_rate = s->cfg.complete != COMPLETE_MARKER;

	if (s->slices[n].files[i].taken++)
		tap_fail("%s of slice %zu is indexed again", names[i], n);
	if (s->now < item->ts + CADENCE)
		tap_fail("slice %zu is indexed before it ends", n);
	if (by_rate && s->now < file->mtime + QUIET)
		tap_fail("%s of slice %zu is indexed while it is young", names[i], n);
	if (s->cfg.complete != COMPLETE_RATE && s->now < s->slices[n].marker)
		tap_fail("slice %zu is indexed without its marker", n);
}

/* What a build does to the row of a partition that it indexed. */
static void row_index(struct sim *s, struct row *row, const struct plan_item *item)
{
	struct file_row *read = s->read[slice_of_ts(item->ts)];
	size_t count = row->read_count;

	for (size_t i = 0; i < item->read_count; i++) {
		const struct feed_file *f = item->read[i];
		size_t at = count++;

		check_taken(s, item, f);
		for (; at > 0 && slice_cmp(read[at - 1].path, f->path) > 0; at--)
			read[at] = read[at - 1];
		read[at] = (struct file_row){
			.path = f->path, .size = f->size, .mtime = f->mtime, .ctime = f->ctime};
		read[at].path = slice_str(names[f->path.data[0] - 'a']);
	}
	row->read = read;
	row->read_count = count;
}

static bool reads_broken_file(const struct sim *s, const struct plan_item *item)
{
	for (size_t i = 0; i < item->read_count; i++)
		if (s->slices[slice_of_ts(item->ts)].files[item->read[i]->path.data[0] - 'a'].broken)
			return true;
	return false;
}

/* A reason as the catalog would keep it: not in the plan's memory. */
static struct slice reason_kept(const char *reason)
{
	static const char *const all[] = {"", "not ended", "settling", "no files", "quiet", "no marker",
		"old", "rewritten", "vanished", "gone", "bad"};

	for (size_t i = 0; i < COUNT(all); i++)
		if (!strcmp(all[i], reason))
			return slice_str(all[i]);
	tap_fail("unknown reason \"%s\"", reason);
	return slice_str("");
}

static struct row *row_of(struct sim *s, const struct plan_item *item)
{
	size_t n = slice_of_ts(item->ts);

	if (!s->known[n])
		s->rows[n] = (struct row){
			.ts = item->ts, .path = slice_str(s->slices[n].path), .retry_at = TIME_NONE};
	s->known[n] = true;
	return &s->rows[n];
}

static void row_set(struct row *row, enum partition_state state, const char *reason, uint64_t fingerprint)
{
	row->state = state;
	row->reason = reason_kept(reason);
	row->fingerprint = fingerprint;
}

/* Fails the partitions of the plan that cannot be read. Returns how many. */
static size_t fail_broken(struct sim *s, const struct plan *p)
{
	size_t failed = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];

		if (item->action != PLAN_INDEX || !reads_broken_file(s, item))
			continue;
		row_set(row_of(s, item), PART_FAILED, "bad", item->fingerprint);
		failed++;
	}
	return failed;
}

static void apply(struct sim *s, const struct plan *p)
{
	if (p->watermark < s->watermark)
		tap_fail("the watermark moved back at tick %llu", (unsigned long long)s->ticks);
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];
		struct row *row;

		if (i && p->items[i - 1].ts >= item->ts)
			tap_fail("items are out of order");
		if (item->action == PLAN_KEEP)
			continue;
		row = row_of(s, item);
		if (item->action == PLAN_INDEX)
			row_index(s, row, item);
		row_set(row, item->state, item->reason, item->fingerprint);
	}
	s->builds += p->to_index > 0;
	s->watermark = p->watermark;
}

static void plan_now(const struct sim *s, struct plan *p, struct listing *l, struct row *rows)
{
	struct plan_input in = {.cfg = &s->cfg, .now = s->now, .listing = l, .rows = rows};

	sim_list(s, l);
	in.row_count = sim_rows(s, rows);
	in.watermark = s->watermark;
	if (plan_make(&in, p, NULL) < 0)
		abort();
}

static void plan_drop(struct plan *p, struct listing *l)
{
	plan_release(p);
	listing_release(l);
}

/* The next time at which anything about the files changes by itself. */
static int64_t next_event(const struct sim *s)
{
	int64_t next = NEVER;
	size_t from = slice_of_ts(s->now), to = from + 2;

	from = from > 200 ? from - 200 : 0; /* nothing is later than 11 h + 5 min */
	for (size_t n = from; n < to && n < SLICES; n++) {
		const struct sim_slice *slice = &s->slices[n];
		int64_t times[1 + 3 * FILES] = {slice->marker};

		for (size_t i = 0; i < FILES; i++) {
			times[1 + 3 * i] = slice->files[i].comes;
			times[2 + 3 * i] = slice->files[i].goes;
			times[3 + 3 * i] = slice->files[i].rewritten;
		}
		for (size_t i = 0; i < COUNT(times); i++)
			if (times[i] > s->now && times[i] < next)
				next = times[i];
	}
	return next;
}

/* One tick; returns when the plan wants the next. */
static int64_t tick(struct sim *s, struct row *rows)
{
	struct listing l;
	struct plan p;
	int64_t due;

	plan_now(s, &p, &l, rows);
	while (fail_broken(s, &p)) {
		plan_drop(&p, &l);
		plan_now(s, &p, &l, rows);
	}
	apply(s, &p);
	plan_drop(&p, &l);
	plan_now(s, &p, &l, rows);
	if (p.to_index || p.to_note)
		tap_fail("tick %llu is not done when it is done", (unsigned long long)s->ticks);
	due = p.next_due;
	if (due <= s->now)
		tap_fail("the next tick is due in the past");
	plan_drop(&p, &l);
	s->ticks++;
	return due;
}

/* Before `next_due`, and with no file changing, a tick must find nothing to index. */
static void check_nothing_before(struct sim *s, int64_t due, struct row *rows)
{
	int64_t now = s->now, event = next_event(s);
	struct listing l;
	struct plan p;

	s->now = (due < event ? due : event) - 1;
	if (s->now > now) {
		plan_now(s, &p, &l, rows);
		if (p.to_index)
			tap_fail("something is to index before it is due");
		plan_drop(&p, &l);
	}
	s->now = now;
}

static void run_month(struct sim *s)
{
	int64_t end = START + (int64_t)SLICES * CADENCE + 12 * TIME_HOUR;
	struct row *rows = calloc(SLICES, sizeof(*rows));

	if (!rows)
		abort();
	while (s->now < end && !tap_bad) {
		int64_t due = tick(s, rows), event = next_event(s);

		if (s->ticks % 7 == 0)
			check_nothing_before(s, due, rows);
		if (below(s, 500) == 0) { /* down for a while, at times longer than the window */
			s->now += below(s, 6 * TIME_HOUR);
		} else if (below(s, 500) == 0 && s->now > START + TIME_HOUR) { /* the clock is set back */
			s->now -= below(s, TIME_MINUTE);
		} else {
			s->now = due < event ? due : event;
		}
	}
	free(rows);
}

/* A slice has a state at the end if anything of it was ever to be seen inside the horizon. */
static void check_every_slice_is_accounted_for(const struct sim *s)
{
	uint64_t states[PART_STATES] = {0};

	for (size_t n = 0; n < SLICES; n++) {
		const struct row *row = &s->rows[n];
		bool says_nothing_needs_no_reason;

		if (!s->known[n])
			continue;
		states[row->state]++;
		says_nothing_needs_no_reason = row->state == PART_PUBLISHED || row->state == PART_EXPIRED;
		if (!row->reason.len && !says_nothing_needs_no_reason)
			tap_fail("slice %zu is %s without a reason", n, partition_state_name(row->state));
		if (row->state == PART_COMPLETE)
			tap_fail("slice %zu stayed complete", n);
		if (row->ts <= plan_horizon(&s->cfg, s->watermark) && row->state != PART_SKIPPED &&
			row->state != PART_EXPIRED)
			tap_fail("slice %zu is %s outside the horizon", n, partition_state_name(row->state));
	}
	printf("# %llu ticks, %llu builds:", (unsigned long long)s->ticks, (unsigned long long)s->builds);
	for (int i = 0; i < PART_STATES; i++)
		printf(" %llu %s", (unsigned long long)states[i],
			partition_state_name((enum partition_state)i));
	printf("\n");
	check(states[PART_EXPIRED] > SLICES / 2);
	check(states[PART_SKIPPED] > 0);
	check(s->builds > SLICES / 4);
}

static void run_rule(enum complete_rule rule)
{
	struct sim s;

	sim_make(&s, rule, seed_take(20260504 + (uint64_t)rule));
	run_month(&s);
	check_every_slice_is_accounted_for(&s);
	sim_release(&s);
}

static void a_month_by_rate_keeps_every_promise(void)
{
	run_rule(COMPLETE_RATE);
}

static void a_month_by_marker_keeps_every_promise(void)
{
	run_rule(COMPLETE_MARKER);
}

static void a_month_by_both_keeps_every_promise(void)
{
	run_rule(COMPLETE_BOTH);
}

/* Restarts and pace must not show: one that looks at each event and one that looks every 20 minutes agree on
 * which slices hold content, where all files come before the slice leaves the window. */
static void pace_does_not_decide_what_is_published(void)
{
	static const int64_t paces[] = {TIME_MINUTE, 20 * TIME_MINUTE};
	struct row *rows = calloc(SLICES, sizeof(*rows));
	struct sim sims[2];

	for (size_t k = 0; k < 2; k++) {
		struct sim *s = &sims[k];

		sim_make(s, COMPLETE_RATE, 7);
		s->cfg.window = TIME_FOREVER;
		for (size_t n = 0; n < SLICES; n++)
			for (size_t i = 0; i < FILES; i++)
				s->slices[n].files[i] = (struct sim_file){
					s->slices[n].files[i].comes, NEVER, NEVER, false, 0};
		for (; s->now < START + 3 * 24 * TIME_HOUR; s->now += paces[k])
			tick(s, rows);
		tick(s, rows);
	}
	for (size_t n = 0; n < SLICES; n++) {
		check(sims[0].known[n] == sims[1].known[n]);
		check(sims[0].rows[n].state == sims[1].rows[n].state);
		check(sims[0].rows[n].read_count == sims[1].rows[n].read_count);
		check(slice_eq(sims[0].rows[n].reason, sims[1].rows[n].reason));
	}
	check_int(sims[0].watermark, sims[1].watermark);
	sim_release(&sims[0]);
	sim_release(&sims[1]);
	free(rows);
}

int main(void)
{
	RUN(a_month_by_rate_keeps_every_promise);
	RUN(a_month_by_marker_keeps_every_promise);
	RUN(a_month_by_both_keeps_every_promise);
	RUN(pace_does_not_decide_what_is_published);
	return tap_done();
}
