/* SPDX-License-Identifier: Apache-2.0 */
/* fs/status_html_charts.c - the timeline and the bars, in SVG; each has the same in words. */
#include "human.h"
#include "status_html_private.h"

#include <inttypes.h>

#define CELL 12         /* units from one cell of a row to the next; 10 of them are the cell */
#define CELLS_WANTED 12 /* of a row, or some more, so that rows begin at round times */
#define BAR 4           /* units from one bar to the next; 3 of them are the bar */
#define CHART_HEIGHT 100

/* --- the timeline --- */

/* A shape for each mark, so that colour alone says nothing. */
static const char *const shapes[MARKS] = {
	[PART_OPEN] = "<rect class=\"o-open\" x=\".7\" y=\".7\" width=\"8.6\" height=\"8.6\" rx=\"1\"/>",
	[PART_COMPLETE] =
		"<rect class=\"o-complete\" x=\".7\" y=\".7\" width=\"8.6\" height=\"8.6\" rx=\"1\"/>"
		"<path class=\"s-complete\" d=\"M1 9V5h8v4z\"/>",
	[PART_BUILDING] = "<rect class=\"s-building\" width=\"10\" height=\"10\" rx=\"1.5\"/>"
			  "<circle class=\"dot\" cx=\"5\" cy=\"5\" r=\"2\"/>",
	[PART_PUBLISHED] = "<rect class=\"s-published\" width=\"10\" height=\"10\" rx=\"1.5\"/>",
	[PART_FAILED] = "<rect class=\"s-failed\" width=\"10\" height=\"10\" rx=\"1.5\"/>"
			"<path class=\"ink\" d=\"M2.5 2.5l5 5m0-5l-5 5\"/>",
	[PART_SKIPPED] = "<rect class=\"o-skipped\" x=\".7\" y=\".7\" width=\"8.6\" height=\"8.6\" rx=\"1\"/>"
			 "<path class=\"o-skipped\" d=\"M1.5 8.5l7-7\"/>",
	[PART_EXPIRED] = "<rect class=\"s-expired\" width=\"10\" height=\"10\" rx=\"1.5\"/>",
	[MARK_LATE] = "<rect class=\"o-late\" x=\".7\" y=\".7\" width=\"8.6\" height=\"8.6\" rx=\"1\"/>"
		      "<circle class=\"s-late\" cx=\"5\" cy=\"5\" r=\"1.3\"/>",
};

static const char *const meanings[MARKS] = {
	[PART_OPEN] = "waits for its files, or for the end of its slice",
	[PART_COMPLETE] = "waits for a build",
	[PART_BUILDING] = "is being built",
	[PART_PUBLISHED] = "is in the index",
	[PART_FAILED] = "could not be indexed",
	[PART_SKIPPED] = "was never indexed",
	[PART_EXPIRED] = "has left the index",
	[MARK_LATE] = "nothing has arrived, though it is time",
};

/* In the order in which people look for them. */
static const unsigned char key_order[MARKS] = {PART_PUBLISHED, PART_BUILDING, PART_COMPLETE, PART_OPEN,
	MARK_LATE, PART_FAILED, PART_SKIPPED, PART_EXPIRED};

static void add_shapes(struct buf *out)
{
	buf_add_str(out,
		"<svg width=\"0\" height=\"0\" aria-hidden=\"true\" style=\"position:absolute\"><defs>\n");
	for (unsigned i = 0; i < MARKS; i++)
		buf_addf(out, "<g id=\"m-%s\">%s</g>\n", mark_name(i), shapes[i]);
	buf_add_str(out, "</defs></svg>\n");
}

static void add_key(const struct picture *p, struct buf *out)
{
	char n[HUMAN_MAX];

	buf_add_str(out, "<ul class=\"key\">\n");
	for (size_t i = 0; i < MARKS; i++) {
		unsigned mark = key_order[i];
		uint64_t count = mark < PART_STATES ? p->status->partitions[mark] : p->holes + p->behind;

		buf_addf(out,
			"<li%s title=\"%s\"><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><use href=\"#m-%s\"/></svg>%s "
			"<b data-count=\"%s\">%s</b></li>\n",
			count ? "" : " class=\"none\"", meanings[mark], mark_name(mark), mark_name(mark),
			mark_name(mark), human_number(count, n));
	}
	buf_add_str(out, "</ul>\n");
}

/* How long a row of cells is: a round time. */
static int64_t row_span(int64_t cadence)
{
	static const int minutes[] = {1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10080, 40320};

	for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
		if (minutes[i] * TIME_MINUTE / CELLS_WANTED >= cadence)
			return minutes[i] * TIME_MINUTE;
	}
	return cadence * CELLS_WANTED;
}

static int64_t first_slot_of_row(int64_t row, int64_t span, int64_t cadence)
{
	return time_slot(row * span + cadence - 1, cadence);
}

static void add_row_label(int64_t at, int64_t span, struct buf *out)
{
	char text[HUMAN_MAX];

	buf_addf(out, "<li><span class=\"at\">%s</span>",
		span < 24 * TIME_HOUR ? human_clock(at, text) : human_day(at, text));
}

/* "10:00: 11 published, 1 failed", for those who hear the page. */
static void add_row_words(const struct picture *p, size_t from, size_t to, struct buf *out)
{
	unsigned counts[MARKS + 1] = {0};
	const char *comma = "";

	for (size_t i = from; i < to; i++)
		counts[p->slices[i].mark]++;
	for (unsigned m = 0; m < MARKS; m++) {
		if (!counts[m])
			continue;
		buf_addf(out, "%s%u %s", comma, counts[m], mark_name(m));
		comma = ", ";
	}
}

static void add_cell(const struct picture_slice *s, int64_t cadence, int64_t column, struct buf *out)
{
	OWNED_BUF story = {0};
	char clock[HUMAN_MAX];

	if (s->mark == MARK_NONE)
		return;
	picture_add_story(s, cadence, &story);
	buf_addf(out, "<use href=\"#m-%s\" x=\"%" PRId64 "\"><title>%s ", mark_name(s->mark), column * CELL,
		human_clock(s->ts, clock));
	html_escape(buf_slice(&story), out);
	buf_add_str(out, "</title></use>");
}

/* The row that ends before slice `end`; returns where it begins, which is where the one before ends. */
static size_t add_row(const struct picture *p, size_t end, int64_t span, struct buf *out)
{
	int64_t cadence = p->status->cadence, slot = time_slot(p->slices[end - 1].ts, cadence);
	int64_t row = time_slot(slot * cadence, span), first = first_slot_of_row(row, span, cadence);
	int64_t widest = (span + cadence - 1) / cadence;
	size_t cells = (size_t)(slot - first + 1), begin = cells < end ? end - cells : 0;

	add_row_label(row * span, span, out);
	buf_addf(out,
		"<svg viewBox=\"0 0 %" PRId64
		" 10\" preserveAspectRatio=\"xMinYMid\" role=\"img\" aria-label=\"",
		widest * CELL - 2);
	add_row_words(p, begin, end, out);
	buf_add_str(out, "\">");
	slot -= (int64_t)(end - 1 - begin);
	for (size_t i = begin; i < end; i++, slot++)
		add_cell(&p->slices[i], cadence, slot - first, out);
	buf_add_str(out, "</svg></li>\n");
	return begin;
}

/* The newest row first: that is what people look for, and a phone shows few. */
static void add_rows(const struct picture *p, struct buf *out)
{
	int64_t span = row_span(p->status->cadence), day = TIME_NONE, today;
	bool days = span >= 24 * TIME_HOUR;
	char text[HUMAN_MAX];

	buf_addf(out, "<ol class=\"line%s\">\n", days ? " days" : "");
	for (size_t end = p->slice_count; end;) {
		today = time_slot(p->slices[end - 1].ts, 24 * TIME_HOUR);
		if (!days && today != day)
			buf_addf(out, "<li class=\"day\">%s</li>\n", human_day(p->slices[end - 1].ts, text));
		day = today;
		end = add_row(p, end, span, out);
	}
	buf_add_str(out, "</ol>\n");
}

void html_timeline(const struct picture *p, struct buf *out)
{
	char n[HUMAN_MAX];

	buf_add_str(out, "<section id=\"timeline\"><h2>Partitions</h2>\n");
	add_shapes(out);
	add_key(p, out);
	add_rows(p, out);
	if (p->older)
		buf_addf(out,
			"<p class=\"dim\">%s older ones are counted above and not drawn; <a href=\"partitions.tsv\">partitions.tsv</a> has all.</p>\n",
			human_number(p->older, n));
	if (!p->slice_count)
		buf_add_str(out, "<p class=\"dim\">None was seen yet.</p>\n");
	buf_add_str(out, "</section>\n");
}

/* --- freshness --- */

/* A bar's height; one above the scale is cut, and marked. */
static int height_of(int64_t d, int64_t scale)
{
	return d >= scale ? CHART_HEIGHT : (int)(d / (scale / CHART_HEIGHT));
}

static void add_bar_words(const struct picture_bar *bar, struct buf *out)
{
	char clock[HUMAN_MAX], waited[HUMAN_MAX], built[HUMAN_MAX];

	buf_addf(out, "%s waited %s, built %s", human_clock(bar->ts, clock),
		human_duration(bar->waiting, waited), human_duration(bar->building, built));
}

static void add_bar(const struct picture_bar *bar, size_t i, int64_t scale, struct buf *out)
{
	int waiting = height_of(bar->waiting, scale);
	int total = height_of(time_add(bar->waiting, bar->building), scale);
	size_t x = i * BAR;

	/* What took no time to speak of is seen to have been there. */
	if (!total)
		total = 1;
	buf_add_str(out, "<g><title>");
	add_bar_words(bar, out);
	buf_addf(out, "</title><rect class=\"w\" x=\"%zu\" y=\"%d\" width=\"3\" height=\"%d\"/>", x,
		CHART_HEIGHT - waiting, waiting);
	buf_addf(out, "<rect class=\"b\" x=\"%zu\" y=\"%d\" width=\"3\" height=\"%d\"/>", x,
		CHART_HEIGHT - total, total - waiting);
	if (time_add(bar->waiting, bar->building) > scale)
		buf_addf(out, "<rect class=\"cut\" x=\"%zu\" width=\"3\" height=\"2\"/>", x);
	buf_add_str(out, "</g>\n");
}

static void add_summary(const struct picture *p, struct buf *out)
{
	char n[2][HUMAN_MAX];

	buf_addf(out,
		"<ul class=\"key\"><li><span class=\"swatch w\"></span>waiting, median <b>%s</b></li>"
		"<li><span class=\"swatch b\"></span>building, median <b>%s</b></li><li>slowest: ",
		human_duration(p->waiting, n[0]), human_duration(p->building, n[1]));
	add_bar_words(p->slowest, out);
	buf_add_str(out, "</li></ul>\n");
}

static void add_chart(const struct picture *p, struct buf *out)
{
	char n[3][HUMAN_MAX];

	buf_addf(out,
		"<div class=\"chart\"><div class=\"y\"><span>%s</span><span>%s</span><span>0</span></div>\n"
		"<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"How long partitions waited and were built; "
		"the numbers are below\">\n",
		human_duration(p->scale, n[0]), human_duration(p->scale / 2, n[1]), PICTURE_BARS * BAR,
		CHART_HEIGHT);
	for (int y = 0; y < CHART_HEIGHT; y += CHART_HEIGHT / 2)
		buf_addf(out, "<path class=\"grid\" vector-effect=\"non-scaling-stroke\" d=\"M0 %dH%d\"/>", y,
			PICTURE_BARS * BAR);
	buf_add_str(out, "\n");
	for (size_t i = 0; i < p->bar_count; i++) {
		if (p->bars[i].partitions)
			add_bar(&p->bars[i], i, p->scale, out);
	}
	buf_addf(out, "</svg><div class=\"x\"><span>%s</span><span>%s</span></div></div>\n",
		human_instant(p->bars[0].ts, n[0]),
		human_instant(p->bars[0].ts + PICTURE_BARS * p->bar_span, n[1]));
}

static void add_numbers(const struct picture *p, struct buf *out)
{
	char n[4][HUMAN_MAX];

	buf_add_str(out,
		"<details><summary>As numbers</summary><table><thead><tr><th>From, UTC</th>"
		"<th class=\"n\">Partitions</th><th class=\"n\">Waiting</th><th class=\"n\">Building</th></tr></thead><tbody>\n");
	for (size_t i = p->bar_count; i; i--) {
		const struct picture_bar *bar = &p->bars[i - 1];

		if (bar->partitions)
			buf_addf(out,
				"<tr><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
				human_instant(bar->ts, n[0]), human_number(bar->partitions, n[1]),
				human_duration(bar->waiting, n[2]), human_duration(bar->building, n[3]));
	}
	buf_add_str(out, "</tbody></table></details>\n");
}

void html_freshness(const struct picture *p, struct buf *out)
{
	char n[HUMAN_MAX];

	buf_add_str(out, "<section id=\"freshness\"><h2>Freshness</h2>\n");
	if (!p->slowest) {
		buf_add_str(out, "<p class=\"dim\">Nothing was published yet.</p></section>\n");
		return;
	}
	add_summary(p, out);
	add_chart(p, out);
	buf_addf(out,
		"<p class=\"dim\">Waiting is from the end of a slice, or the arrival of its files where that is later, until the build "
		"that found it complete; building from there to its publish. A bar is the slowest partition of %s.</p>\n",
		human_duration(p->bar_span, n));
	add_numbers(p, out);
	buf_add_str(out, "</section>\n");
}
