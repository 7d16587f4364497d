# SPDX-License-Identifier: Apache-2.0
"""What comes after a downtime of twelve hours is what the policy says, in partitions.tsv, whatever was killed meanwhile.

FRESHET_SEED repeats a run.
"""

import os
import random
import subprocess
import time

import pytest

from harness import DOCUMENTS, EX_DATAERR, PART, Killer, rfc3339, slice_path, slice_time, table

SEED = int(os.environ.get("FRESHET_SEED") or time.time())
BEFORE, AFTER = 12, 156  # slices up to the downtime, and up to its end
LEFT = AFTER - 1 - 60  # the last slice that is outside the window of five hours at the end
GAP, BROKEN = 30, 100


def put_slices(box, begin, end):
    for i in range(begin, end):
        if i == BROKEN:
            box.feed.put(i, b"no JSON\n" * 20)
        elif i != GAP:
            box.feed.put(i, [{"id": f"ad-{i % 7}-{i % 50}", "title": "espresso", "n": i}])


def after(i):
    """The options that make a build believe that slice i has just begun."""
    return "--all", "--now", rfc3339(slice_time(i))


def downtime(box, policy):
    """Twelve slices are built as they come, then nobody builds for twelve hours."""
    box.configure(DOCUMENTS, lag=f"policy = {policy}\nwindow = 5h")
    put_slices(box, 0, BEFORE)
    box.build(*after(BEFORE))
    put_slices(box, BEFORE, AFTER)


def states(box, state=None):
    rows = table(box.mount(state=state))
    return {path: (row["state"], row["reason"].split(":")[0]) for path, row in rows.items()}


def want(**ranges):
    """{path: (state, reason)} from ranges of slices by "state_reason"; later ones overrule earlier ones."""
    found = {}
    for name, (begin, end) in ranges.items():
        state, _, reason = name.partition("_")
        found.update({slice_path(i): (state, reason) for i in range(begin, end) if i != GAP})
    return found


def expected(policy):
    failed = {slice_path(BROKEN): ("failed", "part-0.jsonl")}
    if policy == "latest":
        return want(expired=(0, BEFORE), skipped_old=(BEFORE, LEFT + 1), published=(LEFT + 1, AFTER)) | failed
    if policy == "newest":
        return want(
            skipped_superseded=(0, AFTER),
            skipped_old=(BEFORE, LEFT + 1),
            expired_replaced=(BEFORE - 1, BEFORE),
            published=(AFTER - 1, AFTER),
        )
    return want(expired=(0, LEFT + 1), published=(LEFT + 1, AFTER)) | failed


@pytest.mark.release
@pytest.mark.parametrize("policy", ["latest", "newest", "replay"])
def test_a_downtime_of_twelve_hours_gives_what_the_policy_says(box, policy):
    downtime(box, policy)
    result = box.try_build(*after(AFTER))
    assert result.code == (0 if policy == "newest" else EX_DATAERR), result
    assert states(box) == expected(policy)
    rows = table(box.mount())
    generations = [int(row["generation"]) for row in rows.values() if row["state"] == "published"]
    if policy == "replay":
        assert generations == sorted(set(generations)), "one generation each, in order"
    else:
        assert set(generations) == {2}
    assert box.status()["uncovered"] == 0
    assert box.status()["watermark"] == rfc3339(slice_time(AFTER - 1))


@pytest.mark.release
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("policy", ["latest", "newest", "replay"])
def test_kills_at_any_moment_change_nothing_of_it(box, policy):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    downtime(box, policy)
    before, peace = box.state, box.root / "peace"
    subprocess.run(["cp", "-a", before, peace], check=True)
    started = time.monotonic()
    box.try_build(*after(AFTER), state=peace)
    killer = Killer(rng, (time.monotonic() - started) * 1.1)
    for n in range(6):
        state = box.root / f"killed-{n}"
        subprocess.run(["cp", "-a", before, state], check=True)
        # Two in a row: what a third dies at has failed, and is tried again later.
        for _ in range(2):
            killer.kill(box.start_build(*after(AFTER), state=state))
            box.verify(state=state)
        box.try_build(*after(AFTER), state=state)
        box.verify(state=state)
        assert states(box, state) == states(box, peace) == expected(policy), f"kills {n}"
        same = box.mount(state=state).ids("espresso") == box.mount(state=peace).ids("espresso")
        assert same, f"kills {n}"
    print(f"{killer.killed} builds were killed")
    assert killer.killed, "no build was killed: the instants are wrong"


def test_what_is_lost_is_uncovered_counted_and_warned_of(box):
    box.configure(DOCUMENTS, feed="quiet = 0s\ncomplete = marker", lag="window = 10m")
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    (box.feed.dir(0) / PART).unlink()
    box.feed.put(9, [{"id": "b", "title": "espresso"}])
    box.feed.put(9, b"", "_SUCCESS")
    result = box.build()
    assert "1 partition is uncovered" in result.err, result
    assert states(box)[slice_path(0)] == ("skipped", "uncovered")
    assert box.status()["uncovered"] == 1
    assert "uncovered" in box.run("status").out
    assert "uncovered" not in box.build().err


def test_replay_waits_for_a_gap_and_gives_it_up(box):
    box.configure(DOCUMENTS, lag="policy = replay\ngap_timeout = 30m")
    for i in (0, 1, 3):
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
    box.build(*after(8))
    assert states(box) == want(published=(0, 2), complete=(3, 4))
    box.build(*after(9))
    assert states(box) == want(published=(0, 2)) | want(published=(3, 4))
    # The slice that was given up comes after all.
    box.feed.put(2, [{"id": "ad-2", "title": "espresso"}])
    box.build(*after(9))
    assert states(box) == want(published=(0, 4))
    assert box.status()["watermark"] == rfc3339(slice_time(3))


def test_a_late_change_is_undone_or_read_and_a_touch_is_not(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(0, [{"id": "b", "title": "espresso"}], "part-1.jsonl")
    box.build()
    (box.feed.dir(0) / PART).touch()
    box.build()
    assert box.status()["generation"] == 1
    (box.feed.dir(0) / "part-1.jsonl").unlink()
    box.build()
    rows = table(box.mount())
    assert (rows[slice_path(0)]["state"], rows[slice_path(0)]["generation"]) == ("published", "2")
    assert rows[slice_path(0)]["records"] == "1"
