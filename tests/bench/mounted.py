# SPDX-License-Identifier: Apache-2.0
"""Figures of the mount: segments, large directories, many readers at once, what warm reads cost its process."""

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from measure import FRESHET, ConstFs, Mount, median_ratio, once, run, tool


def drop_caches():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")  # needs root


def median_of(pairs, i):
    return statistics.median(p[i] for p in pairs)


# --- segments ---


def passthrough_word(mount):
    """What status says of passthrough, once something is shown."""
    while True:
        word = json.loads(Path(mount.point, "status.json").read_text())["passthrough"]
        if "nothing is published yet" not in word:
            return word
        time.sleep(0.01)


def bench_segment(work, table, rounds, built):
    """The largest segment, and the file of the state directory that it is."""
    feed, state, config, _ = built
    point = work.path("mnt")
    for option in ("no", "yes"):
        with Mount(feed, state, config, point, "refresh=manual", f"passthrough={option}") as mount:
            word = passthrough_word(mount) if option == "yes" else "off"
            if option == "yes" and word != "on":
                table.add("segment with passthrough", "-", word, "-", "-", "≥ 0.9 ×", None)
                return
            name = max((p for p in Path(point, "segments").iterdir() if p.suffix == ".seg"), key=lambda p: p.stat().st_size)
            disk = os.path.join(state, "segments", name.name)
            size, where = name.stat().st_size, "with" if word == "on" else "without"
            for warm in (True, False):
                pairs = []
                for _ in range(rounds):
                    pair = []
                    for path in (str(name), disk):
                        if warm:
                            once([path], work.path("list"))
                        else:
                            drop_caches()
                        ns, _ = once([path], work.path("list"), 20 if warm else 1)
                        pair.append(size / ns)  # bytes a nanosecond: GB/s
                    pairs.append(pair)
                target = (0.9 if word == "on" else 0.3) if warm else None
                ratio = median_ratio(pairs)
                table.add(f"{'warm' if warm else 'cold'} read of a segment of {size >> 20} MiB, {where} passthrough",
                          "the same file on ext4", f"{median_of(pairs, 0):.2f} GB/s", f"{median_of(pairs, 1):.2f} GB/s",
                          f"{ratio:.2f} ×", f"≥ {target} ×" if target else "-", ratio >= target if target else None)  # fmt: skip


# --- huge directories ---

TERMS, NAMES = 5_000_000, 500_000


def write_terms(work):
    """A feed whose documents have TERMS words between them, each in one document."""
    feed, state, config = work.feed("terms")
    with open(config, "w") as f:
        f.write(f"[feed]\nurl = {feed}\nquiet = 0s\n[lag]\nwindow = all\n[document]\nid = id\ntext = text\n")
    part = os.path.join(feed, "dt=2026-05-04/hour=10/minute=00")
    os.makedirs(part)
    with open(os.path.join(part, "part-0.jsonl"), "w") as f:
        for i in range(0, TERMS, 10):
            words = " ".join(f"w{n * 2654435761 % 2**32:08x}{n:07x}" for n in range(i, i + 10))
            f.write(f'{{"id":"d{i}","text":"{words}"}}\n')
    run(FRESHET, "build", feed, "--state", state, "--config", config)
    return feed, state, config


def listed(directory):
    """(milliseconds to the first name, names a second, names)"""
    first, ns, names = map(int, run(tool("bench_list"), directory, cpus="0").split())
    return first / 1e6, names / ns * 1e9, names


def bench_list(work, table, rounds, _):
    feed, state, config = write_terms(work)
    point, disk = work.path("mnt"), work.path("names")
    os.makedirs(disk)
    for n in range(NAMES):
        os.close(os.open(f"{disk}/w{n * 2654435761 % 2**32:08x}{n:07x}", os.O_CREAT | os.O_WRONLY))
    first, again, theirs = [], [], []
    for _ in range(rounds):
        with Mount(feed, state, config, point, "refresh=manual") as mount:
            before = mount.memory()
            first.append(listed(os.path.join(point, "terms")))
            grown = mount.memory() - before
            again.append(listed(os.path.join(point, "terms")))
        theirs.append(listed(disk))
    assert first[0][2] == again[0][2] == TERMS and theirs[0][2] == NAMES
    rate = lambda runs: statistics.median(r[1] for r in runs)
    for what, runs in (("first", first), ("again", again)):
        ratio = statistics.median(a[1] / b[1] for a, b in zip(runs, theirs))
        table.add(f"ls -U of {TERMS} terms, {what}", f"ls -U of {NAMES} files on ext4, warm",
                  f"{rate(runs) / 1e6:.2f} M names/s, first name after {statistics.median(r[0] for r in runs):.2f} ms",
                  f"{rate(theirs) / 1e6:.2f} M names/s", f"{ratio:.2f} ×", "≥ 1 ×", ratio >= 1)  # fmt: skip
    table.add("memory of the process that it took", "-", f"{grown / 2**20:+.1f} MiB", "-", "-", "-", None)
    shutil.rmtree(disk)


# --- many readers ---


def terms_between(mount, low, high, count):
    found = []
    with os.scandir(os.path.join(mount, "terms")) as entries:
        for e in entries:
            if low <= e.stat().st_size <= high:
                found.append(e.name)
    step = max(1, len(found) // count)
    return found[::step][:count]


def bench_readers(work, table, rounds, built):
    """Each of so many threads reads the same terms, beginning at another one; both CPUs are theirs and the servers'."""
    feed, state, config, _ = built
    point, disk, floor = work.path("mnt"), work.path("readers"), work.path("const")
    with Mount(feed, state, config, point, "refresh=manual"):
        names = terms_between(point, 500, 2000, 1000)
        os.makedirs(disk, exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(point, "terms", name), os.path.join(disk, name))
    size = int(statistics.median(os.path.getsize(os.path.join(disk, n)) for n in names))

    def read(base, threads, repeat=1):
        return once([os.path.join(base, n) for n in names], work.path("list"), repeat, threads)[0]

    for threads in (8, 64):
        first, warm = [], []
        for _ in range(rounds):
            with Mount(feed, state, config, point, "refresh=manual"):
                ours = read(os.path.join(point, "terms"), threads)
                warm.append((read(os.path.join(point, "terms"), threads, 5), read(disk, threads, 5)))
            with ConstFs(size, floor):
                first.append((ours, read(floor, threads)))
        table.add(f"{threads} readers, {len(names)} terms of about {size} bytes, first reads",
                  "a low-level FUSE file system that returns a constant", f"{median_of(first, 0) / 1e3:.1f} µs",
                  f"{median_of(first, 1) / 1e3:.1f} µs", f"{median_ratio(first):.2f} ×", "-", None)  # fmt: skip
        table.add(f"{threads} readers, the same, warm", "the same bytes on ext4", f"{median_of(warm, 0) / 1e3:.2f} µs",
                  f"{median_of(warm, 1) / 1e3:.2f} µs", f"{median_ratio(warm):.2f} ×", "≤ 2 ×", median_ratio(warm) <= 2)  # fmt: skip


# --- what warm reads cost the process ---


def bench_cpu(work, table, _, built):
    feed, state, config, _ = built
    point, reads = work.path("mnt"), 1_000_000
    with Mount(feed, state, config, point, "refresh=manual,poll=1h") as mount:
        paths = [os.path.join(point, "terms", n) for n in terms_between(point, 500, 4000, 200)]
        once(paths, work.path("list"))
        requests = lambda: json.loads(Path(point, "status.json").read_text())["requests"]
        before, cpu = requests(), mount.cpu()
        took = time.monotonic()
        once(paths, work.path("list"), reads // len(paths))
        took, cpu, after = time.monotonic() - took, mount.cpu() - cpu, requests()
    sent = {kind: after[kind] - before[kind] for kind in after}
    table.add(f"{reads} warm reads of terms in {took:.1f} s: CPU of the process", "-", f"{cpu:.2f} s", "-", "-", "about none",
              cpu <= 0.05)  # fmt: skip
    table.add("requests meanwhile, with those of reading status.json", "-",
              ", ".join(f"{n} {kind}" for kind, n in sent.items() if n) or "none", "-", "-", "-", None)  # fmt: skip
