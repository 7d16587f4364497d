# SPDX-License-Identifier: Apache-2.0
"""Parquet files for tests, of every kind that writers make, and what a row of them is as a record: by docs/records.md, from what pyarrow
reads, without a line of freshet."""

import base64
import datetime
import json
import math
import os
import random
import struct
import sys
import uuid
from decimal import Decimal
from pathlib import Path

from harness import FRESHET

# Where tests/run.sh puts it: Debian has no package of it.
sys.path += filter(None, [os.environ.get("PYARROW")])
try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    pa = pq = None

HELPER = Path(FRESHET).with_name("freshet-parquet")
WHY_NOT = (
    f"there is no {HELPER}: this build has no DuckDB" if not HELPER.exists() else "pyarrow is not installed" if pa is None else None
)
ROWS = 700


class Real:
    """A number that is no integer: equal to whatever reads back the same at its precision."""

    def __init__(self, value, single=False):
        self.value, self.single = value, single

    def __eq__(self, text):
        if not isinstance(text, str):
            return False
        read = float(text)
        if self.single and math.isfinite(read):
            read = struct.unpack("f", struct.pack("f", read))[0]
        return struct.pack("d", read) == struct.pack("d", self.value) and len(text) <= len(repr(self.value)) + 4

    def __repr__(self):
        return f"Real({self.value!r})"


def parsed(line):
    """A record as it is written: objects as lists of members, numbers that are no integers as their text."""
    return json.loads(line, object_pairs_hook=lambda pairs: ["object", *pairs], parse_float=str)


def fraction(units, per_second):
    nanos = units * (10**9 // per_second)
    digits = 9 if nanos % 1000 else 6 if nanos % 10**6 else 3 if nanos else 0
    return f".{nanos // 10 ** (9 - digits):0{digits}}" if digits else ""


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def clock(units, per_second):
    seconds = units // per_second
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + fraction(units % per_second, per_second)


def day(days):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()


def instant(value, kind):
    per_second = PER_SECOND[kind.unit]
    if kind.tz and kind.unit == "ns":  # DuckDB has no such type: what is below microseconds is cut off
        value, per_second = abs(value) // 1000 * (1 if value > 0 else -1), 10**6
    days, units = divmod(value, 86400 * per_second)
    return f"{day(days)}T{clock(units, per_second)}{'Z' if kind.tz else ''}"


def members(pairs):
    return ["object", *((name, value) for name, value in pairs if value is not None)]


def key_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def rendered(scalar):
    """The value that a record has for an arrow scalar; None: none."""
    kind = scalar.type
    t = pa.types
    if not scalar.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        return str(uuid.UUID(bytes=scalar.value.as_py())) if kind.extension_name == "arrow.uuid" else rendered(scalar.value)
    if t.is_dictionary(kind):
        return rendered(scalar.value)
    if t.is_struct(kind):
        return members((kind.field(i).name, rendered(v)) for i, v in enumerate(scalar.values()))
    if t.is_map(kind):
        entries = [(rendered(e["key"]), rendered(e["value"])) for e in scalar.values]
        return members((key_text(k), v) for k, v in entries)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return [rendered(v) for v in scalar.values]
    if t.is_floating(kind):
        value = scalar.as_py()
        return Real(value, kind != pa.float64()) if math.isfinite(value) else None
    if t.is_decimal(kind):
        text = f"{scalar.as_py():f}"
        return text if kind.scale else int(text)
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind) or t.is_binary_view(kind):
        return base64.b64encode(scalar.as_py()).decode()
    if t.is_timestamp(kind):
        return instant(scalar.value, kind)
    if t.is_date32(kind):
        return day(scalar.value)
    if t.is_date64(kind):
        return day(scalar.value // 86400000)
    if t.is_time(kind):
        return clock(scalar.value, PER_SECOND[kind.unit])
    if t.is_duration(kind):
        return scalar.value
    return scalar.as_py()


def records_of(table):
    """What freshet should have of each row."""
    columns = [(table.column_names[i], table.column(i)) for i in range(table.num_columns)]
    return [members((name, rendered(column[row])) for name, column in columns) for row in range(table.num_rows)]


# ---- kinds of files ----


def some(seed, make, kind, nulls=0.1):
    """An array of random values, some of which are null."""
    rng = random.Random(seed)
    return pa.array([None if rng.random() < nulls else make(rng) for _ in range(ROWS)], kind)


def text(rng):
    return "".join(rng.choice('espresso grinder/"\\\n\té东京\U0001f980') for _ in range(rng.randrange(12)))


def whole(bits, signed=True):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return lambda rng: rng.choice((low, high, 0, rng.randint(low, high), rng.randint(max(low, -9), 9)))


def real(rng):
    return rng.choice((0.0, -0.0, 1.5, 0.1, 1e300, 5e-324, math.inf, -math.inf, math.nan, rng.uniform(-1e6, 1e6)))


def single(rng):
    return struct.unpack("f", struct.pack("f", rng.choice((0.0, 0.1, 16777216.0, 3.4e38, math.nan, rng.uniform(-1e6, 1e6)))))[0]


def half(rng):
    return rng.choice((0.0, 1.5, -2.25, 65504.0, 0.0999755859375, math.inf))


def decimal(precision, scale):
    def make(rng):
        digits = rng.randrange(10 ** rng.randint(1, precision))
        return Decimal(rng.choice((1, -1)) * digits).scaleb(-scale, context=WIDE)

    return make


import decimal as decimal_module  # noqa: E402

WIDE = decimal_module.Context(prec=80)


def between(low, high):
    return lambda rng: rng.choice((low, high, rng.randint(low, high)))


def structure(rng):
    return {
        "title": rng.choice((None, text(rng))),
        "price": rng.choice((None, rng.randrange(1000))),
        "deep": rng.choice((None, {"er": rng.choice((None, [text(rng)]))})),
    }


STRUCT = "struct"


def struct_type():
    return pa.struct([("title", pa.string()), ("price", pa.int32()), ("deep", pa.struct([("er", pa.list_(pa.string()))]))])


def many(make, most=5):
    return lambda rng: [rng.choice((None, make(rng))) for _ in range(rng.randrange(most))]


def kinds():
    """{name: (array or table, options of the writer)}"""
    i64, string = pa.int64(), pa.string()
    one_type = {
        "bool": some(1, lambda r: r.random() < 0.5, pa.bool_()),
        "int8": some(2, whole(8), pa.int8()),
        "int16": some(3, whole(16), pa.int16()),
        "int32": some(4, whole(32), pa.int32()),
        "int64": some(5, whole(64), i64),
        "uint8": some(6, whole(8, False), pa.uint8()),
        "uint16": some(7, whole(16, False), pa.uint16()),
        "uint32": some(8, whole(32, False), pa.uint32()),
        "uint64": some(9, whole(64, False), pa.uint64()),
        "float16": some(10, half, pa.float16()),
        "float32": some(11, single, pa.float32()),
        "float64": some(12, real, pa.float64()),
        "decimal5_2": some(13, decimal(5, 2), pa.decimal128(5, 2)),
        "decimal18_6": some(14, decimal(18, 6), pa.decimal128(18, 6)),
        "decimal38_0": some(15, decimal(38, 0), pa.decimal128(38, 0)),
        "decimal38_38": some(16, decimal(38, 38), pa.decimal128(38, 38)),
        "string": some(17, text, string),
        "large_string": some(18, text, pa.large_string()),
        "string_view": some(19, text, pa.string_view()),
        "binary": some(20, lambda r: r.randbytes(r.randrange(9)), pa.binary()),
        "fixed_binary": some(21, lambda r: r.randbytes(7), pa.binary(7)),
        "date32": some(22, between(-700000, 2900000), pa.date32()),
        "date64": some(23, lambda r: r.randint(-10000, 20000) * 86400000, pa.date64()),
        "time_ms": some(24, between(0, 86399999), pa.time32("ms")),
        "time_us": some(25, between(0, 86399999999), pa.time64("us")),
        "time_ns": some(26, between(0, 86399999999999), pa.time64("ns")),
        "timestamp_s": some(27, between(-(10**10), 10**11), pa.timestamp("s")),
        "timestamp_ms": some(28, between(-(10**13), 10**14), pa.timestamp("ms")),
        "timestamp_us": some(29, between(-(10**16), 10**17), pa.timestamp("us")),
        "timestamp_ns": some(30, between(-(10**18), 9 * 10**18), pa.timestamp("ns")),
        "timestamp_ms_utc": some(31, between(-(10**13), 10**14), pa.timestamp("ms", "UTC")),
        "timestamp_us_zone": some(32, between(-(10**16), 10**17), pa.timestamp("us", "Europe/Zurich")),
        "timestamp_ns_utc": some(33, between(-(10**18), 9 * 10**18), pa.timestamp("ns", "UTC")),
        "duration": some(34, between(-(10**6), 10**15), pa.duration("us")),
        "uuid": pa.array([None if i % 9 == 0 else random.Random(i).randbytes(16) for i in range(ROWS)], pa.uuid()),
        "enum": some(35, lambda r: r.choice(("red", "green", "")), string).dictionary_encode(),
        "null": pa.nulls(ROWS),
        "list_int": some(36, many(whole(64)), pa.list_(i64)),
        "list_string": some(37, many(text), pa.list_(string)),
        "list_of_lists": some(38, many(many(whole(16))), pa.list_(pa.list_(pa.int16()))),
        "fixed_list": some(39, lambda r: [r.random(), None, 2.5], pa.list_(pa.float64(), 3)),
        "struct": some(40, structure, struct_type()),
        "list_of_structs": some(41, many(structure), pa.list_(struct_type())),
        "list_of_single_structs": some(42, many(lambda r: {"a": text(r)}), pa.list_(pa.struct([("a", string)]))),
        "map": some(43, lambda r: [(f"k{i}", r.choice((None, i))) for i in range(r.randrange(4))], pa.map_(string, i64)),
        "map_of_structs": some(44, lambda r: [(i, structure(r)) for i in range(r.randrange(3))], pa.map_(pa.int32(), struct_type())),
    }
    found = {name: (array, {}) for name, array in one_type.items()}
    ids, words, reals = one_type["int64"], one_type["string"], one_type["float64"]
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
        found[f"codec_{codec}"] = (words, {"compression": codec})
        found[f"codec_{codec}_v2"] = (one_type["struct"], {"compression": codec, "data_page_version": "2.0", "data_page_size": 500})
    for encoding, array in (
        ("PLAIN", words),
        ("DELTA_BINARY_PACKED", ids),
        ("DELTA_LENGTH_BYTE_ARRAY", words),
        ("DELTA_BYTE_ARRAY", words),
        ("BYTE_STREAM_SPLIT", reals),
        ("RLE", one_type["bool"]),
    ):
        for version in ("1.0", "2.0"):
            options = {"use_dictionary": False, "column_encoding": {"c": encoding}, "data_page_version": version}
            found[f"encoding_{encoding.lower()}_v{version[0]}"] = (array, options)
    found |= {
        "no_dictionary": (words, {"use_dictionary": False}),
        "dictionary_overflow": (words, {"dictionary_pagesize_limit": 200, "data_page_size": 300, "write_batch_size": 50}),
        "many_row_groups": (one_type["list_of_structs"], {"row_group_size": 37}),
        "row_groups_of_one": (ids, {"row_group_size": 1}),
        "small_pages": (one_type["list_string"], {"data_page_size": 100, "write_batch_size": 10}),
        "page_index_and_checksums": (words, {"write_page_index": True, "write_page_checksum": True, "data_page_size": 500}),
        "no_statistics": (ids, {"write_statistics": False}),
        "no_arrow_schema": (one_type["uint32"], {"store_schema": False}),
        "old_lists": (one_type["list_of_structs"], {"use_compliant_nested_type": False}),
        "version_1": (one_type["timestamp_ms"], {"version": "1.0"}),
        "decimal_as_integer": (one_type["decimal18_6"], {"store_decimal_as_integer": True}),
        "int96": (some(50, lambda r: r.randint(-(10**15), 10**15) * 1000, pa.timestamp("ns")), {"use_deprecated_int96_timestamps": True}),
        "no_nulls": (pa.chunked_array([pa.array(range(ROWS), i64)]), {}),
        "required": (
            pa.table([pa.array(range(ROWS))], schema=pa.schema([pa.field("c", i64, nullable=False)])),
            {"compression": "zstd"},
        ),
        "odd_names": (pa.table([pa.array(range(ROWS))] * 6, names=["a.b", 'q"q', "", "x\x01\n", "ü/%", "SELECT"]), {}),
        "same_names": (pa.table([pa.array(range(ROWS)), words, ids], names=["n", "N", "n"]), {}),
        "same_members": (
            some(51, lambda r: {"a": r.randrange(9), "A": text(r)}, pa.struct([("a", i64), ("A", string)])),
            {},
        ),
        "wide": (pa.table({f"c{i}": pa.array(range(i, ROWS + i)) for i in range(300)}), {}),
        "long_values": (pa.array(["x" * (i * 100) for i in range(ROWS)]), {}),
    }
    return found


def keyed(columns, group, rows=None):
    """The table with an id for each row, and the group."""
    table = columns if isinstance(columns, pa.Table) else pa.table({"c": columns})
    ids = pa.array([f"{group}-{i:06}" for i in range(rows or table.num_rows)])
    groups = pa.array([group] * table.num_rows)
    names = ["id", "group", *table.column_names]
    fields = [pa.field("id", pa.string()), pa.field("group", pa.string()), *table.schema]
    return pa.table([ids, groups, *table.columns], schema=pa.schema([f.with_name(n) for f, n in zip(fields, names)]))


def write(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / ".writing"
    pq.write_table(table, temporary, **options)
    temporary.rename(path)
    return path
