# SPDX-License-Identifier: Apache-2.0
"""Parquet files that pyarrow would not write: schemas of older writers, and marks that stand alone. One row group, one page a column, plain
values. Source: parquet.thrift, and Thrift's compact protocol."""

import struct

PHYSICAL = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
REPETITION = ["required", "optional", "repeated"]
CONVERTED = {"UTF8": 0, "MAP": 1, "MAP_KEY_VALUE": 2, "LIST": 3, "DECIMAL": 5, "DATE": 6, "TIMESTAMP_MILLIS": 9, "TIMESTAMP_MICROS": 10}
LOGICAL = {"STRING": 1, "MAP": 2, "LIST": 3, "ENUM": 4, "DECIMAL": 5, "DATE": 6, "TIMESTAMP": 8, "INTEGER": 10, "JSON": 12}
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
PACKED = {"INT32": "<i", "INT64": "<q"}


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def zigzag(n):
    return varint(n << 1 ^ n >> 63 if n < 0 else n << 1)


def binary(data):
    data = data.encode() if isinstance(data, str) else data
    return varint(len(data)) + data


def items(kind, encoded):
    assert len(encoded) < 15
    return bytes([len(encoded) << 4 | kind]) + b"".join(encoded)


def thrift(*fields):
    """A struct of fields (number, kind, what is encoded already), those that are None left out."""
    out, last = b"", 0
    for number, kind, encoded in fields:
        if encoded is not None:
            out, last = out + bytes([number - last << 4 | kind]) + encoded, number
    return out + b"\0"


def number(n):
    return None if n is None else zigzag(n)


def union(name, *fields):
    """A LogicalType."""
    return thrift((LOGICAL[name], STRUCT, thrift(*fields)))


def utc_nanos(utc):
    return union("TIMESTAMP", (1, 1 if utc else 2, b""), (2, STRUCT, thrift((3, STRUCT, thrift()))))


def decimal(scale, precision):
    return union("DECIMAL", (1, I32, zigzag(scale)), (2, I32, zigzag(precision)))


def unsigned(bits):
    return union("INTEGER", (1, 3, bytes([bits])), (2, 2, b""))


class Node:
    """`of`: the physical type of a column, or the nodes of a group."""

    def __init__(self, repetition, name, of, converted=None, logical=None, scale=None, precision=None):
        self.repetition, self.name, self.of, self.is_group = repetition, name, of, not isinstance(of, str)
        self.converted, self.logical, self.scale, self.precision = converted, logical, scale, precision

    def elements(self):
        own = thrift(
            (1, I32, None if self.is_group else number(PHYSICAL.index(self.of))),
            (3, I32, None if self.repetition is None else number(REPETITION.index(self.repetition))),
            (4, BINARY, binary(self.name)),
            (5, I32, number(len(self.of)) if self.is_group else None),
            (6, I32, number(CONVERTED.get(self.converted))),
            (7, I32, number(self.scale)),
            (8, I32, number(self.precision)),
            (10, STRUCT, self.logical),
        )
        return [own] + (sum((node.elements() for node in self.of), []) if self.is_group else [])

    def columns(self, path=(), depth=0, repeats=0):
        """(path, physical type, deepest definition, deepest repetition)"""
        path = (*path, self.name)
        depth, repeats = depth + (self.repetition != "required"), repeats + (self.repetition == "repeated")
        if not self.is_group:
            return [(path, self.of, depth, repeats)]
        return sum((node.columns(path, depth, repeats) for node in self.of), [])


def runs(levels, deepest):
    body = b"".join(varint(2) + bytes([level]) for level in levels) if deepest else b""
    return struct.pack("<I", len(body)) + body if deepest else b""


def plain(physical, values):
    if physical == "BYTE_ARRAY":
        return b"".join(struct.pack("<I", len(v)) + v for v in values)
    return b"".join(struct.pack(PACKED[physical], v) for v in values)


def write(path, rows, *columns):
    """columns: (node, for each of its leaves (values, definition levels, repetition levels)); levels only where there are some."""
    out, chunks = b"PAR1", []
    root = Node(None, "schema", [node for node, *_ in columns])
    for node, *leaves in columns:
        for (names, physical, deepest, repeats), (values, *levels) in zip(node.columns(), leaves, strict=True):
            definitions, repetitions = (*levels, None, None)[:2]
            count = len(definitions) if deepest else len(values)
            body = runs(repetitions, repeats) + runs(definitions, deepest) + plain(physical, values)
            page = thrift((1, I32, zigzag(count)), (2, I32, zigzag(0)), (3, I32, zigzag(3)), (4, I32, zigzag(3)))
            size = zigzag(len(body))
            head = thrift((1, I32, zigzag(0)), (2, I32, size), (3, I32, size), (5, STRUCT, page))
            at, total = zigzag(len(out)), zigzag(len(head) + len(body))
            out += head + body
            said = thrift(
                (1, I32, zigzag(PHYSICAL.index(physical))),
                (2, LIST, items(I32, [zigzag(0), zigzag(3)])),
                (3, LIST, items(BINARY, list(map(binary, names)))),
                (4, I32, zigzag(0)),
                (5, I64, zigzag(count)),
                (6, I64, total),
                (7, I64, total),
                (9, I64, at),
            )
            chunks.append(thrift((2, I64, at), (3, STRUCT, said)))
    group = thrift((1, LIST, items(STRUCT, chunks)), (2, I64, zigzag(len(out))), (3, I64, zigzag(rows)))
    foot = thrift(
        (1, I32, zigzag(1)), (2, LIST, items(STRUCT, root.elements())), (3, I64, zigzag(rows)), (4, LIST, items(STRUCT, [group]))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out + foot + struct.pack("<I", len(foot)) + b"PAR1")


# ---- lists and maps as older writers have them ----

LEVELS = [2, 2, 0, 1, 2], [0, 1, 0, 0, 0]  # two elements, no list, an empty one, one element
DEEPER = [3, 3, 0, 1, 2, 3], [0, 1, 0, 0, 0, 0]  # the same, and before the last one an element that is null
A = Node("required", "a", "INT32")
B = Node("required", "b", "INT32")
FEW, MORE = [1, 2, 3], [11, 12, 13]


def a_list(group, converted="LIST", logical=None):
    return Node("optional", "c", [group], converted, logical)


SHAPES = {  # name: (rows, column)
    "standard": (5, (a_list(Node("repeated", "list", [Node("optional", "element", "INT32")])), (FEW, *DEEPER))),
    "Hive": (5, (a_list(Node("repeated", "bag", [Node("optional", "array_element", "INT32")])), (FEW, *DEEPER))),
    "two levels": (4, (a_list(Node("repeated", "element", "INT32")), (FEW, *LEVELS))),
    "two levels of groups": (4, (a_list(Node("repeated", "element", [A, B])), (FEW, *LEVELS), (MORE, *LEVELS))),
    "Avro, one member": (4, (a_list(Node("repeated", "array", [A])), (FEW, *LEVELS))),
    "Avro, one member that is a group": (
        4,
        (a_list(Node("repeated", "array", [Node("required", "in", [A, B])])), (FEW, *LEVELS), (MORE, *LEVELS)),
    ),
    "Thrift, one member": (4, (a_list(Node("repeated", "c_tuple", [A])), (FEW, *LEVELS))),
    "Protocol Buffers": (3, (Node("repeated", "c", "INT32"), (FEW, [1, 1, 0, 1], [0, 1, 0, 0]))),
    "Protocol Buffers, one member": (3, (Node("repeated", "c", [A]), (FEW, [1, 1, 0, 1], [0, 1, 0, 0]))),
    "Protocol Buffers, in a group": (
        5,
        (Node("optional", "m", [Node("repeated", "c", [Node("optional", "a", "INT32")])]), (FEW, *DEEPER)),
    ),
}

# What they are is said by LogicalType alone: name: (rows, column)
ALONE = {
    "string": (1, (Node("required", "c", "BYTE_ARRAY", logical=union("STRING")), ([b"abc"],))),
    "enum": (1, (Node("required", "c", "BYTE_ARRAY", logical=union("ENUM")), ([b"abc"],))),
    "json": (1, (Node("required", "c", "BYTE_ARRAY", logical=union("JSON")), ([b"{}"],))),
    "decimal": (1, (Node("required", "c", "INT64", logical=decimal(2, 10)), ([12345],))),
    "date": (1, (Node("required", "c", "INT32", logical=union("DATE")), ([19000],))),
    "uint32": (1, (Node("required", "c", "INT32", logical=unsigned(32)), ([-1],))),
    "uint64": (1, (Node("required", "c", "INT64", logical=unsigned(64)), ([-1],))),
    "list": (5, (a_list(Node("repeated", "list", [Node("optional", "element", "INT32")]), None, union("LIST")), (FEW, *DEEPER))),
}


def keyed(group, rows, *columns):
    """Those, with an id for each row and a group."""
    ids = [f"{group}-{i}".encode() for i in range(rows)]
    return [
        (Node("required", "id", "BYTE_ARRAY", "UTF8"), (ids,)),
        (Node("required", "group", "BYTE_ARRAY", "UTF8"), ([group.encode()] * rows,)),
        *columns,
    ]
