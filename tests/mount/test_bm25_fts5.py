# SPDX-License-Identifier: Apache-2.0
"""rank/ beside SQLite FTS5's bm25(), over the same words of the same documents of the Debian catalogue.

FTS5 has the same formula, k1 and b, but another idf: ln((N - n + 0.5) / (n + 0.5)), never under 1e-6. So with one word its
scores are ours times a constant, and the order must be the same; with two, each word's share is scaled by its own."""

import configparser
import math
import os
import random
import sqlite3

import pytest

import oracle
from test_catalogue import catalogue  # a fixture

SEED = int(os.environ.get("FRESHET_SEED") or 1)
QUERIES = 100  # of one word, and as many of two
ROUNDED = 1.1e-6  # ours have six decimals


class Fts5:
    """The documents in FTS5, every word as a number, so that both cut them in the same way."""

    def __init__(self, live, fields):
        self.numbers, self.df, self.count = {}, {}, len(live)
        self.db = sqlite3.connect(":memory:")
        self.db.execute("CREATE VIRTUAL TABLE doc USING fts5(id UNINDEXED, text, detail=full)")
        self.db.executemany("INSERT INTO doc VALUES (?, ?)", self.rows(live, fields))
        self.db.execute("INSERT INTO doc(doc) VALUES ('optimize')")

    def rows(self, live, fields):
        for key, (record, _) in live.items():
            found = []
            for field in fields:
                for value in oracle.values(record, field):
                    found += oracle.words(oracle.keyword_text(value) or "")
            for word in set(found):
                self.df[word] = self.df.get(word, 0) + 1
            yield key, " ".join(f"w{self.numbers.setdefault(word, len(self.numbers))}" for word in found)

    def scores(self, *words):
        """{id: -bm25()} of the documents with all of the words."""
        match = " ".join(f"w{self.numbers[word]}" for word in words)
        return dict(self.db.execute("SELECT id, -bm25(doc) FROM doc WHERE doc MATCH ?", (match,)))

    def to_ours(self, word):
        """What turns a one-word score of FTS5 into one of ours."""
        n, all_ = self.df[word], self.count
        theirs = math.log((all_ - n + 0.5) / (n + 0.5))
        return math.log(1 + (all_ - n + 0.5) / (n + 0.5)) / (theirs if theirs > 0 else 1e-6)


def check(rows, want, what):
    """Each score as it should be, best first, and none left out that is better than the last."""
    ours = [(float(score), key) for score, key in (row.split("\t") for row in rows.splitlines())]
    assert len(ours) == min(len(want), 1000), what
    assert ours == sorted(ours, key=lambda r: (-r[0], r[1].encode())), what
    for score, key in ours:
        assert abs(score - want[key]) <= ROUNDED * max(1, want[key] * 1e-3), (what, key)
    listed = {key for _, key in ours}
    if ours:
        assert all(score <= ours[-1][0] + 2 * ROUNDED for key, score in want.items() if key not in listed), what


@pytest.mark.release
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_order_of_one_and_two_words_is_that_of_fts5(catalogue):
    box = catalogue
    box.build("--all", timeout=1200)
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(box.config)
    partitions = sorted(str(p.relative_to(box.feed.root)) for p in box.feed.root.glob("dt=*/hour=*/minute=*"))
    live = oracle.documents(box.feed.root, partitions, ini["document"]["id"])
    assert len(live) >= 10000, "this machine's package lists are empty: run apt-get update"
    fts = Fts5(live, [f.strip() for f in ini["document"]["text"].split(",")])
    mount, rng = box.mount(), random.Random(SEED)

    # Rare ones and common ones alike; some are in more than half of the documents.
    words = sorted(w for w in fts.df if w.isascii() and not w.isdigit() and fts.df[w] > 1)
    common = sorted(words, key=lambda w: -fts.df[w])[:300]
    for word in rng.sample(words, QUERIES // 2) + common[:3] + rng.sample(common[3:], QUERIES // 2 - 3):
        theirs = fts.scores(word)
        scale = fts.to_ours(word)
        check(mount.text(f"rank/{word}"), {key: score * scale for key, score in theirs.items()}, word)

    same = 0
    for _ in range(QUERIES):
        a, b = rng.sample(common, 2)
        both, one, two = fts.scores(a, b), fts.scores(a), fts.scores(b)
        want = {key: one[key] * fts.to_ours(a) + two[key] * fts.to_ours(b) for key in both}
        rows = mount.text(f"rank/{a} {b}")
        check(rows, want, (a, b))
        ours = [row.split("\t")[1] for row in rows.splitlines()[:10]]
        theirs = sorted(both, key=lambda key: (-both[key], key.encode()))[:10]
        same += len(set(ours) & set(theirs)) / max(1, len(ours))
    print(f"of the best ten for two common words, FTS5 has the same {same / QUERIES:.0%}")
    assert same / QUERIES > 0.9  # only the idf of common words differs
