# SPDX-License-Identifier: Apache-2.0
"""How a mount comes to see a new generation: lazy, eager, manual."""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from harness import DOCUMENTS, HANG, Mount, children, command_of, eventually, have_started, is_running, rfc3339, slice_time

SEED = int(os.environ.get("FRESHET_SEED") or time.time())


def waits(box, i):
    """Until slice i is published, without touching a mount."""
    result = box.run("wait", "--watermark", rfc3339(slice_time(i)), "--timeout", "200s")
    assert result.code == 0, result


@pytest.mark.release
def test_lazy_the_first_look_after_poll_sees_a_new_partition(box):
    mount = box.mount(f"refresh=lazy,poll=0s,wait={HANG}s")
    for i in range(5):
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
        assert mount.ids("espresso") == [f"ad-{n}" for n in range(i + 1)]
        assert mount.text("watermark") == rfc3339(slice_time(i)) + "\n"


def test_lazy_within_poll_the_old_names_are_kept(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    mount = box.mount("refresh=lazy,poll=1h,wait=60s")
    assert mount.ids("espresso") == ["a"]
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    assert mount.ids("espresso") == ["a"]


def test_lazy_what_another_builder_was_at_is_looked_for_again(box):
    """The look at the start finds a partition due, and its build another builder at work: so what that look found is outdated."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    with open(box.state / "lock", "rb") as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        mount = box.mount("refresh=lazy,poll=1h")
        eventually(lambda: have_started(mount.pids()) != [0], "the end of a build")
    box.build()
    assert eventually(lambda: mount.ids("espresso") == ["a", "b"], "what the other builder has published", 60)


def test_lazy_a_look_waits_no_longer_than_it_may_and_the_build_goes_on(box):
    """While the build that it started is stopped, a look waits for it as long as it may, and those that follow do not."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=lazy,poll=0s,wait=1s")
    server, before = mount.pids(), mount.text("watermark")
    box.feed.put(1, [{"id": f"ad-{i}", "title": "lungo " * 20} for i in range(40000)])
    began = time.monotonic()
    look = subprocess.Popen(["cat", mount / "watermark"], stdout=subprocess.PIPE, text=True)
    stopped = eventually(lambda: [b for b in children(server) if stop(b)], "a build")[0]
    assert look.communicate(timeout=HANG)[0] == before
    assert 1 <= time.monotonic() - began < 20
    began = time.monotonic()
    for _ in range(40):
        assert mount.text("watermark") == before
    assert time.monotonic() - began < 20
    assert mount.ids("lungo") is None and mount.ids("espresso") == ["a"]
    os.kill(stopped, signal.SIGCONT)
    waits(box, 1)
    eventually(lambda: len(mount.ids("lungo") or []) == 40000, "the new generation")


def test_lazy_without_waiting_for_builds_a_look_is_no_feed_that_hangs(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=lazy,poll=0s,wait=0s")
    for _ in range(100):
        assert "has not answered" not in mount.text("status")


def test_lazy_names_that_were_not_there_appear(box):
    mount = box.mount(f"refresh=lazy,poll=0s,wait={HANG}s")
    assert mount.ids("espresso") is None
    assert not (mount / "docs/a").exists()
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    assert mount.ids("espresso") == ["a"]
    assert (mount / "docs/a").exists()


@pytest.mark.directory("another takes its place")
@pytest.mark.parametrize("refresh", ["lazy,poll=0s", "eager"])
def test_a_feed_that_takes_the_place_of_another_is_looked_at(box, refresh):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount(f"refresh={refresh}")
    assert mount.ids("espresso") == ["a"]
    away = box.root / "away"
    box.feed.root.rename(away)
    shutil.copytree(away, box.feed.root)
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    eventually(lambda: mount.ids("espresso") == ["a", "b"])


@pytest.mark.release
def test_eager_builds_without_any_access(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    mount = box.mount("refresh=eager")
    waits(box, 0)
    for i in range(1, 4):
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
        waits(box, i)
        eventually(lambda: mount.text("watermark") == rfc3339(slice_time(i)) + "\n", "the new watermark")
        assert len(mount.ids("espresso")) == i + 1


def test_eager_sees_directories_that_were_not_there_before(box):
    mount = box.mount("refresh=eager")
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    waits(box, 0)
    box.feed.put(0, [{"id": "b", "title": "espresso"}], "deeper/part-1.jsonl")
    eventually(lambda: mount.ids("espresso") == ["a", "b"], "the late file")
    box.feed.put(400, [{"id": "c", "title": "espresso"}])
    waits(box, 400)
    eventually(lambda: mount.ids("espresso") == ["a", "b", "c"], "the new day")


@pytest.mark.directory("inotify, and empty directories")
def test_eager_misses_nothing_that_happens_during_a_look(box):
    """Looks take some time here. A marker that comes while one is at it is seen by the next, not after a minute."""
    box.configure(DOCUMENTS, feed="complete = marker")
    count = 40
    for i in range(2000):
        box.feed.dir(i).mkdir(parents=True)
    for i in range(count):
        box.feed.put(i, [{"id": f"ad-{i}", "title": f"word{i}"}])
    mount = box.mount("refresh=eager")
    eventually(lambda: mount.text("partitions.tsv").count("\topen\t") >= count, "that they are known")
    rng = random.Random(SEED)
    for i in range(count):
        # A look that finds nothing due, and the one pause that is meant: a random instant of it.
        box.feed.put(count + i, b"", name="part-1.jsonl.tmp")
        time.sleep(rng.uniform(0.008, 0.05))
        box.feed.put(i, b"", name="_SUCCESS")
        eventually(lambda: mount.ids(f"word{i}"), f"partition {i} (FRESHET_SEED={SEED})", 30)


def test_eager_wakes_when_a_slice_ends_though_no_file_changes(box):
    template = "dt=%Y-%m-%d/hour=%H/minute=%M/second=%S"
    box.configure(DOCUMENTS, feed=f"quiet = 0s\ncadence = 3s\npartition = {template}")
    mount = box.mount("refresh=eager")
    start = datetime.fromtimestamp(int(time.time()) // 3 * 3, timezone.utc)
    box.feed.put(start.strftime(template), [{"id": "a", "title": "espresso"}])
    result = box.run("wait", "--watermark", rfc3339(start), "--timeout", "200s")
    assert result.code == 0, result
    eventually(lambda: mount.ids("espresso") == ["a"], "the new generation")


@pytest.mark.release
def test_manual_never_builds_and_sees_what_others_publish(box):
    mount = box.mount("refresh=manual,poll=0s")
    server = mount.pids()
    none = have_started(server)
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    assert mount.ids("espresso") is None
    assert mount.text("generation") == ""
    # Others see the end of slice 0 only: what the mount shows of it, it has looked for while slice 1 was due.
    box.build("--now", rfc3339(slice_time(1)))
    assert mount.ids("espresso") == ["a"]
    assert mount.text("generation") == "1\n"
    assert have_started(server) == none
    box.build()
    assert mount.ids("espresso") == ["a", "b"]
    assert have_started(server) == none


def test_eager_sees_what_others_publish_too(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=eager")
    assert mount.ids("espresso") == ["a"]
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build("--set", "build.lock_wait=60s")
    eventually(lambda: mount.ids("espresso") == ["a", "b"], "the other builder's generation")


def test_a_mount_survives_the_death_of_its_builds(box):
    """Builders are killed as they come; the mount serves on, and in the end everything is there."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=eager")
    server = mount.pids()
    box.feed.put(1, [{"id": f"ad-{i}", "title": "lungo " * 30} for i in range(30000)])
    killed = 0
    while killed < 2 and box.status()["generation"] == 1:
        for builder in children(server):
            try:
                os.kill(builder, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        assert mount.ids("espresso") == ["a"]
    assert killed, "no build was seen"
    waits(box, 1)
    eventually(lambda: len(mount.ids("lungo") or []) == 30000, "the new generation")
    assert mount.pids() == server and all(map(is_running, server))


def test_a_build_in_which_nothing_moves_is_killed(box):
    """A stopped process stands for one that hangs: it is killed after stall_timeout, and the next build does the work."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=eager", args=("--set", "build.stall_timeout=1s"))
    server = mount.pids()
    box.feed.put(1, [{"id": f"ad-{i}", "title": "lungo " * 30} for i in range(30000)])
    stopped = eventually(lambda: [b for b in children(server) if stop(b)], "a build")[0]
    assert mount.ids("lungo") is None
    eventually(lambda: not is_running(stopped), "the end of the build that hangs")
    eventually(lambda: "nothing in it moved for 1s" in (mount.text("status") + mount.text("status.json")), "the reason")
    waits(box, 1)
    eventually(lambda: len(mount.ids("lungo") or []) == 30000, "the new generation")
    assert mount.pids() == server and all(map(is_running, server))


def test_builds_that_leave_nothing_new_are_not_started_back_to_back(box):
    """Rules that refuse what is indexed fail every build in the same way: from the second on the next one waits, longer each time."""
    box.feed.put(0, [{"id": f"d{i}", "title": "espresso"} for i in range(20)])
    box.build()
    box.configure(DOCUMENTS.replace("id = id", "id = ident"))
    box.feed.put(1, [{"id": "new", "title": "espresso"}])
    mount = Mount(box, box.root / "mnt")
    mount.point.mkdir()
    box.mounts.append(mount)
    argv = box.argv("mount", box.feed.url, mount.point, "-f", "-o", "refresh=eager", "--config", box.config)
    times = []
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=box.environment()) as server:
        for line in server.stderr:
            times += [time.monotonic()] if "refuse 20 of 20" in line else []
            if len(times) == 4:
                break
        assert times[2] - times[1] > 0.9 and times[3] - times[2] > 1.8
        assert len(mount.ids("espresso")) == 20
        server.terminate()
        server.stderr.read()


def stop(pid):
    """A build. Before its exec() it is none: the mount's thread waits in its vfork() until then."""
    try:
        if command_of(pid) != "build":
            return False
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    return is_running(pid)


def test_a_pointer_that_is_behind_is_mended_by_looking(box):
    """A build that died between its commit and the renaming of `current`: nothing is due, yet a build is needed."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    behind = (box.state / "current").read_bytes()
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build()
    (box.state / "current").write_bytes(behind)
    verified = box.run("verify")
    assert verified.code == 0 and "after the next build" in verified.err, verified
    mount = box.mount("refresh=lazy,poll=0s")
    eventually(lambda: mount.ids("espresso") == ["a", "b"], "the newer generation")
    assert "current" not in box.run("verify").err


def is_emptied(state):
    """Who opens the catalog just then leaves files of SQLite."""
    shutil.rmtree(state, ignore_errors=True)
    return not state.exists()


def test_who_waits_sees_another_index_in_an_emptied_state(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    waiting = subprocess.Popen(
        box.argv("wait", "--newer-than", "1", "--timeout", "200s"), stdout=subprocess.PIPE, text=True, env=box.environment()
    )
    box.run("wait", "--newer-than", "0", "--timeout", "200s")  # so that the other has begun, as far as one can tell
    eventually(lambda: is_emptied(box.state), "that nothing is left")
    box.build()
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build("--no-merge")
    said, _ = waiting.communicate(timeout=HANG)
    assert waiting.returncode == 0 and "generation 2" in said
