# SPDX-License-Identifier: Apache-2.0
"""Days of partitions in simulated time, on S3 servers that fail in every way that s3_fault.py has: none is lost, none doubled, nothing wrong is
shown, and the calls are bounded. What a directory with the same files gives is what must come out.

FRESHET_DAY=288 for whole days."""

import os
import random

import pytest

import s3_server
from harness import EX_DATAERR, EX_IOERR, Box, lines_of, rfc3339, shown, slice_path, slice_time, table
from s3_fault import ANY, KINDS, READS, Faults
from s3_feed import on

pytest.importorskip("boto3", reason=s3_server.NO_BOTO)

from s3_fake import FakeS3  # noqa: E402

pytestmark = [pytest.mark.feedless, pytest.mark.apart, pytest.mark.timeout(3600)]

DAY = int(os.environ.get("FRESHET_DAY") or 0)  # slices, and as many builds; 0: as few as still say something
SEED = int(os.environ.get("FRESHET_SEED") or 20240504)
TRY_AGAIN = (0, EX_DATAERR, EX_IOERR)  # how a build may end that a fault hits
SLOW = ("hang", "stall")  # each costs a time-out


def day_of(seed, slices):
    """[(the slice in which it comes, the slice that it is of, its name, records)]: each slice brings a file, some a late one or a rewrite."""
    rng = random.Random(seed)
    files = []
    for i in range(slices):
        records = [
            {"id": f"ad-{rng.randrange(200)}", "item": f"item-{rng.randrange(60)}", "title": f"espresso word{rng.randrange(40)}", "n": i}
            for _ in range(4)
        ]
        files.append((i, i, "part-0.jsonl", records))
        if i > 3 and rng.random() < 0.1:
            files.append((i, i - 3, "late.jsonl", [{"id": f"late-{i}", "item": "late", "title": "lungo espresso"}]))
        if i > 3 and rng.random() < 0.05:
            files.append((i, i - 2, "part-0.jsonl", [{"id": f"again-{i}", "item": "again", "title": "ristretto"}]))
    return files


# A short day in which one call of ten fails in one way sees little of it.
RATES = [0.1, 0.5] if DAY else [0.5]


def length_of(kind):
    """(slices, slices a build)"""
    if DAY:
        return DAY, 1
    return (18, 6) if kind in SLOW else (72, 2) if KINDS[kind] == {"list"} else (72, 12)


def live_through(box, fake, files, slices, step, timeout="6s"):
    """Simulated time goes on in steps, a build at each. Returns the exit codes."""
    codes = []
    for i in range(slices):
        for when, of_slice, name, records in files:
            if when == i:
                path = f"{slice_path(of_slice)}/{name}"
                if fake:
                    fake.put(box.feed.bucket, box.feed.key(path), lines_of(records))
                else:
                    box.feed.put(of_slice, records, name)
        if (i + 1) % step == 0 or i + 1 == slices:
            codes.append(box.try_build("--now", rfc3339(slice_time(i + 1)), "--set", f"s3.timeout={timeout}").code)
    return codes


def seen_of(box):
    mount = box.mount()
    rows = {path: (row["state"], row["files"], row["bytes"], row["records"]) for path, row in table(mount).items()}
    found = shown(mount, segments=False)
    mount.take_down()
    return rows, found


@pytest.fixture(scope="module")
def peace(tmp_path_factory):
    """What a directory with the same files gives, by the number of slices; and how many calls it takes where nothing fails."""
    known = {}

    def of(slices, step):
        if (slices, step) not in known:
            files = day_of(SEED, slices)
            boxes = [Box(tmp_path_factory.mktemp("peace")) for _ in range(2)]
            assert set(live_through(boxes[0], None, files, slices, step)) == {0}
            with FakeS3() as fake:
                on(boxes[1], fake, "v4")
                assert set(live_through(boxes[1], fake, files, slices, step)) == {0}
                calls = len(fake.calls)
                assert seen_of(boxes[1]) == seen_of(boxes[0])
            known[slices, step] = (*seen_of(boxes[0]), calls)
            for box in boxes:
                box.close()
        return known[slices, step]

    return of


def lives_through_it(box, peace, kinds, rate, signature, slices, step):
    rows, want, calls = peace(slices, step)
    files = day_of(SEED, slices)
    with FakeS3() as fake:
        on(box, fake, signature)
        fake.faults = Faults(SEED, rate, kinds)
        how = f"FRESHET_SEED={SEED}, {fake.faults}"
        timeout = "6s" if set(kinds) & set(SLOW) else "2s"  # a third of it is what a server may be silent for
        codes = live_through(box, fake, files, slices, step, timeout)
        assert set(codes) <= set(TRY_AGAIN), (how, codes)
        hits = sum(1 for call in fake.calls if call.fault)
        # The day is over; what is not there yet comes in the next builds, each an hour later, since a partition that could not be read is
        # left alone for a while. The server is no better.
        for hour in range(1, 31):
            now = rfc3339(slice_time(slices + 12 * hour))
            result = box.try_build("--now", now, "--set", f"s3.timeout={timeout}")
            codes.append(result.code)
            assert result.code in TRY_AGAIN, (how, result)
            if result.code == 0 and seen_of(box) == (rows, want):
                break
        made = len(fake.calls)
        fake.faults = Faults()
        generation = box.status()["generation"]
        assert box.build("--now", now).code == 0
        assert seen_of(box) == (rows, want), how
        box.verify()
        assert box.status()["generation"] >= generation
        assert hits, f"{how}: nothing failed"
        # Ten attempts at most, and every build that fails is one more.
        assert made <= calls * 12 * max(1, len(codes) / (slices / step)), (how, made, calls)
        print(f"{how}: {made} calls where {calls} do, {hits} of them failed; builds {len(codes)}, of which failed {sum(map(bool, codes))}")


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", [kind for kind, operations in KINDS.items() if operations is ANY or operations & READS])
def test_a_day_on_a_server_that_fails_in_one_way(box, peace, kind, rate):
    lives_through_it(box, peace, [kind], rate, "v4", *length_of(kind))


@pytest.mark.parametrize("signature", ["v2", "v4"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_day_on_a_server_that_fails_in_every_way(box, peace, signature, rate):
    kinds = [kind for kind in KINDS if kind not in SLOW]
    lives_through_it(box, peace, kinds, rate, signature, DAY or 288, 1 if DAY else 12)
