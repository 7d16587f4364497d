/* SPDX-License-Identifier: Apache-2.0 */
#include "status_term.h"
#include "human.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LABEL 12 /* columns */
#define WIDTH_MIN 40
#define WIDTH_MAX (LABEL + PICTURE_SLICES)
#define LEVELS 8
#define LISTED 3

enum colour { PLAIN, DIM, RED, GREEN, YELLOW, BLUE };
static const char *const orders[] = {"\033[0m", "\033[90m", "\033[31m", "\033[32m", "\033[33m", "\033[34m"};

/* [1]: where the locale knows only ASCII. */
static const struct {
	const char *glyph[2];
	enum colour colour;
} marks[MARKS + 1] = {
	[PART_OPEN] = {{"·", "o"}, PLAIN},
	[PART_COMPLETE] = {{"▒", "c"}, YELLOW},
	[PART_BUILDING] = {{"▓", "b"}, YELLOW},
	[PART_PUBLISHED] = {{"█", "#"}, BLUE},
	[PART_FAILED] = {{"✕", "X"}, RED},
	[PART_SKIPPED] = {{"/", "/"}, DIM},
	[PART_EXPIRED] = {{"░", "."}, DIM},
	[MARK_LATE] = {{"_", "_"}, RED},
	[MARK_NONE] = {{" ", " "}, PLAIN},
};
static const char *const levels[2][LEVELS] = {
	{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, {".", ":", "-", "=", "+", "*", "%", "#"}};

static const struct {
	const char *glyph[2];
	enum colour colour;
} grades[] = {
	[GRADE_NOTE] = {{"i", "i"}, PLAIN},
	[GRADE_WARN] = {{"!", "!"}, YELLOW},
	[GRADE_BAD] = {{"✕", "X"}, RED},
};

bool term_open(struct term *out)
{
	const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
	struct winsize size = {0};

	*out = (struct term){.width = 80};
	if (!isatty(STDOUT_FILENO))
		return false;
	/* Only to ask: numbers and messages stay as they are. */
	setlocale(LC_CTYPE, "");
	out->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	out->colour = !(no_colour && *no_colour) && kind && strcmp(kind, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		out->width = size.ws_col;
	return true;
}

static void paint(const struct term *t, enum colour colour, struct buf *out)
{
	if (t->colour)
		buf_add_str(out, orders[colour]);
}

static void add_glyph(const struct term *t, const char *const glyph[2], struct buf *out)
{
	buf_add_str(out, glyph[t->utf8 ? 0 : 1]);
}

/* Text in UTF-8 without control characters, in what the terminal knows. */
static void add_text(const struct term *t, struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (t->utf8 || c < 0x80)
			buf_add_byte(out, c);
		else if (c >= 0xC0)
			buf_add_byte(out, '?');
	}
}

static void add_outside(const struct term *t, struct slice text, struct buf *out)
{
	OWNED_BUF line = {0};

	human_add_text(text, PICTURE_TEXT_MAX, &line);
	add_text(t, buf_slice(&line), out);
}

static void add_label(const struct term *t, const char *label, struct buf *out)
{
	paint(t, DIM, out);
	buf_addf(out, "%-*s", LABEL, label);
	paint(t, PLAIN, out);
}

static void add_facts(const struct picture *p, const struct term *t, struct buf *out)
{
	const struct status *s = p->status;
	int64_t age = status_age(s, p->now);
	char n[2][HUMAN_MAX];

	add_label(t, "feed", out);
	add_outside(t, slice_str(*s->feed ? s->feed : "-"), out);
	buf_add_str(out, "\n");
	add_label(t, "watermark", out);
	buf_addf(out, "%s", human_instant(s->watermark, n[0]));
	if (age != TIME_NONE)
		buf_addf(out, " UTC, %s old", human_duration(age, n[0]));
	buf_add_str(out, "\n");
	add_label(t, "complete", out);
	buf_addf(out, "through %s\n", human_instant(s->complete_through, n[0]));
	add_label(t, "generation", out);
	buf_addf(out, "%" PRIu64 ", published %s, %s documents\n\n", s->generation,
		human_instant(s->published, n[0]), human_number(s->documents, n[1]));
}

static void add_now(const struct picture *p, const struct term *t, struct buf *out)
{
	enum picture_grade worst = GRADE_NOTE;

	for (size_t i = 0; i < p->line_count; i++) {
		enum picture_grade grade = p->lines[i].grade;

		worst = grade > worst ? grade : worst;
		paint(t, grades[grade].colour, out);
		add_glyph(t, grades[grade].glyph, out);
		paint(t, PLAIN, out);
		buf_add_str(out, " ");
		add_text(t, picture_line_text(p, i), out);
		buf_add_str(out, "\n");
	}
	if (worst == GRADE_NOTE) {
		paint(t, GREEN, out);
		buf_add_str(out, "Nothing is wrong.\n");
		paint(t, PLAIN, out);
	}
	buf_add_str(out, "\n");
}

/* The times under the first and the last of `columns`, where there is room for both. */
static void add_axis(int64_t first, int64_t last, size_t columns, struct buf *out)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];
	size_t len = strlen(human_clock(first, a)) + strlen(human_clock(last, b));

	buf_addf(out, "%*s%s", LABEL, "", a);
	if (columns > len)
		buf_addf(out, "%*s%s", (int)(columns - len), "", b);
	buf_add_str(out, "\n");
}

/* What the marks mean, those that are there. */
static void add_key(const struct picture *p, const struct term *t, struct buf *out)
{
	static const unsigned char order[MARKS] = {PART_PUBLISHED, PART_BUILDING, PART_COMPLETE, PART_OPEN,
		MARK_LATE, PART_FAILED, PART_SKIPPED, PART_EXPIRED};
	char n[HUMAN_MAX];

	buf_addf(out, "%*s", LABEL - 2, "");
	for (size_t i = 0; i < MARKS; i++) {
		unsigned mark = order[i];
		uint64_t count = mark < PART_STATES ? p->status->partitions[mark] : p->holes + p->behind;

		if (!count)
			continue;
		buf_add_str(out, "  ");
		paint(t, marks[mark].colour, out);
		add_glyph(t, marks[mark].glyph, out);
		paint(t, PLAIN, out);
		buf_addf(out, " %s %s", mark_name(mark), human_number(count, n));
	}
	buf_add_str(out, "\n\n");
}

static void add_timeline(const struct picture *p, const struct term *t, size_t room, struct buf *out)
{
	size_t n = p->slice_count < room ? p->slice_count : room, first = p->slice_count - n;
	enum colour last = PLAIN;

	add_label(t, "partitions", out);
	if (!n) {
		buf_add_str(out, "none was seen yet\n\n");
		return;
	}
	for (size_t i = first; i < p->slice_count; i++) {
		unsigned mark = p->slices[i].mark;

		if (marks[mark].colour != last)
			paint(t, marks[mark].colour, out);
		last = marks[mark].colour;
		add_glyph(t, marks[mark].glyph, out);
	}
	paint(t, PLAIN, out);
	buf_add_str(out, "\n");
	add_axis(p->slices[first].ts, p->slices[p->slice_count - 1].ts, n, out);
	add_key(p, t, out);
}

static void add_level(const struct term *t, int64_t d, int64_t scale, struct buf *out)
{
	int64_t level = d >= scale ? LEVELS - 1 : d / (scale / LEVELS);

	buf_add_str(out, levels[t->utf8 ? 0 : 1][level]);
}

/* One line of bars for `waiting` or `building`. */
static void add_bars(
	const struct picture *p, const struct term *t, bool building, size_t first, struct buf *out)
{
	char n[HUMAN_MAX];

	add_label(t, building ? "building" : "waiting", out);
	paint(t, building ? BLUE : YELLOW, out);
	for (size_t i = first; i < p->bar_count; i++) {
		if (p->bars[i].partitions)
			add_level(t, building ? p->bars[i].building : p->bars[i].waiting, p->scale, out);
		else
			buf_add_byte(out, ' ');
	}
	paint(t, PLAIN, out);
	buf_addf(out, "  median %s\n", human_duration(building ? p->building : p->waiting, n));
}

static void add_freshness(const struct picture *p, const struct term *t, size_t room, struct buf *out)
{
	size_t n = p->bar_count < room ? p->bar_count : room, first = p->bar_count - n;
	char at[HUMAN_MAX], waited[HUMAN_MAX], built[HUMAN_MAX], scale[HUMAN_MAX];

	if (!p->slowest)
		return;
	add_bars(p, t, false, first, out);
	add_bars(p, t, true, first, out);
	add_axis(p->bars[first].ts, p->bars[p->bar_count - 1].ts, n, out);
	buf_addf(out, "%*sfull height %s; slowest: %s waited %s, built %s\n\n", LABEL, "",
		human_duration(p->scale, scale), human_clock(p->slowest->ts, at),
		human_duration(p->slowest->waiting, waited), human_duration(p->slowest->building, built));
}

static void add_segments(const struct picture *p, const struct term *t, struct buf *out)
{
	const struct manifest *m = p->manifest;
	size_t count = m ? m->segment_count : 0, listed = count < LISTED ? count : LISTED;
	char n[2][HUMAN_MAX];

	add_label(t, "segments", out);
	buf_addf(out, "%zu, %s\n", count, human_bytes(p->status->segment_bytes, n[0]));
	for (size_t i = count; i > count - listed; i--) {
		const struct manifest_segment *s = &m->segments[i - 1];

		buf_addf(out, "%*s%.8s  %12s documents  %8s%s\n", LABEL, "", s->name,
			human_number(s->documents, n[0]), human_bytes(s->bytes, n[1]),
			s->base ? "  base" : "");
	}
	if (count > listed)
		buf_addf(out, "%*sand %zu older\n", LABEL, "", count - listed);
}

static void add_rejects(const struct picture *p, const struct term *t, struct buf *out)
{
	size_t listed = p->reject_count < LISTED ? p->reject_count : LISTED;
	char n[2][HUMAN_MAX];

	add_label(t, "refused", out);
	buf_addf(out, "%s record%s\n", human_number(p->status->rejected, n[0]),
		p->status->rejected == 1 ? "" : "s");
	for (size_t i = 0; i < listed; i++) {
		buf_addf(out, "%*s", LABEL, "");
		add_outside(t, p->rejects[i]->path, out);
		buf_addf(out, "  %s of %s\n", human_number(p->rejects[i]->rejected, n[0]),
			human_number(p->rejects[i]->records, n[1]));
	}
	if (p->reject_partitions > listed)
		buf_addf(out, "%*sand in %zu older\n", LABEL, "", p->reject_partitions - listed);
}

int status_term(const struct picture *p, const struct term *t, struct buf *out)
{
	unsigned width = t->width < WIDTH_MIN ? WIDTH_MIN : t->width > WIDTH_MAX ? WIDTH_MAX : t->width;
	size_t room = width - LABEL;

	add_facts(p, t, out);
	add_now(p, t, out);
	add_timeline(p, t, room, out);
	/* The median stands behind the bars. */
	add_freshness(p, t, room - sizeof("  median 59m 59s"), out);
	add_segments(p, t, out);
	add_rejects(p, t, out);
	return buf_error(out);
}
