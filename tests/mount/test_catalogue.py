# SPDX-License-Identifier: Apache-2.0
"""The real feed: this machine's package catalogue, checked term by term."""

import configparser
import os
import random
import subprocess

import pytest

import oracle
from harness import HANG, TOP, eventually, needs

SEED = int(os.environ.get("FRESHET_SEED") or 1)
WORDS = 1000


@pytest.fixture
def catalogue(box):
    needs("apt-cache")
    os.rmdir(box.feed.root)
    subprocess.run([TOP / "examples" / "feed-debian", box.feed.root], check=True, timeout=HANG)
    box.config.write_bytes((box.feed.root / "freshet.ini").read_bytes())
    return box


@pytest.mark.release
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_terms_of_the_catalogue_are_what_the_raw_feed_says(catalogue):
    box = catalogue
    box.build("--all", timeout=1200)
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(box.config)
    split = lambda key: [f.strip() for f in ini["document"][key].split(",")]
    partitions = sorted(str(p.relative_to(box.feed.root)) for p in box.feed.root.glob("dt=*/hour=*/minute=*"))
    assert len(partitions) == 6
    live = oracle.documents(box.feed.root, partitions, ini["document"]["id"])
    assert len(live) >= 10000, "this machine's package lists are empty: run apt-get update"
    found = oracle.postings(live, split("text"), split("keyword"))

    mount = box.mount()
    listed = os.listdir(mount / "terms")
    assert len(listed) == len(set(listed))
    assert set(listed) == set(filter(None, map(oracle.name_of, found)))
    assert set(os.listdir(mount / "docs")) == set(map(oracle.name_of, live))
    keywords = [t for t in found if ":" in t]
    words = random.Random(SEED).sample(sorted(t for t in found if ":" not in t), WORDS)
    for term in keywords + words:
        name = oracle.name_of(term)
        if name:
            assert (mount / "terms" / name).read_bytes() == oracle.file_of(found[term]), term
    for key in random.Random(SEED).sample(sorted(live), 500):
        assert (mount / "docs" / oracle.name_of(key)).read_bytes() == live[key][1] + b"\n"
    box.verify()


def test_live_partitions_change_add_and_remove_packages(box, tmp_path):
    """feed-debian --live, followed by an eager mount until three live partitions were published."""
    os.rmdir(box.feed.root)
    live = subprocess.Popen(
        [TOP / "examples" / "feed-debian", box.feed.root, "--partitions", "2", "--live", "1"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        written = [live.stdout.readline() for _ in range(3)]
        assert "new" in written[-1], written
        box.config.write_bytes((box.feed.root / "freshet.ini").read_bytes())
        mount = box.mount("refresh=eager")
        eventually(lambda: box.feed.sync() or len(mount.ids("tag:live::new") or []) >= 15, "fifteen new packages")
        assert len(mount.ids("tag:live::changed")) >= 20
    finally:
        live.terminate()
        live.communicate()
