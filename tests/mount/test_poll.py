# SPDX-License-Identifier: Apache-2.0
"""poll() on `generation` and `watermark`: who waits for a publish is woken by it."""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys

import pytest

from harness import HANG, eventually, is_running

pytestmark = pytest.mark.caches

READABLE = select.POLLIN | select.POLLRDNORM
OUTDATED = READABLE | select.POLLPRI | select.POLLERR
POLLERS = 1000
LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)

# Says that it waits, then what it was woken with and what it finds by name.
WAIT = """
import os, select, sys
path = sys.argv[1]
fd = os.open(path, os.O_RDONLY)
p = select.poll()
p.register(fd, select.POLLPRI)
print(os.read(fd, 100).decode().strip(), flush=True)
events = p.poll(300_000)[0][1]
print(events, open(path).read().strip(), flush=True)
"""


def publish(box, i):
    box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])


def poll(fd, events=READABLE | select.POLLPRI, seconds=0):
    p = select.poll()
    p.register(fd, events)
    return dict(p.poll(seconds * 1000)).get(fd, 0)


def polls(mount):
    return json.loads(mount.text("status.json"))["requests"]["poll"]


@pytest.mark.release
@pytest.mark.parametrize("options", ["refresh=eager", "refresh=lazy,poll=1s", "refresh=lazy,poll=0s", "refresh=manual,poll=100ms"])
def test_who_waits_is_woken_by_a_publish_and_finds_it(box, options):
    """Nobody else uses the mount meanwhile."""
    publish(box, 0)
    box.build()
    mount = box.mount(options)
    waiters = [
        subprocess.Popen([sys.executable, "-c", WAIT, mount / name], stdout=subprocess.PIPE, text=True)
        for name in ("generation", "watermark")
    ]
    try:
        assert [w.stdout.readline() for w in waiters] == ["1\n", "2024-05-04T10:00:00Z\n"]
        publish(box, 1)
        if "manual" in options:
            box.build()
        said = [w.communicate(timeout=HANG)[0].split() for w in waiters]
    finally:
        for w in waiters:
            w.kill()
            w.wait()
    assert [int(events) for events, _ in said] == [select.POLLPRI | select.POLLERR] * 2
    assert [text for _, text in said] == ["2", "2024-05-04T10:05:00Z"]


@pytest.mark.release
def test_what_polls_say_before_and_after_a_publish(box):
    mount = box.mount()
    fds = {name: os.open(mount / name, os.O_RDONLY) for name in ("generation", "watermark", "README", "status")}
    try:
        # Before the first publish too.
        assert [poll(fds[n]) for n in fds] == [READABLE] * 4
        publish(box, 0)
        box.build()
        assert mount.text("generation") == "1\n"
        assert [poll(fds[n]) for n in fds] == [OUTDATED, OUTDATED, READABLE, READABLE]
        # What was opened before stays what it was.
        assert os.read(fds["generation"], 10) == b""
        with open(mount / "generation") as new, open(mount / "generations/1/watermark") as pinned:
            assert (poll(new.fileno()), poll(pinned.fileno())) == (READABLE, READABLE)
        everything = select.POLLIN | select.POLLOUT | select.POLLPRI
        assert poll(fds["README"], everything) == select.POLLIN | select.POLLOUT
        # A wait that nothing ends is over in time.
        assert poll(fds["README"], select.POLLPRI, 0.05) == 0
        assert select.select([], [], [fds["generation"]], HANG)[2] == [fds["generation"]]
    finally:
        for fd in fds.values():
            os.close(fd)


@pytest.mark.release
def test_a_thousand_wait_while_many_more_have_closed(box):
    publish(box, 0)
    box.build()
    mount = box.mount("refresh=manual,poll=0s")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(LIMITS[0], min(LIMITS[1], 4 * POLLERS)), LIMITS[1]))
    fds = [os.open(mount / "generation", os.O_RDONLY) for _ in range(POLLERS)]
    try:
        with select.epoll() as waits:
            for fd in fds:
                waits.register(fd, select.EPOLLPRI)
            # Each of these leaves a handle that nobody takes back; beyond a bound the oldest go, and those who wait see nothing of it.
            for _ in range(20):
                gone = [os.open(mount / "generation", os.O_RDONLY) for _ in range(POLLERS)]
                with select.epoll() as soon:
                    for fd in gone:
                        soon.register(fd, select.EPOLLPRI)
                    assert soon.poll(0) == []
                for fd in gone:
                    os.close(fd)
            assert waits.poll(0) == [] and polls(mount) > 20 * POLLERS
            publish(box, 1)
            box.build()
            woken = set()

            def all_are_woken():
                woken.update(fd for fd, events in waits.poll(HANG) if events & select.EPOLLPRI)
                return woken == set(fds)

            eventually(all_are_woken, "the waking of all who wait")
    finally:
        for fd in fds:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, LIMITS)
    assert mount.text("generation") == "2\n"


def test_who_waits_is_told_of_the_end_of_the_mount(box):
    mount = box.mount("refresh=eager")
    fd = os.open(mount / "generation", os.O_RDONLY)
    try:
        assert poll(fd) == READABLE
        pids = mount.pids()
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        assert poll(fd, select.POLLPRI, HANG) & select.POLLERR
        eventually(lambda: not any(map(is_running, pids)))
    finally:
        with contextlib.suppress(OSError):  # ENOTCONN: it is closed all the same
            os.close(fd)
