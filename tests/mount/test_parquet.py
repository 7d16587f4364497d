# SPDX-License-Identifier: Apache-2.0
"""Parquet: each row is a record, exactly as pyarrow reads it, whatever wrote the file; and what is wrong is a partition's failure."""

import os
import signal
import subprocess

import pytest

import parquet
import parquet_raw
from harness import EX_DATAERR, HANG, Box, children, eventually, is_running, lines_of, shown, slice_path, table
from parquet import pa, parsed, pq

pytestmark = pytest.mark.skipif(bool(parquet.WHY_NOT), reason=str(parquet.WHY_NOT))

KEYED = "[document]\nid = id\ngroup = group\ntext =\n"
CATALOGUE = [
    {"id": f"ad-{i}", "item": f"item-{i % 7}", "title": f"Espresso grinder {i}", "brand": ["Acme", "Foza", "a/b"][i % 3], "n": i}
    for i in range(50)
]


def part(box, i, name="part-0.parquet"):
    return box.feed.dir(i) / name


def lines(mount, group):
    return [parsed(line) for line in mount.text(f"groups/{group}").splitlines()]


@pytest.mark.release
def test_rows_of_every_kind_of_file_are_what_pyarrow_reads(box):
    box.configure(KEYED)
    kinds = parquet.kinds()
    assert len(kinds) >= 40
    for i, (name, (columns, options)) in enumerate(kinds.items()):
        parquet.write(part(box, i, f"part-00000-{i:04x}.c000.{options.get('compression', 'snappy')}.parquet"), parquet.keyed(columns, name), **options)
    box.build()
    mount = box.mount()
    for i, name in enumerate(kinds):
        (path,) = box.feed.dir(i).iterdir()
        want = parquet.records_of(pq.ParquetFile(path).read())
        got = lines(mount, name)
        assert len(want) == len(got) == parquet.ROWS
        for row, (one, other) in enumerate(zip(want, got)):
            assert one == other, f"{name}, row {row}"
    assert all(row["state"] == "published" for row in table(mount).values())
    box.verify()


def test_lists_of_older_writers_are_what_pyarrow_reads(box):
    box.configure(KEYED)
    for i, (name, (rows, column)) in enumerate(parquet_raw.SHAPES.items()):
        parquet_raw.write(part(box, i), rows, *parquet_raw.keyed(f"g{i}", rows, column))
    box.build()
    mount = box.mount()
    for i, name in enumerate(parquet_raw.SHAPES):
        want = parquet.records_of(pq.ParquetFile(part(box, i)).read())
        assert lines(mount, f"g{i}") == want, name


def test_what_duckdb_would_take_for_something_else_fails(box):
    """Marked by LogicalType alone, which DuckDB passes over: a string would be base64, a decimal an integer."""
    box.configure(KEYED)
    for i, (name, (rows, column)) in enumerate(parquet_raw.ALONE.items()):
        parquet_raw.write(part(box, i), rows, *parquet_raw.keyed("g", rows, column))
    assert box.try_build().code == EX_DATAERR
    rows = table(box.mount())
    for i, name in enumerate(parquet_raw.ALONE):
        assert rows[slice_path(i)]["state"] == "failed" and "column c: " in rows[slice_path(i)]["reason"], name
        assert "LogicalType alone" in rows[slice_path(i)]["reason"], name
    # Where it is not wanted it does no harm.
    box.configure(KEYED, feed="quiet = 0s\ncolumns = configured")
    box.build("--retry", state=box.root / "other")


def test_instants_at_the_ends(box):
    """DuckDB's infinities are values of the file, as pandas.Timestamp.max is; and the older mark alone means UTC."""
    box.configure(KEYED)
    most = 2**63 - 1
    ends = {
        "ns": pa.array([most, -most], pa.timestamp("ns", "UTC")),
        "us": pa.array([most, -most], pa.timestamp("us", "UTC")),
        "ms": pa.array([most, -most], pa.timestamp("ms")),
    }
    for i, (unit, column) in enumerate(ends.items()):
        parquet.write(part(box, i), parquet.keyed(column, unit))
    older = parquet_raw.Node("required", "c", "INT64", "TIMESTAMP_MILLIS")
    parquet_raw.write(part(box, len(ends)), 2, *parquet_raw.keyed("older", 2, (older, ([1500, most],))))
    box.build()
    mount = box.mount()
    assert {group: [line[3][1] for line in lines(mount, group)] for group in (*ends, "older")} == {
        "ns": ["2262-04-11T23:47:16.854775Z", "1677-09-21T00:12:43.145225Z"],
        "us": ["+294247-01-10T04:00:54.775807Z", "-290308-12-21T19:59:05.224193Z"],
        "ms": ["+292278994-08-17T07:12:55.807", "-292275055-05-16T16:47:04.193"],
        "older": ["1970-01-01T00:00:01.500Z", "+292278994-08-17T07:12:55.807Z"],
    }


def test_a_signal_that_whoever_started_it_ignores_is_nothing_to_it(box):
    box.configure(KEYED)
    parquet.write(part(box, 0), pa.table({"id": ["a"], "c": [1]}))
    argv = box.argv("build", box.feed.url, "--config", box.config)
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    done = subprocess.run(argv, env=box.environment(), preexec_fn=ignore, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done


def test_lines_and_rows_give_the_same_index(box):
    half = len(CATALOGUE) // 2
    (box.root / "other").mkdir()
    others = Box(box.root / "other")
    try:
        for i, records in enumerate((CATALOGUE[:half], CATALOGUE[half:], [{"id": "ad-3", "op": "delete"}])):
            box.feed.put(i, records)
            parquet.write(part(others, i), pa.Table.from_pylist(records), compression="zstd")
        box.build()
        others.build()
        ours, theirs = (shown(b.mount(), segments=False) for b in (box, others))
        assert ours.keys() == theirs.keys()
        for path in ours:
            if path.startswith(("docs/", "groups/")):
                assert list(map(parsed, ours[path].splitlines())) == list(map(parsed, theirs[path].splitlines()))
            else:
                assert ours[path] == theirs[path], path
    finally:
        others.close()


def test_files_as_spark_leaves_them(box):
    """Hidden checksums, a marker, empty parts, a file without row groups, several codecs; and nothing of the path becomes a column."""
    box.configure(KEYED, feed="quiet = 0s\ncomplete = marker")
    rows = pa.table({"id": ["a", "b"], "group": ["g", "g"], "c": [1, 2]})
    parquet.write(part(box, 0, "part-00000-9d1c.c000.snappy.parquet"), rows)
    parquet.write(part(box, 0, "part-00001-9d1c.c000.gz.parquet"), rows.slice(0, 0), compression="gzip")
    pq.ParquetWriter(part(box, 0, "part-00002-9d1c.c000.parquet"), rows.schema).close()
    part(box, 0, ".part-00000-9d1c.c000.snappy.parquet.crc").write_bytes(b"crc")
    part(box, 0, "_SUCCESS").touch()
    box.build()
    mount = box.mount()
    assert mount.text("docs/a") == '{"id":"a","group":"g","c":1}\n'
    row = table(mount)[slice_path(0)]
    assert (row["files"], row["records"], row["rejected"]) == ("3", "2", "0")


def test_no_id_means_partition_file_and_row(box):
    box.configure("")
    parquet.write(part(box, 0), pa.table({"title": ["espresso", None, "filter"]}))
    box.build()
    mount = box.mount()
    assert mount.ids("filter") == [f"{slice_path(0)}/part-0.parquet:3"]


def test_refused_rows_are_told_by_their_number(box):
    box.configure(KEYED)
    ids = [f"id{i}" for i in range(40)]
    ids[17] = ""
    parquet.write(part(box, 0), pa.table({"id": ids, "c": range(40)}))
    box.build()
    text = box.mount().text(f"rejects/{slice_path(0)}/part-0.parquet.tsv")
    assert text.startswith("18\tid: missing or empty\t"), text


@pytest.mark.directory("times of one's choice")
def test_a_rewritten_file_is_read_again_and_a_touched_one_is_not(box):
    box.configure(KEYED)
    path = parquet.write(part(box, 0), pa.table({"id": ["a", "b"], "c": [1, 2]}))
    box.build()
    os.utime(path, (1, 1))
    box.build()
    assert box.status()["generation"] == 1
    parquet.write(path, pa.table({"id": ["b"], "c": [3]}))
    box.build()
    mount = box.mount()
    assert os.listdir(mount / "docs") == ["b"] and mount.text("docs/b") == '{"id":"b","c":3}\n'


def test_only_configured_columns_are_read_where_that_is_said(box):
    rules = KEYED.replace("text =", "text = title, item.name, campaign.name") + (
        "keyword = brand\ndrop_if = campaign.status:paused\n"
        "[attribute.campaign]\nwhen = kind:campaign\nkey = cid\non = campaign_id\n"
    )
    columns = {
        "id": ["a", "b", None],
        "title": ["espresso", "filter", None],
        "item": [{"name": "grinder", "more": 1}, None, None],
        "brand": ["Acme"] * 3,
        "campaign_id": ["c1", "c2", None],
        "kind": [None, None, "campaign"],
        "cid": [None, None, "c1"],
        "status": [None, None, "paused"],
        "name": [None, None, "spring"],
        "blob": [b"x" * 100] * 3,
        "unreadable": pa.array([1, 2, 3], pa.decimal256(50, 10)),
    }
    box.configure(rules, feed="quiet = 0s\ncolumns = configured")
    parquet.write(part(box, 0), pa.table(columns))
    box.build()
    mount = box.mount()
    assert parsed(mount.text("docs/b")) == ["object", ("id", "b"), ("title", "filter"), ("brand", "Acme"), ("campaign_id", "c2")]
    assert os.listdir(mount / "docs") == ["b"] and mount.ids("espresso") is None
    parquet.write(part(box, 1), pa.table({"cid": ["c1"], "kind": ["campaign"], "name": ["winter"], "status": ["active"]}))
    box.build()
    assert mount.ids("winter") == ["a"]
    assert parsed(mount.text("docs/a"))[3] == ("item", ["object", ("name", "grinder"), ("more", 1)])


def test_all_columns_are_kept_for_rules_of_later(box):
    box.configure(KEYED)
    path = parquet.write(part(box, 0), pa.table({"id": ["a"], "brand": ["Acme"]}))
    box.build()
    path.unlink()
    box.configure(KEYED + "keyword = brand\n")
    box.build()
    assert box.mount().ids("brand:Acme") == ["a"]


def test_what_cannot_be_read_exactly_fails_with_the_column(box):
    box.configure(KEYED)
    parquet.write(part(box, 0), pa.table({"id": ["a"], "item": [{"price": 1}]}, schema=pa.schema(
        [("id", pa.string()), ("item", pa.struct([("price", pa.decimal256(50, 10))]))])))
    parquet.write(part(box, 1), pa.table({"id": ["b"]}))
    assert box.try_build().code == EX_DATAERR
    row = table(box.mount())[slice_path(0)]
    assert row["state"] == "failed"
    assert row["reason"] == "part-0.parquet: column price: a decimal of 50 digits, at most 38 can be read"


def test_without_the_helper_a_partition_says_so_and_is_retried(box, monkeypatch):
    box.configure(KEYED)
    parquet.write(part(box, 0), pa.table({"id": ["a"]}))
    box.feed.put(1, [{"id": "b"}], name="part-0.jsonl")
    monkeypatch.setenv("FRESHET_PARQUET", "/nonexistent/freshet-parquet")
    assert box.try_build().code == EX_DATAERR
    mount = box.mount()
    row = table(mount)[slice_path(0)]
    assert row["state"] == "failed"
    assert "Parquet cannot be read here: there is no /nonexistent/freshet-parquet; build freshet with DuckDB" in row["reason"]
    assert os.listdir(mount / "docs") == ["b"]
    monkeypatch.delenv("FRESHET_PARQUET")
    box.build("--now", "2030-01-01T00:00:00Z")  # the back-off is over
    assert sorted(os.listdir(mount / "docs")) == ["a", "b"]


def test_a_base_may_be_of_parquet(box):
    box.configure(KEYED)
    snapshot = box.root / "snapshot"
    for i in range(3):
        parquet.write(snapshot / f"part-{i}.parquet", pa.table({"id": [f"a{i}", f"b{i}"], "c": [i, i]}))
    result = box.run("base", box.feed.url, "--config", box.config, "--from", snapshot, "--at", "2024-05-04T10:00:00Z")
    assert result.code == 0, result
    assert box.mount().text("docs/b2") == '{"id":"b2","c":2}\n'
    (snapshot / "part-1.parquet").write_bytes(b"PAR1 no more")
    result = box.run("base", box.feed.url, "--config", box.config, "--from", snapshot, "--at", "2024-05-04T10:00:00Z")
    assert result.code == EX_DATAERR and "part-1.parquet" in result.err


def test_a_killed_build_leaves_no_helper_and_a_stopped_one_no_mark(box):
    box.configure(KEYED)
    many = pa.table({"id": [f"id{i}" for i in range(300000)], "c": ["x" * 50] * 300000})
    parquet.write(part(box, 0), many, use_dictionary=False)
    for how in (signal.SIGKILL, signal.SIGTERM):
        process = box.start_build()
        helpers = eventually(lambda p=process: children([p.pid]) or p.poll() is not None, "the helper")
        assert helpers is not True, process.communicate()
        process.send_signal(how)
        process.communicate(timeout=60)
        eventually(lambda h=helpers: not any(map(is_running, h)), "the end of the helper")
    box.build()
    mount = box.mount()
    assert table(mount)[slice_path(0)]["records"] == "300000"


def test_lines_and_rows_may_lie_beside_each_other(box):
    box.configure(KEYED)
    parquet.write(part(box, 0), pa.table({"id": ["a", "c"], "v": [1, 1]}))
    box.feed.put(0, lines_of([{"id": "b"}, {"id": "c"}]), name="part-1.jsonl")
    box.build()
    mount = box.mount()
    assert sorted(os.listdir(mount / "docs")) == ["a", "b", "c"] and mount.text("docs/c") == '{"id": "c"}\n'
