# SPDX-License-Identifier: Apache-2.0
"""What is published into buckets that promise less, and on servers that fail. All else of publishing is tested in directories, and with
FRESHET_TEST_FEED=s3v4 on MinIO (test_publish_store.py, test_follow.py).

FRESHET_PUBLISHES (11) and FRESHET_SEED as elsewhere."""

import json
import os
import random
import signal
import threading
import time
from datetime import timedelta

import pytest

import s3_server
from harness import EX_CONFIG, EX_DATAERR, EX_IOERR, HANG, children, command_of, eventually, is_running
from s3_fault import KINDS, Faults
from s3_feed import on, write_profile
from store import S3Outlet, content_of, put_slice, serves

pytest.importorskip("boto3", reason=s3_server.NO_BOTO)

from s3_fake import OPERATIONS, Account, FakeS3  # noqa: E402

pytestmark = pytest.mark.feedless

SEED = int(os.environ.get("FRESHET_SEED") or time.time())
SLICES = int(os.environ.get("FRESHET_PUBLISHES") or 11)
QUICK = ("--set", "s3.timeout=1s")
SLOW = ("hang", "stall")  # each costs a time-out


@pytest.mark.parametrize("signature, conditions", [("v4", False), ("v2", True), ("auto", False)])
def test_where_conditions_do_not_hold_one_writer_has_to_be_sworn_to(box, signature, conditions):
    with FakeS3(conditions=conditions) as fake:
        on(box, fake, signature)
        put_slice(box, 0)
        box.build()
        outlet = S3Outlet(box, "dest")
        result = outlet.publish(code=EX_CONFIG)
        assert "publish.sole_writer = yes" in result.err and outlet.url in result.err, result
        assert not outlet.versions()  # nothing of the attempt is left
        for i in (1, 2):
            outlet.publish("--set", "publish.sole_writer=yes")
            put_slice(box, i)
            box.build("--no-merge")
        outlet.publish("--set", "publish.sole_writer=yes")
        state = box.root / "follower"
        outlet.fetch(state)
        assert content_of(state, box.run) == content_of(box.state, box.run)
        assert list(outlet.epochs()) == [1]


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_publishing_goes_on_while_calls_fail_in_every_way(box, rate):
    """Two builders take turns, a follower follows. A write that was done and whose answer was lost is nobody else's."""
    rng = random.Random(SEED)
    kinds = [kind for kind in KINDS if kind not in SLOW]
    with FakeS3() as fake:
        on(box, fake, "v4")
        outlet = S3Outlet(box, "dest")
        states, follower = [box.state, box.root / "standby"], box.root / "follower"
        put_slice(box, 0)
        box.build()
        outlet.publish()
        outlet.fetch(states[1])
        outlet.fetch(follower)
        owner, served, counts = 0, 1, {0: 0, EX_DATAERR: 0, EX_IOERR: 0}

        def run(command, *args, state):
            """Faults are for what is published: the feed lies still meanwhile."""
            fake.faults = Faults(rng.randrange(1 << 30), rate, kinds)
            result = box.run(command, outlet.url, *QUICK, *args, state=state)
            how = f"FRESHET_SEED={SEED}, {fake.faults}: {result}"
            fake.faults = Faults()
            assert result.code in counts, how
            counts[result.code] += 1
            return result, how

        for i in range(1, SLICES):
            put_slice(box, i)
            if rng.random() < 0.2:
                outlet.fetch(states[1 - owner])
                owner = 1 - owner
            box.build("--no-merge", state=states[owner])
            for _ in range(40):
                result, how = run("publish", "--take-over", state=states[owner])
                if result.code == 0:
                    break
                assert result.code in (EX_IOERR, EX_DATAERR), how  # it is never displaced by itself
            assert result.code == 0, how
            result, how = run("follow", state=follower)
            now = box.status(follower)["generation"]
            assert now >= served, how
            served = now
            box.verify(follower)
            if result.code == 0 and "nothing newer" not in result.out:
                assert content_of(follower, box.run) == content_of(states[owner], box.run), how
        outlet.fetch(follower)
        assert content_of(follower, box.run) == content_of(states[owner], box.run)
        print(f"FRESHET_SEED={SEED}: {counts}, epochs {max(outlet.epochs())}")


def test_a_follower_looks_as_often_as_it_is_told_to(box):
    """And each look is for three objects, of which one is not there yet."""
    with FakeS3() as fake:
        on(box, fake)
        put_slice(box, 0)
        box.build()
        outlet = S3Outlet(box, "dest")
        outlet.publish()
        follower = box.follow(outlet.url, "refresh=eager,poll=300ms")
        serves(follower, 1)
        fake.forget()
        began = time.monotonic()
        eventually(lambda: fake.count("head") >= 3 * 7, "seven looks")
        assert time.monotonic() - began >= 5 * 0.3
        calls = fake.count()
        # A claim and a pointer are got; that there is no newer claim is looked for. A look may be half done at either end.
        assert set(calls) == {"head", "get"} and abs(3 * calls["get"] - 2 * calls["head"]) <= 6, calls


def test_a_follower_goes_on_with_new_credentials(box):
    """It asks for objects alone, and what is refused of these has no body that would say why."""
    first, second = Account("AKFIRST", "first-secret", "first-token"), Account("AKSECOND", "second-secret", "second-token")
    with FakeS3([first, second]) as fake:
        on(box, fake)
        put_slice(box, 0)
        box.feed.credentials = (None, None, None)
        write_profile(box, first)
        box.build()
        outlet = S3Outlet(box, "dest")
        outlet.publish()
        follower = box.follow(outlet.url, "refresh=eager,poll=100ms")
        serves(follower, 1)
        first.expired = True
        eventually(lambda: "400" in follower.text("status"), "that it is refused")
        write_profile(box, second)
        box.feed.client = s3_server.client(fake, credentials=("AKSECOND", "second-secret", "second-token"))
        put_slice(box, 1)
        box.build()
        outlet.publish()
        serves(follower, 2)


@pytest.mark.parametrize("signature", ["auto", "v4"])
@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_follower_goes_on_when_a_clock_is_set(box, signature, minutes):
    with FakeS3() as fake:
        on(box, fake, signature)
        put_slice(box, 0)
        box.build()
        outlet = S3Outlet(box, "dest")
        outlet.publish()
        put_slice(box, 1)
        box.build()
        follower = box.follow(outlet.url, "refresh=eager,poll=100ms")
        serves(follower, 1)
        fake.skew = timedelta(minutes=minutes)
        outlet.publish()
        serves(follower, 2)
        assert "credentials" not in follower.text("status")


class LateLooks(Faults):
    """At what lies there nobody can look any more after a while."""

    def __init__(self, there, after):
        super().__init__()
        self.there, self.left = there, after

    def of(self, operation, target):
        self.left -= operation == "head" and target.endswith(self.there)
        return "internal" if self.left < 0 and operation == "head" and target.endswith(self.there) else None


def test_where_conditions_do_not_hold_what_cannot_be_seen_is_not_overwritten(box):
    with FakeS3(conditions=False) as fake:
        on(box, fake, "v4")
        put_slice(box, 0)
        box.build()
        outlet, sworn = S3Outlet(box, "dest"), ("--set", "publish.sole_writer=yes")
        outlet.publish(*sworn)
        standby = box.root / "standby"
        outlet.fetch(standby)
        # Twice it is looked for, and once more before it is put.
        fake.faults = LateLooks("epochs/2/claim.json", 2)
        outlet.publish(*sworn, *QUICK, "--take-over", state=standby, code=EX_IOERR)
        assert list(outlet.epochs()) == [1]
        fake.faults = Faults()
        outlet.publish(*sworn, "--take-over", state=standby)
        assert list(outlet.epochs()) == [1, 2]


class Holding(Faults):
    """No call fails; the first one of a kind, for what lies there, waits until it may go on."""

    def __init__(self, operation, there=""):
        super().__init__()
        self.operation, self.there = operation, there
        self.has_come, self.may_go = threading.Event(), threading.Event()

    def of(self, operation, target):
        if operation == self.operation and self.there in target and not self.has_come.is_set():
            self.has_come.set()
            assert self.may_go.wait(HANG)


def test_a_publishing_that_is_stopped_leaves_no_parts(box):
    rng = random.Random(3)
    with FakeS3() as fake:
        on(box, fake, "v4")
        box.feed.put(0, [{"id": f"{n}", "title": rng.randbytes(900).hex()} for n in range(36000)])
        box.build()
        assert max(map(len, box.segments().values())) > 32 << 20
        outlet = S3Outlet(box, "dest")
        fake.faults = holding = Holding("parts_put")
        process = outlet.start("publish")
        assert holding.has_come.wait(HANG)
        process.send_signal(signal.SIGTERM)
        holding.may_go.set()
        said = process.communicate()[0]
        assert process.returncode == 128 + signal.SIGTERM, said
        assert fake.count("parts_put") == 1 and fake.count("parts_abort") == 1
        assert not fake.buckets[box.feed.bucket].uploads and not outlet.names("segments")
        outlet.publish()


@pytest.mark.parametrize("allowed", [True, False])
def test_parts_that_a_kill_left_go_with_old_generations(box, allowed):
    """Those of a day ago, and nobody else's. Who may not list uploads publishes all the same."""
    account = Account("AKPUBLISHER", "publisher-secret")
    with FakeS3([account]) as fake:
        on(box, fake, "v4")
        account.may = set(OPERATIONS.values()) - (set() if allowed else {"uploads"})
        outlet = S3Outlet(box, "dest")
        bucket = fake.buckets[box.feed.bucket]
        old, young = f"{outlet.prefix}/segments/{'0' * 32}.seg", f"{outlet.prefix}/segments/{'1' * 32}.seg"
        live = f"{outlet.prefix}/live/{'0' * 64}.live"
        for key in (old, young, live, f"{outlet.prefix}/segments-of-others", "other"):
            started = bucket.uploads[bucket.begin(key, ())]
            started.started -= timedelta(hours=23 if key == young else 25)
        keep = ("--set", "build.keep=1", "--set", "build.keep_for=0s", "--set", f"publish.dest={outlet.url}")
        for i in range(7):
            put_slice(box, i)
            box.build(*keep)
        assert len(outlet.names("generations")) < 7
        assert fake.count("uploads") and fake.count("parts_abort") == 2 * allowed
        left = {upload.key for upload in bucket.uploads.values()}
        assert (old in left) is (live in left) is not allowed and len(left) == 5 - 2 * allowed


def test_a_publishing_in_which_nothing_moves_is_killed(box):
    with FakeS3() as fake:
        on(box, fake, "v4")
        put_slice(box, 0)
        outlet = S3Outlet(box, "dest")
        fake.faults = holding = Holding("put", "/segments/")
        args = ("--set", f"publish.dest={outlet.url}", "--set", "build.stall_timeout=1s", "--set", "s3.timeout=1h")
        mount = box.mount("refresh=eager", args=args)
        assert holding.has_come.wait(HANG)
        status = lambda: json.loads(mount.text("status.json"))
        assert status()["dest_generation"] == 0
        eventually(lambda: "publishing: killed, since nothing in it moved for 1s" in (status()["last_error"] or ""), "the end of it")
        eventually(lambda: status()["dest_generation"] == 1, "the next publishing")
        assert mount.text("generation") == "1\n"
        holding.may_go.set()


class Slow(Faults):
    """No call fails, each takes half a second."""

    def of(self, operation, target):
        time.sleep(0.5)


@pytest.mark.release
def test_a_publishing_that_is_slow_is_left_alone(box):
    with FakeS3() as fake:
        on(box, fake, "v4")
        put_slice(box, 0)
        box.build()
        outlet = S3Outlet(box, "dest")
        fake.faults = Slow()
        args = ("--set", f"publish.dest={outlet.url}", "--set", "build.stall_timeout=3s")
        began = time.monotonic()
        mount = box.mount("refresh=lazy,poll=1h", args=args)
        publishers = set()

        def is_done():
            publishers.update(child for child in children(mount.pids()) if command_of(child) == "publish")
            return json.loads(mount.text("status.json"))["dest_generation"] == 1

        eventually(is_done, "publishing")
        assert time.monotonic() - began > 3 and len(publishers) == 1


class HoldingAway(Holding):
    """And from then on the feed does not answer."""

    looks = 0

    def of(self, operation, target):
        super().of(operation, target)
        if operation != "list" or not self.has_come.is_set() or "dest" in target:
            return None
        self.looks += 1
        return "internal"


def test_a_publishing_outlives_the_state_that_it_was_of(box):
    """Where the state directory is emptied meanwhile there is no catalog when it ends."""
    with FakeS3() as fake:
        on(box, fake, "v4")
        put_slice(box, 0)
        box.build()
        outlet = S3Outlet(box, "dest")
        fake.faults = holding = HoldingAway("put", "/current.json")
        mount = box.mount("refresh=lazy,poll=0s", args=("--set", f"publish.dest={outlet.url}"))
        assert holding.has_come.wait(HANG)
        for path in box.state.glob("catalog.db*"):
            path.unlink()
        before = holding.looks
        eventually(lambda: mount.text("generation") and holding.looks > before, "a look")
        [publisher] = [child for child in children(mount.pids()) if command_of(child) == "publish"]
        holding.may_go.set()
        eventually(lambda: not is_running(publisher), "the end of it")
        assert outlet.pointer()["number"] == 1
        before = holding.looks
        eventually(lambda: mount.ids("espresso") == ["d-00000"] and holding.looks > before, "the next look")
