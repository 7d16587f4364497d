# SPDX-License-Identifier: Apache-2.0
"""A group changes as a whole: eight readers of an item with 1,000 ads never see two versions of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness import HANG, TOP

ADS, READERS, PUBLISHES = 1000, 8, 30


def ad(i, rev):
    return {"kind": "ad", "ad_id": f"ad-{i:04}", "item_id": "item-0", "status": "active", "rev": rev,
            "brand": "Acme", "title": f"espresso machine {i}", "body": "makes espresso"}  # fmt: skip


def update(rev, ads):
    item = {"kind": "item", "item_id": "item-0", "rev": rev, "title": f"machine of version v{rev}", "color": "red"}
    return [item, *(ad(i, rev) for i in ads)]


@pytest.mark.release
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rewritten", ["one ad", "every ad"])
def test_no_reader_sees_two_versions_in_one_group(box, rewritten):
    box.config.write_bytes((TOP / "examples/ads/freshet.ini").read_bytes())
    box.feed.put(0, update(1, range(ADS)))
    box.build()
    mount = box.mount()
    stop = box.root / "stop"
    reader = [sys.executable, str(Path(__file__).with_name("group_reader.py")), mount.point, stop, str(ADS)]
    readers = [
        subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(READERS)
    ]
    try:
        for i in range(1, PUBLISHES + 1):
            box.feed.put(i, update(i + 1, [i * 7 % ADS] if rewritten == "one ad" else range(ADS)))
            box.build()
            ended = [r for r in readers if r.poll() is not None]
            assert not ended, ended[0].stdout.read()
    finally:
        stop.touch()
        said = [r.communicate(timeout=HANG)[0] for r in readers]
    assert [r.returncode for r in readers] == [0] * READERS, said
    assert max(int(line.split()[1]) for line in said) > 1, "no reader saw a publish"
    # The whole group is findable by its item's new title, and no ad by an old one.
    assert len(mount.ids(f"v{PUBLISHES + 1}")) == ADS
    assert mount.ids(f"v{PUBLISHES}") is None
    box.verify()
