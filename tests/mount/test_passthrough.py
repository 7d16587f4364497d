# SPDX-License-Identifier: Apache-2.0
"""-o passthrough=yes: segments that the kernel reads by itself. What needs a newer libfuse, or root, is skipped without."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from harness import DOCUMENTS, HANG, eventually, shell

pytestmark = [pytest.mark.release, pytest.mark.feedless]
OPTIONS = "refresh=manual,poll=0s,passthrough=yes"


def word(mount):
    return json.loads(mount.text("status.json"))["passthrough"]


def publish(box, i, **more):
    box.feed.put(i, [{"id": f"ad-{i}-{n}", "title": f"espresso word{n}", "item": "g"} for n in range(500)])
    box.build("--no-merge", **more)


def mounts_under(mount):
    """Mount points of the mount, itself apart, as the kernel has them."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(p[len(str(mount.point)) + 1 :] for p in points if p.startswith(f"{mount.point}/"))


def server(mount):
    (pid,) = mount.pids()
    return pid


@pytest.fixture
def through(box):
    """A mount over one generation with passthrough on. fusermount3 -u would find it busy."""
    publish(box, 0)
    mount = box.mount(OPTIONS)
    found = eventually(lambda: word(mount) not in ("off: nothing is published yet",) and word(mount))
    if found != "on":
        pytest.skip(found)
    yield mount
    for pid in mount.pids():
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not mount.pids(), "the end of the server")
    assert not os.path.ismount(mount.point)
    assert mounts_under(mount) == []


def shows(mount, number):
    """Waits until the segments of that generation are read by the kernel, in both their places."""
    places = ["segments", f"generations/{number}/segments"]
    eventually(lambda: mount.text("generation") == f"{number}\n" and set(places) <= set(mounts_under(mount)))
    assert os.stat(mount / places[0]).st_dev == os.stat(mount / places[1]).st_dev != os.stat(mount.point).st_dev


def test_status_says_that_nobody_asked_for_it(box):
    publish(box, 0)
    mount = box.mount()
    assert word(mount) == "off: not asked for"
    assert "passthrough       off: not asked for\n" in mount.text("status")
    assert mounts_under(mount) == []


def test_the_bytes_come_without_the_server(box, through):
    shows(through, 1)
    (name,) = (n for n in os.listdir(through / "segments") if n.endswith(".seg"))
    with open(through / "segments" / name, "rb") as f:
        # Not from the page cache either.
        with open(box.state / "segments" / name, "rb") as below:
            os.posix_fadvise(below.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.kill(server(through), signal.SIGSTOP)
        try:
            copy = subprocess.run(["cat"], stdin=f, stdout=subprocess.PIPE, timeout=HANG, check=True).stdout
        finally:
            os.kill(server(through), signal.SIGCONT)
    assert copy == box.segments()[name]


def test_a_publish_moves_the_live_name_only(box, through):
    shows(through, 1)
    here = os.open(through / "segments", os.O_RDONLY | os.O_DIRECTORY)
    file = os.open("MANIFEST.json", os.O_RDONLY, dir_fd=here)
    publish(box, 1)
    shows(through, 2)
    for number, place in ((2, "segments"), (2, "generations/2/segments"), (1, "generations/1/segments")):
        assert json.loads(through.text(f"{place}/MANIFEST.json"))["number"] == number
        assert shell("sha256sum -c SHA256SUMS", cwd=through / place).count(": OK\n") == 2 + number
    # Who stands there, or has it open, keeps it.
    assert "1.live" in os.listdir(here)
    assert json.loads(os.read(file, 1 << 20))["number"] == 1
    assert os.getxattr(f"/proc/self/fd/{file}", "user.freshet.generation") == b"1"
    os.close(file)
    os.close(here)


def test_what_is_not_kept_any_more_is_let_go(box, through):
    box.configure(DOCUMENTS + "[build]\nkeep = 2\nkeep_max = 2\n")
    threads = Path(f"/proc/{server(through)}/task")
    for i in range(1, 8):
        publish(box, i)
        shows(through, i + 1)
        kept = [f"generations/{n}/segments" for n in (i, i + 1)]
        wanted = sorted(["segments", *kept])
        # The build lets go after it has published: the mount sees that at its next look.
        eventually(lambda: through.text("generation") and mounts_under(through) == wanted, f"only {kept}")

    def connections():
        return sum((t / "comm").read_text() == "freshet-segment\n" for t in threads.iterdir())

    # Two, and one that ended since and is cleared up with the next.
    eventually(lambda: connections() <= 3, "the end of their connections")


def test_whole_sets_while_generations_are_published(box, through):
    """Who enters segments/ has one generation's files: their sums are right whatever is published meanwhile."""
    ended, failed, passes = threading.Event(), [], [0]

    def check():
        while not ended.is_set():
            done = subprocess.run(
                ["bash", "-c", "cd segments && sha256sum -c --quiet SHA256SUMS"], cwd=through.point, capture_output=True
            )
            passes[0] += 1
            if done.returncode:
                failed.append(done.stderr)

    readers = [threading.Thread(target=check) for _ in range(4)]
    for r in readers:
        r.start()
    for i in range(1, 12):
        publish(box, i)
    eventually(lambda: passes[0] > 20 or failed)
    ended.set()
    for r in readers:
        r.join()
    assert not failed, failed[0]
    shows(through, 12)


def test_it_is_taken_down_as_a_whole(box, through):
    shows(through, 1)
    pid = server(through)
    busy = subprocess.run(["umount", through.point], capture_output=True, text=True)
    assert busy.returncode and "busy" in busy.stderr
    with open(through / "segments" / "MANIFEST.json", "rb"):
        subprocess.run(["umount", "-l", through.point], check=True)
        assert mounts_under(through) == [] and not os.path.ismount(through.point)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the server")


def test_a_mount_that_died_makes_way_with_all_that_lay_over_it(box, through):
    shows(through, 1)
    pid = server(through)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the server")
    assert box.run("mount", box.feed.url, through.point, "-o", OPTIONS, "--config", box.config).code == 0
    shows(through, 1)
    assert mounts_under(through) == ["generations/1/segments", "segments"]
    assert shell("sha256sum -c SHA256SUMS", cwd=through / "segments").count(": OK\n") == 3
