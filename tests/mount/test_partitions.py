# SPDX-License-Identifier: Apache-2.0
"""partitions.tsv tells the truth about a feed with gaps, late, empty and broken partitions."""

import calendar
import os
import time

import pytest

from harness import DOCUMENTS, EX_DATAERR, eventually, rfc3339, slice_path, slice_time, table


def seconds(stamp):
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.release
def test_a_feed_with_everything_in_it(box):
    good = box.feed.put(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "lungo"}])
    # 1 is a gap, 2 has no data, 3 is broken, 4 has a few bad lines, 5 is a truncated .gz.
    box.feed.put(2, b"", "_started")
    box.feed.put(3, b"this is no JSON\n" * 20)
    lines = b"".join(b'{"id":"d%d","title":"cortado"}\n' % i for i in range(300))
    box.feed.put(4, lines + b"{broken\n")
    box.feed.put(5, [{"id": "e", "title": "ristretto"}], "part-0.jsonl.gz")
    packed = box.feed.dir(5) / "part-0.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    started = int(time.time())
    result = box.try_build()
    assert result.code == EX_DATAERR, result
    mount = box.mount()
    rows = table(mount)
    assert slice_path(1) not in rows
    assert list(rows) == sorted(rows)

    row = rows[slice_path(0)]
    assert (row["state"], row["files"], row["records"], row["rejected"]) == ("published", "1", "2", "0")
    assert (row["bytes"], row["generation"], row["reason"]) == (str(good.stat().st_size), "1", "")
    assert abs(seconds(row["arrived"]) - good.stat().st_mtime) <= 1
    assert started <= seconds(row["detected"]) <= seconds(row["published"])

    row = rows[slice_path(2)]
    assert (row["state"], row["files"], row["reason"]) == ("open", "0", "no files")
    assert rows[slice_path(3)]["state"] == "failed"
    assert rows[slice_path(3)]["reason"]
    row = rows[slice_path(4)]
    assert (row["state"], row["records"], row["rejected"]) == ("published", "301", "1")
    assert rows[slice_path(5)]["state"] == "failed"
    assert "part-0.jsonl.gz" in rows[slice_path(5)]["reason"]

    # Nothing of the failed ones shows, and what is complete stops before the first gap.
    assert mount.ids("ristretto") is None
    assert mount.text("watermark") == rfc3339(slice_time(4)) + "\n"
    assert mount.text("complete_through") == rfc3339(slice_time(0)) + "\n"
    counts = box.status()["partitions"]
    assert (counts["published"], counts["failed"]) == (2, 2)


def test_a_mended_partition_is_published_and_fills_the_gap(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(1, b"no JSON\n" * 20)
    box.feed.put(2, [{"id": "c", "title": "espresso"}])
    assert box.try_build().code == EX_DATAERR
    mount = box.mount()
    assert table(mount)[slice_path(1)]["state"] == "failed"
    assert mount.text("complete_through") == rfc3339(slice_time(0)) + "\n"
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build()
    assert table(mount)[slice_path(1)]["state"] == "published"
    assert mount.ids("espresso") == ["a", "b", "c"]
    assert mount.text("complete_through") == mount.text("watermark") == rfc3339(slice_time(2)) + "\n"


def test_a_late_partition_is_published_and_the_watermark_stays(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(2, [{"id": "c", "title": "espresso"}])
    box.build()
    mount = box.mount()
    assert mount.text("complete_through") == rfc3339(slice_time(0)) + "\n"
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.build()
    row = table(mount)[slice_path(1)]
    assert (row["state"], row["generation"]) == ("published", "2")
    assert mount.text("watermark") == mount.text("complete_through") == rfc3339(slice_time(2)) + "\n"


def test_partitions_older_than_the_window_are_skipped_as_old(box):
    box.configure(DOCUMENTS, lag="window = 10m")
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(9, [{"id": "b", "title": "espresso"}])
    box.build()
    row = table(box.mount())[slice_path(0)]
    assert (row["state"], row["reason"]) == ("skipped", "old")


def test_partitions_whose_content_left_are_expired(box):
    box.configure(DOCUMENTS, lag="window = 10m")
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    box.feed.put(9, [{"id": "b", "title": "espresso"}])
    box.build()
    mount = box.mount()
    assert table(mount)[slice_path(0)]["state"] == "expired"
    assert mount.ids("espresso") == ["b"]


def test_rejects_go_when_their_partition_expires(box):
    box.configure(DOCUMENTS, lag="window = 10m")
    lines = b"".join(b'{"id":"d%d","title":"x"}\n' % i for i in range(300)) + b"[1]\n"
    for i in (0, 1):
        box.feed.put(i, lines)
    box.build()
    mount = box.mount()
    assert (mount / f"rejects/{slice_path(0)}/part-0.jsonl.tsv").exists()
    box.feed.put(2, [{"id": "b", "title": "espresso"}])
    box.build()
    assert table(mount)[slice_path(0)]["state"] == "expired"
    assert table(mount)[slice_path(1)]["state"] == "published"
    eventually(lambda: os.listdir(mount / "rejects") == ["dt=2024-05-04"], "rejects of one day")
    here = mount / "rejects" / slice_path(0)
    eventually(lambda: not here.exists(), "the expired partition's rejects gone")
    assert (mount / f"rejects/{slice_path(1)}/part-0.jsonl.tsv").read_text().startswith("301\t")


def test_partitions_in_the_future_are_open_and_move_nothing(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put("dt=2136-01-01/hour=00/minute=00", [{"id": "z", "title": "espresso"}])
    box.build()
    mount = box.mount()
    assert mount.ids("espresso") == ["a"]
    assert mount.text("watermark") == rfc3339(slice_time(0)) + "\n"


def test_markers_complete_partitions_also_empty_ones(box):
    box.configure(DOCUMENTS, feed="quiet = 0s\ncomplete = marker")
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    box.feed.put(2, b"", "_SUCCESS")
    box.build()
    mount = box.mount()
    rows = table(mount)
    assert [rows[slice_path(i)]["state"] for i in range(3)] == ["open", "open", "published"]
    assert mount.ids("espresso") is None
    box.feed.put(0, b"", "_SUCCESS")
    box.build()
    assert mount.ids("espresso") == ["a"]
    assert table(mount)[slice_path(0)]["state"] == "published"


def test_files_that_are_no_data_are_left_alone(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    for name in ("notes.txt", "_tmp/part-1.jsonl", ".part-2.jsonl", "part-3.jsonl.bz2", "part-4.csv"):
        box.feed.put(0, [{"id": "wrong", "title": "espresso"}], name)
    box.feed.put("not/a/partition", [{"id": "wrong", "title": "espresso"}])
    box.build()
    mount = box.mount()
    assert mount.ids("espresso") == ["a"]
    assert table(mount)[slice_path(0)]["files"] == "1"


def test_refused_records_are_kept_with_line_and_reason(box):
    lines = [b'{"id":"d%d","title":"x"}' % i for i in range(300)]
    lines[6] = b"[1,2]"
    lines[9] = b'{"title":"no id"}'
    box.feed.put(0, b"\n".join(lines) + b"\n")
    box.build()
    mount = box.mount()
    rejects = mount.text(f"rejects/{slice_path(0)}/part-0.jsonl.tsv").splitlines()
    assert [line.split("\t")[0] for line in rejects] == ["7", "10"]
    assert rejects[0].split("\t")[2] == "[1,2]"
    assert box.status()["rejected"] == 2
