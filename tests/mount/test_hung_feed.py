# SPDX-License-Identifier: Apache-2.0
"""A feed that does not answer: what is served is served on, and nobody waits for ever.

The feed is the partitions/ of another mount, whose server is stopped: a request that nobody takes, as of an NFS server that is away."""

import errno
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import HANG, Box, eventually, is_running, lines_of, slice_path


pytestmark = pytest.mark.directory("it is another mount")


@pytest.fixture
def hung(box, request):
    """(the mount, whose feed answers until stop(), the feed behind it, stop(), go_on()). The parameter is feed_timeout, 1s."""
    box.feed.put(0, lines_of([{"id": "a", "title": "espresso"}, {"id": "b", "title": "espresso lungo"}]) + b"no JSON\n")
    box.build()
    source = box.mount()
    (box.root / "reader").mkdir()
    reader = Box(box.root / "reader")
    reader.feed.root = source / "partitions"
    reader.build()
    mount = reader.mount(f"refresh=lazy,poll=0s,wait=500ms,feed_timeout={getattr(request, 'param', '1s')}")
    server = source.pids()
    everyone = lambda sig: [os.kill(pid, sig) for pid in server]
    try:
        yield mount, box.feed, lambda: everyone(signal.SIGSTOP), lambda: everyone(signal.SIGCONT)
    finally:
        everyone(signal.SIGCONT)
        reader.close()


def timed(call):
    began = time.monotonic()
    return call(), time.monotonic() - began


@pytest.mark.release
def test_what_is_published_is_served_while_the_feed_hangs(hung):
    mount, feed, stop, go_on = hung
    before = mount.text("watermark")
    stop()
    for _ in range(20):
        text, took = timed(lambda: mount.text("watermark"))
        assert text == before and took < HANG
    assert mount.ids("espresso") == ["a", "b"]
    eventually(lambda: "has not answered for more than 1s" in mount.text("status"))
    assert mount.text("query/espresso lungo") == "b\n"
    # What others publish is seen all the same: a rollback needs no feed.
    before = int(mount.text("generation"))
    assert mount.box.run("rollback", "1", "--config", mount.box.config).code == 0
    eventually(lambda: int(mount.text("generation")) > before)
    assert mount.box.run("rollback", "--resume", "--config", mount.box.config).code == 0
    go_on()
    feed.put(1, [{"id": "c", "title": "espresso"}])
    eventually(lambda: mount.ids("espresso") == ["a", "b", "c"])
    eventually(lambda: "has not answered" not in mount.text("status"))


@pytest.mark.release
def test_partitions_of_a_hung_feed_time_out_and_hold_up_nothing_else(hung):
    mount, _, stop, go_on = hung
    directory = os.listdir(mount / "partitions")
    wanted = (mount / "terms/espresso").read_bytes()
    stop()
    codes = []

    def look(n):
        try:
            os.stat(mount / "partitions" / f"dt=1999-01-{n:02}")
        except OSError as e:
            codes.append(e.errno)

    readers = [threading.Thread(target=look, args=(n,)) for n in range(1, 13)]
    for r in readers:
        r.start()
    assert mount.text("rank/lungo").endswith("\tb\n")
    assert (mount / "docs/b").read_bytes().startswith(b'{"id": "b"')
    assert (mount / "terms/espresso").read_bytes() == wanted
    assert "not JSON" in mount.text(f"rejects/{slice_path(0)}/part-0.jsonl.tsv")
    os.stat(mount / "partitions")
    for r in readers:
        r.join(HANG)
    assert codes == [errno.ETIMEDOUT] * 12
    go_on()
    eventually(lambda: os.listdir(mount / "partitions") == directory)


def waits_for_fuse(process):
    return "request_wait_answer" in Path(f"/proc/{process.pid}/wchan").read_text()


@pytest.mark.release
@pytest.mark.parametrize("hung", ["1h"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_who_waits_for_a_hung_feed_can_be_stopped(hung, how):
    mount, _, stop, go_on = hung
    stop()
    process = subprocess.Popen(["stat", mount / "partitions/dt=1999-01-01"], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: waits_for_fuse(process), "the request")
        process.send_signal(how)
        assert process.wait(HANG) == -how
    finally:
        go_on()
        process.wait()
    eventually(lambda: os.listdir(mount / "partitions") == [slice_path(0).split("/")[0]], "the feed")


@pytest.mark.release
def test_a_mount_of_a_hung_feed_ends_when_it_is_told_to(hung):
    mount, _, stop, _ = hung
    stop()
    mount.text("watermark")
    pids = mount.pids()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not any(map(is_running, pids)))
    assert not os.path.ismount(mount.point)
