#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/large.py - figures of a base with deltas over it, on the ads feed; queries beside SQLite FTS5.

    tests/bench/large.sh DIR [--documents N] [--partitions N] [--rounds N] [--only base,and,rank,start,deltas,touch]

DIR keeps the feed (10,000,000 documents and 60 partitions are 5 GB) and FTS5's database from run to run; the state is made anew
with the base. The peer's rows are the documents that the base shows, their text and keywords put together by the rules of freshet.ini in
this script: so the numbers of documents and of lines found must agree."""

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from measure import BUILD, FRESHET, TOP, Mount, Table, machine, median_ratio, once, run, tool

AT = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.timezone.utc)
CADENCE = datetime.timedelta(minutes=5)
WORDS = ("the", "with", "portable", "black", "hand", "kettlebell")  # of many documents to few


def measured(*command):
    """(seconds, peak bytes of memory, bytes read, bytes written, standard output) of a command that must succeed."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(map(str, command))}: {status}")
    return time.monotonic() - start, usage.ru_maxrss * 1024, usage.ru_inblock * 512, usage.ru_oublock * 512, out


class Work:
    def __init__(self, directory, documents, partitions):
        self.dir, self.partitions = Path(directory).resolve(), partitions
        self.snapshot, self.feed, self.state = (self.dir / name for name in ("snapshot", "feed", "state"))
        self.config, self.db, self.list = self.dir / "freshet.ini", self.dir / "fts5.db", self.dir / "list"
        if not self.feed.exists():
            run(f"{TOP}/examples/ads/large.sh", str(documents), str(partitions), str(self.dir),
                env=dict(os.environ, AT=rfc3339(AT), FRESHET_ADS=os.path.join(BUILD, "examples/ads/freshet-ads")))  # fmt: skip
        self.bytes = sum(p.stat().st_size for p in self.snapshot.iterdir())

    def freshet(self, verb, *more):
        return measured(FRESHET, verb, self.feed, "--state", self.state, "--config", self.config, *more)

    def manifest(self):
        newest = max((self.state / "generations").glob("*.json"), key=lambda p: int(p.stem))
        return json.loads(newest.read_text())

    def segment_bytes_all(self):
        return sum(self.segment_bytes().values())

    def segment_bytes(self):
        return {p.name: p.stat().st_size for p in (self.state / "segments").iterdir()}


def rfc3339(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def records(work, kind):
    for path in sorted(work.snapshot.glob(f"{kind}*")):
        with open(path) as f:
            yield from map(json.loads, f)


def write_rows(work, path):
    """The documents that the base shows as rows for bench_fts5: those of freshet.ini, joined and dropped as it says."""
    campaigns = {r["campaign_id"]: r for r in records(work, "campaigns")}
    items = {r["item_id"]: (r["title"], r["color"]) for r in records(work, "items")}
    trends = {r["item_id"]: r["trend"] for r in records(work, "signals")}
    count = 0
    with open(path, "w") as out:
        for ad in records(work, "ads"):
            campaign, item = campaigns.get(ad["campaign_id"], {}), items.get(ad["item_id"], ("", ""))
            if "paused" in (ad["status"], campaign.get("status")) or campaign.get("budget_left", 1) <= 0:
                continue
            keywords = (ad["brand"], ad["category"], ad["campaign_id"], item[1], campaign.get("status", ""),
                        campaign.get("advertiser", ""), trends.get(ad["item_id"], ""))  # fmt: skip
            json.dump({"package": ad["ad_id"], "summary": f"{ad['title']} {ad['body']} {item[0]}",
                       "section": " ".join(keywords)}, out)  # fmt: skip
            out.write("\n")
            count += 1
    return count


def make_peer(work, table):
    rows = work.dir / "rows.jsonl"
    if work.db.exists():
        return
    count = write_rows(work, rows)
    inserted, optimised, _ = run(tool("bench_fts5"), "build", str(rows), str(work.db) + ".new").split()
    os.rename(str(work.db) + ".new", work.db)
    rows.unlink()
    table.add(f"(FTS5: {count} rows inserted and optimised)", "-", "-",
              f"{float(inserted) + float(optimised):.0f} s, {work.db.stat().st_size / 1e9:.2f} GB", "-", "-", None)  # fmt: skip


def bench_base(work, table, _):
    shutil.rmtree(work.state, ignore_errors=True)
    seconds, memory, *_, out = work.freshet("base", "--from", work.snapshot, "--at", rfc3339(AT), "--json")
    told = json.loads(out.splitlines()[-1])
    table.add(f"base of {work.bytes / 1e9:.2f} GB, {told['documents']} documents", "-",
              f"{seconds:.0f} s, {work.bytes / 1e6 / seconds:.0f} MB/s, {told['bytes'] / 1e9:.2f} GB", "-", "-", "-", None)  # fmt: skip
    table.add("its peak memory", "build.memory = 1GiB", f"{memory / 2**20:.0f} MiB", "1024 MiB",
              f"{memory / 2**30:.2f} ×", "≤ 1 ×", memory <= 2**30)  # fmt: skip


def bench_query(work, table, rounds, tree, mode, what):
    make_peer(work, table)
    for pair in zip(WORDS, WORDS[1:]):
        match, pairs, point = " AND ".join(f"text : {w}" for w in pair), [], str(work.dir / "mnt")
        for _ in range(rounds):
            seconds, rows = run(tool("bench_fts5"), mode, str(work.db), match, "3", cpus="0").split()
            with Mount(work.feed, work.state, work.config, point, "refresh=manual"):
                path = os.path.join(point, tree, " ".join(pair))
                ns, _ = once([path], str(work.list))
                found = sum(1 for _ in open(path))
            pairs.append((float(seconds), ns / 1e9))
        a, b = (statistics.median(p[i] for p in pairs) for i in (1, 0))
        table.add(f"{what} '{' '.join(pair)}' ({found} lines, FTS5 {rows}), first read of a new mount",
                  "SQLite FTS5, same rows, into memory", f"{a * 1e3:.2f} ms", f"{b * 1e3:.2f} ms",
                  f"{median_ratio(pairs):.1f} ×", "-", None)  # fmt: skip


def bench_and(work, table, rounds):
    bench_query(work, table, rounds, "query", "ids", "ids with both of")


def bench_rank(work, table, rounds):
    bench_query(work, table, rounds, "rank", "rank", "best 1,000 by BM25 of")


def bench_deltas(work, table, _):
    """Each partition a build of its own, merges between as a mount would start them."""
    times, merges, reads, memory, published, merged, most = [], [], [], [], 0, 0, 0
    known = work.segment_bytes()
    for i in range(1, work.partitions + 1):
        seconds, peak, read, _, _ = work.freshet("build", "--no-merge", "--now", rfc3339(AT + i * CADENCE))
        fresh = {name: size for name, size in work.segment_bytes().items() if name not in known}
        published += sum(fresh.values())
        known.update(fresh)
        times.append(seconds), reads.append(read), memory.append(peak)
        seconds, *_ = work.freshet("build", "--merge-only")
        fresh = {name: size for name, size in work.segment_bytes().items() if name not in known}
        merged += sum(fresh.values())
        known.update(fresh)
        merges += [seconds] if fresh else []
        most = max(most, sum(not s["base"] for s in work.manifest()["segments"]))
    size = sum(p.stat().st_size for p in work.feed.rglob("*.jsonl")) / work.partitions
    table.add(f"delta of {size / 1e6:.0f} MB over the base, published", "-",
              f"median {statistics.median(times):.1f} s, worst {max(times):.1f} s", "-", "-", "-", None)  # fmt: skip
    table.add("its bytes read from the disk, and peak memory with the pages of the base that are mapped", "-",
              f"median {statistics.median(reads) / 1e6:.0f} MB, {max(memory) / 2**20:.0f} MiB", "-", "-", "-", None)  # fmt: skip
    table.add(f"segments over the base, at most, over {work.partitions} partitions", "-", str(most), "-", "-", "≤ 12",
              most <= 12)  # fmt: skip
    table.add(f"merges: {len(merges)}, bytes written per byte published", "-",
              f"median {statistics.median(merges or [0]):.1f} s, {(published + merged) / max(published, 1):.2f} ×", "-", "-", "-",
              None)  # fmt: skip


def bench_start(work, table, rounds):
    """A mount over the base with a segment for each of the partitions, none merged: from the command to the first bytes of a term. In a copy of
    the state, since the deltas are built with their merges later."""
    kept, work.state = work.state, work.dir / "state-start"
    shutil.rmtree(work.state, ignore_errors=True)
    shutil.copytree(kept, work.state, copy_function=os.link)
    for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
        if (kept / name).exists():
            (work.state / name).unlink()
            shutil.copyfile(kept / name, work.state / name)
    for i in range(1, work.partitions + 1):
        work.freshet("build", "--no-merge", "--now", rfc3339(AT + i * CADENCE))
    count, point = len(work.manifest()["segments"]), str(work.dir / "mnt")
    for cold in (True, False):
        times, memory = [], []
        for _ in range(rounds):
            if cold:
                os.sync()
                Path("/proc/sys/vm/drop_caches").write_text("3")  # needs root
            start = time.monotonic()
            with Mount(work.feed, work.state, work.config, point, "refresh=lazy") as mount:
                Path(point, "terms", "kettlebell").read_bytes()
                times.append(time.monotonic() - start)
                memory.append(mount.memory())
        seconds = statistics.median(times)
        table.add(f"start of a mount with {count} segments over {work.segment_bytes_all() / 1e9:.1f} GB, first term read, "
                  + ("nothing in the page cache" if cold else "all in it"), "-", f"{seconds:.3f} s", "-", "-", "≤ 0.2 s",
                  seconds <= 0.2)  # fmt: skip
        table.add("its memory besides mapped files", "-", f"{max(memory) / 2**20:.1f} MiB", "-", "-", "≤ 64 MiB",
                  max(memory) <= 64 * 2**20)  # fmt: skip
    shutil.rmtree(work.state)
    work.state = kept


def some_items(work, count):
    """Items that have ads, from all over the snapshot."""
    found, files = {}, sorted(work.snapshot.glob("ads*"))
    for path in files:
        with open(path) as f:
            lines = sum(1 for _ in f)
            step = max(1, lines * len(files) // (count * 2))  # an item comes up more than once
            f.seek(0)
            found.update((json.loads(line)["item_id"], None) for i, line in enumerate(f) if i % step == 0)
    return list(found)[:: max(1, len(found) // count)][:count]


def bench_touch(work, table, _):
    """Signals of 50,000 items change: each of these groups is written again. Once with the base's pages in memory, once without."""
    items = some_items(work, 50_000)
    for i, cold in enumerate((False, True), 1):
        at = AT + (work.partitions + i) * CADENCE
        part = work.feed / (at - CADENCE).strftime("dt=%Y-%m-%d/hour=%H/minute=%M")
        part.mkdir(parents=True, exist_ok=True)
        (part / "signals.jsonl").write_text("".join(
            json.dumps({"kind": "signal", "item_id": item, "rev": 10**6 + i, "trend": f"touched{i}"}) + "\n" for item in items))  # fmt: skip
        if cold:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")  # needs root
        else:
            for segment in work.manifest()["segments"]:
                run("cat", work.state / "segments" / (segment["name"] + ".seg"), out=subprocess.DEVNULL)
        cpu = os.times()
        seconds, _, read, _, _ = work.freshet("build", "--no-merge", "--now", rfc3339(at))
        cpu = sum(os.times()[2:4]) - sum(cpu[2:4])
        newest = max((s for s in work.manifest()["segments"] if not s["base"]), key=lambda s: s["last"])
        shutil.rmtree(part)
        table.add(f"delta of {len(items)} signals, {newest['documents']} documents of these items, "
                  + ("nothing in the page cache" if cold else "base in the page cache"), "-",
                  f"{seconds:.1f} s, {cpu:.1f} s of CPU, {read / 1e6:.0f} MB read of "
                  f"{sum(work.segment_bytes()[s['name'] + '.seg'] for s in work.manifest()['segments']) / 1e9:.2f} GB",
                  "-", "-", "-", None)  # fmt: skip


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("dir")
    args.add_argument("--documents", type=int, default=10_000_000)
    args.add_argument("--partitions", type=int, default=60)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--only", default="base,and,rank,start,deltas,touch")
    args = args.parse_args()
    table, work = Table(), Work(args.dir, args.documents, args.partitions)
    print(f"{machine()}\nmedians of {args.rounds} paired rounds\n", flush=True)
    for name in args.only.split(","):
        globals()[f"bench_{name}"](work, table, args.rounds)
    table.print()


if __name__ == "__main__":
    main()
