/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plan_case.h - tables of cases for plan_make(), for the test_plan*.c beside it.
 *
 * Tables of cases in a small notation. Times are seconds from T0, a partition is named by the minute from T0
 * at which its slice starts, and slices are five minutes long.
 *
 *     listing   "5:a@310,b@320#7^330!"        minute 5, file a of second 310, b of size 7 and ctime 330, a marker
 *     rows      "5 published/gone:a@310!"     state/reason, then the files that its fingerprint is of; they
 *                                             are also those that were read, where the state is published
 *                                             or a '*' follows it; "+2" behind the state: two builds died
 *                                             at it; "?700" is retry_at
 *     plan      "5 index published:a,b,-c"    one item: read a and b, undo c; "; " between items, in listings and
 *                                             rows too; " | more", " | replaces", " | covered 1" at the end */
#ifndef FRESHET_PLAN_CASE_H
#define FRESHET_PLAN_CASE_H

#include "plan.h"

#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T0 (1777888800 * TIME_SECOND)

struct plan_case {
	const char *name; /* the rule, as a sentence */
	int64_t now;
	const char *listing, *rows, *plan;
	int64_t due;
	int watermark, moved; /* minutes, before and after; -1: none */
	enum complete_rule rule;
	int64_t settle, window; /* seconds; window 0: five hours, -1: all */
	bool loud;              /* quiet = 0s */
	bool retry;
	enum lag_policy policy;
	int64_t overlap, gap; /* seconds; overlap 0: not given, gap 0: one hour */
	int base;             /* minute of the base's `at`; 0: no base */
};

/* One case's inputs; everything lies in the arena. */
struct world {
	struct arena arena;
	struct config cfg;
	struct listing listing;
	struct row rows[16];
	struct feed_partition partitions[16];
	struct plan_input in;
};

static int64_t second(int64_t s)
{
	return T0 + s * TIME_SECOND;
}

/* Reads "a@310,b@320#7!" up to ';', '?' or the end. */
static void read_files(struct world *w, const char **text, struct feed_partition *p)
{
	struct feed_file files[8];

	p->file_count = 0;
	while (**text && !strchr(";!?", **text)) {
		struct feed_file *f = &files[p->file_count++];
		size_t n = strcspn(*text, "@");
		char *end;

		f->path = arena_dup(&w->arena, slice_of(*text, n));
		f->mtime = f->ctime = second(strtoll(*text + n + 1, &end, 10));
		f->size = *end == '#' ? strtoull(end + 1, &end, 10) : 1;
		if (*end == '^')
			f->ctime = second(strtoll(end + 1, &end, 10));
		*text = end + (*end == ',');
	}
	p->has_marker = **text == '!';
	*text += p->has_marker;
	p->files = arena_alloc(&w->arena, sizeof(files));
	memcpy(p->files, files, sizeof(files));
	p->fingerprint = 1 + p->has_marker;
	for (size_t i = 0; i < p->file_count; i++) {
		const struct feed_file *f = &p->files[i];

		for (size_t k = 0; k < f->path.len; k++)
			p->fingerprint = p->fingerprint * 1000003 + (uint8_t)f->path.data[k];
		p->fingerprint = (p->fingerprint * 1000003 + (uint64_t)f->mtime) * 1000003 + f->size;
		p->fingerprint = p->fingerprint * 1000003 + (uint64_t)f->ctime;
	}
}

static void read_listing(struct world *w, const char *text)
{
	w->listing.partitions = w->partitions;
	while (*text) {
		struct feed_partition *p = &w->partitions[w->listing.count++];
		char *end;

		p->ts = second(60 * strtoll(text, &end, 10));
		p->path = slice_str("partition");
		text = end + 1;
		read_files(w, &text, p);
		text += strspn(text, "; ");
	}
}

static void row_read(struct world *w, struct row *row, const struct feed_partition *p)
{
	row->read_count = p->file_count;
	row->read = arena_alloc(&w->arena, (p->file_count + 1) * sizeof(row->read[0]));
	for (size_t i = 0; i < p->file_count; i++)
		row->read[i] = (struct file_row){
			.path = p->files[i].path,
			.size = p->files[i].size,
			.mtime = p->files[i].mtime,
			.ctime = p->files[i].ctime,
		};
}

static void read_rows(struct world *w, const char *text)
{
	while (*text) {
		struct row *row = &w->rows[w->in.row_count++];
		struct feed_partition p = {0};
		char name[16] = "", *end;
		size_t n;

		row->ts = second(60 * strtoll(text, &end, 10));
		row->path = slice_str("partition");
		row->retry_at = TIME_NONE;
		text = end + 1;
		n = strcspn(text, "/*+:;?");
		memcpy(name, text, n);
		if (!partition_state_parse(name, &row->state))
			tap_fail("no state: %s", name);
		text += n;
		n = *text == '/' ? strcspn(text, "*+:;?") : 0;
		row->reason = n ? slice_of(text + 1, n - 1) : slice_str("");
		text += n;
		n = row->state == PART_PUBLISHED || *text == '*';
		row->has_content = n && row->state != PART_EXPIRED && row->state != PART_SKIPPED;
		row->arrived = TIME_NONE;
		text += *text == '*';
		if (*text == '+') {
			row->attempts = (uint32_t)strtoul(text + 1, &end, 10);
			text = end;
		}
		if (*text == ':') {
			text++;
			read_files(w, &text, &p);
			row->fingerprint = p.fingerprint;
			row->files = p.file_count;
			if (p.file_count)
				row->arrived = p.files[0].mtime;
			if (n)
				row_read(w, row, &p);
		}
		if (*text == '?') {
			row->retry_at = second(strtoll(text + 1, &end, 10));
			text = end;
		}
		text += strspn(text, "; ");
	}
}

static void world_make(struct world *w, const struct plan_case *c)
{
	*w = (struct world){.cfg = {
				    .cadence = 5 * TIME_MINUTE,
				    .complete = c->rule,
				    .settle = c->settle * TIME_SECOND,
				    .quiet = c->loud ? 0 : 2 * TIME_SECOND,
				    .window = c->window < 0    ? TIME_FOREVER
					      : c->window == 0 ? 5 * TIME_HOUR
							       : c->window * TIME_SECOND,
				    .policy = c->policy,
				    .overlap = c->overlap ? c->overlap * TIME_SECOND : -1,
				    .gap_timeout = c->gap ? c->gap * TIME_SECOND : TIME_HOUR,
			    }};
	w->in = (struct plan_input){
		.cfg = &w->cfg,
		.now = second(c->now),
		.listing = &w->listing,
		.rows = w->rows,
		.watermark = c->watermark < 0 ? TIME_NONE : second(60 * c->watermark),
		.base_at = c->base ? second(60 * c->base) : TIME_NONE,
		.retry = c->retry,
	};
	read_listing(w, c->listing);
	read_rows(w, c->rows);
}

static void plan_text(const struct plan *p, struct buf *out)
{
	static const char *const actions[] = {"keep", "note", "index"};

	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];

		buf_addf(out, "%s%d %s %s%s%s", i ? "; " : "", (int)((item->ts - T0) / TIME_MINUTE),
			actions[item->action], partition_state_name(item->state), *item->reason ? "/" : "",
			item->reason);
		for (size_t k = 0; k < item->read_count; k++)
			buf_addf(out, "%s%s", k ? "," : ":", item->read[k]->path.data);
		for (size_t k = 0; k < item->vanished_count; k++)
			buf_addf(out, "%s-%s", k || item->read_count ? "," : ":",
				item->vanished[k]->path.data);
	}
	buf_add_str(out, p->more ? " | more" : "");
	buf_add_str(out, p->replaces ? " | replaces" : "");
	if (p->covered_changes)
		buf_addf(out, " | covered %zu", p->covered_changes);
}

/* What the plan says was noted: planning the same again must find nothing more to note. */
static void check_noted_once(struct world *w, const struct plan *p, const char *name)
{
	struct row rows[16];
	struct plan_input in = w->in;
	struct plan again;

	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];

		rows[i] = item->row ? *item->row : (struct row){.ts = item->ts, .retry_at = TIME_NONE};
		if (item->action != PLAN_NOTE)
			continue;
		rows[i].state = item->state;
		rows[i].reason = slice_str(item->reason);
		rows[i].fingerprint = item->fingerprint;
		if (item->state == PART_EXPIRED)
			rows[i].has_content = false;
		if (item->state == PART_FAILED) /* as outcome.c has it: it rests */
			rows[i].retry_at = TIME_NONE;
	}
	in.rows = rows;
	in.row_count = p->count;
	check_int(plan_make(&in, &again, NULL), 0);
	if (again.to_note != 0)
		tap_fail("%s: noted again", name);
	check_int(again.to_index, p->to_index);
	check_int(again.next_due, p->next_due);
	plan_release(&again);
}

static void run_case(const struct plan_case *c)
{
	OWNED_BUF got = {0};
	struct world w;
	struct plan p;
	int64_t moved = c->moved < 0 ? TIME_NONE : second(60 * c->moved);

	world_make(&w, c);
	check_int(plan_make(&w.in, &p, NULL), 0);
	plan_text(&p, &got);
	if (strcmp(buf_cstr(&got), c->plan) != 0)
		tap_fail("%s: \"%s\", want \"%s\"", c->name, buf_cstr(&got), c->plan);
	if (p.watermark != moved)
		tap_fail("%s: watermark at minute %lld, want %d", c->name,
			(long long)((p.watermark - T0) / TIME_MINUTE), c->moved);
	if (p.next_due != second(c->due))
		tap_fail("%s: due at %lld s, want %lld s", c->name,
			(long long)((p.next_due - T0) / TIME_SECOND), (long long)c->due);
	check_noted_once(&w, &p, c->name);
	plan_release(&p);
	arena_release(&w.arena);
}

#define RUN_CASES(cases)                                     \
	do {                                                 \
		for (size_t i_ = 0; i_ < COUNT(cases); i_++) \
			run_case(&(cases)[i_]);              \
	} while (0)

#endif
