# SPDX-License-Identifier: Apache-2.0
"""table.py FRESHET WORK: makes a Delta Lake table in WORK, follows its files with freshet, and compares after each step."""
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

NOW = "2026-05-04T12:00:00Z"


class Example:
    def __init__(self, freshet, work):
        self.freshet, self.table, self.state = freshet, f"{work}/ads", f"{work}/state"
        self.config = str(Path(__file__).with_name("freshet.ini"))

    def write(self, minute, rows, **how):
        part = {"dt": "2026-05-04", "hour": "10", "minute": f"{minute:02}"}
        table = pa.table({name: [dict(row, **part)[name] for row in rows] for name in ("id", "title", *part)})
        write_deltalake(self.table, table, partition_by=["dt", "hour", "minute"], **how)

    def run(self, *arguments):
        done = subprocess.run([self.freshet, *arguments, "--state", self.state, "--config", self.config], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"table.py: freshet {arguments}: {done.stderr}")
        return done.stdout

    def indexed(self):
        self.run("build", self.table, "--now", NOW)
        return self.run("query", "espresso").split()

    def in_table(self):
        return sorted(DeltaTable(self.table).to_pyarrow_table()["id"].to_pylist())

    def check(self, what, indexed, table):
        got = self.indexed()
        if got != indexed or self.in_table() != table:
            raise SystemExit(f"table.py: {what}: the index has {got}, the table {self.in_table()}")
        print(f"ok  {what}\n      the table {' '.join(table)}\n      the index {' '.join(indexed)}")


def main(freshet, work):
    e = Example(freshet, work)
    e.write(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "espresso"}])
    e.check("a first commit", ["a", "b"], ["a", "b"])
    e.write(5, [{"id": "c", "title": "espresso"}], mode="append")
    e.check("an append is a new partition", ["a", "b", "c"], ["a", "b", "c"])
    DeltaTable(e.table).delete("id = 'a'")
    e.check("a delete writes the partition's other rows again, and leaves the old file: the index has its rows still", ["a", "b", "c"], ["b", "c"])
    DeltaTable(e.table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    e.check("vacuum removes the old file: its records are undone", ["b", "c"], ["b", "c"])


main(*sys.argv[1:])
