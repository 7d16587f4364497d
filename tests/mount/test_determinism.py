# SPDX-License-Identifier: Apache-2.0
"""The same records give the same bytes, wherever, whenever, and with however many threads."""

import os
import random

import pytest

from test_paths import random_records


@pytest.mark.release
def test_builds_are_byte_identical_with_any_number_of_threads(box):
    rng = random.Random(3)
    for i in range(3):
        box.feed.put(i, random_records(rng, 2000), "a.jsonl")
        box.feed.put(i, random_records(rng, 2000), "b.jsonl.gz")
    states = {}
    for threads in (1, 1, 2, 5):
        state = box.root / f"state-{len(states)}"
        box.build("--set", f"build.threads={threads}", state=state)
        states[state] = box.segments(state)
    first, *others = states.values()
    assert len(first) == 1
    for other in others:
        assert other == first


def test_times_and_places_of_files_do_not_show(box, tmp_path):
    rng = random.Random(4)
    for i in range(2):
        path = box.feed.put(i, random_records(rng, 500))
        os.utime(path, (1e9, 1e9))
    box.build()
    first = box.segments()
    moved = box.root / "elsewhere"
    box.feed.root.rename(moved)
    box.feed.root = moved
    for path in moved.rglob("*.jsonl"):
        os.utime(path, (1.5e9, 1.5e9))
    other = box.root / "other-state"
    box.build(state=other)
    assert box.segments(other) == first
