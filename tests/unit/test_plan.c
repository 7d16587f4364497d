/* SPDX-License-Identifier: Apache-2.0 */
/* When a partition is complete, and what becomes of it afterwards, under policy `latest`. */
#include "plan_case.h"

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
		{"a young rewritten one too", 900, "0:a@899,b@5", "0 published:a@1", "0 keep published", 901,
			0, 0},
		{"the age of files that are in it does not count", 901, "0:a@900,b@5", "0 published:a@900",
			"0 index published:b", 1200, 0, 0},
		{"an added file needs its marker", 900, "0:a@1,b@5", "0 published:a@1!", "0 keep published",
			1200, 0, 0, COMPLETE_MARKER},
		{"and is taken with it", 900, "0:a@1,b@899!", "0 published:a@1!", "0 index published:b", 1200,
			0, 0, COMPLETE_MARKER},
		{"to an empty one too", 900, "0:b@5!", "0 published:!", "0 index published:b", 1200, 0, 0,
			COMPLETE_MARKER},
		{"a file has another time", 900, "0:a@2", "0 published:a@1", "0 index published:a", 1200, 0,
			0},
		{"a file has another ctime only", 900, "0:a@1^2", "0 published:a@1", "0 index published:a",
			1200, 0, 0},
		{"a file has another size", 900, "0:a@1#9", "0 published:a@1", "0 index published:a", 1200, 0,
			0},
		{"others are not read again", 900, "0:a@1,b@5,c@3", "0 published:a@1,b@2,c@3",
			"0 index published:b", 1200, 0, 0},
		{"a file is gone", 900, "0:a@1", "0 published:a@1,b@2", "0 index published:-b", 1200, 0, 0},
		{"that waits for no marker", 900, "0:a@1", "0 published:a@1,b@2!", "0 index published:-b",
			1200, 0, 0, COMPLETE_MARKER},
		{"it waits for files that are young", 900, "0:a@899", "0 published:a@1,b@2",
			"0 keep published", 901, 0, 0},
		{"all files are gone", 900, "0:", "0 published:a@1,b@2", "0 note published/gone", 1200, 0, 0},
		{"the directory is gone", 900, "", "0 published:a@1", "0 note published/gone", 1200, 0, 0},
		{"it stays gone without another note", 900, "", "0 published/gone", "0 keep published/gone",
			1200, 0, 0},
		{"gone without a file that was read", 900, "0:", "0 published:!", "0 note published", 1200, 0,
			0, COMPLETE_MARKER},
		{"one is rewritten and one is gone", 900, "0:a@2", "0 published:a@1,b@2",
			"0 index published:a,-b", 1200, 0, 0},
		{"a file was renamed", 900, "0:b@1", "0 published:a@1", "0 index published:b,-a", 1200, 0, 0},
		{"a build died at a change", 900, "0:a@2", "0 building*+1:a@1", "0 index published:a", 1200,
			0, 0},
		{"or just noted so much", 900, "0:a@1", "0 building*+1:a@1", "0 note published", 1200, 0, 0},
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
		{"a seen one that was never published is old", 2950, "5:a@1; 40:c@3",
			"5 open/quiet:a@1; 40 published:c@3", "5 note skipped/old; 40 keep published", 3000,
			40, 40, .window = 1800},
		{"one that never had files", 2950, "5:; 40:c@3", "5 open/no files:; 40 published:c@3",
			"5 note skipped/old; 40 keep published", 3000, 40, 40, .window = 1800},
		{"one whose files are gone is uncovered", 2950, "5:; 40:c@3", "5 open/no files:a@1",
			"5 note skipped/uncovered; 40 index published:c", 3000, 5, 40, .window = 1800},
		{"not where the listing does not reach, which says nothing", 2950, "40:c@3",
			"5 open/quiet:a@1; 40 published:c@3", "5 note skipped/old; 40 keep published", 3000,
			40, 40, .window = 1800},
		{"a failed one too", 2950, "40:c@3", "5 failed/bad:a@1?9999; 40 published:c@3",
			"5 note skipped/uncovered; 40 keep published", 3000, 40, 40, .window = 1800},
		{"also when its files are still there", 2950, "5:a@2; 40:c@3",
			"5 failed/bad:a@1; 40 published:c@3", "5 note skipped/uncovered; 40 keep published",
			3000, 40, 40, .window = 1800},
		{"uncovered ones rest", 2950, "5:a@2; 40:c@3", "5 skipped/uncovered:a@2; 40 published:c@3",
			"5 keep skipped/uncovered; 40 keep published", 3000, 40, 40, .window = 1800},
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
		{"a change that failed is read again once it changes", 900, "0:a@3", "0 failed/bad*:a@1",
			"0 index published:a", 1200, 0, 0},
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

	check_int(plan_horizon(&cfg, T0, TIME_NONE), T0 - TIME_HOUR);
	check_int(plan_horizon(&cfg, TIME_NONE, TIME_NONE), TIME_NONE);
	cfg.cadence = 5 * TIME_MINUTE;
	check_int(plan_horizon(&cfg, T0, T0), T0 - TIME_HOUR);
	check_int(plan_horizon(&cfg, T0, T0 - 2 * TIME_HOUR), T0 - 125 * TIME_MINUTE);
	check_int(plan_horizon(&cfg, TIME_NONE, T0), T0 - 5 * TIME_MINUTE);
	cfg.window = TIME_FOREVER;
	check_int(plan_horizon(&cfg, T0, TIME_NONE), TIME_NONE);
	check_int(plan_horizon(&cfg, T0, T0), TIME_NONE);
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
