#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/run.py - prints the table of figures: freshet beside a peer or a floor, in one run.

    tests/bench/run.sh [--only NAME[,NAME]] [--rounds N]

Every figure is a ratio of two things measured in turn (A B A B ...), the median of the rounds.
Names: build, ids, and, rank, warm, first, fresh, segment, list, readers, cpu. The feed is the machine's own Debian package catalogue."""

import argparse
import collections
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import FRESHET, READER, TOP, ConstFs, Mount, Table, machine, median_ratio, once, run, tool
from mounted import bench_cpu, bench_list, bench_readers, bench_segment, terms_between

CONFIG = """[feed]
url = {feed}
{extra}
[lag]
window = {window}
{document}"""


class Work:
    """A scratch directory with the catalogue in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="freshet-bench.", dir=os.environ.get("FRESHET_BENCH_DIR"))
        raw = os.path.join(self.dir, "debian")
        run(os.path.join(TOP, "examples", "feed-debian"), raw, "--partitions", "1")
        with open(os.path.join(raw, "freshet.ini")) as f:
            ini = f.read()
        self.document = ini[ini.index("[document]"):]
        self.jsonl = os.path.join(self.dir, "catalogue.jsonl")
        with open(self.jsonl, "wb") as out:
            for path in sorted(p for p in self._files(raw)):
                unpack = {".zst": ["zstd", "-dc"], ".gz": ["gzip", "-dc"]}.get(os.path.splitext(path)[1])
                if unpack:
                    subprocess.run(unpack + [path], check=True, stdout=out)
                else:
                    with open(path, "rb") as f:
                        shutil.copyfileobj(f, out)
        self.bytes = os.path.getsize(self.jsonl)
        self.lines = sum(1 for _ in open(self.jsonl, "rb"))

    @staticmethod
    def _files(root):
        for base, _, names in os.walk(root):
            for name in names:
                if re.search(r"\.jsonl(\.zst|\.gz)?$", name):
                    yield os.path.join(base, name)

    def feed(self, name, window="all", extra=""):
        """An empty feed with its configuration; returns (feed, state, config)."""
        feed, state = (os.path.join(self.dir, f"{name}.{kind}") for kind in ("feed", "state"))
        for path in (feed, state):
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(feed)
        config = os.path.join(self.dir, f"{name}.ini")
        with open(config, "w") as f:
            f.write(CONFIG.format(feed=feed, window=window, extra=extra, document=self.document))
        return feed, state, config

    def path(self, name):
        return os.path.join(self.dir, name)


def partition_dir(feed, when):
    path = os.path.join(feed, when.strftime("dt=%Y-%m-%d/hour=%H/minute=%M"))
    os.makedirs(path)
    return path


def slice_start(back):
    """The start of the slice `back` slices before the last that has ended."""
    now = int(time.time()) // 300 * 300
    return datetime.datetime.fromtimestamp(now - 300 * (back + 1), datetime.timezone.utc)


def bench_build(work, table, rounds):
    feed, state, config = work.feed("build")
    shutil.copy(work.jsonl, os.path.join(partition_dir(feed, slice_start(0)), "part-0.jsonl"))
    db, mb = work.path("fts5.db"), work.bytes / 1e6

    def ours(threads):
        shutil.rmtree(state, ignore_errors=True)
        start = time.monotonic()
        run(FRESHET, "build", feed, "--state", state, "--config", config, "--set", f"build.threads={threads}",
            "--set", "feed.quiet=0s", cpus="0" if threads == 1 else "0,1")
        return time.monotonic() - start

    def theirs():
        if os.path.exists(db):
            os.unlink(db)
        inserted, optimised, rows = run(tool("bench_fts5"), "build", work.jsonl, db, cpus="0").split()
        assert int(rows) == work.lines, (rows, work.lines)
        return float(inserted) + float(optimised)

    for threads, target in ((1, 3), (2, 4)):
        ours(threads)
        pairs = [(theirs(), ours(threads)) for _ in range(rounds)]
        a, b = (statistics.median(p[i] for p in pairs) for i in (1, 0))
        ratio = median_ratio(pairs)
        table.add(f"build, JSON Lines to published, {threads} thread{'s' * (threads > 1)}",
                  "SQLite FTS5, rows already parsed, optimised",
                  f"{mb / a:.0f} MB/s", f"{mb / b:.0f} MB/s", f"{ratio:.2f} ×", f"≥ {target} ×", ratio >= target)
    return feed, state, config, db


def term_near(work, df):
    """The word whose document frequency is nearest to `df`, counted from the raw feed."""
    counts = collections.Counter()
    with open(work.jsonl) as f:
        for line in f:
            doc = json.loads(line)
            text = f"{doc.get('summary') or ''} {doc.get('description') or ''}"
            counts.update(set(re.findall(r"[a-z]+", text.lower())))
    return min(counts, key=lambda w: (abs(counts[w] - df), w))


def bench_ids(work, table, rounds, built):
    feed, state, config, db = built
    word = term_near(work, 20000)
    pairs, floors, point, floor = [], [], work.path("mnt"), work.path("const")
    for _ in range(rounds):
        seconds, rows = run(tool("bench_fts5"), "ids", db, word, "5", cpus="0").split()
        with Mount(feed, state, config, point, "refresh=manual"):
            # The first file of a mount also pays for what the kernel asks once: open? flush? Not this term's cost.
            once([os.path.join(point, "terms", "library")], work.path("list"))
            ns, size = once([os.path.join(point, "terms", word)], work.path("list"))
        pairs.append((float(seconds), ns / 1e9))
        with ConstFs(size, floor):
            once([os.path.join(floor, "library")], work.path("list"))
            floors.append((ns, once([os.path.join(floor, word)], work.path("list"))[0]))
    a, b = (statistics.median(p[i] for p in pairs) for i in (1, 0))
    ratio = median_ratio(pairs)
    table.add(f"ids of '{word}' ({rows} documents), first read through the mount, {READER >> 10} KiB a read",
              "SQLite FTS5, same rows, into memory", f"{a * 1e6:.0f} µs", f"{b * 1e6:.0f} µs",
              f"{ratio:.0f} ×", "≥ 100 ×", ratio >= 100)
    a, b = (statistics.median(p[i] for p in floors) for i in (0, 1))
    table.add(f"the same read of {size} bytes", "a low-level FUSE file system that returns a constant",
              f"{a / 1e3:.0f} µs", f"{b / 1e3:.0f} µs", f"{median_ratio(floors):.2f} ×", "the floor", None)


def bench_query(work, table, rounds, built, tree, mode, what):
    """Two common words, first read of a new name under `tree`, beside the same two words in FTS5's text column."""
    feed, state, config, db = built
    words = [term_near(work, 20000), term_near(work, 5000)]
    match, pairs, point = " AND ".join(f"text : {w}" for w in words), [], work.path("mnt")
    for _ in range(rounds):
        seconds, rows = run(tool("bench_fts5"), mode, db, match, "5", cpus="0").split()
        with Mount(feed, state, config, point, "refresh=manual"):
            once([os.path.join(point, tree, "library")], work.path("list"))
            ns, _ = once([os.path.join(point, tree, " ".join(words))], work.path("list"))
            with open(os.path.join(point, tree, " ".join(words))) as f:
                found = sum(1 for _ in f)
        pairs.append((float(seconds), ns / 1e9))
    a, b = (statistics.median(p[i] for p in pairs) for i in (1, 0))
    table.add(f"{what} '{' '.join(words)}' ({found} lines, FTS5 {rows}), first read through the mount",
              "SQLite FTS5, same rows, into memory", f"{a * 1e6:.0f} µs", f"{b * 1e6:.0f} µs",
              f"{median_ratio(pairs):.0f} ×", "-", None)


def bench_and(work, table, rounds, built):
    bench_query(work, table, rounds, built, "query", "ids", "ids with both of")


def bench_rank(work, table, rounds, built):
    bench_query(work, table, rounds, built, "rank", "rank", "best 1,000 by BM25 of")


def bench_warm(work, table, rounds, built):
    feed, state, config, _ = built
    point, disk = work.path("mnt"), work.path("ext4")
    with Mount(feed, state, config, point, "refresh=manual"):
        names = terms_between(point, 500, 4000, 200)
        os.makedirs(disk, exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(point, "terms", name), os.path.join(disk, name))
        ours, theirs = ([os.path.join(base, n) for n in names] for base in (os.path.join(point, "terms"), disk))
        once(ours, work.path("list")), once(theirs, work.path("list"))
        pairs = [(once(ours, work.path("list"), 200)[0], once(theirs, work.path("list"), 200)[0]) for _ in range(rounds)]
    a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = median_ratio(pairs)
    table.add("warm term: open, read, close", "the same bytes on ext4", f"{a / 1e3:.2f} µs", f"{b / 1e3:.2f} µs",
              f"{ratio:.2f} ×", "≤ 2 ×", ratio <= 2)


def bench_first(work, table, rounds, built):
    feed, state, config, _ = built
    point, floor, pairs = work.path("mnt"), work.path("const"), []
    with Mount(feed, state, config, point, "refresh=manual"):
        names = terms_between(point, 500, 2000, 1000)
        size = int(statistics.median(os.path.getsize(os.path.join(point, "terms", n)) for n in names))
    for _ in range(4 * rounds):  # each is a tenth of a second, and hangs on when which processor was woken
        with Mount(feed, state, config, point, "refresh=manual"):
            ours = once([os.path.join(point, "terms", n) for n in names], work.path("list"))[0]
        with ConstFs(size, floor):
            theirs = once([os.path.join(floor, n) for n in names], work.path("list"))[0]
        pairs.append((ours, theirs))
    a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = median_ratio(pairs)
    table.add(f"first read of a term ({len(names)} terms of about {size} bytes)",
              "a low-level FUSE file system that returns a constant",
              f"{a / 1e3:.1f} µs", f"{b / 1e3:.1f} µs", f"{ratio:.2f} ×", "≤ 1.5 ×", ratio <= 1.5)


def bench_fresh(work, table, rounds, built):
    """Partition complete (its marker appears) → its own term visible by a read from the root; 10 MB partitions,
    refresh = eager. The worst of 100."""
    feed, state, config = work.feed("fresh", window="5h", extra="complete = marker")
    with open(work.jsonl, "rb") as f:
        lines = f.read(10_000_000).splitlines(keepends=True)[:-1]
    point, waits, count = work.path("mnt"), [], 100
    with Mount(feed, state, config, point, "refresh=eager"):
        for i in range(count):
            part = partition_dir(feed, slice_start(count - i))
            with open(os.path.join(part, "part-0.jsonl"), "wb") as out:
                out.writelines(lines)
                out.write(b'{"package":"fresh-%d","summary":"freshword%d"}\n' % (i, i))
            term = os.path.join(point, "terms", f"freshword{i}")
            start = time.monotonic()
            with open(os.path.join(part, "_SUCCESS"), "wb"):
                pass
            while True:
                try:
                    with open(term, "rb") as f:
                        if f.read() == b"fresh-%d\n" % i:
                            break
                except FileNotFoundError:
                    pass
                if time.monotonic() - start > 30:
                    raise RuntimeError(f"partition {i} was not visible after 30 s")
                time.sleep(0.001)  # a reader that looks a thousand times a second, and leaves the CPUs to the build
            waits.append(time.monotonic() - start)
    table.add(f"partition complete → visible by cat, {count} partitions of {sum(map(len, lines)) / 1e6:.0f} MB",
              "the article's 30 s", f"worst {max(waits):.3f} s, median {statistics.median(waits):.3f} s", "30 s",
              f"{30 / max(waits):.0f} ×", "≤ 0.5 s", max(waits) <= 0.5)


BENCHES = {"ids": bench_ids, "and": bench_and, "rank": bench_rank, "warm": bench_warm, "first": bench_first,
           "fresh": bench_fresh, "segment": bench_segment, "list": bench_list, "readers": bench_readers, "cpu": bench_cpu}  # fmt: skip


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--only", default=",".join(("build", *BENCHES)))
    args.add_argument("--rounds", type=int, default=5)
    args = args.parse_args()
    only, table, work = args.only.split(","), Table(), Work()
    try:
        print(f"{machine()}\ncatalogue: {work.lines} documents, {work.bytes / 1e6:.1f} MB; "
              f"medians of {args.rounds} paired rounds\n", flush=True)
        built = bench_build(work, table if "build" in only else Table(), args.rounds if "build" in only else 1)
        for name, bench in BENCHES.items():
            if name in only:
                bench(work, table, args.rounds, built)
        table.print()
    finally:
        shutil.rmtree(work.dir, ignore_errors=True)


if __name__ == "__main__":
    main()
