# SPDX-License-Identifier: Apache-2.0
"""query/, postings/ and groups/, and `freshet query`, against what the raw feed says."""

import errno
import math
import os
import random

import pytest

import oracle
from harness import EX_USAGE, rfc3339, slice_path, slice_time, CADENCE
from test_paths import BRANDS, WORDS, random_records

SEED = int(os.environ.get("FRESHET_SEED", "1"))
QUOTE = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Answers:
    """The ids of every live document, and of every term, as sets."""

    def __init__(self, live, found):
        self.all, self.found = set(live), found

    def prefix(self, start, keyword):
        hits = [ids for term, ids in self.found.items() if term.startswith(start) and (":" in term) == keyword]
        return set().union(*hits)

    def words(self, text, prefix=False):
        words = oracle.words(text)
        hits = [self.found.get(w, set()) for w in (words[:-1] if prefix else words)]
        if prefix:
            hits.append(self.prefix(words[-1], False))
        return set.intersection(*map(set, hits))


def random_test(rng, a):
    kind = rng.randrange(6)
    if kind <= 1:
        word = rng.choice(WORDS)
        return (word if rng.random() < 0.5 else QUOTE(word + "  " + word)), a.words(word)
    if kind == 2:
        word = rng.choice(["e", "Esp", "gr", "na", "東", "x86-6", "M", "zz"])
        return word + "*", a.words(word, prefix=True)
    if kind == 3:
        brand = rng.choice([b for b in BRANDS if "\t" not in b])
        return "brand:" + QUOTE(brand), set(a.found.get("brand:" + brand, ()))
    if kind == 4:
        start = rng.choice(["A", "a/", "100%", "w", "", "xxx"])
        return "brand:" + (start + "*" if start else "*"), a.prefix("brand:" + start, True)
    n = rng.choice(["0", "7", "-12", "2.5", "true", "99"])
    return "n:" + n, set(a.found.get("n:" + n, ()))


def random_query(rng, a, depth=0):
    """An expression and the ids that it must find."""
    kind = 0 if depth == 2 else rng.randrange(5)
    if kind <= 1:
        return random_test(rng, a)
    left, one = random_query(rng, a, depth + 1)
    if kind == 2:
        return f"NOT ({left})", a.all - one
    right, two = random_query(rng, a, depth + 1)
    if kind == 3:
        return f"({left} OR {right})", one | two
    return f"({left}{rng.choice([' AND ', ' '])}{right})", one & two


@pytest.fixture
def filled(box):
    """Five generations of several segments each; (box, live documents, postings)."""
    rng = random.Random(SEED)
    for i in range(5):
        box.feed.put(i, random_records(rng, 400))
        box.build("--now", rfc3339(slice_time(i) + CADENCE))
    live = oracle.documents(box.feed.root, [slice_path(i) for i in range(5)], "id")
    return box, live, oracle.postings(live, ["title", "body"], ["brand", "n"])


@pytest.mark.release
def test_queries_find_what_the_raw_feed_says(filled):
    box, live, found = filled
    rng, a, mount, hits = random.Random(SEED), Answers(live, found), box.mount(), 0
    pinned = mount / "generations" / mount.text("generation").strip() / "query"
    for i in range(400):
        text, want = random_query(rng, a)
        name = oracle.name_of(text)
        if not name:
            continue
        path = (pinned if i % 2 else mount / "query") / name
        assert path.read_bytes() == oracle.file_of(want), text
        assert path.stat().st_size == len(oracle.file_of(want))
        hits += bool(want)
    assert hits > 100
    assert os.listdir(mount / "query") == []


@pytest.mark.release
def test_postings_and_groups_are_what_the_raw_feed_says(filled):
    box, live, found = filled
    mount = box.mount()
    segments = {p[: -len(".seg")] for p in os.listdir(mount / "segments") if p.endswith(".seg")}
    newest = {}
    for i in range(5):
        for key in oracle.documents(box.feed.root, [slice_path(i)], "id"):
            newest[key] = slice_path(i)
    assert sorted(os.listdir(mount / "postings")) == sorted(os.listdir(mount / "terms"))
    for term, ids in found.items():
        name = oracle.name_of(term)
        if not name:
            continue
        data = (mount / "postings" / name).read_bytes()
        assert (mount / "postings" / name).stat().st_size == len(data)
        rows = [line.split("\t") for line in data.decode().splitlines()]
        assert [r[0] for r in rows] == sorted(ids, key=str.encode)
        for key, group, tf, partition, segment in rows:
            record = live[key][0]
            assert group == record["item"] and partition == newest[key] and segment in segments
            assert int(tf) == count(record, term)
    with pytest.raises(FileNotFoundError):
        (mount / "postings" / "nowhere").read_bytes()

    groups = {}
    for key in sorted(live, key=str.encode):
        groups.setdefault(live[key][0]["item"], []).append(live[key][1] + b"\n")
    assert sorted(os.listdir(mount / "groups")) == sorted(groups)
    for group, documents in groups.items():
        assert (mount / "groups" / group).read_bytes() == b"".join(documents)
        assert (mount / "groups" / group).stat().st_size == sum(map(len, documents))
    with pytest.raises(FileNotFoundError):
        (mount / "groups" / "item-none").read_bytes()


def count(record, term):
    if ":" in term:
        field, _, value = term.partition(":")
        return [oracle.keyword_text(v) for v in oracle.values(record, field)].count(value)
    return sum(oracle.words(t).count(term) for t in texts(record))


def texts(record):
    return [oracle.keyword_text(v) or "" for f in ("title", "body") for v in oracle.values(record, f)]


def bm25(words, live, found, k1=1.2, b=0.75):
    """{id: score in millionths} of every document with one of the words, by the formula as docs/mount.md has it."""
    lengths = {key: sum(map(len, map(oracle.words, texts(record)))) for key, (record, _) in live.items()}
    average = sum(lengths.values()) / len(live)
    scores = dict.fromkeys(live, 0.0)
    for word in sorted(words, key=str.encode):
        n = len(found.get(word, ()))
        idf = math.log(1 + (len(live) - n + 0.5) / (n + 0.5))
        for key in found.get(word, ()):
            tf = count(live[key][0], word)
            scores[key] += idf * (tf * (k1 + 1) / (tf + k1 * (1 - b + b * (lengths[key] / average))))
    return {key: int(score * 1e6 + 0.5) for key, score in scores.items()}


def ranked(scores, ids):
    best = sorted((-scores[key], key.encode()) for key in ids)[:1000]
    return b"".join(b"%d.%06d\t%s\n" % (-s // 1000000, -s % 1000000, key) for s, key in best)


@pytest.mark.release
def test_ranks_are_those_of_an_index_of_the_live_documents(filled):
    box, live, found = filled
    mount, a = box.mount(), Answers(live, found)
    cases = [
        ("espresso", ["espresso"], a.words("espresso")),
        ("Grinder OR naïve OR Ⅷ", ["grinder", "naïve", "viii"], a.words("grinder") | a.words("naïve") | a.words("viii")),
        ("x86-64 espresso", ["x86", "64", "espresso"], a.words("x86 64 espresso")),
        ("more NOT espresso", ["more"], a.words("more") - a.words("espresso")),
        ("more espresso n:7", ["more", "espresso"], a.words("more espresso") & found["n:7"]),
        ("esp* brand:Acme", [], a.prefix("esp", False) & found["brand:Acme"]),
        ("NOT espresso", [], a.all - a.words("espresso")),
        ("nowhere OR more", ["nowhere", "more"], a.words("more")),
    ]
    for text, words, ids in cases:
        want = ranked(bm25(words, live, found), ids)
        assert (mount / "rank" / oracle.name_of(text)).read_bytes() == want, text
        assert box.run("query", "--rank", text).out.encode() == want, text
    assert os.listdir(mount / "rank") == []
    assert not (mount / "rank" / "espresso AND").exists()


def test_k1_and_b_are_seen_from_the_next_generation_on(filled):
    box, live, found = filled
    before = box.mount().text("rank/espresso OR more")
    box.feed.put(5, [{"id": "a-new-one", "item": "i", "title": "nothing"}])
    box.build("--set", "index.k1=0.5", "--set", "index.b=0.1")
    live, found = dict(live), {t: set(ids) for t, ids in found.items()}
    record = {"id": "a-new-one", "item": "i", "title": "nothing"}
    live["a-new-one"] = (record, b"")
    mount = box.mount()
    ids = found["espresso"] | found["more"]
    want = ranked(bm25(["espresso", "more"], live, found, 0.5, 0.1), ids)
    assert mount.text("rank/espresso OR more").encode() == want
    number = int(mount.text("generation"))
    assert mount.text(f"generations/{number - 1}/rank/espresso OR more") == before


def test_a_group_list_longer_than_one_answer_is_listed_once(box):
    box.feed.put(0, [{"id": f"a{i}", "item": f"group {i:05d} " + "x" * 200, "title": "x"} for i in range(9000)])
    box.build()
    listed = os.listdir(box.mount() / "groups")
    assert len(listed) == len(set(listed)) == 9000


def test_expressions_that_are_none_are_no_files(filled):
    box, _, _ = filled
    mount = box.mount()
    for text in ["a AND", "(a", "a<1", "*", "--", "NOT", '""', 'a"b"', "a*b"]:
        assert not (mount / "query" / oracle.name_of(text)).exists(), text
    assert (mount / "query" / "nothing-has-this").read_bytes() == b""
    with pytest.raises(OSError) as e:
        (mount / "query" / "a").write_bytes(b"x")
    assert e.value.errno in (errno.EROFS, errno.EACCES)


def test_the_command_says_what_the_mount_shows_and_why_it_does_not(filled):
    box, live, found = filled
    mount = box.mount()
    for text in ["espresso NOT grinder", "brand:Acme OR brand:*", "NOT espresso", "東京"]:
        result = box.run("query", text)
        assert (result.code, result.out) == (0, mount.text("query/" + oracle.name_of(text))), result
        assert box.run("query", text, box.feed.url).out == result.out
    result = box.run("query", "espresso (n:7")
    assert result.code == EX_USAGE and "column 10: this parenthesis is never closed" in result.err, result
    assert "no letter" in box.run("query", "a --- b").err


def test_nothing_published_has_no_answers(box):
    box.feed.root.joinpath("x").mkdir()
    box.try_build()
    mount = box.mount()
    for name in ("query", "rank", "postings", "groups"):
        assert os.listdir(mount / name) == []
        assert not (mount / name / "espresso").exists()
    result = box.run("query", "a")
    assert result.code != 0 and "nothing is published" in result.err
