/* SPDX-License-Identifier: Apache-2.0 */
#include "status_html.h"
#include "human.h"
#include "status_html_private.h"

#include <inttypes.h>

#define SEGMENT_NAME_SHOWN 8

/* --- text --- */

void html_escape(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.data[i]) {
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '"':
			buf_add_str(out, "&quot;");
			break;
		default:
			buf_add_byte(out, text.data[i]);
		}
	}
}

/* Text from outside. */
static void add_outside(struct slice text, struct buf *out)
{
	OWNED_BUF line = {0};

	human_add_text(text, PICTURE_TEXT_MAX, &line);
	html_escape(buf_slice(&line), out);
}

/* A path below the mount's root as a relative URL: every byte that could mean something else is written %XX. */
static void add_path(struct slice path, struct buf *out)
{
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.data[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     c == '/' || c == '-' || c == '_' || c == '.' || c == '=';

		if (plain)
			buf_add_byte(out, c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

static void add_time(int64_t t, struct buf *out)
{
	char text[HUMAN_MAX], rfc[TIME_TEXT_MAX];

	if (t == TIME_NONE)
		buf_add_str(out, "–");
	else
		buf_addf(out, "<time datetime=\"%s\">%s</time>", time_text(t, rfc), human_instant(t, text));
}

/* --- the head, and what there is to know now --- */

static void add_head(const struct picture *p, struct buf *out)
{
	int64_t age = status_age(p->status, p->now);
	char text[HUMAN_MAX];

	buf_add_str(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
		"img-src data:; base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n");
	if (age == TIME_NONE)
		buf_add_str(out, "<title>freshet: nothing is published</title>\n");
	else
		buf_addf(out, "<title>freshet: %s old</title>\n", human_duration(age, text));
	buf_addf(out, "<style>\n%s</style>\n</head>\n<body>\n<header><h1>freshet</h1><span class=\"dim\">",
		status_html_style);
	add_outside(slice_str(p->status->feed), out);
	buf_add_str(out, "</span></header>\n<main>\n");
}

static void begin_fact(struct buf *out, const char *name, bool big)
{
	buf_addf(out, "<div%s><dt>%s</dt><dd>", big ? " class=\"big\"" : "", name);
}

static void add_facts(const struct picture *p, struct buf *out)
{
	const struct status *s = p->status;
	int64_t age = status_age(s, p->now);
	char text[HUMAN_MAX];

	buf_add_str(out, "<div class=\"facts\"><dl>\n");
	begin_fact(out, "Watermark, UTC", true);
	add_time(s->watermark, out);
	buf_add_str(out, "</dd></div>\n");
	begin_fact(out, "Age", true);
	buf_addf(out, "%s</dd></div>\n", age == TIME_NONE ? "–" : human_duration(age, text));
	begin_fact(out, "Complete through", false);
	add_time(s->complete_through, out);
	buf_add_str(out, "</dd></div>\n");
	begin_fact(out, "Published", false);
	add_time(s->published, out);
	buf_add_str(out, "</dd></div>\n");
	begin_fact(out, "Generation", false);
	buf_addf(out, "%s</dd></div>\n", s->generation ? human_number(s->generation, text) : "–");
	begin_fact(out, "Documents", false);
	buf_addf(out, "%s</dd></div>\n</dl></div>\n", human_number(s->documents, text));
}

static const struct {
	const char *name, *sign, *spoken;
} grades[] = {
	[GRADE_NOTE] = {"good", "i", "note"},
	[GRADE_WARN] = {"warn", "!", "warning"},
	[GRADE_BAD] = {"bad", "✕", "error"},
};

static void add_now(const struct picture *p, struct buf *out)
{
	enum picture_grade worst = GRADE_NOTE;

	for (size_t i = 0; i < p->line_count; i++) {
		if (p->lines[i].grade > worst)
			worst = p->lines[i].grade;
	}
	buf_addf(out, "<section class=\"now %s\"><h2>%s</h2>\n", grades[worst].name,
		worst == GRADE_NOTE ? "Nothing is wrong" : "What is wrong now");
	if (p->line_count)
		buf_add_str(out, "<ul>\n");
	for (size_t i = 0; i < p->line_count; i++) {
		buf_addf(out,
			"<li class=\"%s\"><span class=\"sign\" role=\"img\" aria-label=\"%s\">%s</span><span>",
			grades[p->lines[i].grade].name, grades[p->lines[i].grade].spoken,
			grades[p->lines[i].grade].sign);
		html_escape(picture_line_text(p, i), out);
		buf_add_str(out, "</span></li>\n");
	}
	buf_addf(out, "%s</section>\n", p->line_count ? "</ul>" : "");
}

/* --- segments and rejects --- */

/* "05-04 10:05 – 10:20": the year is near. */
static void add_span(int64_t first, int64_t last, struct buf *out)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];

	buf_addf(out, "<span>%s", human_instant(first, a) + sizeof("2026-") - 1);
	if (first != last)
		buf_addf(out, " –</span> <span>%s",
			time_slot(first, 24 * TIME_HOUR) == time_slot(last, 24 * TIME_HOUR)
				? human_clock(last, b)
				: human_instant(last, b) + sizeof("2026-") - 1);
	buf_add_str(out, "</span>");
}

static void add_segment(const struct manifest_segment *s, struct buf *out)
{
	char n[3][HUMAN_MAX];

	buf_addf(out, "<tr><td><a href=\"segments/%s.seg\"><code>%.*s</code></a>%s</td><td>", s->name,
		SEGMENT_NAME_SHOWN, s->name, s->base ? " <span class=\"tag\">base</span>" : "");
	add_span(s->first, s->last, out);
	buf_addf(out,
		"</td><td class=\"n\">%s</td><td class=\"n wide\">%s</td><td class=\"n\">%s</td></tr>\n",
		human_number(s->documents, n[0]), human_number(s->entries, n[1]),
		human_bytes(s->bytes, n[2]));
}

/* Segments that are not listed, as one row. */
static void add_other_segments(const struct manifest *m, size_t others, struct buf *out)
{
	uint64_t documents = 0, entries = 0, bytes = 0;
	char n[4][HUMAN_MAX];

	for (size_t i = 0; i < others; i++) {
		documents += m->segments[i].documents;
		entries += m->segments[i].entries;
		bytes += m->segments[i].bytes;
	}
	buf_addf(out,
		"<tr><td>%s older</td><td></td><td class=\"n\">%s</td><td class=\"n wide\">%s</td><td class=\"n\">%s</td></tr>\n",
		human_number(others, n[0]), human_number(documents, n[1]), human_number(entries, n[2]),
		human_bytes(bytes, n[3]));
}

static void add_segments(const struct picture *p, struct buf *out)
{
	const struct manifest *m = p->manifest;
	size_t count = m ? m->segment_count : 0, left = count;
	char n[2][HUMAN_MAX];

	buf_addf(out, "<section id=\"segments\"><h2>Segments <small>%s, %s</small></h2>\n",
		human_number(count, n[0]), human_bytes(p->status->segment_bytes, n[1]));
	if (!count) {
		buf_add_str(out, "<p class=\"dim\">There are none.</p></section>\n");
		return;
	}
	buf_add_str(out, "<table><thead><tr><th>Segment</th><th>Partitions</th><th class=\"n\">Docs</th>"
			 "<th class=\"n wide\">Entries</th><th class=\"n\">Size</th></tr></thead><tbody>\n");
	for (; left && count - left < PICTURE_LIST; left--)
		add_segment(&m->segments[left - 1], out);
	if (left)
		add_other_segments(m, left, out);
	buf_add_str(out, "</tbody></table></section>\n");
}

static void add_reject(const struct row *row, struct buf *out)
{
	/* What was refused of an expired one has gone with its content. */
	bool linked = row->state != PART_EXPIRED && row->path.len <= PICTURE_TEXT_MAX;
	char n[2][HUMAN_MAX];

	buf_add_str(out, "<tr><td>");
	if (linked) {
		buf_add_str(out, "<a href=\"rejects/");
		add_path(row->path, out);
		buf_add_str(out, "/\">");
	}
	add_outside(row->path, out);
	buf_addf(out, "%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n", linked ? "</a>" : "",
		human_number(row->rejected, n[0]), human_number(row->records, n[1]));
}

static void add_rejects(const struct picture *p, struct buf *out)
{
	char n[HUMAN_MAX];

	buf_addf(out, "<section id=\"rejects\"><h2>Refused records <small>%s</small></h2>\n",
		human_number(p->status->rejected, n));
	if (!p->reject_count) {
		buf_add_str(out, "<p class=\"dim\">None.</p></section>\n");
		return;
	}
	buf_add_str(out,
		"<table><thead><tr><th>Partition</th><th class=\"n\">Refused</th><th class=\"n\">Records</th></tr>"
		"</thead><tbody>\n");
	for (size_t i = 0; i < p->reject_count; i++)
		add_reject(p->rejects[i], out);
	if (p->reject_partitions > p->reject_count)
		buf_addf(out, "<tr><td>and %s older</td><td></td><td></td></tr>\n",
			human_number(p->reject_partitions - p->reject_count, n));
	buf_add_str(out, "</tbody></table></section>\n");
}

static void add_foot(const struct picture *p, struct buf *out)
{
	static const char *const files[] = {"README", "status", "status.json", "partitions.tsv", "metrics",
		"watermark", "complete_through", "generation", "partitions/", "rejects/", "segments/",
		"generations/"};
	char text[HUMAN_MAX];

	buf_add_str(out, "<section><h2>Files</h2><div class=\"files\">\n");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		buf_addf(out, "<a href=\"%s\">%s</a>\n", files[i], files[i]);
	buf_addf(out,
		"</div></section>\n</main>\n<footer>As of %s UTC, by freshet " FRESHET_VERSION
		". Reload for the state of now.</footer>\n</body>\n</html>\n",
		human_instant(p->now - p->now % TIME_SECOND, text));
}

int status_html(const struct picture *p, struct buf *out)
{
	add_head(p, out);
	add_facts(p, out);
	add_now(p, out);
	html_timeline(p, out);
	html_freshness(p, out);
	buf_add_str(out, "<div class=\"two\">\n");
	add_segments(p, out);
	add_rejects(p, out);
	buf_add_str(out, "</div>\n");
	add_foot(p, out);
	return buf_error(out);
}
