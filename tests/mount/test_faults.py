# SPDX-License-Identifier: Apache-2.0
"""Readers while the mount is stopped or killed, or its disk is full."""

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import DOCUMENTS, EX_IOERR, HANG, eventually, rfc3339, slice_time, stat_of
from store import content_of, new_outlet

pytestmark = pytest.mark.caches

# Opens, says so, and reads all of it.
READ = "import sys; print('now', flush=True); print(len(open(sys.argv[1], 'rb').read()))"


def start(script, path):
    p = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert p.stdout.readline() == "now\n"
    return p


def is_waiting(process):
    """For the mount, in the kernel: not for its own start."""
    return stat_of(process.pid)[0] in "SD" and "fuse" in Path(f"/proc/{process.pid}/stack").read_text()


@contextlib.contextmanager
def stopped(mount):
    pids = mount.pids()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: all(stat_of(pid)[0] == "T" for pid in pids), "that it has stopped")
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def publish(box, i, count=100):
    box.feed.put(i, [{"id": f"ad-{n:04}", "title": f"espresso w{n} of{i}", "item": f"i{n // 4}"} for n in range(count)])
    box.build()


@pytest.mark.release
def test_a_stopped_mount_serves_what_is_cached_and_goes_on_where_it_stopped(box):
    publish(box, 0)
    mount = box.mount("refresh=eager")
    beginning = (mount / "terms/espresso").read_bytes()[:100]
    with open(mount / "terms/espresso", "rb") as held, stopped(mount):
        # What the kernel has needs nobody.
        assert held.read(100) == beginning
        # Others wait, and can be killed while they do;
        dies = start(READ, mount / "docs/ad-0002")
        eventually(lambda: is_waiting(dies), "one who waits")
        dies.kill()
        assert dies.wait(HANG) == -signal.SIGKILL
        waits = start(READ, mount / "docs/ad-0001")
        eventually(lambda: is_waiting(waits), "another who waits")
        publish(box, 1)
    # then all go on, with what they had opened, and nothing is lost.
    dies.stdout.close()
    with waits:
        assert int(waits.communicate(timeout=HANG)[0]) > 0
    assert held.closed
    eventually(lambda: mount.text("generation") == "2\n", "the publish meanwhile")
    assert mount.ids("of1") == [f"ad-{n:04}" for n in range(100)]


@pytest.mark.release
def test_a_killed_mount_lets_everybody_go_and_can_be_mounted_anew(box):
    publish(box, 0)
    mount = box.mount("refresh=eager")
    (mount / "terms/espresso").read_bytes()  # whoever closes the first file of a mount waits for its answer
    with open(mount / "terms/espresso", "rb", buffering=0) as held:
        assert held.read(10)
        with stopped(mount):
            waits = start(READ, mount / "docs/ad-0001")
            eventually(lambda: is_waiting(waits), "one who waits")
            for pid in mount.pids():
                os.kill(pid, signal.SIGKILL)
        # Nobody hangs: not those who wait, not those who come for what the kernel has not.
        assert waits.wait(HANG) == 1
        for act in (lambda: os.listdir(mount / "groups"), lambda: os.stat(mount / "docs/ad-0002")):
            with pytest.raises(OSError) as refused:
                act()
            assert refused.value.errno == errno.ENOTCONN
        with contextlib.suppress(OSError):
            held.close()
    waits.stdout.close()
    subprocess.run(["fusermount3", "-uz", mount.point], check=True)
    again = box.mount(point=mount.point)
    assert again.ids("espresso") == [f"ad-{n:04}" for n in range(100)]


def is_full(text):
    """As the system says it, or SQLite."""
    return "No space left on device" in text or "disk full" in text


@pytest.fixture
def small(box):
    """A disk of 4 MiB, for a state directory."""
    disk = box.root / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        yield disk
        box.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.release
def test_a_follower_whose_disk_was_full_goes_on_with_fewer_generations(box, small):
    outlet = new_outlet(box)
    rng = random.Random(1)
    state = small / "state"
    for i in range(1, 8):  # each slice replaces all that the one before had
        box.feed.put(i, [{"id": f"same-{n}", "title": rng.randbytes(500).hex()} for n in range(600)])
        box.configure(DOCUMENTS, lag="window = 1m")
        box.build("--no-merge", "--now", rfc3339(slice_time(i + 1)))
        outlet.publish()
        result = box.run("follow", outlet.url, state=state)
        if result.code:
            break
    assert result.code == EX_IOERR and is_full(result.err), result
    outlet.fetch(state, EX_IOERR)
    result = box.run("follow", outlet.url, "--set", "build.keep=1", "--set", "build.keep_for=0s", state=state)
    assert result.code == 0, result
    assert content_of(state, box.run) == content_of(box.state, box.run)


@pytest.mark.release
def test_a_full_disk_stops_builds_and_nothing_that_is_served(box, small):
    """The error is said; once there is space, things go on by themselves."""
    box.state = small / "state"
    publish(box, 0)
    mount = box.mount("refresh=lazy,poll=0s")
    before = {name: (mount / "docs" / name).read_bytes() for name in os.listdir(mount / "docs")}
    filler = small / "filler"
    with open(filler, "wb") as f, pytest.raises(OSError) as full:
        while True:
            f.write(b"x" * 65536)
            f.flush()
    assert full.value.errno == errno.ENOSPC
    status = lambda: json.loads(mount.text("status.json"))
    box.feed.put(1, [{"id": f"new-{n:05}", "title": f"espresso and {n * n}"} for n in range(5000)])
    # A person who builds is told, and so is who looks at the mount.
    result = box.try_build()
    assert result.code == EX_IOERR and is_full(result.err), result
    eventually(lambda: is_full(status()["last_error"] or ""), "an error in status.json")
    assert is_full(mount.text("status"))
    assert "freshet_last_error 1\n" in mount.text("metrics")
    assert {name: (mount / "docs" / name).read_bytes() for name in os.listdir(mount / "docs")} == before
    assert mount.text("generation") == "1\n" and mount.ids("and") is None
    filler.unlink()
    eventually(lambda: mount.ids("and"), "a build that works")
    assert len(mount.ids("and")) == 5000
    eventually(lambda: status()["last_error"] is None, "that the error is over")
    box.verify()
