/* SPDX-License-Identifier: Apache-2.0 */
/* Policies, the base, and partitions at which builds die. */
#include "plan_case.h"

static void newest_takes_the_newest_and_replaces_the_rest(void)
{
	static const struct plan_case cases[] = {
		{"the first one", 400, "0:a@1", "", "0 index published:a | replaces", 600, -1, 0,
			.policy = POLICY_NEWEST},
		{"the newest of several", 2000, "0:a@1; 10:b@2; 25:c@3", "",
			"0 note skipped/superseded; 10 note skipped/superseded; 25 index published:c | replaces",
			2100, -1, 25, .policy = POLICY_NEWEST},
		{"what was there is replaced", 2000, "0:a@1; 10:b@2", "0 published:a@1",
			"0 note expired/replaced; 10 index published:b | replaces", 2100, 0, 10,
			.policy = POLICY_NEWEST},
		{"also what has a change to be read", 2000, "0:a@9,x@1; 10:b@2", "0 published:a@1",
			"0 note expired/replaced; 10 index published:b | replaces", 2100, 0, 10,
			.policy = POLICY_NEWEST},
		{"a late file of the newest is folded", 2000, "0:a@1,b@3", "0 published:a@1",
			"0 index published:b", 2100, 0, 0, .policy = POLICY_NEWEST},
		{"a late partition is passed over", 2000, "5:b@3; 10:a@1", "10 published:a@1",
			"5 note skipped/superseded; 10 keep published", 2100, 10, 10,
			.policy = POLICY_NEWEST},
		{"an open one waits", 2000, "5:b@1999; 10:a@1", "10 published:a@1",
			"5 note open/quiet; 10 keep published", 2001, 10, 10, .policy = POLICY_NEWEST},
		{"an open newest one does not replace", 2000, "5:b@1; 10:a@1999", "5 published:b@1",
			"5 keep published; 10 note open/quiet", 2001, 5, 5, .policy = POLICY_NEWEST},
		{"before the overlap, inside the window, it is uncovered", 2000, "0:a@1; 10:b@2; 25:c@3", "",
			"0 note skipped/uncovered; 10 note skipped/superseded; 25 index published:c | replaces",
			2100, -1, 25, .policy = POLICY_NEWEST, .overlap = 1200},
		{"the overlap's end is outside it", 2000, "5:b@2; 25:c@3", "",
			"5 note skipped/uncovered; 25 index published:c | replaces", 2100, -1, 25,
			.policy = POLICY_NEWEST, .overlap = 1200},
		{"outside the window it is old", 2950, "0:a@1; 40:c@3", "",
			"0 note skipped/old; 40 index published:c | replaces", 3000, -1, 40, .window = 1800,
			.policy = POLICY_NEWEST},
		{"what was old and is inside a longer window is judged again", 2000, "5:a@1; 10:b@2",
			"5 skipped/old:a@1; 10 published:b@2", "5 note skipped/superseded; 10 keep published",
			2100, 10, 10, .policy = POLICY_NEWEST},
		{"inside a longer overlap superseded", 2950, "0:a@1; 40:c@3", "",
			"0 note skipped/superseded; 40 index published:c | replaces", 3000, -1, 40,
			.window = 1800, .policy = POLICY_NEWEST, .overlap = 9000},
		{"a failed one is passed over too", 2000, "0:a@1; 10:b@2", "0 failed/bad:a@1",
			"0 note skipped/superseded; 10 index published:b | replaces", 2100, -1, 10,
			.policy = POLICY_NEWEST},
		{"a failed newest one rests, the one before is taken", 2000, "0:a@1; 10:b@2; 15:c@3",
			"0 published:a@1; 15 failed/bad:c@3",
			"0 note expired/replaced; 10 index published:b; 15 keep failed/bad | replaces", 2100,
			0, 10, .policy = POLICY_NEWEST},
		{"what was replaced or passed over stays so", 2000, "0:a@1; 5:x@1; 10:b@2",
			"0 expired/replaced*:a@1; 5 skipped/superseded:x@1; 10 published:b@2",
			"0 keep expired/replaced; 5 keep skipped/superseded; 10 keep published", 2100, 10, 10,
			.policy = POLICY_NEWEST},
		{"under another policy it comes back", 2000, "0:a@1; 5:x@1; 10:b@2",
			"0 expired/replaced*:a@1; 5 skipped/superseded:x@1; 10 published:b@2",
			"0 index published:a; 5 index published:x; 10 keep published", 2100, 10, 10},
	};

	RUN_CASES(cases);
}

static void replay_takes_one_after_the_other(void)
{
	static const struct plan_case cases[] = {
		{"the oldest first", 1000, "0:a@1; 5:b@2; 10:c@3", "",
			"0 index published:a; 5 note complete; 10 note complete | more", 1000, -1, 0,
			.policy = POLICY_REPLAY},
		{"and on", 1000, "0:a@1; 5:b@2; 10:c@3", "0 published:a@1; 5 complete:b@2; 10 complete:c@3",
			"0 keep published; 5 index published:b; 10 keep complete | more", 1000, 0, 5,
			.policy = POLICY_REPLAY},
		{"to the last", 1000, "5:b@2; 10:c@3", "5 published:b@2; 10 complete:c@3",
			"5 keep published; 10 index published:c", 1200, 5, 10, .policy = POLICY_REPLAY},
		{"changes of what is indexed come first", 1000, "0:a@4; 5:b@2", "0 published:a@1",
			"0 index published:a; 5 note complete | more", 1000, 0, 0, .policy = POLICY_REPLAY},
		{"also these one by one", 1000, "0:a@4; 5:b@4", "0 published:a@1; 5 published:b@1",
			"0 index published:a; 5 keep published | more", 1000, 5, 5, .policy = POLICY_REPLAY},
		{"a late partition before newer ones", 1000, "0:a@1; 5:b@2; 10:c@3", "5 published:b@2",
			"0 index published:a; 5 keep published; 10 note complete | more", 1000, 5, 5,
			.policy = POLICY_REPLAY},
		{"a gap is waited for", 1000, "10:c@3", "0 published:a@1",
			"0 note published/gone; 10 note complete", 1200, 0, 0, .policy = POLICY_REPLAY},
		{"until the timeout is next", 1000, "10:c@3", "0 published/gone",
			"0 keep published/gone; 10 note complete", 1100, 0, 0, .policy = POLICY_REPLAY,
			.gap = 500},
		{"to its last instant", 4199, "10:c@3", "0 published/gone",
			"0 keep published/gone; 10 note complete", 4200, 0, 0, .policy = POLICY_REPLAY},
		{"and then no longer", 4200, "10:c@3", "0 published/gone",
			"0 keep published/gone; 10 index published:c", 4500, 0, 10, .policy = POLICY_REPLAY},
		{"the last slot of a gap decides", 4300, "20:c@3", "0 published/gone",
			"0 keep published/gone; 20 note complete", 4500, 0, 0, .policy = POLICY_REPLAY},
		{"before the first partition there is no gap", 4000, "60:c@3", "", "60 index published:c",
			4200, -1, 60, .policy = POLICY_REPLAY},
		{"an open first one is one", 1000, "0:a@999; 5:b@3", "", "0 note open/quiet; 5 note complete",
			1001, -1, -1, .policy = POLICY_REPLAY},
		{"another in its slot closes it", 1000, "0:a@999; 1:x@1; 5:b@3", "",
			"0 note open/quiet; 1 index published:x; 5 note complete | more", 1000, -1, 1,
			.policy = POLICY_REPLAY},
		{"a failed one is a gap", 1000, "0:a@1; 5:b@3", "0 failed/bad:a@1",
			"0 keep failed/bad; 5 note complete", 1200, -1, -1, .policy = POLICY_REPLAY},
		{"and given up like one", 3900, "0:a@1; 5:b@3", "0 failed/bad:a@1",
			"0 keep failed/bad; 5 index published:b", 4200, -1, 5, .policy = POLICY_REPLAY},
		{"what comes next after a gap is due then", 1000, "0:a@1; 10:c@3", "",
			"0 index published:a; 10 note complete", 1050, -1, 0, .policy = POLICY_REPLAY,
			.gap = 450},
		{"however old, none is left behind unread", 40000, "0:a@1; 600:b@2", "",
			"0 index published:a; 600 note complete | more", 40000, -1, 0,
			.policy = POLICY_REPLAY},
		{"it leaves when its turn is over", 40000, "600:b@2", "0 published:a@1; 600 complete:b@2",
			"0 note expired; 600 index published:b", 40200, 0, 600, .policy = POLICY_REPLAY},
	};

	RUN_CASES(cases);
}

static void what_the_base_covers_is_let_be(void)
{
	static const struct plan_case cases[] = {
		{"what it covers is not indexed", 1000, "0:a@1; 5:b@2; 10:c@3", "",
			"0 note skipped/covered; 5 note skipped/covered; 10 index published:c", 1200, 5, 10,
			.base = 10},
		{"not all of a slice is not enough", 1000, "0:a@1; 6:b@2", "",
			"0 note skipped/covered; 6 index published:b", 1200, 0, 6, .base = 10},
		{"what was published expires", 1000, "0:a@1; 10:c@3", "0 published:a@1; 10 published:c@3",
			"0 note expired/covered; 10 keep published", 1200, 10, 10, .base = 10},
		{"what failed or was uncovered is covered", 1000, "0:a@1; 5:b@2; 10:c@3",
			"0 failed/bad:a@1; 5 skipped/uncovered:b@2; 10 published:c@3",
			"0 note skipped/covered; 5 note skipped/covered; 10 keep published", 1200, 10, 10,
			.base = 10},
		{"later changes are counted", 1000, "0:a@7; 5:b@7; 10:c@3",
			"0 skipped/covered:a@1; 5 expired/covered*:b@2; 10 published:c@3",
			"0 keep skipped/covered; 5 keep expired/covered; 10 keep published | covered 2", 1200,
			10, 10, .base = 10},
		{"retention is no change", 1000, "0:; 10:c@3",
			"0 skipped/covered:a@1; 5 expired/covered*:b@2; 10 published:c@3",
			"0 keep skipped/covered; 5 keep expired/covered; 10 keep published", 1200, 10, 10,
			.base = 10},
		{"nothing is old over a base", 40000, "0:a@1; 5:b@2; 600:c@3", "",
			"0 note skipped/covered; 5 index published:b; 600 index published:c", 40200, 0, 600,
			.base = 5},
		{"nor does anything leave before it is covered", 40000, "5:b@2; 600:c@3", "5 published:b@2",
			"5 keep published; 600 index published:c", 40200, 5, 600, .base = 5},
		{"newest replaces above it", 2000, "0:a@1; 5:b@2; 10:c@3; 20:d@4", "5 published:b@2",
			"0 note skipped/covered; 5 note expired/replaced; 10 note skipped/superseded; "
			"20 index published:d | replaces",
			2100, 5, 20, .base = 5, .policy = POLICY_NEWEST},
		{"and before its overlap there is a hole", 40000, "5:b@2; 600:c@3", "",
			"5 note skipped/uncovered; 600 index published:c | replaces", 40200, 0, 600,
			.base = 5, .policy = POLICY_NEWEST},
		{"replay waits for gaps behind it only", 1000, "10:c@3", "", "10 index published:c", 1200, 5,
			10, .base = 10, .policy = POLICY_REPLAY},
		{"but for these", 1000, "10:c@3", "", "10 note complete", 1200, 0, 0, .base = 5,
			.policy = POLICY_REPLAY},
	};

	RUN_CASES(cases);
}

static void a_partition_at_which_builds_die_is_built_alone(void)
{
	static const struct plan_case cases[] = {
		{"after one death all goes on", 1000, "0:a@1; 5:b@2", "0 building+1:a@1",
			"0 index published:a; 5 index published:b", 1200, -1, 5},
		{"after two the others come first", 1000, "0:a@1; 5:b@2", "0 building+2:a@1",
			"0 note complete; 5 index published:b | more", 1000, -1, 5},
		{"then it is alone", 1000, "0:a@1; 5:b@2", "0 complete+2:a@1; 5 published:b@2",
			"0 index published:a; 5 keep published", 1200, 5, 5},
		{"the oldest of several", 1000, "0:a@1; 5:b@2", "0 building+2:a@1; 5 building+2:b@2",
			"0 index published:a; 5 note complete | more", 1000, -1, 0},
		{"what the newest of them would leave behind is not read meanwhile", 2950,
			"0:x@1; 20:a@1; 40:b@2", "20 building+2:a@1; 40 building+2:b@2",
			"0 note complete; 20 index published:a; 40 note complete | more", 2950, -1, 20,
			.window = 1800},
		{"after three it has failed", 1000, "0:a@1; 5:b@2", "0 building+3:a@1",
			"0 note failed/crashed; 5 index published:b", 1200, -1, 5},
		{"and rests", 1000, "0:a@1", "0 failed/crashed+3:a@1?1100", "0 keep failed/crashed", 1100, -1,
			-1},
		{"it is tried again alone", 1100, "0:a@1; 5:b@2", "0 failed/crashed+3:a@1?1100",
			"0 note complete; 5 index published:b | more", 1100, -1, 5},
		{"or on request", 1000, "0:a@1", "0 building+3:a@1", "0 index published:a", 1200, -1, 0,
			.retry = true},
		{"other files are another matter", 1000, "0:a@7; 5:b@2", "0 building+3:a@1",
			"0 index published:a; 5 index published:b", 1200, -1, 5},
		{"young ones are waited for", 1000, "0:a@999", "0 building+3:a@1", "0 note open/quiet", 1001,
			-1, -1},
		{"what dies of a change keeps its content", 1000, "0:a@7; 5:b@2", "0 building*+3:a@7",
			"0 note failed/crashed; 5 index published:b", 1200, 0, 5},
		{"a change waits as published", 1000, "0:a@1,b@7; 5:b@2", "0 building*+2:a@1",
			"0 index published:b; 5 index published:b", 1200, 0, 5},
		{"newest has no choice", 1000, "0:a@1; 5:b@2", "5 building+2:b@2",
			"0 note skipped/superseded; 5 index published:b | replaces", 1200, -1, 5,
			.policy = POLICY_NEWEST},
		{"replay neither", 1000, "0:a@1; 5:b@2", "0 building+2:a@1",
			"0 index published:a; 5 note complete | more", 1000, -1, 0, .policy = POLICY_REPLAY},
		{"a crashed one is a gap to it", 1000, "0:a@1; 5:b@2", "0 building+3:a@1",
			"0 note failed/crashed; 5 note complete", 1200, -1, -1, .policy = POLICY_REPLAY},
	};

	RUN_CASES(cases);
}

int main(void)
{
	RUN(newest_takes_the_newest_and_replaces_the_rest);
	RUN(replay_takes_one_after_the_other);
	RUN(what_the_base_covers_is_let_be);
	RUN(a_partition_at_which_builds_die_is_built_alone);
	return tap_done();
}
