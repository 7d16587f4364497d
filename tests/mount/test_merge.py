# SPDX-License-Identifier: Apache-2.0
"""Merging never shows: the same bytes at every path before and after, whatever is open, and whenever it is killed."""

import os
import random
import shutil
import time

import pytest

from harness import CADENCE, DOCUMENTS, Killer, rfc3339, shown, slice_time
from test_paths import random_records

SLICES = 24
SEED = int(os.environ.get("FRESHET_SEED") or time.time())


@pytest.fixture
def many(box):
    """A state of many segments, of which none is merged: deletes, late files and several generations of most ids."""
    rng = random.Random(11)
    box.configure(DOCUMENTS, lag="window = 90m")
    for i in range(SLICES):
        box.feed.put(i, random_records(rng, 60))
        if i % 5 == 4:
            box.feed.put(i - 3, random_records(rng, 20), "late.jsonl")
        box.build("--no-merge", "--now", rfc3339(slice_time(i) + CADENCE))
    return box


def pointers(mount):
    return {p: mount.text(p) for p in ("watermark", "complete_through", "partitions.tsv")}


@pytest.mark.release
def test_merging_shows_nowhere(many):
    mount = many.mount()
    generation, before, pointed = many.status()["generation"], shown(mount, segments=False), pointers(mount)
    assert many.status()["segments"] > 12
    many.build("--merge-only")
    assert many.status()["generation"] > generation
    assert many.status()["segments"] <= 12
    assert shown(mount, segments=False) == before
    assert pointers(mount) == pointed
    assert shown(mount, f"generations/{generation}", segments=False) == before
    many.verify()
    # Where there is nothing to merge, nothing is published.
    generation = many.status()["generation"]
    many.build("--merge-only")
    assert many.status()["generation"] == generation


def test_what_is_open_stays_whole_over_a_merge(many):
    mount = many.mount()
    names = [n for n in os.listdir(mount / "segments") if n.endswith(".seg")]
    wanted = {n: (mount / "segments" / n).read_bytes() for n in names}
    here = os.open(mount / "segments", os.O_RDONLY | os.O_DIRECTORY)
    files = {n: os.open(n, os.O_RDONLY, dir_fd=here) for n in names}
    try:
        many.build("--merge-only", "--set", "build.keep=1", "--set", "build.keep_for=0s")
        assert many.run("gc", "--set", "build.keep=1", "--set", "build.keep_for=0s").code == 0
        gone = [n for n in names if not os.path.exists(mount / "segments" / n)]
        assert gone, "no segment was merged away"
        assert sorted(n for n in os.listdir(here) if n.endswith(".seg")) == sorted(names)
        for name in names:
            assert os.pread(files[name], len(wanted[name]) + 1, 0) == wanted[name]
    finally:
        for fd in (here, *files.values()):
            os.close(fd)


def test_merging_gives_the_same_bytes_on_any_machine(many):
    other = many.root / "other"
    shutil.copytree(many.state, other)
    many.build("--merge-only", "--set", "build.threads=1")
    many.build("--merge-only", "--set", "build.threads=4", state=other)
    current = lambda state: (state / "generations" / f"{many.status(state)['generation']}.live").read_bytes()
    assert many.segments() == many.segments(other)
    assert current(many.state) == current(other)


@pytest.mark.release
def test_a_killed_merge_changes_nothing(many):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    before, peace = shown(many.mount(), segments=False), many.root / "peace"
    shutil.copytree(many.state, peace)
    started = time.monotonic()
    many.build("--merge-only", state=peace)
    killer = Killer(rng, time.monotonic() - started)
    for n in range(8):
        state = many.root / f"killed-{n}"
        shutil.copytree(many.state, state)
        killer.kill(many.start_build("--merge-only", state=state))
        many.verify(state=state)
        assert shown(many.mount(state=state), segments=False) == before, f"kill {n}"
        many.build("--merge-only", state=state)
        # What was merged before the kill and what comes after add up to what comes in peace.
        assert many.status(state)["segments"] == many.status(peace)["segments"]
        assert shown(many.mount(state=state), segments=False) == before, f"kill {n}"
        many.build(state=state)
        assert not list((state / "tmp").iterdir()), "the next build sweeps"
    assert killer.killed, "no merge was killed: the instants are wrong"
