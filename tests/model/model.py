# SPDX-License-Identifier: Apache-2.0
"""What an index must be after each tick, written as definitions: slow, plain, and without any code of freshet.

Content is worked out anew each time from the record sets of the partitions as last read; nothing is carried
from generation to generation but those. FEATURES names what a product may not have yet; where one is off, the
model does what docs/semantics.md says of a product without it.

Times are seconds from an origin that the caller chooses; a partition is its timestamp.
"""

import copy
import gzip
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))
import oracle  # noqa: E402
from oracle import flat, words  # noqa: E402  (Python's own Unicode tables, as there)

NEVER = float("-inf")
HOUR = 3600
UNITS = {"s": 1, "m": 60, "h": HOUR, "d": 24 * HOUR}

FEATURES = {
    "undo": "rewritten and vanished files are read again, their old records are no part of the set any more",
    "groups": "groups/GROUP",
    "postings": "postings/TERM",
    "attributes": "[attribute.NAME]",
    "newest": "policy newest",
    "replay": "policy replay",
    "base": "freshet base",
    "refold": "a change of [document] or [attribute.*] folds everything again",
    "refold-attributes": "records of a partition that leaves, which new rules make attributes, hold or expire as such",
    "rollback": "freshet rollback",
    "versions-window": "the newest record inside the horizon wins, also where versions say otherwise",
    "merge": "segments are merged: longer runs over one state",
    "reject-whole": "too many refused records fail a partition also when what is read now has none",
    "reject-reports": "rejects/ keeps the reports of what is in the index when a later attempt fails",
    "uncovered": "`uncovered` only where data was lost, not where the listing passed over it",
    "return": "a longer window after something has expired",
    "return-attributes": "the same where attributes are configured: what a returned partition said before is undone",
    "base-deletes": "a delete in a snapshot has a version, like any record",
    "base-through": "complete_through counts what the base covers",
    "absent": "what was `old` and lies inside a longer window is `uncovered`, and complete_through stops before it",
    "gaps": "slots behind the horizon are missing where nothing was ever seen in them, if something older was",
}


def duration(text):
    return float("inf") if text == "all" else int(text[:-1] or text) * UNITS.get(text[-1], 1)


# Configuration: {section: {key: text}}, [attribute.NAME] as section "attribute.NAME".


class Config:
    def __init__(self, sections):
        get = lambda section, key, default=None: sections.get(section, {}).get(key, default)
        self.sections = sections
        self.cadence = duration(get("feed", "cadence", "5m"))
        self.complete = get("feed", "complete", "rate")
        self.settle = duration(get("feed", "settle", "0s"))
        self.quiet = duration(get("feed", "quiet", "2s"))
        self.policy = get("lag", "policy", "latest")
        self.window = duration(get("lag", "window", "5h"))
        self.overlap = duration(get("lag", "overlap", get("lag", "window", "5h")))
        self.gap_timeout = duration(get("lag", "gap_timeout", "1h"))
        self.id = get("document", "id")
        self.group = get("document", "group")
        self.op = get("document", "op", "op")
        self.version = get("document", "version")
        self.text = names(get("document", "text"))
        self.keyword = names(get("document", "keyword")) or []
        self.drop_if = get("document", "drop_if")
        self.max_reject_ratio = float(get("build", "max_reject_ratio", "0.01"))
        self.keep = int(get("build", "keep", "8"))
        self.attributes = {s[10:]: keys for s, keys in sections.items() if s.startswith("attribute.")}

    def folding(self):
        """What the fold reads: where it differs, everything is folded again."""
        return {s: k for s, k in self.sections.items() if s == "document" or s.startswith("attribute.")}


def names(text):
    return None if text is None else [t.strip() for t in text.split(",") if t.strip()]


# Records


def elements(record, name):
    """What stands at a dotted name, arrays giving each of their elements; null is nothing."""
    at = [record]
    for part in name.split("."):
        at = [v[part] for v in flat(at) if isinstance(v, dict) and part in v]
    return [v for v in flat(at) if v is not None]


def keyword_text(value):
    """A value as a term has it: 1.0 is 1."""
    return oracle.keyword_text(int(value) if isinstance(value, float) and value.is_integer() else value)


def holds(expression, record):
    """NOT binds closer than AND, AND closer than OR; no parentheses and no quotes are needed here."""
    if " OR " in expression:
        return any(holds(e, record) for e in expression.split(" OR "))
    if " AND " in expression:
        return all(holds(e, record) for e in expression.split(" AND "))
    if expression.startswith("NOT "):
        return not holds(expression[4:], record)
    name, op, value = re.fullmatch(r"([\w.]+)(:|<=|>=|<|>|=)(.+)", expression).groups()
    found = [v for v in elements(record, name) if not isinstance(v, dict)]
    if op == ":":
        return value in [keyword_text(v) for v in found]
    value = float(value)
    compare = {"<": lambda v: v < value, "<=": lambda v: v <= value, ">": lambda v: v > value,
               ">=": lambda v: v >= value, "=": lambda v: v == value}[op]  # fmt: skip
    return any(compare(v) for v in found if isinstance(v, (int, float)) and not isinstance(v, bool))


class Refused(Exception):
    pass


class Broken(Exception):
    pass


def control(text):
    return any(c < " " or c == "\x7f" for c in text)


def one(record, name, kinds, what):
    """The one value of a field as text; None where it is missing."""
    found = elements(record, name)
    if len(found) > 1:
        raise Refused(f"{name}: more than one value")
    if not found:
        return None
    if isinstance(found[0], bool) or not isinstance(found[0], kinds):
        raise Refused(f"{name}: {what}")
    text = found[0] if isinstance(found[0], str) else keyword_text(found[0])
    if len(text.encode()) > 1024:
        raise Refused(f"{name}: too long")
    return text


def name_of(record, field_name):
    text = one(record, field_name, (str, int), "neither a string nor an integer")
    if text is not None and control(text):
        raise Refused(f"{field_name}: control character")
    return text


def version_order(record, field_name):
    """Missing is lowest, integers by value, then all others bytewise."""
    text = one(record, field_name, (str, int, float), "neither a string nor a number") if field_name else None
    if text is None:
        return (0, 0, b"")
    value = elements(record, field_name)[0]
    if isinstance(value, int) or isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return (1, int(value), b"")
    return (2, 0, text.encode())


@dataclass
class Record:
    kind: str  # of an attribute its section's name, "" of a document
    key: str
    group: str
    deleted: bool
    order: tuple
    value: dict
    raw: bytes
    where: str  # the partition's path, "base" of a base


def read_record(cfg, where, ts, path, line, raw):
    """The record of a line, or Refused. `where` is the partition's path."""
    try:
        value = json.loads(raw)
    except ValueError:
        raise Refused("not JSON") from None
    if not isinstance(value, dict):
        raise Refused("not a JSON object")
    kind = next((n for n, keys in cfg.attributes.items() if holds(keys["when"], value)), "")
    keys = cfg.attributes[kind] if kind else None
    deleted = elements(value, cfg.op) == ["delete"]
    key_field = keys["key"] if kind else cfg.id or "id"
    key = name_of(value, key_field)
    if not key and (kind or cfg.id):
        raise Refused(f"{key_field}: missing or empty")
    if not key and deleted:
        raise Refused("a delete without an id")
    key = key or f"{where}/{path}:{line}"
    group = name_of(value, cfg.group) if cfg.group and not kind else None
    version = version_order(value, keys.get("version") if kind else cfg.version)
    if not kind and not deleted:
        for name in cfg.keyword + (cfg.text or []):
            if any(isinstance(v, dict) for v in elements(value, name)):
                raise Refused(f"{name}: an object")
        for keys in cfg.attributes.values():
            if len(elements(value, keys["on"])) > 1:
                raise Refused(f"{keys['on']}: more than one value")
        for name in cfg.keyword:
            if any(control(keyword_text(v)) for v in elements(value, name)):
                raise Refused(f"{name}: control character")
    return Record(kind, key, group or "", deleted, (version, ts, path.encode(), line), value, raw, where)


# Feed and catalog


@dataclass
class File:
    data: bytes
    mtime: float
    stamp: int  # another one whenever the file is written or touched: stands for ctime


@dataclass
class Partition:
    files: dict = field(default_factory=dict)
    marker: bool = False


@dataclass
class Source:
    """A file as it was read: the lines that were usable then, by number."""

    stamp: int
    data: bytes
    lines: list
    total: int
    bad: list  # the numbers of the lines that were refused
    reported: bool = True  # rejects/ has them


@dataclass
class Row:
    state: str
    reason: str = ""
    read: dict = None  # path -> Source, None where nothing is in the index
    failed_at: object = None  # the listing that failed

    def has_content(self):
        return self.read is not None

    def counts(self):
        sources = (self.read or {}).values()
        return sum(s.total for s in sources), sum(len(s.bad) for s in sources)


@dataclass
class Tick:
    published: bool = False
    reads: int = 0  # partitions that were read
    failed: int = 0
    refused: bool = False  # the rules


class Model:
    def __init__(self, sections, features=(), path_of=str):
        self.features = set(features)
        self.path_of = path_of
        self.feed = {}  # ts -> Partition
        self.rows = {}  # ts -> Row
        self.watermark = NEVER
        self.base = None  # (at, {path: Source})
        self.generation = 0  # how many were published
        self.history = []  # of each generation: (watermark, rows, past, base, folded)
        self.paused = False
        self.past = {}  # ts -> what was read of a partition that has expired: its attributes still hold
        self.seen = {}  # of partitions that ever had files when they were looked at: whether they had at the last look
        # The latest, that of the last build or base, and that by which everything is folded.
        self.cfg = self.built = self.folded = Config(sections)

    def configure(self, sections):
        self.cfg = Config(sections)

    # Section 4: what is complete

    def incomplete(self, ts, partition, files, now):
        """Why it is open, or "". Asked of some files only where the rest has been read already."""
        c = self.cfg
        if partition is None:
            return "no files"
        if now < ts + c.cadence:
            return "not ended"
        if c.complete != "marker":
            if now < ts + c.cadence + c.settle:
                return "settling"
            if not files:
                return "no files"
            if any(now - c.quiet < f.mtime <= now + HOUR for f in files) and c.quiet:
                return "quiet"
        return "" if c.complete == "rate" or partition.marker else "no marker"

    def read(self, ts, names):
        """The sources of these files, or Broken."""
        found = {}
        for name in names:
            f = self.feed[ts].files[name]
            try:
                data = gzip.decompress(f.data) if name.endswith(".gz") else f.data
            except (EOFError, OSError):
                raise Broken(name) from None
            lines, total, bad = [], 0, []
            for number, raw in enumerate(data.split(b"\n"), 1):
                raw = raw[:-1] if raw.endswith(b"\r") else raw
                if not raw.strip(b" \t\r"):
                    continue
                total += 1
                try:
                    read_record(self.cfg, self.path_of(ts), ts, name, number, raw)
                    lines.append((number, raw))
                except Refused:
                    bad.append(number)
            found[name] = Source(f.stamp, f.data, lines, total, bad)
        return found

    def too_many_refused(self, sources):
        return self.too_many(sum(len(s.bad) for s in sources), sum(s.total for s in sources))

    def too_many(self, bad, total):
        return bad > 0 and (bad == total or bad > 10 and bad > self.cfg.max_reject_ratio * total)

    # Section 5: one tick

    def horizon(self, watermark, cfg=None):
        h = watermark - (cfg or self.folded).window if watermark != NEVER else NEVER
        return min(h, self.base[0] - self.cfg.cadence) if self.base and h != NEVER else h

    def covered(self, ts):
        return self.base is not None and ts + self.cfg.cadence <= self.base[0]

    def listing_of(self, ts):
        p = self.feed.get(ts)
        return p and ({n: f.stamp for n, f in p.files.items()}, p.marker)

    def judge(self, ts, now, retry):
        """What a look at one partition inside the horizon comes to: ("keep",), ("note", state, reason), or
        ("read", names, dropped): files to read, and files whose records are undone."""
        row, partition = self.rows.get(ts), self.feed.get(ts)
        files = partition.files if partition else {}
        if row and row.state == "failed" and row.failed_at == self.listing_of(ts) and not retry:
            return ("keep",)
        if not row or not row.has_content():
            if row and row.state in ("skipped", "expired") and not partition:
                return ("keep",)
            reason = self.incomplete(ts, partition, files.values(), now)
            return ("note", "open", reason) if reason else ("read", sorted(files), set())
        if not files:
            return ("note", "published", "gone" if row.read or not partition else "")
        added = {n for n in files if n not in row.read}
        changed = {n for n in files if n in row.read and files[n].stamp != row.read[n].stamp}
        vanished = {n for n in row.read if n not in files}
        undo = "undo" in self.features
        look = added | changed if undo else added
        if look:
            if self.incomplete(ts, partition, [files[n] for n in look], now):
                return ("keep",)
            return ("read", sorted(look), vanished if undo else set())
        if undo and vanished:
            return ("read", [], vanished)
        return ("note", "published", self.difference(row, files))

    def difference(self, row, files):
        if "undo" in self.features:
            return ""
        if any(n in row.read and files[n].stamp != row.read[n].stamp for n in files):
            return "rewritten"
        return "vanished" if any(n not in files for n in row.read) else ""

    def attempt(self, ts, names, dropped):
        """What a read comes to: ("failed", reason), or ("same" or "other", the record set)."""
        before = self.rows[ts].read if self.has_content(ts) else None
        try:
            fresh = self.read(ts, names)
        except Broken as broken:
            return "failed", str(broken)
        for n, source in fresh.items():
            if before and n in before and before[n].data == source.data:
                source.lines = before[n].lines  # its records are in the index
        after = {n: s for n, s in (before or {}).items() if n not in dropped} | fresh
        judged = "reject-whole" in self.features or any(source.bad for source in fresh.values())
        if judged and self.too_many_refused(after.values()):
            return "failed", "too many records refused"
        bytes_of = lambda sources: {n: s.data for n, s in sources.items()}
        return "same" if before is not None and bytes_of(before) == bytes_of(after) else "other", after

    def tick(self, now, retry=False, force=False):
        done = Tick()
        if self.paused:
            return done
        if not force and self.refuses_rules(NEVER):
            done.refused = True
            return done
        done.published = self.generation > 0 and self.folded.folding() != self.cfg.folding()
        self.built = self.cfg
        self.take_rules()
        outside = self.horizon(self.watermark)
        look = [ts for ts in sorted(set(self.rows) | set(self.feed)) if outside < ts <= now]
        done_with = lambda ts: self.covered(ts) and ts in self.rows and self.rows[ts].state in ("skipped", "expired")
        there = {ts: ts in self.feed and bool(self.feed[ts].files) for ts in look if not done_with(ts)}
        self.seen |= {ts: has_files for ts, has_files in there.items() if has_files or ts in self.seen}
        verdicts = {ts: self.judge(ts, now, retry) for ts in look if not self.covered(ts)}
        # Planned before anything is read. Where not all goes well, the rest waits for the next tick.
        newest = self.choose(verdicts, now)
        reads = {ts: v[1:] for ts, v in verdicts.items() if v[0] == "read"}
        planned = self.horizon(max([self.watermark, *reads]))
        results = {ts: self.attempt(ts, *read) for ts, read in reads.items() if ts > planned}
        done.reads = len(results)
        good = [ts for ts, r in results.items() if r[0] != "failed"]
        self.watermark = max([self.watermark, *good])
        horizon = self.horizon(self.watermark)
        for ts, verdict in verdicts.items():
            follows = verdict[1:2] == ("skipped",) and newest is not None
            if ts > max(horizon, planned) and not (follows and newest not in good):
                self.settle(ts, verdict, results.get(ts), done)
        for ts in filter(self.has_content, list(self.rows) if newest in good else []):
            if ts != newest:
                self.rows[ts] = Row("expired", "replaced")
        if newest in good:
            self.past = {}
        for ts in sorted(set(self.rows) | set(look)):
            self.leave(ts, ts <= horizon, done)
        if done.published:
            self.remember()
        return done

    def choose(self, verdicts, now):
        """Policies: what a tick does not build is taken out. Returns the partition that replaces all others."""
        if self.cfg.policy == "newest":
            return self.choose_newest(verdicts)
        if self.cfg.policy == "replay":
            self.choose_replay(verdicts, now)
        return None

    def fresh(self, verdicts):
        """What may be read and has nothing in the index yet."""
        return [ts for ts, v in verdicts.items() if v[0] == "read" and not self.has_content(ts)]

    def has_content(self, ts):
        return ts in self.rows and self.rows[ts].has_content()

    def choose_newest(self, verdicts):
        known = max(filter(self.has_content, self.rows), default=NEVER)
        newest = max(self.fresh(verdicts), default=NEVER)
        for ts, verdict in verdicts.items():
            if self.has_content(ts) and ts < newest and newest > known:
                verdicts[ts] = ("keep",)  # replaced
            elif not self.has_content(ts) and ts < max(known, newest):
                state = self.rows[ts].state if ts in self.rows else ""
                if state == "expired" or state == "skipped" and (
                    verdict[0] != "read" or self.rows[ts].reason != "old" or "absent" not in self.features
                ):
                    verdicts[ts] = ("keep",)
                elif verdict[0] == "read" or state == "failed" and verdict[0] == "keep":
                    verdicts[ts] = ("note", "skipped", self.passed_over(ts, max(known, newest)))
        return newest if newest > known else None

    def passed_over(self, ts, newest):
        return "superseded" if ts > newest - self.cfg.overlap else "uncovered"

    def choose_replay(self, verdicts, now):
        slot = lambda ts: ts // self.cfg.cadence
        changed = sorted(ts for ts, v in verdicts.items() if v[0] == "read" and self.has_content(ts))
        chosen = min(changed or self.fresh(verdicts), default=None)
        if chosen is not None and not changed:
            first = slot(min([*verdicts, *self.rows])) if self.watermark == NEVER else slot(self.watermark) + 1
            ends = [(s + 1) * self.cfg.cadence for s in range(first, slot(chosen))]
            if any(now < end + self.cfg.gap_timeout for end in ends):
                chosen = None
        for ts, verdict in verdicts.items():
            if verdict[0] == "read" and ts != chosen:
                verdicts[ts] = ("keep",) if self.has_content(ts) else ("note", "complete", "")

    def settle(self, ts, verdict, result, done):
        """One partition inside the horizon gets its new row."""
        row = self.rows.get(ts)
        kept = row.read if row and row.has_content() else None
        if verdict[0] == "read":
            outcome, value = result
            if outcome == "failed":
                done.failed += 1
                self.rows[ts] = Row("failed", value, kept, self.listing_of(ts))
            else:
                reason = self.difference(row, self.feed[ts].files) if kept is not None else ""
                self.rows[ts] = Row("published", reason, value)
                self.past.pop(ts, None)
                done.published |= outcome == "other"
        elif verdict[0] == "note":
            self.rows[ts] = Row(*verdict[1:], kept)

    def leave(self, ts, is_outside, done):
        """What lies outside the horizon, or is covered by the base, has left."""
        row = self.rows.get(ts)
        if self.covered(ts):
            if not row or row.state != "expired":
                self.rows[ts] = Row("expired" if row and row.has_content() else "skipped", "covered")
            self.past.pop(ts, None)
        elif is_outside and row and row.has_content():
            self.rows[ts], self.past[ts] = Row("expired"), self.what_holds(ts, row.read)
            done.published = True
        elif is_outside and (not row or row.state not in ("skipped", "expired")):
            self.rows[ts] = Row("skipped", self.never_indexed(ts, row))

    def what_holds(self, ts, files):
        """Of a partition that leaves the attributes stay; what is no attribute by the rules of then is nobody's any more."""
        held = {}
        for path, source in files.items():
            lines = []
            for line, raw in source.lines:
                try:
                    kind = read_record(self.folded, self.path_of(ts), ts, path, line, raw).kind
                except Refused:
                    continue
                if kind and self.folded.attributes[kind].get("expire") != "yes":
                    lines.append((line, raw))
            held[path] = copy.copy(source)
            held[path].lines = lines
        return held

    def never_indexed(self, ts, row):
        newest = max(filter(self.has_content, self.rows), default=NEVER)
        if self.cfg.policy == "newest" and self.passed_over(ts, newest) == "superseded":
            return "superseded"
        gone = not self.seen.get(ts, True)
        return "uncovered" if row and row.state == "failed" or gone else "old"

    def remember(self):
        self.generation += 1
        self.history.append(copy.deepcopy((self.watermark, self.rows, self.past, self.base, self.folded)))

    # Section 8: base and rollback

    def swap_base(self, at, lines, force=False):
        """A full snapshot as of `at`, given as the lines of one file. False: refused."""
        lines = list(enumerate(lines, 1))
        usable = [self.reads(at - self.cfg.cadence, "base.jsonl", *line) is not None for line in lines]
        if not force and (self.too_many(usable.count(False), len(usable)) or self.refuses_rules(at - self.cfg.cadence)):
            return False
        source = Source(0, b"", lines, len(lines), [])
        self.base = (at, {"base.jsonl": source})
        self.watermark = max(self.watermark, at - self.cfg.cadence)
        for ts in list(self.rows):
            self.leave(ts, False, Tick())
        self.built = self.cfg
        self.take_rules()
        self.remember()
        return True

    def refuses_rules(self, after):
        """Do the latest rules refuse too much of what is stored, of partitions that have not left, newer than `after`?"""
        if not self.generation or self.folded.folding() == self.cfg.folding():
            return False
        stored = [(ts, row.read) for ts, row in self.rows.items() if row.has_content() and ts > after]
        if self.base and after == NEVER:
            stored.append((self.base[0] - self.cfg.cadence, self.base[1]))
        read = [self.reads(ts, path, *line) is not None
                for ts, files in stored for path, source in files.items() for line in source.lines]  # fmt: skip
        return self.too_many(read.count(False), len(read))

    def take_rules(self):
        """Everything is folded by the latest configuration; what it refuses is stored nowhere any more."""
        if self.folded.folding() != self.cfg.folding():
            for ts, files in [(ts, row.read) for ts, row in self.rows.items() if row.has_content()] + list(self.past.items()):
                for path, source in files.items():
                    source.lines = [line for line in source.lines if self.reads(ts, path, *line)]
        self.folded = self.cfg
        self.reduce_base()

    def reads(self, ts, path, line, raw):
        try:
            return read_record(self.cfg, self.path_of(ts), ts, path, line, raw)
        except Refused:
            return None

    def reduce_base(self):
        """A base keeps no history: of each id the record that won by the rules that it was last folded by."""
        if not self.base:
            return
        at, files = self.base
        for path, source in files.items():
            best = {}
            for line, raw in source.lines:
                try:
                    record = read_record(self.folded, "base", at - self.cfg.cadence, path, line, raw)
                except Refused:
                    continue
                key = (record.kind, record.key)
                if key not in best or best[key][0].order < record.order:
                    best[key] = (record, (line, raw))
            source.lines = sorted(kept for record, kept in best.values() if not record.deleted)

    def rollback(self, generation):
        """The `generation`th of those published; what is newer than it is complete again. Of partitions with nothing in
        it, it is not remembered what was known of them then: what is known now holds, where it can."""
        now, then = self.rows, copy.deepcopy(self.history[generation - 1])
        self.watermark, rows, self.past, self.base, self.folded = then
        bytes_of = lambda row: {n: s.data for n, s in row.read.items()}
        back = {}
        for ts, row in now.items():
            was = rows.get(ts, Row("complete"))
            if was.has_content():
                there = row.read or {}
                for name, source in was.read.items():  # what was refused of other bytes is not kept
                    source.reported = name in there and there[name].data == source.data and there[name].reported
                same = row.has_content() and bytes_of(row) == bytes_of(was)
                for name in was.read if same else ():  # what other rules refused since
                    row.read[name].lines = was.read[name].lines
                back[ts] = row if same else Row("published", "", was.read)
            elif was.state == "expired" and (row.has_content() or row.state == "expired"):
                back[ts] = was
            elif self.covered(ts):
                back[ts] = Row("skipped", "covered")
            elif row.has_content() or row.state == "expired" or row.state == "skipped" and not self.skips(ts, row):
                back[ts] = Row("complete")
            else:
                back[ts] = row
        self.rows = back
        self.paused = True
        self.remember()

    def skips(self, ts, row):
        """Would it be skipped as of the generation that was rolled back to as well?"""
        if row.reason == "covered":
            return self.covered(ts)
        horizon = self.watermark - self.cfg.window
        if self.base:
            horizon = min(horizon, self.base[0] - self.cfg.cadence)
        return ts <= horizon or row.reason != "old" and ts < self.watermark

    # What is seen

    def complete_through(self):
        """The last of an unbroken run of published slots from the horizon on."""
        c, horizon = self.built, self.horizon(self.watermark, self.built)
        inside = [ts for ts in sorted(self.rows) if horizon < ts <= self.watermark and not self.covered(ts)]
        last = None if not self.base else self.base[0] - c.cadence
        if last is None and "gaps" in self.features and any(ts <= horizon for ts in self.rows):
            last = horizon
        for ts in inside:
            row = self.rows[ts]
            fine = row.state == "published" or row.reason in ("superseded", "replaced")
            if "absent" not in self.features:
                fine = fine or row.state == "expired" or row.reason == "old"
            if not fine or last is not None and ts // c.cadence - last // c.cadence > 1:
                break
            last = ts
        covered = self.base and last == self.base[0] - c.cadence
        return last if last is not None and (covered or last > horizon) else None

    def records(self):
        """(record, whether it counts as a document's) of all partitions that are in the index, and the base."""
        # What lies outside the horizon has expired by then.
        inside = {ts: row.read for ts, row in self.rows.items() if row.has_content()}
        sources = [(ts, path, s, where is inside) for where in (inside, self.past)
                   for ts, files in where.items() for path, s in files.items()]  # fmt: skip
        if self.base:
            at, files = self.base
            sources += [(at - self.cfg.cadence, path, s, True) for path, s in files.items()]
        for ts, path, source, inside in sources:
            where = "base" if self.base and source in self.base[1].values() else self.path_of(ts)
            for line, raw in source.lines:
                try:
                    yield read_record(self.folded, where, ts, path, line, raw), inside
                except Refused:
                    pass

    def winners(self):
        """The newest record of each document and attribute: two dictionaries, deletes taken out."""
        best = {}
        for record, inside in self.records():
            expires = not record.kind or self.folded.attributes[record.kind].get("expire") == "yes"
            key = (record.kind, record.key)
            if (inside or not expires) and (key not in best or best[key].order < record.order):
                best[key] = record
        live = {key: r for key, r in best.items() if not r.deleted}
        return {k[1]: r for k, r in live.items() if not k[0]}, {k: r for k, r in live.items() if k[0]}

    def joined(self, record, attributes):
        """A document with a member for each attribute that applies, seen from its own record only."""
        value = dict(record.value)
        for name, keys in self.folded.attributes.items():
            try:
                attribute = attributes.get((name, name_of(record.value, keys["on"])))
            except Refused:
                attribute = None
            if attribute:
                value[name] = attribute.value
        return value

    def terms_of(self, value):
        """{term: how often} of a document as it is seen."""
        c, found = self.folded, defaultdict(int)
        if c.text is None:
            mine = {c.id or "id", c.group, c.op, c.version}
            texts = [v for n, member in value.items() if n not in mine for v in flat([member]) if isinstance(v, str)]
        else:
            texts = [keyword_text(v) for n in c.text for v in elements(value, n) if not isinstance(v, dict)]
        for text in texts:
            for word in words(text):
                found[word] += 1
        for name in c.keyword:
            for v in elements(value, name):
                if not isinstance(v, dict):
                    found[f"{name}:{keyword_text(v)}"] += 1
        return found

    def content(self):
        """(documents, terms, groups): {id: (raw line or joined dict, group, partition's path)}, {term: {id: how
        often}}, {group: ids}."""
        documents, attributes = self.winners()
        docs, terms, groups = {}, defaultdict(dict), defaultdict(set)
        for key, record in documents.items():
            value = self.joined(record, attributes)
            if self.folded.drop_if and holds(self.folded.drop_if, value):
                continue
            docs[key] = (record.raw if value == record.value else value, record.group, record.where)
            for term, count in self.terms_of(value).items():
                terms[term][key] = count
            if record.group:
                groups[record.group].add(key)
        return docs, terms, groups
