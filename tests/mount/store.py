# SPDX-License-Identifier: Apache-2.0
"""A feed in which every slice adds one document, a store that it is published to, and what must hold of each follower at any time."""

import json
import os
import random
import re
import subprocess
import threading

import s3_feed
from harness import eventually, rfc3339, slice_time

TIMES = {rfc3339(slice_time(i)): i for i in range(5000)}


def put_slice(box, i):
    """Slice i: document number i, and a newer version of one that all slices write."""
    box.feed.put(i, [{"id": f"d-{i:05}", "title": "espresso", "n": i}, {"id": "newest", "title": "latest", "n": i}])


class Outlet:
    """What is published to, and by whom: a place named by its URL, and its objects by their paths."""

    def __init__(self, box, url):
        self.box, self.url = box, url

    def publish(self, *args, state=None, code=0):
        result = self.box.run("publish", self.url, *args, state=state)
        assert result.code == code, result
        return result

    def start(self, command, *args, state=None):
        return subprocess.Popen(
            self.box.argv(command, self.url, *args, state=state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.box.environment(killed=True),
        )

    def fetch(self, state, code=0):
        result = self.box.run("follow", self.url, state=state)
        assert result.code == code, result
        return result

    def epochs(self):
        """{epoch: claim}"""
        found = re.findall(r"^epochs/(\d+)/claim\.json$", "\n".join(self.versions("epochs")), re.M)
        return {int(n): json.loads(self.read(f"epochs/{n}/claim.json")) for n in found}

    def pointer(self, epoch=None):
        epoch = epoch or max(self.epochs())
        return json.loads(self.read(f"epochs/{epoch}/current.json"))["edition"]

    def names(self, kind):
        """Of its segments, say."""
        return {path.partition("/")[2] for path in self.versions(kind)}

    def files(self):
        """{path: bytes}"""
        return {path: self.read(path) for path in self.versions()}

    def replace(self, files):
        """Makes these all there is."""
        for path in self.versions():
            self.remove(path)
        for path, data in files.items():
            self.write(path, data)


class DirOutlet(Outlet):
    def __init__(self, box, name):
        self.dir = box.root / name
        self.dir.mkdir()
        super().__init__(box, str(self.dir))

    def versions(self, below=""):
        """{path: what another version of it would change}, without what a process that was killed left half written."""
        found = (p for p in (self.dir / below).rglob("*") if p.is_file() and not p.name.startswith(".freshet-put-"))
        return {str(p.relative_to(self.dir)): p.stat().st_mtime_ns for p in found}

    def read(self, path):
        return (self.dir / path).read_bytes()

    def write(self, path, data):
        (self.dir / path).parent.mkdir(parents=True, exist_ok=True)
        (self.dir / path).write_bytes(data)

    def remove(self, path):
        (self.dir / path).unlink()


class S3Outlet(Outlet):
    """In the bucket of the box's feed, beside that."""

    def __init__(self, box, name):
        self.client, self.bucket, self.prefix = box.feed.client, box.feed.bucket, f"outlet/{name}"
        super().__init__(box, f"s3://{self.bucket}/{self.prefix}")

    def key(self, path):
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{path}"}

    def versions(self, below=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/{below}")
        found = (o for page in pages for o in page.get("Contents", []))
        return {o["Key"][len(self.prefix) + 1 :]: (o["LastModified"], o["ETag"]) for o in found}

    def read(self, path):
        return self.client.get_object(**self.key(path))["Body"].read()

    def write(self, path, data):
        self.client.put_object(**self.key(path), Body=data)

    def remove(self, path):
        self.client.delete_object(**self.key(path))


def serves(mount, number):
    return eventually(lambda: mount.text("generation") == f"{number}\n", f"generation {number} at {mount.point}")


def new_outlet(box, name="dest"):
    """Where the feed of the box is: a directory, or a bucket; but V2 cannot say what many writers need."""
    return (S3Outlet if s3_feed.KIND == "s3v4" else DirOutlet)(box, name)


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
