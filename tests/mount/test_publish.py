# SPDX-License-Identifier: Apache-2.0
"""Publishing under readers: no error, no mixed file, and what is open stays what it was."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness import HANG, eventually, table

PUBLISHES, READERS, IDS = 100, 8, 1500


def records(i):
    gone = [{"id": f"{i - 1}-{'x' * 90}-{n:04}", "op": "delete"} for n in range(IDS)] if i else []
    return gone + [{"id": f"{i}-{'x' * 90}-{n:04}", "title": "espresso", "brand": "Acme"} for n in range(IDS)]


@pytest.mark.release
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("refresh", ["manual", "eager"])
def test_a_hundred_publishes_under_eight_readers(box, refresh):
    publishes = PUBLISHES if refresh == "manual" else PUBLISHES // 5
    box.feed.put(0, records(0))
    box.build()
    mount = box.mount(f"refresh={refresh},poll=0s")
    stop = box.root / "stop"
    # What they leave of the processors is the builds'.
    reader = ["nice", sys.executable, str(Path(__file__).with_name("reader.py")), str(mount.point), str(stop)]
    with open(mount / "terms/espresso", "rb") as held:
        begun = held.read(1000)
        first = begun + (mount / "terms/espresso").read_bytes()[1000:]
        readers = [
            subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(READERS)
        ]
        try:
            for i in range(1, publishes + 1):
                box.feed.put(i, records(i))
                box.build("--set", "build.lock_wait=60s")
                ended = [r for r in readers if r.poll() is not None]
                assert not ended, ended[0].stdout.read()
        finally:
            stop.touch()
            said = [r.communicate(timeout=HANG)[0] for r in readers]
        assert [r.returncode for r in readers] == [0] * READERS, said
        assert any(int(line.split()[1]) for line in said), "no reader has seen a publish"
        held.seek(0)
        assert held.read() == first
    is_last = lambda: {line.split("-")[0] for line in mount.ids("espresso")} == {str(publishes)}
    if refresh == "eager":
        eventually(is_last, "the last publish")
    else:
        assert is_last()
        # Each publish is a generation, and merges come between them: neither has shown to any reader.
        generations = {row["generation"] for row in table(mount).values()}
        assert len(generations) == publishes + 1 < box.status()["generation"]
    box.verify()
