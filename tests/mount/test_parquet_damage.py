# SPDX-License-Identifier: Apache-2.0
"""A Parquet file may say anything: the worst that comes of it is that its partition fails, with a reason, and soon."""

import os
import random
import struct
import subprocess
import tempfile
import time

import pytest

import parquet
from harness import EX_DATAERR, slice_path, table
from parquet import pa, parsed, pq
from test_parquet import KEYED, part

pytestmark = pytest.mark.skipif(bool(parquet.WHY_NOT), reason=str(parquet.WHY_NOT))

FLIPS = int(os.environ.get("FRESHET_FLIPS", "150"))


def samples(root):
    """{name: bytes}: files whose damage means different things, a few hundred bytes to some kilobytes."""
    kinds = parquet.kinds()
    chosen = {
        "plain": ("int64", {"compression": "none", "use_dictionary": False}),
        "snappy": ("string", {"compression": "snappy"}),
        "zstd": ("struct", {"compression": "zstd", "data_page_version": "2.0"}),
        "gzip": ("list_of_structs", {"compression": "gzip", "row_group_size": 200}),
        "dictionary": ("enum", {"compression": "none", "data_page_size": 300}),
        "delta": ("encoding_delta_byte_array_v2", {"compression": "none"}),
    }
    made = {}
    for name, (kind, options) in chosen.items():
        columns, more = kinds[kind]
        path = parquet.write(root / f"{name}.parquet", parquet.keyed(columns, name), store_schema=False, **(more | options))
        made[name] = path.read_bytes()
    return made


def footer_at(data):
    return len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]


def column_pages(data):
    """Where each column chunk of a file begins, its dictionary included, and how long it is."""
    meta = pq.ParquetFile(pa.BufferReader(data)).metadata
    for group in range(meta.num_row_groups):
        for i in range(meta.num_columns):
            chunk = meta.row_group(group).column(i)
            first = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)))
            yield first, chunk.total_compressed_size


def overwritten(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def varint(n):
    """As Thrift's compact protocol writes it."""
    n, out = n << 1, b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def damages(data):
    """{what was done: bytes}, each beyond what any reader may accept."""
    size, footer = len(data), footer_at(data)
    made = {f"cut to {n} bytes": data[:n] for n in (0, 1, 3, 4, 8, 11, 12, size // 4, size // 2, footer, size - 9, size - 8, size - 4, size - 1)}
    made["footer length of nothing"] = overwritten(data, size - 8, struct.pack("<I", 0))
    made["footer longer than the file"] = overwritten(data, size - 8, struct.pack("<I", size + 1))
    made["footer of 4 GiB"] = overwritten(data, size - 8, b"\xff" * 4)
    made["footer begins late"] = overwritten(data, size - 8, struct.pack("<I", size - 8 - footer - 5))
    made["other magic"] = overwritten(data, size - 4, b"PARQ")
    made["footer of zeros"] = overwritten(data, footer, bytes(size - 8 - footer))
    made["footer of ones"] = overwritten(data, footer, b"\xff" * (size - 8 - footer))
    made["footer's middle lost"] = data[: footer + 20] + data[footer + 60 :]
    for what, filler in (("zeros", b"\0"), ("ones", b"\xff"), ("text", b"freshet ")):
        (first, length), *_ = column_pages(data)
        made[f"first pages of {what}"] = overwritten(data, first, (filler * length)[:length])
    return made


def rows_claimed(data):
    """The footer says one row more than there are."""
    meta = pq.ParquetFile(pa.BufferReader(data)).metadata
    footer, at = footer_at(data), -1
    # num_rows of the file: field 3, i64, behind the schema.
    said = b"\x16" + varint(meta.num_rows)
    at = data.index(said, footer)
    return overwritten(data, at, b"\x16" + varint(meta.num_rows + 1))


def test_a_hundred_damaged_files_each_fail_their_partition(box):
    box.configure(KEYED)
    broken = {}
    for name, data in samples(box.root / "samples").items():
        broken |= {f"{name}, {what}": bad for what, bad in damages(data).items()}
        broken[f"{name}, rows that are not there"] = rows_claimed(data)
    assert len(broken) >= 100
    for i, data in enumerate(broken.values()):
        box.feed.put(i, data, name="part-0.parquet")
    box.feed.put(len(broken), [{"id": "sound"}])
    started = time.monotonic()
    assert box.try_build().code == EX_DATAERR
    assert time.monotonic() - started < 200
    mount = box.mount()
    rows = table(mount)
    for i, what in enumerate(broken):
        row = rows[slice_path(i)]
        assert row["state"] == "failed", f"{what}: {row}"
        reason = row["reason"]
        assert reason.startswith("part-0.parquet: ") and len(reason) > 40, f"{what}: {reason}"
        assert "crashed" not in reason and "hung" not in reason and "/proc" not in reason, f"{what}: {reason}"
    assert os.listdir(mount / "docs") == ["sound"]
    # None of them is tried again before it changes.
    assert "nothing is due" in box.build().out


def flip(rng, data):
    """A few bytes changed, most often in the footer, where they do most."""
    data = bytearray(data)
    low = footer_at(data) if rng.random() < 0.6 else 0
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(low, len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(data)


def read_by_pyarrow(data):
    """Its records, or None where it refuses the file."""
    try:
        found = pq.ParquetFile(pa.BufferReader(data)).read()
        found.validate(full=True)
        return parquet.records_of(found)
    except Exception:  # whatever kind of error a damaged file makes of itself
        return None


def read_by_helper(data):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        done = subprocess.run([parquet.HELPER, str(1 << 30)], stdin=file, capture_output=True, timeout=60)
    assert done.returncode in (0, 65), done
    return list(map(parsed, done.stdout.splitlines())) if done.returncode == 0 else None


def test_flipped_bytes_give_the_rows_that_pyarrow_reads_or_a_failure(box):
    """Values have no checksum of their own, and readers may make something else of a null's flipped mark; that is rare."""
    seed = int(os.environ.get("FRESHET_SEED", "20260504"))
    print(f"FRESHET_SEED={seed} FRESHET_FLIPS={FLIPS}")
    rng = random.Random(seed)
    box.configure(KEYED + "[build]\nmax_reject_ratio = 1\n")
    made = samples(box.root / "samples")
    flipped = [flip(rng, made[rng.choice(list(made))]) for _ in range(FLIPS)]
    for i, data in enumerate(flipped):
        box.feed.put(i, data, name="part-0.parquet")
    assert box.try_build(timeout=280).code == EX_DATAERR
    rows = table(box.mount())
    others = 0
    for i, data in enumerate(flipped):
        row, ours = rows[slice_path(i)], read_by_helper(data)
        if ours is None:
            assert row["state"] == "failed" and row["reason"].startswith("part-0.parquet: "), f"flip {i}: {row}"
            assert "crashed" not in row["reason"] and "hung" not in row["reason"], f"flip {i}: {row}"
        else:
            assert int(row["records"]) == len(ours), f"flip {i}: {row}"
            others += ours != read_by_pyarrow(data)
    assert {row["state"] for row in rows.values()} == {"failed", "published"}
    assert others <= FLIPS / 20
    box.verify()


def test_a_few_bytes_that_claim_much_do_not_take_much(box):
    """Rows without end, a page of gigabytes, a dictionary of one long value: each ends soon, in bounded memory."""
    box.configure(KEYED + "[build]\nmemory = 128MiB\n")
    long = "x" * 1000000
    files = {
        "the same row a billion times": None,
        "one long value again and again": pa.table({"id": pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), [long])}),
        "a value over every limit": pa.table({"id": ["a"], "c": ["y" * (200 << 20)]}),
        "deep nesting": None,
    }
    group = pa.table({"id": pa.DictionaryArray.from_arrays(pa.array([0] * 1000000, pa.int32()), ["same"])})
    deep, value = pa.int64(), 1
    for _ in range(150):
        deep, value = pa.list_(deep), [value]
    for i, (what, data) in enumerate(files.items()):
        path = part(box, i)
        path.parent.mkdir(parents=True)
        if what.startswith("the same row"):
            with pq.ParquetWriter(path, group.schema) as writer:
                for _ in range(20):
                    writer.write_table(group)
        elif what == "deep nesting":
            parquet.write(path, pa.table({"id": ["a"], "c": pa.array([value], deep)}))
        else:
            parquet.write(path, data, compression="zstd")
    started = time.monotonic()
    assert box.try_build().code == EX_DATAERR
    assert time.monotonic() - started < 120
    rows = table(box.mount())
    for i, what in enumerate(files):
        row = rows[slice_path(i)]
        assert row["state"] == "failed" and row["reason"], f"{what}: {row}"
        print(what, row["reason"])
