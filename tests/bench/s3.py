#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/s3.py - builds a partition in a bucket of MinIO on this machine, beside the same files in a directory.

    tests/bench/s3.sh [--megabytes N] [--files N] [--rounds N] [--only jsonl,parquet]

The partition is ads as examples/ads makes them, 1,000 MB in 64 files of JSON Lines; the same records are written as Parquet, where PYARROW
names a directory that has pyarrow (tests/run.sh makes one in build-tests/pyarrow). The server has no processors of its own: what it takes to
send the files counts against freshet, and a line of the table says how much that is."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import BUILD, FRESHET, TOP, Table, machine, median_ratio, run

sys.path.append(f"{TOP}/tests/mount")
os.environ["FRESHET"] = FRESHET
import s3_server  # noqa: E402
from s3_feed import environment, scrubbed, settings  # noqa: E402

PARTITION = "dt=2026-05-04/hour=10/minute=00"


class Work:
    """A scratch directory: the partition in feeds/KIND, and the same in a bucket under KIND."""

    def __init__(self, megabytes, files):
        self.dir = Path(tempfile.mkdtemp(prefix="freshet-bench.", dir=os.environ.get("FRESHET_BENCH_DIR")))
        self.config, self.state = Path(TOP, "examples/ads/freshet.ini"), self.dir / "state"
        self.minio = s3_server.Minio()
        self.client = s3_server.client(self.minio)
        self.bucket = s3_server.new_bucket(self.minio)
        self.bytes = {}
        self.write_lines(megabytes, files)

    def close(self):
        self.minio.stop()
        shutil.rmtree(self.dir)

    def feed(self, kind):
        return self.dir / "feeds" / kind

    def write_lines(self, megabytes, files):
        """Equal files of whole lines."""
        raw, to = self.dir / "raw", self.feed("jsonl") / PARTITION
        run(f"{BUILD}/examples/ads/freshet-ads", "--snapshot", raw, "--size", f"{megabytes}M", "--at", "2026-05-04T10:00:00Z")
        to.mkdir(parents=True)
        size = sum(p.stat().st_size for p in raw.iterdir()) // files + 1
        out, written, count = None, size, 0
        for path in sorted(raw.iterdir()):
            for line in path.open("rb"):
                if written >= size:
                    out, written, count = open(to / f"part-{count:03}.jsonl", "wb"), 0, count + 1
                written += out.write(line)
        out.close()
        shutil.rmtree(raw)

    def write_parquet(self):
        sys.path.append(os.environ.get("PYARROW", ""))
        try:
            from pyarrow import json, parquet
        except ImportError:
            return False
        to = self.feed("parquet") / PARTITION
        to.mkdir(parents=True)
        for path in sorted((self.feed("jsonl") / PARTITION).iterdir()):
            options = json.ReadOptions(block_size=64 << 20)
            parquet.write_table(json.read_json(path, options), to / f"{path.stem}.parquet", compression="zstd")
        return True

    def send(self, kind):
        paths = sorted((self.feed(kind) / PARTITION).iterdir())
        for path in paths:
            self.client.put_object(Bucket=self.bucket, Key=f"{kind}/{PARTITION}/{path.name}", Body=path.read_bytes())
        self.bytes[kind] = sum(p.stat().st_size for p in paths)
        return len(paths)

    def build(self, url, *more):
        """Seconds of a build from nothing, and the documents that it published."""
        shutil.rmtree(self.state, ignore_errors=True)
        env = scrubbed(os.environ) | environment(self.dir, self.minio.access_key, self.minio.secret_key)
        argv = [FRESHET, "build", url, "--state", self.state, "--config", self.config, "--set", "lag.window=all", *more]
        began = time.monotonic()
        out = subprocess.run(list(map(str, argv)), env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        took = time.monotonic() - began
        return took, out.rpartition(":")[2]

    def cpu(self):
        """Seconds of CPU that the server has had."""
        fields = Path(f"/proc/{self.minio.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench(work, table, rounds, kind, what, target):
    if kind == "parquet" and not work.write_parquet():
        table.add("the same records as Parquet", "-", "pyarrow is not here: PYARROW", "-", "-", "-", None)
        return
    files, mb = work.send(kind), work.bytes[kind] / 1e6
    bucket = (f"s3://{work.bucket}/{kind}", *settings(work.minio))
    assert work.build(work.feed(kind))[1] == work.build(*bucket)[1]
    pairs, served = [], []
    for _ in range(rounds):
        theirs, before = work.build(work.feed(kind))[0], work.cpu()
        pairs.append((theirs, work.build(*bucket)[0]))
        served.append(work.cpu() - before)
    theirs, ours = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = median_ratio(pairs)
    table.add(f"build of {mb:.0f} MB of {what} in {files} files on MinIO", "the same in a directory", f"{mb / ours:.0f} MB/s, {ours:.1f} s",
              f"{mb / theirs:.0f} MB/s, {theirs:.1f} s", f"{ratio:.2f} ×", f"≥ {target} ×", ratio >= target)  # fmt: skip
    table.add("CPU that MinIO took meanwhile, of the same processors", "-", f"{statistics.median(served):.1f} s", "-", "-", "-", None)


BENCHES = {"jsonl": "JSON Lines", "parquet": "Parquet"}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--megabytes", type=int, default=1000)
    args.add_argument("--files", type=int, default=64)
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--only", default=",".join(BENCHES))
    args = args.parse_args()
    table, work = Table(), Work(args.megabytes, args.files)
    try:
        print(f"{machine()}\nmedians of {args.rounds} paired rounds\n", flush=True)
        for kind in args.only.split(","):
            bench(work, table, args.rounds, kind, BENCHES[kind], 0.8)
        table.print()
    finally:
        work.close()


if __name__ == "__main__":
    main()
