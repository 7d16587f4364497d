# SPDX-License-Identifier: Apache-2.0
"""What an index must hold, worked out from the raw feed with none of freshet's code.

Slow and plain on purpose: Python's own Unicode tables, dictionaries and sets.
"""

import gzip
import json
import re
import subprocess
import unicodedata
from collections import defaultdict

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def words(text):
    if text.isascii():
        return re.findall("[a-z0-9]+", text.lower())
    nfkc = lambda s: unicodedata.normalize("NFKC", s)
    found, run = [], []
    for c in nfkc(nfkc(text).casefold()) + " ":
        if unicodedata.category(c)[0] in "LNM" and not HAN.match(c):
            run.append(c)
            continue
        if run:
            found.append("".join(run))
            run = []
        if HAN.match(c):
            found.append(c)
    return found


def values(record, field):
    """The scalars at a dotted name, arrays giving each of their elements."""
    at = [record]
    for name in field.split("."):
        at = [v[name] for v in flat(at) if isinstance(v, dict) and name in v]
    return [v for v in flat(at) if not isinstance(v, dict)]


def flat(items):
    for item in items:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield item


def keyword_text(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    return repr(value).replace("e+", "e")


def read_lines(path):
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dqc", str(path)], stdout=subprocess.PIPE, check=True).stdout
    else:
        data = path.read_bytes()
    return data.split(b"\n")


def documents(root, partitions, id_field, op_field="op"):
    """{id: (record, line)} after the newest record of each id won. `partitions`: paths, oldest first."""
    live = {}
    for partition in partitions:
        files = sorted((p for p in (root / partition).rglob("*") if p.is_file()), key=lambda p: str(p).encode())
        for path in files:
            for line in filter(bytes.strip, read_lines(path)):
                record = json.loads(line)
                if record.get(op_field) == "delete":
                    live.pop(record[id_field], None)
                else:
                    live[record[id_field]] = (record, line)
    return live


def postings(live, text_fields, keyword_fields):
    """{term: set of ids}"""
    found = defaultdict(set)
    for key, (record, _) in live.items():
        for field in text_fields:
            for value in values(record, field):
                for word in words(keyword_text(value) or ""):
                    found[word].add(key)
        for field in keyword_fields:
            for value in values(record, field):
                if keyword_text(value) is not None:
                    found[f"{field}:{keyword_text(value)}"].add(key)
    return found


def name_of(text):
    """The file name of a term or id, or None where it is not offered."""
    name = re.sub(r"[/%\x00-\x1f\x7f]", lambda m: f"%{ord(m[0]):02X}", text)
    if name.startswith("."):
        name = "%2E" + name[1:]
    return name if 0 < len(name.encode()) <= 255 else None


def file_of(ids):
    return b"".join(key + b"\n" for key in sorted(i.encode() for i in ids))
