# SPDX-License-Identifier: Apache-2.0
"""freshet doctor says what is wrong and what to do, and changes nothing."""

import os
import time

import pytest

from harness import DOCUMENTS, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE


def examine(box, *args, code=0):
    """{what: (finding, text)}"""
    result = box.run("doctor", box.feed.url, "--config", box.config, *args)
    assert result.code == code, result
    lines = [line.split(None, 2) for line in result.out.splitlines()]
    return {what: (finding, text) for finding, what, text in lines}


def contents(root):
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*") if not p.name.endswith(("-shm", "-wal")))


@pytest.mark.release
def test_a_sound_host_has_nothing_to_complain_of(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    before = contents(box.root)
    found = examine(box)
    assert {finding for finding, _ in found.values()} == {"ok"}, found
    assert set(found) == {"fuse", "config", "state", "index", "space", "feed", "clock", "parquet"}
    assert "1 documents in 1 segments" in found["index"][1]
    assert "1 partitions in the window, 0 to index now" in found["feed"][1]
    assert contents(box.root) == before


@pytest.mark.directory("times of one's choice")
def test_what_is_wrong_is_said(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    file = box.feed.put(1, b"no JSON\n" * 20)
    assert box.try_build().code == EX_DATAERR
    os.utime(file, (time.time() + 500,) * 2)
    found = examine(box)
    assert found["clock"][0] == "warn" and "seconds ahead" in found["clock"][1]
    box.configure(DOCUMENTS.replace("text = title, body", "text = body"))
    assert examine(box)["index"] == ("warn", "generation 1 was folded by other rules: the next build folds again")
    box.configure(DOCUMENTS, feed="partition = %Y/%m/%d/%H/%M")
    found = examine(box)
    assert found["feed"][0] == "warn" and "no partition like %Y/%m/%d/%H/%M" in found["feed"][1]
    box.configure(DOCUMENTS)
    assert box.run("rollback", "1", "--config", box.config).code == 0
    assert "--resume" in examine(box)["builds"][1]


def test_how_far_followers_are_is_said(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    dest = box.root / "store"
    setting = ("--set", f"publish.dest={dest}")
    assert examine(box, *setting)["publish"] == ("warn", f"generation 1 is not yet published to {dest}: a mount, or freshet publish, does it")
    assert box.try_build(*setting).code == EX_NOINPUT
    finding, text = examine(box, *setting)["publish"]
    assert finding == "warn" and "the last one ended with: " in text and str(dest) in text
    dest.mkdir()
    box.build(*setting)
    assert examine(box, *setting)["publish"] == ("ok", f"generation 1 is published to {dest}")


def test_parquet_without_a_reader_is_a_fault(box, monkeypatch):
    box.feed.put(0, [{"id": "a"}], name="part-0.jsonl")
    box.build()
    monkeypatch.setenv("FRESHET_PARQUET", "/nonexistent/freshet-parquet")
    assert examine(box)["parquet"] == ("ok", "is not in this build, and no file in the window is of it")
    box.feed.put(1, b"PAR1", name="part-0.parquet")
    finding, text = examine(box, code=EX_UNAVAILABLE)["parquet"]
    assert finding == "FAIL" and "there is no /nonexistent/freshet-parquet; build freshet with DuckDB" in text


def test_what_cannot_be_opened_is_said_with_its_exit_status(box):
    result = box.run("doctor", box.feed.url, "--config", box.config)
    assert result.code == 66 and "no such state directory; `freshet build` makes it" in result.err
    box.build()
    box.config.write_text("[feed]\ncadense = 5m\n")
    result = box.run("doctor", box.feed.url, "--config", box.config)
    assert result.code == 78 and "cadense" in result.err
