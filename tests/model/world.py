# SPDX-License-Identifier: Apache-2.0
"""One feed, one state directory and one mount beside the model; steps that change both, and the comparison.

A step is a list, a name and its arguments, all plain JSON, so that a trace is a list of steps that anybody can
read and edit. A step that does not apply (a file that is not there) does nothing, so that traces can be cut.

The clock is simulated and lies in 2024: `--now` says it, and mtimes are set to it. A file's ctime is the real one,
far ahead of that clock, and so never counts as young; the mtime alone decides, as docs/semantics.md has it.
"""

import calendar
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import model as m
from harness import FRESHET, HANG, Mount
from oracle import name_of

ORIGIN = calendar.timegm((2024, 5, 4, 10, 0, 0))
TREES = {"terms": None, "docs": None, "groups": "groups", "postings": "postings"}


class Disagreement(AssertionError):
    pass


def path_of(ts):
    return time.strftime("dt=%Y-%m-%d/hour=%H/minute=%M", time.gmtime(ORIGIN + ts))


def rfc3339(ts):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ORIGIN + ts))


def pointer(ts):
    return b"" if ts is None or ts == m.NEVER else rfc3339(ts).encode() + b"\n"


def pack(lines, name, cut):
    data = "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")
    if name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    return data[: int(len(data) * cut)] if cut else data


def read_dir(path):
    """{name: bytes} of a directory of files."""
    found = {}
    at = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(at):
            f = os.open(name, os.O_RDONLY, dir_fd=at)
            try:
                data = os.read(f, 1 << 20)
                while more := os.read(f, 1 << 20):
                    data += more
                found[name] = data
            finally:
                os.close(f)
    finally:
        os.close(at)
    return found


class World:
    def __init__(self, sections, features=(), root=None):
        if not os.access(FRESHET, os.X_OK):
            raise SystemExit(f"{FRESHET} is not there: build it, or say in FRESHET where it is")
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = Path(root or tempfile.mkdtemp(prefix="freshet-model-", dir=where))
        self.features = set(features)
        self.model = m.Model(sections, features, path_of)
        self.now = 0
        self.stamp = 0
        self.seen = {}  # generation number -> what it showed, for those that must stay
        self.order = []  # those numbers as the model counts generations
        self.kept = 0  # as many of them a build or gc may have let go
        self.failed = set()  # partitions of which an attempt failed
        self.number = 0  # what the mount says
        self.data = 0  # the last generation that is no merge's
        self.known = self.merges = 0  # the last generation of any kind, and how many were merges
        self.latest = None  # what was shown last
        self.kinds = {}  # of generations, by number
        self.steps = self.builds = 0
        for name in ("feed", "mnt"):
            (self.root / name).mkdir()
        self.logs = self.root / "sanitizer"
        self.logs.mkdir()
        log = f"log_path={self.logs}/report"
        self.environment = dict(os.environ, LC_ALL="C.UTF-8", ASAN_OPTIONS=f"{log}:allocator_may_return_null=1",
                                UBSAN_OPTIONS=f"{log}:halt_on_error=1:print_stacktrace=1")  # fmt: skip
        self.write_config(sections)
        self.build()  # so that there is a state to mount
        self.mounted = Mount(None, self.root / "mnt")
        self.mount()

    # Running freshet

    def run(self, command, *args):
        argv = [FRESHET, command, *map(str, args), "--state", str(self.root / "state")]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG,
                              env=self.environment)  # fmt: skip

    def build_args(self):
        return [self.root / "feed", "--config", self.root / "freshet.ini", "--now", rfc3339(self.now)]

    def build(self, *more):
        self.builds += 1
        return self.run("build", *self.build_args(), *more)

    def mount(self):
        done = self.run("mount", self.root / "feed", self.root / "mnt", "-o", "refresh=manual,poll=0s",
                        "--config", self.root / "freshet.ini")  # fmt: skip
        self.require(done.returncode == 0, f"mount: exit {done.returncode}: {done.stderr.decode()}")

    def close(self):
        complaint = self.mounted.take_down()
        for report in self.logs.iterdir():
            complaint += "\nsanitizer: " + report.read_text(errors="replace")[:6000]
        shutil.rmtree(self.root, ignore_errors=True)
        if complaint:
            raise Disagreement(complaint)

    def write_config(self, sections):
        text = "".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for name, keys in sections.items()
        )
        (self.root / "freshet.ini").write_text(text)

    # Steps

    def step(self, step):
        self.steps += 1
        try:
            getattr(self, "do_" + step[0])(*step[1:])
        except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired) as e:
            raise Disagreement(f"{step[0]}: {e!r}") from e

    def do_clock(self, now):
        self.now = now

    def do_put(self, ts, name, lines, mtime, cut=0):
        """A file appears whole: new, late, or in the place of another."""
        data = pack(lines, name, cut)
        to = self.root / "feed" / path_of(ts) / name
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = to.parent / ".writing"
        temporary.write_bytes(data)
        os.utime(temporary, ns=((ORIGIN + mtime) * 10**9,) * 2)
        temporary.rename(to)
        self.stamp += 1
        partition = self.model.feed.setdefault(ts, m.Partition())
        partition.files[name] = m.File(data, mtime, self.stamp)

    def file_of(self, ts, name):
        return self.model.feed.get(ts, m.Partition()).files.get(name)

    def do_touch(self, ts, name, mtime):
        if f := self.file_of(ts, name):
            os.utime(self.root / "feed" / path_of(ts) / name, ns=((ORIGIN + mtime) * 10**9,) * 2)
            self.stamp += 1
            f.mtime, f.stamp = mtime, self.stamp

    def do_remove(self, ts, name):
        if self.file_of(ts, name):
            (self.root / "feed" / path_of(ts) / name).unlink()
            del self.model.feed[ts].files[name]

    def do_drop(self, ts):
        if ts in self.model.feed:
            shutil.rmtree(self.root / "feed" / path_of(ts))
            del self.model.feed[ts]

    def do_marker(self, ts, there):
        path = self.root / "feed" / path_of(ts) / "_SUCCESS"
        if there:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self.model.feed.setdefault(ts, m.Partition()).marker = True
        elif ts in self.model.feed:
            path.unlink(missing_ok=True)
            self.model.feed[ts].marker = False

    def do_config(self, sections):
        """The mount goes on with the configuration that it was started with: what it shows goes by the builds'."""
        self.write_config(sections)
        self.model.configure(sections)

    def do_build(self, *options):
        result = self.build(*options)
        tick = self.model.tick(self.now, "--retry" in options, "--force" in options)
        failed = tick.failed + tick.refused
        while "--all" in options and (tick.published or tick.reads):
            tick = self.model.tick(self.now)
            failed += tick.failed
        want = 65 if failed else 0
        self.require(result.returncode == want, f"build: exit {result.returncode}, want {want}: {result.stderr.decode()}")
        self.compare()

    def do_kill(self, fraction):
        """A build is killed somewhere; what is served is as before or as after, and the next carries on."""
        argv = [FRESHET, "build", *map(str, self.build_args()), "--state", str(self.root / "state")]
        build = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=self.environment)  # fmt: skip
        try:
            build.wait(timeout=fraction * self.duration())  # the one pause that is meant: a random instant
        except subprocess.TimeoutExpired:
            build.kill()
            build.wait()
        if self.read_number() == self.number and self.latest:
            self.same(self.latest, self.shown(), "after a kill")
        # What the killed build had found out already is not known here: both go on until there is nothing more.
        while (tick := self.model.tick(self.now)).published or tick.reads:
            pass
        number = None
        while number != (number := self.read_number()):
            result = self.build("--all")
            self.require(result.returncode in (0, 65), f"build after a kill: exit {result.returncode}: {result.stderr.decode()}")
        self.compare()

    def duration(self):
        if not hasattr(World, "measured"):
            started = time.monotonic()
            self.run("build", *self.build_args(), "--dry-run")
            World.measured = 3 * (time.monotonic() - started)
        return World.measured

    def do_merge(self):
        done = self.run("build", *self.build_args(), "--merge-only")
        self.require(done.returncode == 0, f"merge: exit {done.returncode}: {done.stderr.decode()}")
        self.compare()

    def do_gc(self):
        done = self.run("gc", "--config", self.root / "freshet.ini")
        self.require(done.returncode == 0, f"gc: exit {done.returncode}: {done.stderr.decode()}")
        self.compare()

    def do_verify(self):
        # Of what other rules wrote, nothing can be made again by these.
        deep = self.model.folded.folding() == self.model.cfg.folding()
        done = self.run("verify", "--config", self.root / "freshet.ini", *["--deep"] * deep)
        self.require(done.returncode == 0, f"verify: exit {done.returncode}: {done.stderr.decode()}")

    def do_restart(self):
        self.remount()
        self.compare()

    def remount(self):
        complaint = self.mounted.take_down()
        self.require(not complaint, complaint)
        self.mount()

    def do_base(self, at, lines, *options):
        source = self.root / "base.jsonl"
        source.write_bytes(pack(lines, "base.jsonl", 0))
        done = self.run("base", self.root / "feed", "--from", source, "--at", rfc3339(at), "--config",
                        self.root / "freshet.ini", *options)  # fmt: skip
        if self.model.paused:
            self.require(done.returncode == 75, f"base while builds are paused: exit {done.returncode}: {done.stderr.decode()}")
            return self.compare()
        taken = self.model.swap_base(at, [line.encode() for line in lines], "--force" in options)
        want = 0 if taken else 65
        self.require(done.returncode == want, f"base: exit {done.returncode}, want {want}: {done.stderr.decode()}")
        self.compare()

    def do_rollback(self, back):
        index = len(self.order) - back
        if index > self.kept and self.order[index - 1]:
            done = self.run("rollback", self.order[index - 1], "--config", self.root / "freshet.ini")
            self.require(done.returncode == 0, f"rollback: exit {done.returncode}: {done.stderr.decode()}")
            self.model.rollback(index)
            self.compare()

    def do_resume(self):
        if self.model.paused:
            done = self.run("rollback", "--resume")
            self.require(done.returncode == 0, f"resume: exit {done.returncode}: {done.stderr.decode()}")
            self.model.paused = False
            self.compare()

    # What is shown, and what should be

    def require(self, fine, text):
        if not fine:
            raise Disagreement(text)

    def trees(self):
        return [tree for tree, feature in TREES.items() if not feature or feature in self.features]

    def read_number(self):
        return int((self.root / "mnt" / "generation").read_bytes() or b"0")

    def shown(self, at=""):
        root = self.root / "mnt" / at
        found = {tree: read_dir(root / tree) for tree in self.trees()}
        # The segment is no part of the content: merging changes it.
        found["postings"] = {t: re.sub(rb"\t[0-9a-f]{32}$", b"", text, flags=re.M) for t, text in found.get("postings", {}).items()}
        found["watermark"] = (root / "watermark").read_bytes()
        return found

    def partitions(self):
        """{path: (state, reason, records, rejected)} of partitions.tsv."""
        lines = (self.root / "mnt" / "partitions.tsv").read_text().splitlines()
        self.require(lines and lines[0].startswith("partition\tstate\t"), f"partitions.tsv: {lines[:1]}")
        cells = [line.split("\t") for line in lines[1:]]
        self.require([c[0] for c in cells] == sorted(c[0] for c in cells), "partitions.tsv is not in order")
        return {c[0]: (c[1], c[10], c[4], c[5]) for c in cells}

    def expected(self):
        docs, terms, groups = self.model.content()
        show = lambda shown: shown + b"\n" if isinstance(shown, bytes) else shown
        names = lambda d: {name_of(k): v for k, v in d.items() if name_of(k)}
        of = {"docs": names({key: show(doc[0]) for key, doc in docs.items()})}
        of["terms"] = names({t: b"".join(i + b"\n" for i in sorted(k.encode() for k in ids)) for t, ids in terms.items()})
        ordered = lambda ids: sorted(ids, key=str.encode)
        of["groups"] = names({g: [show(docs[k][0]) for k in ordered(ids)] for g, ids in groups.items()})
        of["postings"] = names({t: [(k, docs[k][1], n if ":" not in t else None, docs[k][2])
                                    for k, n in sorted(ids.items(), key=lambda i: i[0].encode())]
                                for t, ids in terms.items()})  # fmt: skip
        of = {tree: of[tree] for tree in self.trees()}
        of["watermark"] = pointer(self.model.watermark)
        return of

    def same(self, want, shown, when):
        """`want` as expected() or shown() gives it."""
        self.require(want["watermark"] == shown["watermark"], f"{when}: watermark {shown['watermark']}, want {want['watermark']}")
        for tree in self.trees():
            w, s = want[tree], shown[tree]
            lacks, more = sorted(set(w) - set(s)), sorted(set(s) - set(w))
            self.require(not lacks and not more, f"{when}: {tree}/ lacks {lacks}, has besides {more}")
            for name in w:
                self.require(equal(tree, w[name], s[name]), f"{when}: {tree}/{name} is {s[name]!r}, want {w[name]!r}")

    def same_partitions(self):
        shown, model = self.partitions(), self.model
        for ts, row in model.rows.items():
            if row.state == "failed":
                self.failed.add(ts)
            state, reason, records, rejected = shown.pop(path_of(ts), ("missing", "", "", ""))
            label = f"partition {path_of(ts)} ({ts})"
            want = (row.state, row.reason if row.state != "failed" else reason)
            if model.covered(ts) and row.reason != "covered":  # had left before
                want = (row.state, reason if reason in ("covered", row.reason) else row.reason)
            if "uncovered" not in self.features and (want, reason) == (("skipped", "old"), "uncovered"):
                row.reason = reason
                want = (state, reason)
            self.require((state, reason) == want, f"{label} is {state}/{reason}, want {want[0]}/{row.reason}")
            self.require(state != "failed" or reason, f"{label} failed without a reason")
            if state == "published":
                counts = tuple(map(str, row.counts()))
                self.require((records, rejected) == counts, f"{label} has {records} records, {rejected} rejected, want {counts}")
            if state == "published" and (ts not in self.failed or "reject-reports" in self.features):
                self.same_rejects(path_of(ts), row)
        for path, row in shown.items():
            # The listing may see more than it must: what is still to come, what is past.
            self.require(row[:2] in (("open", "not ended"), ("open", "no files"), ("skipped", "old")), f"partition {path} is {row}, want no row")
            self.require(path > path_of(self.now) or path <= path_of(model.horizon(model.watermark)), f"partition {path} is {row}")

    def same_rejects(self, path, row):
        """The files of refused records name the lines that the model refuses."""
        for name, source in row.read.items():
            report = self.root / "mnt" / "rejects" / path / f"{name}.tsv"
            if source.bad and source.reported:
                text = report.read_bytes() if report.exists() else b""
                lines = [int(line.split(b"\t")[0]) for line in text.splitlines()]
                self.require(lines == source.bad, f"{path}/{name}: lines {lines} refused, want {source.bad}")

    def same_status(self, documents):
        status = json.loads((self.root / "mnt" / "status.json").read_text())
        self.require(status["documents"] == documents, f"status: {status['documents']} documents, want {documents}")
        self.require(status["generation"] == self.number, f"status: generation {status['generation']}")
        rows = list(self.model.rows.values())
        for state in ("published", "failed", "expired"):
            want = sum(row.state == state for row in rows if row.reason != "covered")
            shown = status["partitions"][state]
            self.require(shown >= want if self.model.base else shown == want, f"status: {shown} {state}, want {want}")
        want = sum(row.reason == "uncovered" for row in rows)
        self.require(status["uncovered"] == want, f"status: {status['uncovered']} uncovered, want {want}")

    def same_prefix(self, terms):
        """The terms below one prefix of one of them."""
        if terms:
            name = sorted(terms)[self.steps % len(terms)]
            prefix = name[: 1 + self.steps % 3]
            if "%" not in prefix:
                found = sorted(os.listdir(self.root / "mnt" / "prefix" / prefix))
                self.require(found == sorted(t for t in terms if t.startswith(prefix)), f"prefix/{prefix}: {found}")

    def compare(self):
        """The whole mount with the model; and a generation was published where, and only where, the model has one."""
        before, self.number = self.number, self.read_number()
        published = self.model.generation - len(self.order)
        fresh = self.fresh_generations()
        if published:
            self.require(fresh, f"generation {self.number} after {before}: nothing was published")
            fresh = fresh[-published:]
            self.order += [None] * (published - len(fresh)) + fresh  # what lay between has gone already
            self.data = fresh[-1]
        else:
            self.require(not fresh, f"generation {self.number} after {before}: published, and nothing was due")
        if self.number:
            want, shown = self.expected(), self.shown()
            self.same(want, shown, f"generation {self.number}")
            if published:
                self.seen[self.data] = shown
            self.latest = shown
            self.same_pinned()
            self.same_prefix(want["terms"])
        self.same_partitions()
        if self.number:
            self.same_status(len(want["docs"]))
        through = (self.root / "mnt" / "complete_through").read_bytes()
        want = pointer(self.model.complete_through())
        self.require(through == want, f"complete_through {through}, want {want}")

    def fresh_generations(self):
        """Those published since the last comparison that are there and not made by merging, which changes nothing."""
        directory = self.root / "state" / "generations"
        numbers = {int(path.stem) for path in directory.glob("*.json")}
        for n in numbers - set(self.kinds):
            self.kinds[n] = json.loads((directory / f"{n}.json").read_text())["kind"]
        self.merges += sum(self.kinds[n] == "merge" for n in numbers if n > self.known)
        self.known = max(numbers, default=0)
        return [n for n in sorted(numbers) if n > self.data and self.kinds[n] != "merge"]

    def same_pinned(self):
        """One of the generations that must stay is as it was when it was published."""
        self.kept = max(self.kept, len(self.order) - self.model.cfg.keep)
        kept = [n for n in self.order[self.kept :] if n]
        there = {int(n) for n in os.listdir(self.root / "mnt" / "generations")}
        self.require(there >= set(kept), f"generations/ has {sorted(there)}, {kept} should be kept")
        self.seen = {n: shown for n, shown in self.seen.items() if n in kept or n == self.data}
        past = kept[self.steps % len(kept)] if kept else None
        if past in self.seen:
            self.same(self.seen[past], self.shown(f"generations/{past}"), f"generations/{past}")


def equal(tree, want, shown):
    """Bytes are compared as such; joined documents as what they say."""
    if tree == "groups" and isinstance(want, list):
        lines = shown.splitlines(keepends=True)
        return len(want) == len(lines) and all(equal("docs", w, s) for w, s in zip(want, lines))
    if tree == "postings" and isinstance(want, list):
        rows = [line.split("\t") for line in shown.decode().splitlines()]
        return len(rows) == len(want) and all(
            (r[0], r[1], r[3]) == (w[0], w[1], w[3]) and (w[2] is None or int(r[2]) == w[2]) for r, w in zip(rows, want)
        )
    if isinstance(want, dict):
        return list(json.loads(shown).items()) == list(want.items()) and shown.endswith(b"}\n")
    return shown == want
