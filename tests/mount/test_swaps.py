# SPDX-License-Identifier: Apache-2.0
"""Many readers of every kind of file, while generations are published as fast as they can be.

FRESHET_SWAPS=10000 for that many, under 64 readers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import FRESHET, HANG, eventually, needs, rfc3339, slice_time

pytestmark = [pytest.mark.caches, pytest.mark.feedless]

SWAPS = int(os.environ.get("FRESHET_SWAPS", "200"))
READERS = 64 if SWAPS >= 1000 else 16
PUBLISHER = Path(FRESHET).parent / "tests" / "swap_publisher"
READER = Path(__file__).with_name("swap_reader.py")
GROWTH = 8  # MiB


def publish(box, count):
    done = subprocess.run([PUBLISHER, box.state, str(count)], env=box.environment(), stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def resident(mount):
    (pid,) = mount.pids()
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def link(path):
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""  # closed meanwhile


def descriptors(mount):
    """Of segments; the threads that serve have pipes, too, as they come to need them."""
    (pid,) = mount.pids()
    found = Path(f"/proc/{pid}/fd")
    return sum(link(found / fd).split(" ")[0].endswith(".seg") for fd in os.listdir(found))


@pytest.mark.release
@pytest.mark.timeout(7200)
def test_every_whole_file_is_of_one_generation(box):
    publish(box, 1)
    mount = box.mount("refresh=manual,poll=0s")
    idle = descriptors(mount)
    stop = box.root / "stop"
    readers = [
        subprocess.Popen(
            ["nice", sys.executable, READER, mount.point, stop], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(READERS)
    ]
    try:
        publish(box, SWAPS // 5)
        warm = resident(mount), descriptors(mount)
        most = warm
        for _ in range(4):
            publish(box, SWAPS // 5)
            most = max(most[0], resident(mount)), max(most[1], descriptors(mount))
        end = resident(mount)
    finally:
        stop.touch()
        said = [r.communicate(timeout=HANG)[0] for r in readers]
    assert [r.returncode for r in readers] == [0] * READERS, said
    reads, seen, mixed, errors, gone = (sum(map(int, column)) for column in zip(*(s.splitlines()[-1].split() for s in said)))
    print(
        f"{SWAPS} swaps, {READERS} readers: {reads} whole files read, {mixed} mixed, {errors} errors, {gone} gone before they were"
        f" entered, {seen // READERS} generations seen by each; {warm[0]} MiB after a fifth, {most[0]} at most, {end} at the end;"
        f" descriptors: {idle} idle, {warm[1]} after a fifth, {most[1]} at most"
    )
    assert (mixed, errors) == (0, 0), "\n".join(said)[:4000]
    assert mount.text("generation") == f"{SWAPS // 5 * 5 + 1}\n" and seen > READERS

    def has_let_go():
        # The kernel spares once what was used lately.
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("2\n")
        return descriptors(mount) <= idle + 2

    # What readers held goes with them, but for what the kernel still remembers of the last ones.
    eventually(has_let_go, "that descriptors are closed", 60)
    # It is the publishes that let go, not the kernel's want of memory.
    assert most[1] <= 8 * READERS
    with open(FRESHET, "rb") as f:
        sanitized = b"__asan_init" in f.read()
    assert sanitized or end - warm[0] <= GROWTH


@pytest.mark.release
def test_who_sees_a_new_number_finds_the_other_names_new(box):
    """For one who has looked at all of them before: the number is what the kernel is told of last. All that the process tells it takes a while
    here."""
    needs("strace")
    publish(box, 1)
    mount = box.mount("refresh=eager,poll=1h")
    (pid,) = mount.pids()
    # Who has not yet looked may see the number before the kernel is told of anything, and publish the next one meanwhile.
    assert mount.text("generation") == "1\n" and mount.text("watermark").strip() == rfc3339(slice_time(1))
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=writev", "-e", "inject=writev:delay_enter=3000", "-p", str(pid)]
    with subprocess.Popen(slow) as strace:
        try:
            for i in range(2, 12):
                publish(box, 1)
                while (number := int(mount.text("generation"))) < i:
                    assert mount.text("watermark").strip() >= rfc3339(slice_time(number))
                assert mount.text("watermark").strip() >= rfc3339(slice_time(number))
        finally:
            strace.terminate()
