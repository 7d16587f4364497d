# SPDX-License-Identifier: Apache-2.0
"""A mount in the foreground, as a service manager runs it: what it says, when, and when it keeps silent."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import HANG, Box, Mount, eventually, needs, stat_of

PERIOD = 0.6  # seconds within which a sign of life is asked for, where one is


class Manager:
    """What listens where NOTIFY_SOCKET says."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.address = address

    def next(self, seconds=HANG):
        """One message as {name: value}; None where there is none for so long."""
        self.socket.settimeout(seconds)
        try:
            return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().splitlines())
        except TimeoutError:
            return None

    def until(self, name, word=""):
        """The first message from now on whose NAME has that word."""
        return eventually(lambda: (m := self.next()) and word in m.get(name, " ") and name in m and m, f"{name} {word}")


class Service:
    """freshet mount -f; lines() are what it has logged."""

    def __init__(self, box, options, args=(), manager=None, watchdog=None, journal=False, feed=None):
        point = box.root / f"mnt{len(box.mounts)}"
        point.mkdir()
        self.mount = Mount(box, point)
        box.mounts.append(self.mount)
        self.log = box.root / f"log{len(box.mounts)}"
        env = box.environment(killed=True)
        if manager:
            env["NOTIFY_SOCKET"] = manager.address
        if watchdog:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        with open(self.log, "wb") as log:
            if journal:
                st = os.fstat(log.fileno())
                env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
            argv = box.argv("mount", "-f", feed or box.feed.url, point, "-o", options, "--config", box.config, *args)
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, env=env)

    def lines(self):
        return self.log.read_text().splitlines()

    def logs(self, pattern):
        return eventually(lambda: any(re.search(pattern, line) for line in self.lines()), pattern)

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(HANG)


@pytest.fixture
def published(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    return box


@pytest.mark.release
@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_ready_is_said_once_the_mount_answers_and_then_how_things_stand(published, kind):
    box = published
    manager = Manager(f"{box.root}/notify" if kind == "path" else f"@freshet-test-{os.getpid()}")
    service = Service(box, "refresh=eager", manager=manager)
    first = manager.next()
    assert first["READY"] == "1" and first["STATUS"].startswith("generation 1, watermark 2024-05-04T10:00:00Z, age ")
    assert os.path.ismount(service.mount.point) and service.mount.ids("espresso") == ["a"]
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    assert "READY" not in manager.until("STATUS", "generation 2")
    box.feed.put(2, b"no JSON\n")
    manager.until("STATUS", "refused")
    assert service.end() == 0
    manager.until("STOPPING", "1")
    assert not os.path.ismount(service.mount.point)


@pytest.mark.release
def test_before_the_first_publish_too(box):
    manager = Manager(f"{box.root}/notify")
    service = Service(box, "refresh=manual", manager=manager)
    assert manager.next() == {"READY": "1", "STATUS": "nothing is published yet"}
    assert service.end() == 0


def threads_of(pid, name):
    """The ids of those with that name; "serving": those of libfuse, which have none of ours."""
    names = {t: Path(f"/proc/{pid}/task/{t}/comm").read_text().strip() for t in os.listdir(f"/proc/{pid}/task")}
    found = [t for t in names if names[t] == name or (name == "serving" and not names[t].startswith("freshet-"))]
    assert found, names
    return found


@pytest.mark.release
@pytest.mark.parametrize("threads", ["serving", "freshet-refresh"])
def test_signs_of_life_end_when_those_who_serve_hang(published, threads):
    """Serving threads, or the one that lookups wait for, go on after no system call any more, as in a dead lock."""
    needs("strace")
    manager = Manager(f"{published.root}/notify")
    service = Service(published, "refresh=manual,poll=0s", manager=manager, watchdog=PERIOD)
    for _ in range(3):
        manager.until("WATCHDOG", "1")
    ids = threads_of(service.process.pid, threads)
    stop = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject=all:delay_enter={HANG * 10**6}"]
    stopper = subprocess.Popen(stop + [word for t in ids for word in ("-p", t)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: manager.next(5 * PERIOD) is None, "silence")
        # What systemd does then, in the end.
        service.process.kill()
    finally:
        stopper.kill()
        stopper.wait()
    assert service.process.wait(HANG) == -signal.SIGKILL
    # And then it starts anew.
    again = published.run("mount", published.feed.url, service.mount.point, "-o", "refresh=manual", "--config", published.config)
    assert again.code == 0 and "a mount had died here" in again.err, again
    assert service.mount.ids("espresso") == ["a"]


@pytest.mark.release
def test_builds_do_not_speak_for_the_mount(box):
    """Their environment has nothing of the manager's."""
    manager = Manager(f"{box.root}/notify")
    service = Service(box, "refresh=eager", manager=manager, watchdog=PERIOD)
    assert manager.next()["READY"] == "1"
    box.feed.put(0, [{"id": str(n), "title": "espresso " * 50} for n in range(20000)])

    def child():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if int(stat_of(pid)[1]) == service.process.pid and b"build" in argv:
                    return Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                pass

    seen = eventually(child, "a build")
    assert b"NOTIFY_SOCKET" not in seen and b"WATCHDOG_USEC" not in seen
    assert service.end() == 0


@pytest.mark.release
@pytest.mark.directory("it is another mount")
def test_a_start_does_not_wait_for_the_feed(published):
    """The last generation is served though nobody answers for the feed, not even where it is."""
    source = published.mount()
    (published.root / "reader").mkdir()
    reader = Box(published.root / "reader")
    reader.feed.root = source / "partitions"
    reader.build()
    for pid in source.pids():
        os.kill(pid, signal.SIGSTOP)
    try:
        mount = reader.mount("refresh=lazy,poll=0s,wait=300s,feed_timeout=1s")
        assert mount.ids("espresso") == ["a"] and mount.text("generation") == "1\n"
        for pid in source.pids():
            os.kill(pid, signal.SIGCONT)
        published.feed.put(1, [{"id": "b", "title": "espresso"}])
        eventually(lambda: mount.ids("espresso") == ["a", "b"])
    finally:
        for pid in source.pids():
            os.kill(pid, signal.SIGCONT)
        reader.close()


@pytest.mark.release
@pytest.mark.directory("a prefix with nothing below it is not away")
def test_a_feed_that_is_away_is_waited_for(published):
    """A mount that has something to serve starts without the feed, says so, and goes on when it comes."""
    away = published.root / "away"
    published.feed.root.rename(away)
    mount = published.mount("refresh=lazy,poll=0s")
    assert mount.ids("espresso") == ["a"]
    eventually(lambda: "cannot open the directory" in mount.text("status"))
    away.rename(published.feed.root)
    published.feed.put(1, [{"id": "b", "title": "espresso"}])
    eventually(lambda: mount.ids("espresso") == ["a", "b"])


@pytest.mark.release
def test_log_lines_have_levels_that_change_at_run_time(published):
    service = Service(published, "refresh=lazy,poll=0s", journal=True)
    service.logs(f"^<6>.*{re.escape(str(service.mount.point))}")
    assert service.mount.ids("espresso") == ["a"]
    assert not any(line.startswith("<7>") for line in service.lines())
    service.process.send_signal(signal.SIGRTMIN + 22)
    service.logs("^<6>everything is logged")
    published.feed.put(1, [{"id": "b", "title": "espresso"}])
    eventually(lambda: service.mount.ids("espresso") == ["a", "b"])
    for pattern in ("^<7>looked at the feed", "^<7>build: started", "^<7>build: ended", "^<6>generation 2 is served"):
        service.logs(pattern)
    service.process.send_signal(signal.SIGRTMIN + 23)
    service.logs("^<6>logs as it did")
    before = len(service.lines())
    for _ in range(3):
        service.mount.text("watermark")
    assert service.end() == 0
    # What was under way when the signal came may be logged still.
    assert not any("looked at the feed" in line for line in service.lines()[before + 1 :])
    assert re.match("<6>.*ends on signal 15", service.lines()[-1])


@pytest.mark.release
@pytest.mark.parametrize("options, args, wanted", [
    ("refresh=manual", (), {"is served at", "ends on signal"}),
    ("refresh=manual", ("-v",), {"is served at", "ends on signal", "looked at the feed"}),
    ("refresh=manual,log_level=error", (), set()),
])
def test_at_a_terminal_a_line_says_ready_and_a_level_what_else(published, options, args, wanted):
    manager = Manager(f"{published.root}/notify")
    service = Service(published, options, args, manager=manager)
    manager.until("READY", "1")
    service.mount.text("watermark")
    assert service.end(signal.SIGINT) == 0
    lines = service.lines()
    assert all(line.startswith("freshet: mount: ") for line in lines)
    found = {w for w in ("is served at", "ends on signal", "looked at the feed") if any(w in line for line in lines)}
    assert found == wanted, lines
