# SPDX-License-Identifier: Apache-2.0
"""freshet rollback: the one way back, and on again."""

import json
import os
import random
import subprocess
import time

import pytest

from harness import (
    EX_NOINPUT, EX_TEMPFAIL, EX_USAGE, eventually, Killer, have_started, rfc3339, shown, slice_path, slice_time, table,
)  # fmt: skip

KILLS = int(os.environ.get("FRESHET_KILLS") or 20)
SEED = int(os.environ.get("FRESHET_SEED") or time.time())


def partitions(mount):
    """{partition: (state, reason)}"""
    return {path: (row["state"], row["reason"]) for path, row in table(mount).items()}


def fill(box, count=3):
    """A generation a partition; the later ones also change the first document."""
    for i in range(count):
        box.feed.put(i, [{"id": "first", "title": f"word{i}", "item": "g"}, {"id": f"ad-{i}", "title": "espresso", "item": "g"}])
        box.build("--no-merge")


def rollback(box, *args):
    result = box.run("rollback", *args, "--config", box.config)
    assert result.code == 0, result
    return result


def test_the_content_of_an_older_generation_is_shown_again(box):
    fill(box)
    mount = box.mount()
    then = shown(mount, "generations/1")
    result = rollback(box, "1")
    assert "generation 4" in result.out and "paused" in result.out
    assert mount.text("generation") == "4\n"
    assert shown(mount) == then == shown(mount, "generations/4")
    assert mount.text("watermark") == rfc3339(slice_time(0)) + "\n"
    assert mount.text("complete_through") == rfc3339(slice_time(0)) + "\n"
    assert partitions(mount) == {
        slice_path(0): ("published", ""), slice_path(1): ("complete", ""), slice_path(2): ("complete", "")
    }  # fmt: skip
    manifest = json.loads(mount.text("segments/MANIFEST.json"))
    assert (manifest["kind"], manifest["parent"]) == ("rollback", 3)
    assert mount.ids("espresso") == ["ad-0"]
    box.verify()
    assert box.run("verify", "--deep").code == 0


def test_builds_are_paused_until_they_are_told_to_go_on(box):
    fill(box)
    mount = box.mount()
    newest = shown(mount)
    rollback(box, "2")
    for args in ([], ["--all"], ["--dry-run"], ["--retry"]):
        result = box.build(*args)
        assert "paused" in result.out and "--resume" in result.out
    assert json.loads(box.build("--json").out)["paused"] is True
    assert box.build("--merge-only").out == ""
    assert box.status()["paused"] is True and json.loads(mount.text("status.json"))["paused"] is True
    assert "--resume" in mount.text("status")
    assert mount.text("generation") == "4\n"
    assert rollback(box, "--resume").out == "builds go on\n"
    assert rollback(box, "--resume").out == "builds were not paused\n"
    assert json.loads(mount.text("status.json"))["paused"] is False
    box.build("--no-merge")
    after = shown(mount)
    # The same segments, by the same names: what was newer was folded over the same.
    assert after == newest
    assert partitions(mount)[slice_path(2)] == ("published", "")


@pytest.mark.release
@pytest.mark.parametrize("refresh", ["lazy,poll=0s,wait=60s", "eager"])
def test_a_mount_neither_builds_nor_merges_while_paused(box, refresh):
    fill(box)
    mount = box.mount(f"refresh={refresh}")
    eventually(lambda: mount.ids("espresso") == ["ad-0", "ad-1", "ad-2"])
    server = mount.pids()
    none = have_started(server)
    rollback(box, "1")
    eventually(lambda: mount.ids("espresso") == ["ad-0"], "the rollback")
    box.feed.put(3, [{"id": "ad-3", "title": "espresso"}])
    # Two more looks after the feed has changed, as what they show says: the second begins when the first has done all that it does.
    rollback(box, "2")
    eventually(lambda: mount.ids("espresso") == ["ad-0", "ad-1"], "a look")
    rollback(box, "1")
    eventually(lambda: mount.ids("espresso") == ["ad-0"], "another look")
    assert have_started(server) == none
    assert box.status()["generation"] == 6
    rollback(box, "--resume")
    eventually(lambda: mount.ids("espresso") == ["ad-0", "ad-1", "ad-2", "ad-3"], "the build")


def test_a_rewritten_file_is_what_it_was(box):
    fill(box, 2)
    mount = box.mount()
    then = shown(mount)
    box.feed.put(0, [{"id": "first", "title": "other"}, {"id": "new", "title": "other"}])
    box.build("--no-merge")
    assert mount.ids("other") == ["new"]
    rollback(box, "2")
    assert shown(mount) == then
    rollback(box, "--resume")
    box.build("--no-merge")
    assert mount.ids("other") == ["new"] and mount.ids("espresso") == ["ad-1"]


def test_over_a_base_swap(box):
    fill(box, 2)
    full = box.root / "full.jsonl"
    full.write_bytes(b'{"id":"x","title":"roast"}\n')
    base = ["base", box.feed.url, "--config", box.config, "--from", full, "--at", rfc3339(slice_time(1))]
    mount = box.mount()
    then = shown(mount)
    assert box.run(*base).code == 0
    swapped = shown(mount)
    assert mount.ids("roast") == ["x"] and mount.ids("espresso") == ["ad-1"]
    rollback(box, "2")
    assert shown(mount) == then
    result = box.run(*base)
    assert result.code == EX_TEMPFAIL and "--resume" in result.err
    rollback(box, "3")
    assert shown(mount) == swapped
    rollback(box, "--resume")
    box.feed.put(2, [{"id": "ad-2", "title": "espresso"}])
    box.build()
    assert mount.ids("espresso") == ["ad-1", "ad-2"] and mount.ids("roast") == ["x"]


def test_over_a_merge(box):
    fill(box, 9)
    mount = box.mount()
    then = shown(mount, "generations/7")
    box.build("--merge-only")
    merged = box.status()["generation"]
    assert merged > 9, "nothing was merged"
    rollback(box, "7")
    assert shown(mount) == then
    merge = shown(mount, f"generations/{merged}")
    rollback(box, str(merged))
    assert shown(mount) == merge
    assert box.run("verify", "--deep").code == 0
    rollback(box, "--resume")
    assert "nothing is due" in box.build("--no-merge").out


def test_what_cannot_be(box):
    assert box.run("rollback").code == EX_USAGE
    assert box.run("rollback", "0", "--state", box.state).code == EX_USAGE
    fill(box, 1)
    result = box.run("rollback", "2")
    assert result.code == EX_NOINPUT and "not kept" in result.err
    assert not box.status()["paused"]


def test_verify_deep_knows_what_it_was_built_with(box):
    fill(box, 2)
    assert box.run("verify", "--deep").code == 0
    assert box.run("verify", "--level", "deep").code == 0
    result = box.run("verify", "--deep", "--set", "document.text=body")
    assert result.code == 78 and "other rules" in result.err
    segment = next(iter((box.state / "segments").iterdir()))
    assert box.run("verify", "--deep", segment).code == EX_USAGE


@pytest.mark.release
@pytest.mark.timeout(7200)
def test_a_kill_leaves_it_as_it_was_or_rolled_back(box):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    fill(box, 4)
    peace = box.root / "peace"
    subprocess.run(["cp", "-a", box.state, peace], check=True)
    started = time.monotonic()
    assert box.run("rollback", "1", state=peace).code == 0
    killer = Killer(rng, time.monotonic() - started)
    for n in range(KILLS):
        state = box.root / f"killed-{n}"
        subprocess.run(["cp", "-a", box.state, state], check=True)
        process = subprocess.Popen(
            box.argv("rollback", "1", state=state), stdout=subprocess.DEVNULL, env=box.environment(killed=True)
        )
        killer.kill(process)
        status = box.status(state)
        was = (status["generation"], status["watermark"], status["documents"], status["paused"])
        assert was in ((4, rfc3339(slice_time(3)), 5, False), (5, rfc3339(slice_time(0)), 2, True)), f"kill {n}"
        # The next build mends what is behind, paused or not.
        box.build(state=state)
        box.verify(state=state)
        assert (state / "current").read_text().startswith(f"{was[0]} ")
        assert list((state / "tmp").iterdir()) == []
    print(f"{killer.killed} of {KILLS} were killed")
    assert killer.killed
