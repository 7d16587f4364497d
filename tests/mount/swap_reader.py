# SPDX-License-Identifier: Apache-2.0
"""swap_reader.py MOUNT STOP - reads whole files until the file STOP is there, and compares each with what its generation holds.

The generation is the one that the open file, or the directory that is held, says that it is of. Prints: whole files read, generations
seen, mixed, errors, generations that had gone before they were entered. What went wrong goes to stderr.
"""

import errno
import hashlib
import os
import random
import sys

from harness import CADENCE, START, rfc3339

DOCS, DOCS_IN_GROUP = 200, 4
PIECES = [100, 1000, 5000, 70000]


def ids(n):
    return [f"{n:06}-{i:03}-{'0' * 40}" for i in range(DOCS)]


def record(n, i):
    return f"espresso of{n:06} n:{i:03}\n".encode()


def group(n, k):
    return b"".join(record(n, i) for i in range(k * DOCS_IN_GROUP, (k + 1) * DOCS_IN_GROUP))


class Reader:
    def __init__(self, mount):
        self.mount = mount
        self.rng = random.Random(os.getpid())
        self.reads = self.mixed = self.errors = self.gone = 0
        self.seen = set()

    def whole(self, path, at=None):
        """(number of its generation, or None; bytes), in small pieces, so that publishes come in between."""
        fd = os.open(path, os.O_RDONLY, dir_fd=at)
        try:
            data = b""
            while piece := os.read(fd, self.rng.choice(PIECES)):
                data += piece
            try:
                number = int(os.getxattr(fd, "user.freshet.generation"))
            except OSError as e:
                if e.errno != errno.ENODATA:
                    raise
                number = None
        finally:
            os.close(fd)
        self.reads += 1
        return number, data

    def check(self, what, got, wanted):
        if got != wanted:
            self.mixed += 1
            print(f"{what}: {got[:200]!r}, not {wanted[:200]!r}", file=sys.stderr)

    def live(self):
        """By the names at the root, each of the generation that is current then."""
        for name in ("terms/espresso", "generation", "watermark"):
            n, data = self.whole(f"{self.mount}/{name}")
            wanted = {
                "terms/espresso": lambda: "".join(f"{i}\n" for i in ids(n)),
                "generation": lambda: f"{n}\n",
                "watermark": lambda: rfc3339(START + n * CADENCE) + "\n",
            }[name]().encode()
            self.check(f"{name} of {n}", data, wanted)
            if self.seen and n < max(self.seen):
                self.mixed += 1
                print(f"{name}: back from {max(self.seen)} to {n}", file=sys.stderr)
            self.seen.add(n)

    def held(self, name):
        """All kinds of files of the generation whose directory is held."""
        at = os.open(f"{self.mount}/{name}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            n = int(os.getxattr(at, "user.freshet.generation"))
            i = self.rng.randrange(DOCS)
            wanted = {
                "terms": (f"n:{i:03}", lambda: f"{ids(n)[i]}\n".encode()),
                "docs": (ids(n)[i], lambda: record(n, i)),
                "groups": (f"i{i // DOCS_IN_GROUP:02}", lambda: group(n, i // DOCS_IN_GROUP)),
                "query": (f"of{n:06} n:{i:03}", lambda: f"{ids(n)[i]}\n".encode()),
            }
            if name in wanted:
                file, content = wanted[name]
                self.check(f"{name}/{file} of {n}", self.whole(file, at)[1], content())
            elif name == "segments":
                self.segments(n, at)
            else:
                self.rows(n, self.whole("espresso", at)[1])
        finally:
            os.close(at)

    def segments(self, n, at):
        sums = self.whole("SHA256SUMS", at)[1].decode().splitlines()
        files = dict(reversed(line.split(maxsplit=1)) for line in sums)
        self.check(f"segments/ of {n}", sorted([*files, "SHA256SUMS"]), sorted(os.listdir(at)))
        for name, sha256 in files.items():
            self.check(f"segments/{name} of {n}", hashlib.sha256(self.whole(name, at)[1]).hexdigest(), sha256)

    def rows(self, n, data):
        rows = [line.split("\t") for line in data.decode().splitlines()]
        wanted = [[ids(n)[i], f"i{i // DOCS_IN_GROUP:02}", "1", "dt=x"] for i in range(DOCS)]
        self.check(f"postings/espresso of {n}", [row[:4] for row in rows], wanted)
        self.check(f"postings/espresso of {n}: segments", len({row[4] for row in rows}), 1)

    def pinned(self):
        """A generation that is kept, by its number: once it is entered nothing of it goes."""
        try:
            number = int(self.rng.choice(os.listdir(f"{self.mount}/generations")))
            at = os.open(f"{self.mount}/generations/{number}", os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            self.gone += 1
            return
        try:
            for name, wanted in (
                ("terms/espresso", "".join(f"{i}\n" for i in ids(number)).encode()),
                ("watermark", (rfc3339(START + number * CADENCE) + "\n").encode()),
                ("groups/i07", group(number, 7)),
                (f"docs/{ids(number)[3]}", record(number, 3)),
            ):
                self.check(f"generations/{number}/{name}", self.whole(name, at)[1], wanted)
            segments = os.open("segments", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            try:
                self.segments(number, segments)
            finally:
                os.close(segments)
        finally:
            os.close(at)

    def step(self):
        acts = [self.live, self.pinned]
        acts += [lambda name=name: self.held(name) for name in ("terms", "docs", "groups", "query", "postings", "segments")]
        try:
            self.rng.choice(acts)()
        except OSError as e:
            self.errors += 1
            print(f"error: {e}", file=sys.stderr)


def main():
    mount, stop = sys.argv[1:]
    reader = Reader(mount)
    while not os.path.exists(stop) or not reader.reads:
        reader.step()
    print(reader.reads, len(reader.seen), reader.mixed, reader.errors, reader.gone)


main()
