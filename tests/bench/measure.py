#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: programs, mounts, reads that are timed, and the table of figures."""

import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, os.environ.get("FRESHET_BENCH_BUILD", "build-bench"))
FRESHET = os.path.join(BUILD, "freshet")


def tool(name):
    return os.path.join(BUILD, "tests", "bench", name)


def run(*command, cpus=None, out=subprocess.PIPE, **kw):
    """Standard output of a command that must succeed, held to `cpus`."""
    if cpus:
        command = ("taskset", "-c", cpus) + command
    return subprocess.run(command, check=True, stdout=out, text=True, **kw).stdout


class Mount:
    def __init__(self, feed, state, config, mountpoint, *options):
        self.point = mountpoint
        os.makedirs(mountpoint, exist_ok=True)
        run(FRESHET, "mount", feed, mountpoint, "--state", state, "--config", config,
            *(word for o in options for word in ("-o", o)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        unmount(self.point)

    def pid(self):
        """The process that serves."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.point) in argv and b"mount" in argv:
                return int(pid)
        raise RuntimeError(f"nobody serves {self.point}")

    def memory(self):
        """Bytes of its memory that no file is behind."""
        return int(re.search(r"RssAnon:\s*(\d+)", Path(f"/proc/{self.pid()}/status").read_text())[1]) * 1024

    def cpu(self):
        """Seconds of CPU that it has had."""
        fields = Path(f"/proc/{self.pid()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def unmount(point):
    subprocess.run(["umount", "-R", point], check=True)


class ConstFs:
    """The floor: every name is a file of `size` bytes."""

    def __init__(self, size, mountpoint):
        self.point = mountpoint
        os.makedirs(mountpoint, exist_ok=True)
        self.process = subprocess.Popen([tool("bench_constfs"), str(size), mountpoint])
        while not os.path.ismount(mountpoint):
            if self.process.poll() is not None:
                raise RuntimeError("bench_constfs did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        unmount(self.point)
        self.process.wait()


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, against, ours, theirs, ratio, target, met):
        self.rows.append((what, against, ours, theirs, ratio, target, {True: "yes", False: "NO", None: "-"}[met]))
        print("  " + " | ".join(self.rows[-1]), file=sys.stderr)

    def print(self):
        head = ("what", "against", "freshet", "peer", "ratio", "to reach", "reached")
        widths = [max(len(r[i]) for r in [head] + self.rows) for i in range(len(head))]
        line = lambda r: "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |"
        print(line(head))
        print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
        for row in self.rows:
            print(line(row))


def median_ratio(pairs):
    return statistics.median(a / b for a, b in pairs)


READER = 131072  # bytes of the reader's buffer: what cat uses


def once(paths, listing, repeat=1, threads=1):
    """(nanoseconds a file, bytes of all) of opening, reading and closing `paths`; `listing`: a scratch file. More than one thread has
    all CPUs."""
    with open(listing, "w") as f:
        f.writelines(p + "\n" for p in paths)
    ns, size = run(tool("bench_read"), listing, str(repeat), str(READER), str(threads),
                   cpus="0" if threads == 1 else None).split()
    return float(ns), int(size)


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    return (f"{datetime.date.today()}, {os.cpu_count()} × {cpu.group(1) if cpu else platform.machine()}, "
            f"Linux {platform.release()}, {run(FRESHET, '--version').strip()}")
