# SPDX-License-Identifier: Apache-2.0
"""A feed in which every slice adds one document, a store that it is published to, and what must hold of each follower at any time."""

import json
import os
import random
import subprocess
import threading

from harness import rfc3339, slice_time

TIMES = {rfc3339(slice_time(i)): i for i in range(5000)}


def put_slice(box, i):
    """Slice i: document number i, and a newer version of one that all slices write."""
    box.feed.put(i, [{"id": f"d-{i:05}", "title": "espresso", "n": i}, {"id": "newest", "title": "latest", "n": i}])


class Outlet:
    """What is published to, and by whom."""

    def __init__(self, box, name="dest"):
        self.box, self.dest = box, box.root / name
        self.dest.mkdir()

    def publish(self, *args, state=None, code=0):
        result = self.box.run("publish", self.dest, *args, state=state)
        assert result.code == code, result
        return result

    def start(self, command, *args, state=None):
        return subprocess.Popen(
            self.box.argv(command, self.dest, *args, state=state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.box.environment(killed=True),
        )

    def fetch(self, state, code=0):
        result = self.box.run("follow", self.dest, state=state)
        assert result.code == code, result
        return result

    def epochs(self):
        """{epoch: claim}"""
        found = (self.dest / "epochs").iterdir()
        return {int(p.name): json.loads((p / "claim.json").read_text()) for p in found if (p / "claim.json").exists()}

    def pointer(self, epoch=None):
        epoch = epoch or max(self.epochs())
        return json.loads((self.dest / f"epochs/{epoch}/current.json").read_text())["edition"]

    def files(self):
        """{path: bytes}, without what a process that was killed left half written."""
        found = (p for p in self.dest.rglob("*") if p.is_file() and not p.name.startswith(".freshet-put-"))
        return {str(p.relative_to(self.dest)): p.read_bytes() for p in found}


def check_whole(at):
    """A pinned generation of the slices: as many documents as its watermark says, each with its bytes. Returns that."""
    newest = TIMES[(at / "watermark").read_text().strip()]
    want = [f"d-{i:05}" for i in range(newest + 1)]
    assert (at / "terms/espresso").read_text().split() == want
    assert (at / "terms/latest").read_text() == "newest\n"
    assert json.loads((at / "docs/newest").read_text())["n"] == newest
    for i in random.Random(newest).sample(range(newest + 1), min(3, newest + 1)):
        assert json.loads((at / f"docs/d-{i:05}").read_text())["n"] == i
    return newest


class Watcher(threading.Thread):
    """Looks at a follower again and again: one whole generation, and never an older one."""

    def __init__(self, mount):
        super().__init__()
        self.mount, self.failure, self.seen, self.newest = mount, None, [], -1
        self.over = threading.Event()
        self.start()

    def look(self):
        text = self.mount.text("generation").strip()
        number = int(text) if text else 0
        if not number:
            return
        assert not self.seen or number >= self.seen[-1], f"generation {number} after {self.seen[-1]}"
        if self.seen and number == self.seen[-1]:
            return
        newest = check_whole(self.mount / f"generations/{number}")
        assert newest >= self.newest, f"watermark of slice {newest} after {self.newest}"
        self.seen.append(number)
        self.newest = newest

    def run(self):
        try:
            while not self.over.wait(0.03):
                self.look()
        except BaseException as e:  # told by end(), in the test's own thread
            self.failure = e

    def end(self):
        self.over.set()
        self.join()
        if self.failure:
            raise AssertionError(f"{self.mount.point}: {self.failure!r}") from self.failure
        return self.seen


def content_of(state, run):
    """All documents of a state directory, without a mount."""
    result = run("query", "NOT nothing", state=state)
    assert result.code == 0, result
    return result.out


def damaged(data):
    """One byte another; of an empty file, one more."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :] if data else b"x"


def kill_some(pids, rng, share):
    for pid in pids:
        if rng.random() < share:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
