# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any instant of a build: the next one carries on, and nothing shows of it.

FRESHET_KILLS (20) says how many; FRESHET_SEED repeats a run.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import time

import pytest

from harness import Killer, eventually
from test_paths import random_records

KILLS = int(os.environ.get("FRESHET_KILLS") or 20)
SEED = int(os.environ.get("FRESHET_SEED") or time.time())


@pytest.fixture
def big(box):
    rng = random.Random(5)
    for i in range(3):
        box.feed.put(i, random_records(rng, 3000), "a.jsonl")
        box.feed.put(i, random_records(rng, 3000), "b.jsonl.zst")
    return box


def undisturbed(box, state):
    """Builds in peace; returns what it took, and what is there afterwards."""
    started = time.monotonic()
    box.build(state=state)
    return time.monotonic() - started, published(box, state)


def published(box, state):
    """What a build leaves, apart from its number and its time."""
    status = box.status(state)
    manifest = json.loads((state / "generations" / f"{status['generation']}.json").read_text())
    live = (state / "generations" / f"{status['generation']}.live").read_bytes()
    segments = {name: hashlib.sha256(data).hexdigest() for name, data in box.segments(state).items()}
    return status["watermark"], status["documents"], segments, hashlib.sha256(live).hexdigest(), manifest["segments"]


def strays(state):
    """Files that no one generation needs: whatever is in tmp/, and any generation but the current one."""
    generations = {p.name.split(".")[0] for p in (state / "generations").iterdir()}
    unknown = [p.name for p in state.iterdir() if p.name not in (
        "catalog.db", "catalog.db-wal", "catalog.db-shm", "segments", "generations", "current", "rejects", "tmp",
        "lock", "merge.lock", "base.lock")]
    return [p.name for p in (state / "tmp").iterdir()] + sorted(generations)[1:] + unknown


def served(mount):
    """Of one generation, whatever is published meanwhile: a directory that is held shows one."""
    here = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
    try:
        return {name: read_in(here, name) for name in os.listdir(here)}
    finally:
        os.close(here)


def read_in(directory, name):
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=directory), "rb") as f:
        return f.read()


@pytest.mark.release
@pytest.mark.timeout(7200)
def test_one_kill_leaves_no_trace(big):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    duration, expected = undisturbed(big, big.root / "peace")
    killer = Killer(rng, duration * 1.1)
    for n in range(KILLS):
        state = big.root / f"killed-{n}"
        killer.kill(big.start_build(state=state))
        big.build(state=state)
        big.verify(state=state)
        assert published(big, state) == expected, f"kill {n}"
        assert strays(state) == [], f"kill {n}"
    print(f"{killer.killed} of {KILLS} builds were killed")
    assert killer.killed, "no build was killed: the instants are wrong"


@pytest.mark.release
@pytest.mark.timeout(7200)
def test_a_kill_of_a_later_build_loses_nothing_that_was_published(big):
    """A generation is there already; during and after the kill it is served, or the one that the build has just published."""
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    first = big.root / "first"
    big.build(state=first)
    generation = big.status(first)["generation"]
    before, old = published(big, first), served(big.mount(state=first))
    late = random_records(random.Random(6), 3000)
    big.feed.put(3, late, "a.jsonl")
    peace = big.root / "peace"
    subprocess.run(["cp", "-a", first, peace], check=True)
    duration, after = undisturbed(big, peace)
    new, killer, reads = served(big.mount(state=peace)), Killer(rng, duration * 1.1), 0
    assert old != new
    for n in range(max(KILLS // 4, 1)):
        state = big.root / f"killed-{n}"
        subprocess.run(["cp", "-a", first, state], check=True)
        mount, seen = big.mount(state=state), []
        killer.kill(big.start_build(state=state), lambda: seen.append(served(mount)))
        assert all(s in (old, new) for s in seen), f"kill {n}"
        reads += len(seen)
        # Killed before `current` is renamed it may have published what mounts see from the next build on.
        if big.status(state)["generation"] == generation:
            assert (served(mount), published(big, state)[0]) == (old, before[0]), f"kill {n}"
        assert served(mount) in (old, new), f"kill {n}"
        big.verify(state=state)
        big.build(state=state)
        big.verify(state=state)
        assert served(mount) == new
        assert published(big, state)[:2] == after[:2]
        assert published(big, state)[2] == after[2]
    assert killer.killed and reads, "no build was killed, or none read beside: the instants are wrong"


@pytest.mark.timeout(7200)
def test_several_kills_in_a_row_change_no_posting(big):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    duration, expected = undisturbed(big, big.root / "peace")
    reading, killer = {}, Killer(rng, duration * 1.1)
    for n in range(max(KILLS // 10, 1)):
        state = big.root / f"killed-{n}"
        for _ in range(4):
            killer.kill(big.start_build(state=state))
        # On request: what four builds in a row died at has failed, and is tried again later.
        big.build("--all", "--retry", state=state)
        big.verify(state=state)
        for name, where in (("peace", big.root / "peace"), ("killed", state)):
            mount = big.mount(state=where)
            reading[name] = {t: (mount / "terms" / t).read_bytes() for t in os.listdir(mount / "terms")}
            reading[name]["watermark"] = mount.text("watermark")
        assert reading["killed"] == reading["peace"]
    assert killer.killed, "no build was killed: the instants are wrong"


def is_reading(box):
    """The build has noted which partitions it is about to read."""
    done = box.run("status", "--json")
    return done.code == 0 and json.loads(done.out)["partitions"]["building"] > 0


def end_while_it_reads(box, sig):
    """Its exit code."""
    build = box.start_build("--set", "build.threads=1")
    eventually(lambda: is_reading(box) or build.poll() is not None, "a build that reads")
    build.send_signal(sig)
    build.communicate()
    return build.returncode


def test_an_orderly_stop_counts_for_no_death_and_leaves_nothing(big):
    """Three deaths while a partition is read would have it fail; here are six builds that are stopped while they read, and one death."""
    big.feed.put(4, random_records(random.Random(7), 60000), "large.jsonl")
    for sig in (signal.SIGTERM, signal.SIGINT):
        for _ in range(3):
            assert end_while_it_reads(big, sig) == 128 + sig
            assert big.status()["partitions"]["building"] == 0
    assert end_while_it_reads(big, signal.SIGKILL) == -signal.SIGKILL
    big.build()
    assert strays(big.state) == []
    assert big.status()["partitions"]["failed"] == 0
