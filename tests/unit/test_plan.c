/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of cases in a small notation. Times are seconds from T0, a partition is named by the minute from T0
 * at which its slice starts, and slices are five minutes long.
 *
 *     listing   "5:a@310,b@320#7^330!"        minute 5, file a of second 310, b of size 7 and ctime 330, a marker
 *     rows      "5 published/gone:a@310!"     state/reason, then the files that its fingerprint is of; they
 *                                             are also those that were read, where the state is published
 *                                             or a '*' follows it; "?700" is retry_at
 *     plan      "5 index published:a,b"       one item; "; " between items, in listings and rows too */
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
		n = strcspn(text, "/*:;?");
		memcpy(name, text, n);
		if (!partition_state_parse(name, &row->state))
			tap_fail("no state: %s", name);
		text += n;
		n = *text == '/' ? strcspn(text, "*:;?") : 0;
		row->reason = n ? slice_of(text + 1, n - 1) : slice_str("");
		text += n;
		n = row->state == PART_PUBLISHED || *text == '*';
		text += *text == '*';
		if (*text == ':') {
			text++;
			read_files(w, &text, &p);
			row->fingerprint = p.fingerprint;
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
			    }};
	w->in = (struct plan_input){
		.cfg = &w->cfg,
		.now = second(c->now),
		.listing = &w->listing,
		.rows = w->rows,
		.watermark = c->watermark < 0 ? TIME_NONE : second(60 * c->watermark),
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
	}
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

static void a_partition_is_complete_by_rate(void)
{
	static const struct plan_case cases[] = {
		{"a slice that has not ended is open", 299, "0:a@1", "", "0 note open/not ended", 300, -1,
			-1},
		{"it ends at its last instant", 300, "0:a@1", "", "0 index published:a", 600, -1, 0},
		{"settle is waited for", 329, "0:a@1", "", "0 note open/settling", 330, -1, -1, .settle = 30},
		{"it settles from its last instant on", 300, "0:a@1", "", "0 note open/settling", 330, -1, -1,
			.settle = 30},
		{"and no longer", 330, "0:a@1", "", "0 index published:a", 630, -1, 0, .settle = 30},
		{"settling is due after settle, not at the end", 10, "0:a@1", "", "0 note open/not ended", 30,
			-1, -1, .settle = 30},
		{"a settle longer than a slice", 310, "0:a@1", "", "0 note open/settling", 400, -1, -1,
			.settle = 700},
		{"without data there is nothing to index", 400, "0:", "", "0 note open/no files", 600, -1,
			-1},
		{"a marker is no data", 400, "0:!", "", "0 note open/no files", 600, -1, -1},
		{"a young file keeps it open", 400, "0:a@1,b@399", "", "0 note open/quiet", 401, -1, -1},
		{"a file as old as quiet does not", 401, "0:a@1,b@399", "", "0 index published:a,b", 600, -1,
			0},
		{"a file from just ahead is young", 400, "0:a@4000", "", "0 note open/quiet", 600, -1, -1},
		{"a file one hour ahead is young", 3990, "0:a@7590", "", "0 note open/quiet", 4200, -1, -1},
		{"a file further ahead is a wrong clock", 3990, "0:a@7591", "", "0 index published:a", 4200,
			-1, 0},
		{"a wrong clock hides no young file", 400, "0:a@99999,b@399", "", "0 note open/quiet", 401,
			-1, -1},
		{"an old mtime hides no young ctime", 400, "0:a@1^399", "", "0 note open/quiet", 401, -1, -1},
		{"a wrong mtime neither", 400, "0:a@99999^399", "", "0 note open/quiet", 401, -1, -1},
		{"quiet 0 turns the test off", 400, "0:a@400", "", "0 index published:a", 600, -1, 0,
			.loud = true},
		{"no marker is asked for", 400, "0:a@1", "", "0 index published:a", 600, -1, 0},
		{"a file older than its slice is data", 400, "0:a@-9999", "", "0 index published:a", 600, -1,
			0},
	};

	RUN_CASES(cases);
}

static void a_partition_is_complete_by_its_marker(void)
{
	static const struct plan_case cases[] = {
		{"without it the partition is open", 400, "0:a@1", "", "0 note open/no marker", 600, -1, -1,
			COMPLETE_MARKER},
		{"with it the partition is complete", 400, "0:a@399!", "", "0 index published:a", 600, -1, 0,
			COMPLETE_MARKER},
		{"it may mark an empty partition", 400, "0:!", "", "0 index published", 600, -1, 0,
			COMPLETE_MARKER},
		{"not before the slice has ended", 299, "0:a@1!", "", "0 note open/not ended", 300, -1, -1,
			COMPLETE_MARKER},
		{"settle is nothing to it", 301, "0:a@1!", "", "0 index published:a", 600, -1, 0,
			COMPLETE_MARKER, .settle = 99},
		{"both: the marker is missing", 400, "0:a@1", "", "0 note open/no marker", 600, -1, -1,
			COMPLETE_BOTH},
		{"both: all is there", 400, "0:a@1!", "", "0 index published:a", 600, -1, 0, COMPLETE_BOTH},
		{"both: a file is young", 400, "0:a@399!", "", "0 note open/quiet", 401, -1, -1,
			COMPLETE_BOTH},
		{"both: there is no data", 400, "0:!", "", "0 note open/no files", 600, -1, -1,
			COMPLETE_BOTH},
		{"both: it settles", 310, "0:a@1!", "", "0 note open/settling", 320, -1, -1, COMPLETE_BOTH,
			.settle = 20},
	};

	RUN_CASES(cases);
}

static void one_build_takes_every_complete_partition_inside_the_horizon(void)
{
	static const struct plan_case cases[] = {
		{"nothing is there", 400, "", "", "", 600, -1, -1},
		{"several at once, gaps and all", 2000, "0:a@1; 10:b@2; 25:c@3", "",
			"0 index published:a; 10 index published:b; 25 index published:c", 2100, -1, 25},
		{"an open one among them stays behind", 2000, "0:a@1; 10:; 25:c@3", "",
			"0 index published:a; 10 note open/no files; 25 index published:c", 2100, -1, 25},
		{"one that comes late does not move the watermark", 2000, "10:b@1990; 25:c@3",
			"25 published:c@3", "10 index published:b; 25 keep published", 2100, 25, 25},
		{"what lies at the new horizon is old", 2950, "5:a@1; 10:b@2; 40:c@3", "",
			"5 note skipped/old; 10 note skipped/old; 40 index published:c", 3000, -1, 40,
			.window = 1800},
		{"what lies just inside is not", 2950, "11:a@1; 40:c@3", "",
			"11 index published:a; 40 index published:c", 3000, -1, 40, .window = 1800},
		{"an open one outside is old too", 2950, "5:; 40:c@3", "5 open/no files:",
			"5 note skipped/old; 40 index published:c", 3000, -1, 40, .window = 1800},
		{"an open newest one does not move the horizon", 2950, "5:a@1; 45:c@3", "",
			"5 index published:a; 45 note open/not ended", 3000, -1, 5, .window = 1800},
		{"window = all has no horizon", 2950, "0:a@1; 40:c@3", "",
			"0 index published:a; 40 index published:c", 3000, -1, 40, .window = -1},
		{"a young file outside makes nothing due", 2950, "5:a@2949; 40:c@3", "",
			"5 note skipped/old; 40 index published:c", 3000, -1, 40, .window = 1800},
		{"complete rows are indexed", 400, "0:a@1", "0 complete:a@1", "0 index published:a", 600, -1,
			0},
	};

	RUN_CASES(cases);
}

static void the_future_moves_nothing(void)
{
	static const struct plan_case cases[] = {
		{"a partition of the future is open", 400, "0:a@1; 600:b@2", "",
			"0 index published:a; 600 note open/not ended", 600, -1, 0},
		{"a row past the listing's end is left alone", 400, "0:a@1",
			"0 published:a@1; 60 published:b@2", "0 keep published; 60 keep published", 600, 60,
			60},
		{"an open one there too", 400, "", "60 open/not ended:b@2", "60 keep open/not ended", 600, -1,
			-1},
		{"the watermark does not follow a clock that was set back", 400, "", "", "", 600, 60, 60},
	};

	RUN_CASES(cases);
}

static void a_published_partition_is_looked_at_again(void)
{
	static const struct plan_case cases[] = {
		{"nothing changed", 900, "0:a@1", "0 published:a@1", "0 keep published", 1200, 0, 0},
		{"a file was added", 900, "0:a@1,b@500", "0 published:a@1", "0 index published:b", 1200, 0,
			0},
		{"files were added before and behind", 900, "0:a@5,b@1,c@5", "0 published:b@1",
			"0 index published:a,c", 1200, 0, 0},
		{"an added file is still young", 900, "0:a@1,b@899", "0 published:a@1", "0 keep published",
			901, 0, 0},
		{"a young one holds up the other added one", 900, "0:a@1,b@5,c@899", "0 published:a@1",
			"0 keep published", 901, 0, 0},
		{"only the age of added files counts", 900, "0:a@899,b@5", "0 published:a@1",
			"0 index published/rewritten:b", 1200, 0, 0},
		{"an added file needs its marker", 900, "0:a@1,b@5", "0 published:a@1!", "0 keep published",
			1200, 0, 0, COMPLETE_MARKER},
		{"and is taken with it", 900, "0:a@1,b@899!", "0 published:a@1!", "0 index published:b", 1200,
			0, 0, COMPLETE_MARKER},
		{"to an empty one too", 900, "0:b@5!", "0 published:!", "0 index published:b", 1200, 0, 0,
			COMPLETE_MARKER},
		{"a file has another time", 900, "0:a@2", "0 published:a@1", "0 note published/rewritten",
			1200, 0, 0},
		{"a file has another ctime only", 900, "0:a@1^2", "0 published:a@1",
			"0 note published/rewritten", 1200, 0, 0},
		{"a file has another size", 900, "0:a@1#9", "0 published:a@1", "0 note published/rewritten",
			1200, 0, 0},
		{"a file is gone", 900, "0:a@1", "0 published:a@1,b@2", "0 note published/vanished", 1200, 0,
			0},
		{"all files are gone", 900, "0:", "0 published:a@1,b@2", "0 note published/gone", 1200, 0, 0},
		{"the directory is gone", 900, "", "0 published:a@1", "0 note published/gone", 1200, 0, 0},
		{"it stays gone without another note", 900, "", "0 published/gone", "0 keep published/gone",
			1200, 0, 0},
		{"rewritten says more than vanished", 900, "0:a@2", "0 published:a@1,b@2",
			"0 note published/rewritten", 1200, 0, 0},
		{"a file was renamed", 900, "0:b@1", "0 published:a@1", "0 index published/vanished:b", 1200,
			0, 0},
		{"a marker came after all", 900, "0:a@1!", "0 published:a@1", "0 note published", 1200, 0, 0},
		{"what was gone is back", 900, "0:a@1", "0 published/gone*:", "0 index published:a", 1200, 0,
			0},
		{"a slice that a config change makes unended again waits", 400, "0:a@1,b@2",
			"0 published:a@1", "0 keep published", 600, 0, 0, .settle = 600},
	};

	RUN_CASES(cases);
}

static void what_leaves_the_horizon_expires(void)
{
	static const struct plan_case cases[] = {
		{"published content leaves when the watermark moves", 2950, "5:a@1; 40:c@3",
			"5 published:a@1", "5 note expired; 40 index published:c", 3000, 5, 40,
			.window = 1800},
		{"also what had a change to be indexed", 2950, "5:a@1,b@2; 40:c@3", "5 published:a@1",
			"5 note expired; 40 index published:c", 3000, 5, 40, .window = 1800},
		{"not while it stands still", 2950, "5:a@1; 40:", "5 published:a@1",
			"5 keep published; 40 note open/no files", 3000, 5, 5, .window = 1800},
		{"a row that is not listed any more expires", 2950, "40:c@3",
			"5 published:a@1; 40 published:c@3", "5 note expired; 40 keep published", 3000, 40,
			40, .window = 1800},
		{"a seen one that was never published is old", 2950, "40:c@3",
			"5 open/quiet:a@1; 40 published:c@3", "5 note skipped/old; 40 keep published", 3000,
			40, 40, .window = 1800},
		{"a failed one too", 2950, "40:c@3", "5 failed/bad:a@1?9999; 40 published:c@3",
			"5 note skipped/old; 40 keep published", 3000, 40, 40, .window = 1800},
		{"a failed one with content expires", 2950, "40:c@3", "5 failed/bad*:a@1; 40 published:c@3",
			"5 note expired; 40 keep published", 3000, 40, 40, .window = 1800},
		{"expired and old rows rest", 2950, "40:c@3",
			"0 expired:x@1; 5 skipped/old:a@1; 40 published:c@3",
			"0 keep expired; 5 keep skipped/old; 40 keep published", 3000, 40, 40,
			.window = 1800},
		{"a longer window takes old ones in again", 2950, "0:x@1; 5:a@1; 40:c@3",
			"0 expired*:x@1; 5 skipped/old:a@1; 40 published:c@3",
			"0 index published:x; 5 index published:a; 40 keep published", 3000, 40, 40},
		{"unless their files are gone", 2950, "40:c@3",
			"0 expired*:x@1; 5 skipped/old:a@1; 40 published:c@3",
			"0 keep expired; 5 keep skipped/old; 40 keep published", 3000, 40, 40},
	};

	RUN_CASES(cases);
}

static void what_is_open_and_vanishes_has_no_files(void)
{
	static const struct plan_case cases[] = {
		{"an open directory vanished", 400, "", "0 open/quiet:a@399", "0 note open/no files", 600, -1,
			-1},
		{"a complete one too", 400, "", "0 complete:a@1", "0 note open/no files", 600, -1, -1},
		{"a failed one too", 400, "", "0 failed/bad:a@1", "0 note open/no files", 600, -1, -1},
		{"it is noted once", 400, "", "0 open/no files", "0 keep open/no files", 600, -1, -1},
		{"an empty one is noted once", 400, "0:", "0 open/no files:", "0 keep open/no files", 600, -1,
			-1},
		{"another listing is noted", 400, "0:a@399,b@399", "0 open/quiet:a@399", "0 note open/quiet",
			401, -1, -1},
		{"the same is not", 400, "0:a@399", "0 open/quiet:a@399", "0 keep open/quiet", 401, -1, -1},
		{"another reason is", 302, "0:a@301", "0 open/not ended:a@301", "0 note open/quiet", 303, -1,
			-1},
	};

	RUN_CASES(cases);
}

static void a_failed_partition_rests_until_something_changes(void)
{
	static const struct plan_case cases[] = {
		{"nothing changed", 900, "0:a@1", "0 failed/bad:a@1", "0 keep failed/bad", 1200, -1, -1},
		{"its files changed", 900, "0:a@2", "0 failed/bad:a@1", "0 index published:a", 1200, -1, 0},
		{"they changed just now", 900, "0:a@899", "0 failed/bad:a@1", "0 note open/quiet", 901, -1,
			-1},
		{"somebody asked", 900, "0:a@1", "0 failed/bad:a@1", "0 index published:a", 1200, -1, 0,
			.retry = true},
		{"its time has not come", 900, "0:a@1", "0 failed/io:a@1?950", "0 keep failed/io", 950, -1,
			-1},
		{"its time has come", 950, "0:a@1", "0 failed/io:a@1?950", "0 index published:a", 1200, -1,
			0},
		{"it does not move the watermark while it rests", 900, "0:a@1; 5:b@2", "5 failed/bad:b@2",
			"0 index published:a; 5 keep failed/bad", 1200, -1, 0},
		{"nor block what is newer", 900, "0:a@1; 5:b@2", "0 failed/bad:a@1",
			"0 keep failed/bad; 5 index published:b", 1200, -1, 5},
		{"where content is in the index, only the rest is read", 900, "0:a@1,b@2",
			"0 failed/bad*:a@1", "0 index published:b", 1200, 0, 0},
		{"without the bad file it is published again", 900, "0:a@1", "0 failed/bad*:a@1!",
			"0 note published", 1200, 0, 0},
		{"also when that is asked for", 900, "0:a@1", "0 failed/bad*:a@1", "0 note published", 1200,
			0, 0, .retry = true},
		{"one put back to open with content reads the rest", 900, "0:a@1,b@2", "0 open/changed*:a@1",
			"0 index published:b", 1200, 0, 0},
		{"while that is young it stays open", 900, "0:a@1,b@899", "0 open/changed*:a@1",
			"0 keep open/changed", 901, 0, 0},
	};

	RUN_CASES(cases);
}

static void horizons_follow_the_watermark(void)
{
	struct config cfg = {.window = TIME_HOUR};

	check_int(plan_horizon(&cfg, T0), T0 - TIME_HOUR);
	check_int(plan_horizon(&cfg, TIME_NONE), TIME_NONE);
	cfg.window = TIME_FOREVER;
	check_int(plan_horizon(&cfg, T0), TIME_NONE);
}

static void hostile_times_do_not_overflow(void)
{
	static const struct plan_case cases[] = {
		{"far past and far future", 3990, "0:a@-9000000000,b@7000000000", "", "0 index published:a,b",
			4200, -1, 0},
	};
	struct config cfg = {
		.cadence = TIME_FOREVER - 1, .settle = TIME_FOREVER - 1, .window = TIME_FOREVER - 1};
	struct feed_file file = {slice_str("a"), 1, INT64_MIN + 1, INT64_MAX};
	struct feed_partition p = {.ts = T0, .path = slice_str("p"), .files = &file, .file_count = 1};
	struct listing l = {.partitions = &p, .count = 1};
	struct plan_input in = {.cfg = &cfg, .now = T0 + 1, .listing = &l, .watermark = T0};
	struct plan out;

	RUN_CASES(cases);
	check_int(plan_make(&in, &out, NULL), 0);
	check_int(out.items[0].state, PART_OPEN);
	check_int(out.watermark, T0);
	plan_release(&out);
}

static void a_plan_prints_what_it_would_do(void)
{
	static const struct plan_case c = {
		"print", 2950, "5:a@1; 10:b@2,c@3; 45:d@4", "5 published:a@1", "", 0, 5, 10};
	OWNED_BUF got = {0};
	struct world w;
	struct plan p;

	world_make(&w, &c);
	w.partitions[1].path = slice_str("line\nbreak");
	check_int(plan_make(&w.in, &p, NULL), 0);
	plan_print(&p, &got);
	check_str(buf_cstr(&got), "index\tline%0Abreak\tpublished\t\t2 files\n"
				  "note\tpartition\topen\tnot ended\t1 files\n"
				  "watermark\t2026-05-04T10:10:00Z\n"
				  "next_due\t2026-05-04T10:50:00Z\n");
	plan_release(&p);
	arena_release(&w.arena);
}

int main(void)
{
	RUN(a_partition_is_complete_by_rate);
	RUN(a_partition_is_complete_by_its_marker);
	RUN(one_build_takes_every_complete_partition_inside_the_horizon);
	RUN(the_future_moves_nothing);
	RUN(a_published_partition_is_looked_at_again);
	RUN(what_leaves_the_horizon_expires);
	RUN(what_is_open_and_vanishes_has_no_files);
	RUN(a_failed_partition_rests_until_something_changes);
	RUN(horizons_follow_the_watermark);
	RUN(hostile_times_do_not_overflow);
	RUN(a_plan_prints_what_it_would_do);
	return tap_done();
}
