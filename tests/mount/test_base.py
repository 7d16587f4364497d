# SPDX-License-Identifier: Apache-2.0
"""A base is swapped in under the deltas: covered, folded over, validated, and never half."""

import os
import signal
import subprocess
import threading

import pytest

from harness import CADENCE, DOCUMENTS, EX_DATAERR, HANG, eventually, lines_of, rfc3339, slice_path, slice_time, table


def snapshot(box, records, name="base.jsonl"):
    to = box.root / name
    to.write_bytes(lines_of(records))
    return to


def base_argv(box, source, end, *more):
    """A base of everything before slice `end`."""
    return (box.feed.url, "--from", source, "--at", rfc3339(slice_time(end)), "--config", box.config, *more)


def swap(box, records, end, *more):
    result = box.run("base", *base_argv(box, snapshot(box, records), end, *more))
    assert result.code == 0, result
    return result


def named(numbers, title="espresso"):
    return [{"id": f"ad-{n:05}", "title": title, "item": f"item-{n % 7}"} for n in numbers]


def states(mount):
    return [(row["state"], row["reason"]) for row in table(mount).values()]


@pytest.mark.release
def test_a_base_covers_what_came_before_and_newer_records_lie_over_it(box):
    box.feed.put(0, [{"id": "gone", "title": "old"}, {"id": "both", "title": "old"}])
    box.feed.put(1, [{"id": "both", "title": "covered"}])
    box.feed.put(2, [{"id": "over", "title": "delta"}, {"id": "dropped", "op": "delete"}])
    box.build()
    mount = box.mount()
    swap(box, [{"id": i, "title": "base"} for i in ("both", "over", "dropped", "quiet")], 2)
    # What the snapshot lacks is gone; what it covers is as the snapshot says; what is newer lies over it.
    assert mount.ids("base") == ["both", "quiet"]
    assert mount.ids("delta") == ["over"]
    assert mount.ids("old") is mount.ids("covered") is None
    assert sorted(os.listdir(mount / "docs")) == ["both", "over", "quiet"]
    assert states(mount) == [("expired", "covered")] * 2 + [("published", "")]
    assert mount.text("watermark") == mount.text("complete_through") == rfc3339(slice_time(2)) + "\n"
    # Late files of what is covered are left alone.
    box.feed.put(1, [{"id": "late", "title": "late"}], "late.jsonl")
    generation = mount.text("generation")
    box.build()
    assert (mount.ids("late"), mount.text("generation")) == (None, generation)
    box.verify()


def test_a_covered_partition_that_was_never_indexed_is_skipped(box):
    box.feed.put(3, [{"id": "new", "title": "delta"}])
    swap(box, [{"id": "a", "title": "base"}], 3)
    mount = box.mount()
    assert mount.text("watermark") == rfc3339(slice_time(2)) + "\n"
    box.feed.put(1, [{"id": "x", "title": "delta"}])
    box.build()
    rows = table(mount)
    assert (rows[slice_path(1)]["state"], rows[slice_path(1)]["reason"]) == ("skipped", "covered")
    assert mount.ids("delta") == ["new"]
    assert mount.ids("base") == ["a"]


def test_nothing_leaves_over_a_base_before_a_newer_one_covers_it(box):
    box.configure(DOCUMENTS, lag="window = 10m")
    swap(box, [{"id": "a", "title": "base"}, {"id": "b", "title": "base"}], 0)
    mount = box.mount()
    box.feed.put(0, [{"id": "a", "title": "delta"}, {"id": "c", "title": "delta"}])
    box.build("--now", rfc3339(slice_time(1)))
    # Far behind the window: without a base, slice 0 would have left, and the base's `a` would shine through.
    box.feed.put(20, [{"id": "d", "title": "delta"}])
    box.build()
    assert mount.ids("delta") == ["a", "c", "d"]
    assert mount.ids("base") == ["b"]
    assert states(mount) == [("published", "")] * 2
    swap(box, [{"id": "a", "title": "base"}], 1)
    assert mount.ids("delta") == ["d"]
    assert mount.ids("base") == ["a"]


@pytest.mark.release
def test_a_base_that_is_refused_changes_nothing(box):
    box.feed.put(5, [{"id": "delta", "title": "delta"}])
    box.build()
    swap(box, named(range(3000)), 1)
    mount = box.mount()
    pointers = lambda: [mount.text(p) for p in ("generation", "watermark", "complete_through", "partitions.tsv")]
    before, segments = pointers(), set(box.segments())
    for records, word in (
        (named(range(1000)), "max_change"),  # a third of the documents
        (named(range(3000), title="lungo"), "frequent terms"),
        (named(range(3000)) + [["no object"]] * 200, "refused"),
    ):
        source = snapshot(box, records)
        result = box.run("base", *base_argv(box, source, 2))
        assert (result.code, word in result.err) == (EX_DATAERR, True), result
        assert "--force" in result.err
        assert pointers() == before
        assert set(box.segments()) == segments
        assert not list((box.state / "tmp").iterdir())
    assert len(mount.ids("espresso")) == 3000
    # Who insists gets it, and a warning.
    result = swap(box, named(range(1000)), 2, "--force")
    assert "warning" in result.err and "max_change" in result.err
    assert len(mount.ids("espresso")) == 1000
    assert mount.ids("delta") == ["delta"]


@pytest.mark.parametrize("end", [-1, 10**7])
def test_a_base_is_not_older_than_the_last_nor_of_the_future(box, end):
    swap(box, named(range(3)), 0)
    result = box.run("base", *base_argv(box, snapshot(box, named(range(3))), end))
    assert result.code and "--at" in result.err, result
    assert box.status()["generation"] == 1


def test_deltas_go_on_while_a_base_is_built(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    source = snapshot(box, named(range(60000)))
    base = subprocess.Popen(
        box.argv("base", *base_argv(box, source, 1)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=box.environment(killed=True),
    )
    try:
        eventually(lambda: list((box.state / "tmp").iterdir()) or base.poll() is not None, "the base's files")
        base.send_signal(signal.SIGSTOP)
        assert base.poll() is None, base.stdout.read()
        # It stands still in the middle of its work, and a delta is published all the same.
        box.feed.put(1, [{"id": "b", "title": "lungo"}])
        box.build()
        assert box.mount().ids("lungo") == ["b"]
        second = box.run("base", *base_argv(box, source, 1))
        assert second.code == 75, second
    finally:
        base.send_signal(signal.SIGCONT)
        said, _ = base.communicate(timeout=HANG)
    assert base.returncode == 0, said
    mount = box.mount()
    assert (mount.ids("lungo"), len(mount.ids("espresso"))) == (["b"], 60000)


@pytest.mark.release
def test_readers_see_the_whole_old_index_or_the_whole_new_one(box):
    """What is open stays; a lookup gives one base with its deltas or the other."""
    box.feed.put(9, named(range(500), "delta"))
    box.build()
    swap(box, named(range(3000), "espresso"), 1)
    mount = box.mount()
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            here = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
            try:
                names = {n: count(here, n) for n in os.listdir(here) if n in ("delta", "espresso", "lungo")}
            finally:
                os.close(here)
            if names not in ({"delta": 500, "espresso": 2500}, {"delta": 500, "lungo": 3500}):
                wrong.append(names)

    def count(here, name):
        with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=here), "rb") as f:
            return len(f.read().splitlines())

    readers = [threading.Thread(target=read) for _ in range(4)]
    with open(mount / "terms/espresso", "rb") as held:
        here = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
        begun = held.read(10)
        for r in readers:
            r.start()
        try:
            for at, (count_, title) in enumerate([(4000, "lungo"), (3000, "espresso"), (4000, "lungo")], 2):
                swap(box, named(range(count_), title), at, "--force")
        finally:
            stop.set()
            for r in readers:
                r.join()
        assert not wrong, wrong[:3]
        assert len((begun + held.read()).splitlines()) == count(here, "espresso") == 2500
        os.close(here)
    assert len(mount.ids("lungo")) == 3500
    assert mount.ids("espresso") is None


def test_a_killed_base_leaves_the_old_index(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    source = snapshot(box, named(range(60000), "lungo"))
    base = subprocess.Popen(
        box.argv("base", *base_argv(box, source, 1)), stdout=subprocess.DEVNULL, env=box.environment(killed=True)
    )
    eventually(lambda: list((box.state / "tmp").iterdir()) or base.poll() is not None, "the base's files")
    base.send_signal(signal.SIGKILL)
    assert base.wait() == -signal.SIGKILL
    mount = box.mount()
    assert (mount.ids("espresso"), mount.ids("lungo"), mount.text("generation")) == (["a"], None, "1\n")
    box.verify()
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build("--now", rfc3339(slice_time(1) + CADENCE))
    assert not list((box.state / "tmp").iterdir()), "the next build sweeps"
    swap(box, named(range(10), "lungo"), 1)
    assert (mount.ids("espresso"), len(mount.ids("lungo"))) == (["b"], 10)
