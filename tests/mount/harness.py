# SPDX-License-Identifier: Apache-2.0
"""What mount tests stand on: a feed to write, freshet to run, mounts that are always taken down.

Readiness is never slept for: `freshet mount` returns when it serves, `freshet build` when it has published,
and for what happens by itself there is eventually().
"""

import gzip
import json
import os
import shutil
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FRESHET = os.environ.get("FRESHET", str(TOP / "build" / "freshet"))
START = datetime(2024, 5, 4, 10, 0, tzinfo=timezone.utc)  # of slice 0; any time well in the past
CADENCE = timedelta(minutes=5)
AS_PARQUET = os.environ.get("FRESHET_TEST_FORMAT") == "parquet"
PART = "part-0.parquet" if AS_PARQUET else "part-0.jsonl"  # what Feed.put() calls records
HANG = 300  # seconds after which something is taken for hanging, on a slow machine too

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 64, 65, 66, 69
EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 73, 74, 75, 77, 78

COLUMNS = "partition state files bytes records rejected arrived detected published generation reason".split()
TREES = ("terms", "postings", "docs", "groups")
QUERIES = ("espresso", "gr*", "brand:a%2Fb OR filter", "NOT espresso", "naïve 东京塔")

DOCUMENTS = """\
[document]
id = id
group = item
text = title, body
keyword = brand, n
"""


def eventually(probe, what="it", seconds=HANG):
    """The first true answer of probe(), asked again and again until then."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def all_children(parents):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(stat_of(pid)[1]) in parents:
                found.append(int(pid))
        except OSError:
            pass
    return found


def children(parents):
    """Those that run."""
    return list(filter(is_running, all_children(parents)))


def command_of(pid):
    """Of a child of a mount: "build", "publish" …; before its exec() it has none, nor once it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return words[1].decode() if len(words) > 1 else ""


def have_started(servers):
    """Page faults of the children that each server has seen end, once there are none: more with every child, whatever became of it."""
    eventually(lambda: not all_children(servers), "the end of builds")
    return [int(stat_of(pid)[8]) for pid in servers]


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name: state, parent …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def killed_at(process, seconds, meanwhile=None):
    """Kills it after so long, unless it has ended: was it killed? `meanwhile` is called again and again until then."""
    end = time.monotonic() + seconds
    while meanwhile and process.poll() is None and time.monotonic() < end:
        meanwhile()
    try:
        # The one pause that is meant: a random instant.
        process.wait(timeout=max(end - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


class Killer:
    """Kills processes at random instants of the `seconds` that one took. One that gets away tells how long they take now: the machine may have been
    busier then."""

    def __init__(self, rng, seconds):
        self.rng, self.seconds, self.killed = rng, seconds, 0

    def kill(self, process, meanwhile=None):
        began = time.monotonic()
        if killed_at(process, self.rng.uniform(0, self.seconds), meanwhile):
            self.killed += 1
        else:
            self.seconds = min(self.seconds, time.monotonic() - began)


def slice_time(i):
    return START + i * CADENCE


def slice_path(i):
    return slice_time(i).strftime("dt=%Y-%m-%d/hour=%H/minute=%M")


def rfc3339(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def lines_of(records):
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)


def pack(data, packing):
    if packing == ".gz":
        return gzip.compress(data, mtime=0)
    if packing == ".zst":
        return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def as_parquet(records):
    """Rows that are these records again, or None where Parquet cannot say them: a member of two types, an explicit null, an empty object."""
    from parquet import pa, parsed, pq, records_of

    names = list(dict.fromkeys(name for r in records for name in r))
    try:
        rows = pa.table({name: [r.get(name) for r in records] for name in names})
        out = pa.BufferOutputStream()
        pq.write_table(rows, out, compression="zstd")
        read = records_of(pq.ParquetFile(pa.BufferReader(out.getvalue())).read())
    except pa.ArrowException:
        return None

    def same(a, b):
        return {k: v for k, v in a[1:]} == {k: v for k, v in b[1:]}

    if len(read) != len(records) or not all(map(same, read, (parsed(json.dumps(r)) for r in records))):
        return None
    return out.getvalue().to_pybytes()


class Feed:
    """A feed directory. A partition is given as the number of its slice, or as its path. s3_feed.py has one in a bucket.

    With FRESHET_TEST_FORMAT=parquet in the environment, records without a file's name become rows of part-0.parquet instead of lines of
    part-0.jsonl, where Parquet can say them."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir()

    @property
    def url(self):
        """What freshet is told."""
        return str(self.root)

    def sync(self):
        """After changes that put() did not make, while a mount is up: lets freshet see them."""

    def options(self, command):
        """What a command needs besides to reach the feed."""
        return []

    def environment(self):
        return {}

    def dir(self, partition):
        path = slice_path(partition) if isinstance(partition, int) else partition
        return self.root / path

    def put(self, partition, records, name=None):
        """Writes a file, which appears whole: records, or bytes as they are; packed as its name says."""
        rows = as_parquet(records) if AS_PARQUET and not name and not isinstance(records, bytes) and records else None
        if rows:
            records, name = rows, "part-0.parquet"
        instead = "part-0.jsonl" if rows else "part-0.parquet"
        if AS_PARQUET and name in (None, "part-0.parquet"):
            (self.dir(partition) / instead).unlink(missing_ok=True)
        name = name or "part-0.jsonl"
        data = records if isinstance(records, bytes) else lines_of(records)
        if not isinstance(records, bytes) and name.endswith((".gz", ".zst")):
            data = pack(data, name[name.rindex(".") :])
        to = self.dir(partition) / name
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = to.parent / ".writing"
        temporary.write_bytes(data)
        temporary.rename(to)
        return to


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "surrogateescape")
        self.err = done.stderr.decode("utf-8", "surrogateescape")

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class Mount:
    def __init__(self, box, point):
        self.box, self.point = box, Path(point)

    def __truediv__(self, path):
        return self.point / path

    def text(self, path):
        return (self.point / path).read_text()

    def ids(self, term):
        """The lines of a term's file, or None where there is none."""
        try:
            return self.text(f"terms/{term}").splitlines()
        except FileNotFoundError:
            return None

    def pids(self):
        """The processes that serve this mount: builders name the feed, not the mount point, but look like their parent until their exec()."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                ours = os.path.samefile(f"/proc/{pid}/exe", FRESHET)
                parent = int(stat_of(pid)[1])
            except OSError:
                continue
            if ours and os.fsencode(self.point) in argv:
                found[int(pid)] = parent
        return [pid for pid, parent in found.items() if parent not in found]

    def take_down(self):
        """Unmounts, and waits until nothing serves any more. Returns what took force, if anything."""
        pids, complaint = self.pids(), ""
        if not os.path.ismount(self.point) and not pids:
            return ""
        done = subprocess.run(["fusermount3", "-u", str(self.point)], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            complaint = f"{self.point}: fusermount3 -u: {done.stderr}"
            subprocess.run(["fusermount3", "-uz", str(self.point)], stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: not any(is_running(p) for p in pids), f"the end of the server {pids}", HANG)
        except AssertionError as e:
            for pid in filter(is_running, pids):
                os.kill(pid, signal.SIGKILL)
            complaint += f"{self.point}: {e}"
        return complaint


def table(mount):
    """partitions.tsv: {partition: {column: value}}"""
    header, *lines = mount.text("partitions.tsv").splitlines()
    assert header.split("\t") == COLUMNS
    rows = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]
    return {row["partition"]: row for row in rows}


def shown(mount, at="", segments=True):
    """All that one generation shows, its number apart; or without the names of its segments too."""
    found = {"watermark": (mount / at / "watermark").read_bytes()}
    for tree in TREES:
        for name in os.listdir(mount / at / tree):
            found[f"{tree}/{name}"] = (mount / at / tree / name).read_bytes()
    for name in [] if segments else [n for n in found if n.startswith("postings/")]:
        found[name] = b"".join(line.rpartition(b"\t")[0] + b"\n" for line in found[name].splitlines())
    for tree in ("query", "rank"):
        found.update({f"{tree}/{q}": (mount / at / tree / q).read_bytes() for q in QUERIES})
    return found


def is_running(pid):
    try:
        return stat_of(pid)[0] != "Z"
    except OSError:
        return False


class Box:
    """One feed, one state directory, one configuration, and what runs over them."""

    def __init__(self, root):
        self.root = Path(root)
        self.feed = s3_feed.feed(self.root / "feed")
        self.state = self.root / "state"
        self.config = self.root / "freshet.ini"
        self.mounts = []
        self.logs = self.root / "sanitizer"
        self.logs.mkdir()
        self.configure(DOCUMENTS)

    def configure(self, text, feed="quiet = 0s", lag="window = all"):
        self.config.write_text(f"[feed]\n{feed}\n[lag]\n{lag}\n{text}")

    def environment(self, killed=False):
        """`killed`: of a process that may be killed; a leak check that is killed complains of that."""
        log = f"log_path={self.logs}/report"
        return dict(
            s3_feed.scrubbed(os.environ),
            ASAN_OPTIONS=f"{log}:allocator_may_return_null=1:detect_stack_use_after_return=1"
            f":detect_leaks={int(not killed)}",
            UBSAN_OPTIONS=f"{log}:halt_on_error=1:print_stacktrace=1",
            TSAN_OPTIONS=f"{log}:halt_on_error=1",
            LC_ALL="C.UTF-8",
            **self.feed.environment(),
        )

    def argv(self, command, *args, state=None):
        self.feed.sync()
        return [FRESHET, command, *map(str, args), "--state", str(state or self.state), *self.feed.options(command)]

    def run(self, command, *args, state=None, **more):
        done = subprocess.run(
            self.argv(command, *args, state=state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            timeout=more.pop("timeout", HANG),
            **more,
        )
        return Result(done)

    def try_build(self, *args, **more):
        return self.run("build", self.feed.url, "--config", self.config, *args, **more)

    def build(self, *args, **more):
        result = self.try_build(*args, **more)
        assert result.code == 0, result
        return result

    def start_build(self, *args, state=None):
        return subprocess.Popen(
            self.argv("build", self.feed.url, "--config", self.config, *args, state=state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(killed=True),
        )

    def status(self, state=None):
        result = self.run("status", "--json", state=state)
        assert result.code == 0, result
        return json.loads(result.out)

    def verify(self, state=None):
        result = self.run("verify", state=state)
        assert result.code == 0, result

    def segments(self, state=None):
        """{name: bytes} of the segment files."""
        return {p.name: p.read_bytes() for p in sorted((Path(state or self.state) / "segments").iterdir())}

    def try_mount(self, options="refresh=manual,poll=0s", point=None, state=None, args=(), **more):
        point = Path(point or self.root / f"mnt{len(self.mounts)}")
        if not point.exists() and "missing" not in point.name:
            point.mkdir()
        mount = Mount(self, point)
        self.mounts.append(mount)
        result = self.run(
            "mount", self.feed.url, point, "-o", options, "--config", self.config, *args, state=state, **more
        )
        return mount, result

    def mount(self, options="refresh=manual,poll=0s", **more):
        mount, result = self.try_mount(options, **more)
        assert result.code == 0, result
        return mount

    def follow(self, source, options="refresh=eager,poll=100ms", state=None, args=()):
        """A mount that follows what is published at `source`."""
        state = state or self.root / f"follower{len(self.mounts)}"
        point = self.root / f"mnt{len(self.mounts)}"
        point.mkdir()
        mount = Mount(self, point)
        mount.state = state
        self.mounts.append(mount)
        result = self.run("mount", "--follow", source, point, "-o", options, *args, state=state)
        assert result.code == 0, result
        return mount

    def close(self):
        """Takes everything down; afterwards complains of what did not go well."""
        forced = list(filter(None, [m.take_down() for m in reversed(self.mounts)]))
        reports = [p.read_text(errors="replace") for p in sorted(self.logs.iterdir())]
        assert not reports, "a sanitizer reports:\n" + "\n".join(r[:6000] for r in reports)
        assert not forced, "unmounting took force: " + "; ".join(forced)


def tool(*argv, code=0, cwd=None, **more):
    """Runs a tool as a person would; its stdout."""
    done = subprocess.run(
        list(map(str, argv)), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG, **more
    )
    assert done.returncode == code, Result(done)
    return done.stdout.decode("utf-8", "surrogateescape")


def shell(script, cwd=None):
    return tool("bash", "-c", "set -o pipefail; " + script, cwd=cwd, env=dict(os.environ, LC_ALL="C"))


def needs(program):
    assert shutil.which(program), f"{program} is not installed: tests/run.sh installs it"


# Last, since it stands on this module in its turn.
import s3_feed  # noqa: E402
