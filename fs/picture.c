/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"
#include "human.h"

#include <assert.h>
#include <inttypes.h>

#define BAR_SPAN_MIN (5 * TIME_MINUTE)
#define FAILED_LINES 3
#define LATE_NAMED 4

const char *mark_name(unsigned mark)
{
	if (mark < PART_STATES)
		return partition_state_name((enum partition_state)mark);
	return mark == MARK_LATE ? "late" : "none";
}

/* --- slices --- */

/* Which of several in one slice is shown: what may need somebody comes first. */
static unsigned weight(enum partition_state state)
{
	static const unsigned char weights[PART_STATES] = {
		[PART_FAILED] = 7,
		[PART_BUILDING] = 6,
		[PART_COMPLETE] = 5,
		[PART_OPEN] = 4,
		[PART_SKIPPED] = 3,
		[PART_PUBLISHED] = 2,
		[PART_EXPIRED] = 1,
	};

	return (unsigned)state < PART_STATES ? weights[state] : 0;
}

/* Is there to be a partition in the slice that starts then? */
static bool is_expected(const struct status *s, int64_t ts)
{
	if (s->horizon != TIME_NONE && ts <= s->horizon)
		return false;
	return s->base_at == TIME_NONE || time_add(ts, s->cadence) > s->base_at;
}

/* How many slices behind the newest partition should be there by now: a cadence after they ended, since producers take their time too. */
static int64_t late_behind(const struct picture *p, int64_t newest)
{
	int64_t n = time_slot(p->now, p->status->cadence) - 2 - newest;

	return n > 0 ? n : 0;
}

static void begin_slices(struct picture *p, int64_t oldest, int64_t newest)
{
	const struct status *s = p->status;
	int64_t behind = late_behind(p, newest), trail = behind < PICTURE_TRAIL ? behind : PICTURE_TRAIL;
	int64_t last = newest + trail, first = last - PICTURE_SLICES + 1;

	if (first < oldest)
		first = oldest;
	p->slice_count = (size_t)(last - first + 1);
	p->behind = (uint64_t)behind;
	p->trail = (size_t)trail;
	for (size_t i = 0; i < p->slice_count; i++) {
		int64_t ts = (first + (int64_t)i) * s->cadence;

		p->slices[i] = (struct picture_slice){ts, is_expected(s, ts) ? MARK_LATE : MARK_NONE, NULL};
	}
}

static void gather_slices(struct picture *p, const struct row *rows, size_t count)
{
	int64_t cadence = p->status->cadence, first;
	size_t i = count;

	if (!count)
		return;
	begin_slices(p, time_slot(rows[0].ts, cadence), time_slot(rows[count - 1].ts, cadence));
	first = time_slot(p->slices[0].ts, cadence);
	for (; i && count - i < PICTURE_ROWS && time_slot(rows[i - 1].ts, cadence) >= first; i--) {
		const struct row *row = &rows[i - 1];
		struct picture_slice *slice = &p->slices[time_slot(row->ts, cadence) - first];

		if (!slice->row || weight(row->state) > weight(slice->row->state))
			*slice = (struct picture_slice){row->ts, row->state, row};
	}
	p->older = i;
	for (i = 0; i < p->slice_count; i++) {
		if (p->slices[i].mark == MARK_LATE && i + p->trail < p->slice_count)
			p->holes++;
	}
}

/* --- freshness --- */

static void add_to_bar(struct picture_bar *bar, int64_t waiting, int64_t building)
{
	if (!bar->partitions++ || time_add(waiting, building) > time_add(bar->waiting, bar->building)) {
		bar->waiting = waiting;
		bar->building = building;
	}
}

static void gather_bars(struct picture *p, const struct row *rows, size_t count)
{
	int64_t cadence = p->status->cadence, first = TIME_NONE, waiting, building, slot;

	p->bar_span = cadence > BAR_SPAN_MIN ? cadence : BAR_SPAN_MIN;
	for (size_t i = count; i && count - i < PICTURE_ROWS; i--) {
		if (!status_took(&rows[i - 1], cadence, &waiting, &building))
			continue;
		slot = time_slot(rows[i - 1].ts, p->bar_span);
		if (first == TIME_NONE)
			first = slot - PICTURE_BARS + 1;
		if (slot < first)
			break;
		if (p->bar_count < (size_t)(first + PICTURE_BARS - slot))
			p->bar_count = (size_t)(first + PICTURE_BARS - slot);
		add_to_bar(&p->bars[slot - first], waiting, building);
	}
	/* Up to the oldest there is nothing to draw. */
	memmove(p->bars, p->bars + PICTURE_BARS - p->bar_count, p->bar_count * sizeof(p->bars[0]));
	for (size_t i = 0; i < p->bar_count; i++)
		p->bars[i].ts = (first + PICTURE_BARS - (int64_t)(p->bar_count - i)) * p->bar_span;
}

static int compare(const void *a, const void *b)
{
	int64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* The smallest round duration that is not below. */
static int64_t round_up(int64_t d)
{
	static const unsigned seconds[] = {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
		18000, 43200, 86400, 172800, 432000, 864000, 2592000, 8640000, 31536000};

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		if (d <= seconds[i] * TIME_SECOND)
			return seconds[i] * TIME_SECOND;
	}
	return d;
}

/* One that took days, as the first build of an old feed does, must not make all others invisible. */
static int64_t choose_scale(const int64_t *totals, size_t n)
{
	int64_t most = totals[n * 9 / 10], worst = totals[n - 1];

	return round_up(worst / 4 > most ? most : worst);
}

static void sum_bars_up(struct picture *p)
{
	int64_t waiting[PICTURE_BARS], building[PICTURE_BARS], totals[PICTURE_BARS], worst = -1;
	size_t n = 0;

	for (size_t i = 0; i < p->bar_count; i++) {
		const struct picture_bar *bar = &p->bars[i];

		if (!bar->partitions)
			continue;
		waiting[n] = bar->waiting;
		building[n] = bar->building;
		totals[n] = time_add(bar->waiting, bar->building);
		if (totals[n] > worst) {
			worst = totals[n];
			p->slowest = bar;
		}
		n++;
	}
	if (!n)
		return;
	qsort(waiting, n, sizeof(waiting[0]), compare);
	qsort(building, n, sizeof(building[0]), compare);
	qsort(totals, n, sizeof(totals[0]), compare);
	p->waiting = waiting[n / 2];
	p->building = building[n / 2];
	p->scale = choose_scale(totals, n);
}

/* --- rejects --- */

static void gather_rejects(struct picture *p, const struct row *rows, size_t count)
{
	for (size_t i = count; i && count - i < PICTURE_ROWS; i--) {
		if (!rows[i - 1].rejected)
			continue;
		if (p->reject_count < PICTURE_LIST)
			p->rejects[p->reject_count++] = &rows[i - 1];
		p->reject_partitions++;
	}
}

/* --- what to know now --- */

/* What is appended to p->text from here on is a line of its own; end_line() sets its length. */
static struct buf *begin_line(struct picture *p, enum picture_grade grade)
{
	assert(p->line_count < PICTURE_LINES);
	p->lines[p->line_count++] = (struct picture_line){grade, p->text.len, 0};
	return &p->text;
}

static void end_line(struct picture *p)
{
	struct picture_line *line = &p->lines[p->line_count - 1];

	line->len = p->text.len - line->at;
}

static void say(struct picture *p, enum picture_grade grade, const char *text)
{
	buf_add_str(begin_line(p, grade), text);
	end_line(p);
}

static void say_error(struct picture *p)
{
	struct buf *out;

	if (!*p->status->last_error)
		return;
	out = begin_line(p, GRADE_BAD);
	buf_add_str(out, "The last look, build, merge or publishing went wrong: ");
	human_add_text(slice_str(p->status->last_error), PICTURE_TEXT_MAX, out);
	end_line(p);
}

static void say_too_old(struct picture *p)
{
	char text[HUMAN_MAX];

	if (status_time_left(p->status, p->now) >= 0)
		return;
	buf_addf(begin_line(p, GRADE_BAD),
		"The index is older than max_age, %s: a mount answers \"Stale file handle\" for its terms and documents.",
		human_duration(p->status->max_age, text));
	end_line(p);
}

static void say_failed(struct picture *p, const struct row *rows, size_t count)
{
	uint64_t left = p->status->partitions[PART_FAILED];
	unsigned said = 0;
	struct buf *out;

	for (size_t i = count; i && left && said < FAILED_LINES && count - i < PICTURE_ROWS; i--) {
		if (rows[i - 1].state != PART_FAILED)
			continue;
		out = begin_line(p, GRADE_BAD);
		human_add_text(rows[i - 1].path, PICTURE_TEXT_MAX, out);
		buf_add_str(out, " has failed: ");
		human_add_text(rows[i - 1].reason, PICTURE_TEXT_MAX, out);
		end_line(p);
		said++;
		left--;
	}
	if (!left)
		return;
	buf_addf(begin_line(p, GRADE_BAD), "%" PRIu64 " %spartition%s failed.", left, said ? "more " : "",
		left == 1 ? " has" : "s have");
	end_line(p);
}

static void say_uncovered(struct picture *p)
{
	uint64_t n = p->status->uncovered;

	if (!n)
		return;
	buf_addf(begin_line(p, GRADE_BAD),
		"%" PRIu64 " partition%s data that the index should have and has not (uncovered).", n,
		n == 1 ? " holds" : "s hold");
	end_line(p);
}

/* Holes: nothing has come in a slice though there is something in later ones. */
static void say_holes(struct picture *p)
{
	char clock[HUMAN_MAX];
	size_t named = 0;
	struct buf *out;

	if (!p->holes)
		return;
	out = begin_line(p, GRADE_WARN);
	buf_addf(out, "%zu slice%s late, with newer ones there already: ", p->holes,
		p->holes == 1 ? " is" : "s are");
	for (size_t i = p->slice_count; i && named < LATE_NAMED; i--) {
		if (p->slices[i - 1].mark != MARK_LATE || i - 1 + p->trail >= p->slice_count)
			continue;
		buf_addf(out, "%s%s", named++ ? ", " : "", human_clock(p->slices[i - 1].ts, clock));
	}
	buf_add_str(out, named < p->holes ? ", …" : ".");
	end_line(p);
}

static void say_behind(struct picture *p, const struct row *rows, size_t count)
{
	char ended[HUMAN_MAX], ago[HUMAN_MAX];
	int64_t end;

	if (!p->behind)
		return;
	end = time_add(rows[count - 1].ts, p->status->cadence);
	buf_addf(begin_line(p, GRADE_WARN),
		"Nothing newer has arrived since the slice that ended at %s, %s ago: %" PRIu64
		" slice%s late.",
		human_instant(end, ended), human_duration(p->now - end, ago), p->behind,
		p->behind == 1 ? " is" : "s are");
	end_line(p);
}

static void say_paused(struct picture *p)
{
	if (!p->status->paused)
		return;
	buf_addf(begin_line(p, GRADE_WARN),
		"Builds are paused since the rollback that is generation %" PRIu64
		"; `freshet rollback --resume` lets them go on.",
		p->status->paused);
	end_line(p);
}

static void say_dest(struct picture *p)
{
	const struct status *s = p->status;
	struct buf *out = begin_line(p, GRADE_NOTE);

	buf_addf(out, "Generation %" PRIu64 " is not yet published to ", s->generation);
	human_add_text(slice_str(s->dest), PICTURE_TEXT_MAX, out);
	if (s->dest_generation)
		buf_addf(out, ": generation %" PRIu64 " is", s->dest_generation);
	buf_add_str(out, ".");
	end_line(p);
}

static void say_notes(struct picture *p)
{
	const struct status *s = p->status;
	char text[HUMAN_MAX];

	if (s->rules_changed)
		say(p, GRADE_NOTE,
			"The rules in the configuration have changed; the old ones serve until the next build folds again.");
	if (s->building_since != TIME_NONE) {
		buf_addf(begin_line(p, GRADE_NOTE), "A build has been running for %s.",
			human_duration(p->now - s->building_since, text));
		end_line(p);
	}
	if (p->ahead) {
		buf_addf(begin_line(p, GRADE_NOTE), "%zu partition%s in the future, and %s not drawn.",
			p->ahead, p->ahead == 1 ? " lies" : "s lie", p->ahead == 1 ? "is" : "are");
		end_line(p);
	}
	if (!s->generation)
		say(p, GRADE_NOTE, "Nothing has been published yet.");
	else if (s->dest && s->dest_generation != s->generation)
		say_dest(p);
}

static void gather_lines(struct picture *p, const struct row *rows, size_t count)
{
	say_error(p);
	say_too_old(p);
	say_failed(p, rows, count);
	say_uncovered(p);
	say_holes(p);
	say_behind(p, rows, count);
	say_paused(p);
	say_notes(p);
}

int picture_gather(struct picture *out, const struct status *status, const struct generation *g,
	const struct row *rows, size_t row_count, int64_t now)
{
	size_t past = row_count;

	*out = (struct picture){.status = status, .manifest = g ? &g->manifest : NULL, .now = now};
	/* A misnamed directory of the year 2036 has its row, and no place among the others. */
	while (past && rows[past - 1].ts > now)
		past--;
	out->ahead = row_count - past;
	gather_slices(out, rows, past);
	gather_bars(out, rows, past);
	sum_bars_up(out);
	gather_rejects(out, rows, past);
	gather_lines(out, rows, past);
	return buf_error(&out->text);
}

void picture_release(struct picture *p)
{
	buf_release(&p->text);
}

void picture_add_story(const struct picture_slice *s, int64_t cadence, struct buf *out)
{
	char waited[HUMAN_MAX], built[HUMAN_MAX];
	int64_t waiting, building;

	if (s->mark >= PART_STATES) {
		buf_add_str(out, s->mark == MARK_LATE ? "late, nothing has arrived" : "nothing");
		return;
	}
	buf_add_str(out, mark_name(s->mark));
	if (s->row->reason.len) {
		buf_add_str(out, ": ");
		human_add_text(s->row->reason, PICTURE_REASON_MAX, out);
	}
	if (s->mark == PART_PUBLISHED && status_took(s->row, cadence, &waiting, &building))
		buf_addf(out, ", waited %s, built %s", human_duration(waiting, waited),
			human_duration(building, built));
	if (s->row->rejected)
		buf_addf(out, ", %" PRIu64 " refused", s->row->rejected);
}
