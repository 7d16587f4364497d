# SPDX-License-Identifier: Apache-2.0
"""freshet publish: what lies in a store, whose turn it is, and what a kill leaves.

FRESHET_KILLS (20) says how many; FRESHET_SEED repeats a run.
"""

import json
import os
import random
import re
import shutil
import signal
import time

import pytest

from harness import EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL, EX_USAGE, Killer, eventually, rfc3339, slice_time
from store import content_of, new_outlet, put_slice
from test_paths import random_records

KILLS = int(os.environ.get("FRESHET_KILLS") or 20)
SEED = int(os.environ.get("FRESHET_SEED") or time.time())


@pytest.fixture
def outlet(box):
    put_slice(box, 0)
    box.build()
    return new_outlet(box)


def build_slice(box, i, *args, state=None):
    put_slice(box, i)
    box.build("--no-merge", *args, state=state)


@pytest.mark.release
def test_what_is_there_is_not_sent_again(box, outlet):
    assert "generation 1 published" in outlet.publish().out
    before = outlet.versions()
    assert "generation 1 is published" in outlet.publish().out
    build_slice(box, 1)
    outlet.publish()
    after = outlet.versions()
    assert {p for p in before if before[p] != after[p]} == {"epochs/1/current.json"}
    new = sorted(p.split("/")[0] for p in after if p not in before)
    assert new == ["generations", "live", "manifests", "rows", "segments"]


@pytest.mark.directory("the store is made later")
def test_a_build_publishes_where_dest_is_set_and_tries_again(box, outlet):
    dest = box.root / "later"
    setting = ("--set", f"publish.dest={dest}")
    result = box.try_build(*setting)
    assert result.code == EX_NOINPUT and "publishing" in result.err, result
    put_slice(box, 1)
    assert box.try_build(*setting).code == EX_NOINPUT
    status = box.status()
    assert status["generation"] == 2 and str(dest) in status["last_error"]
    assert (status["dest"], status["dest_generation"]) == (str(dest), 0)
    dest.mkdir()
    assert "nothing is due" in box.build(*setting).out
    assert (dest / "epochs/1/current.json").exists()
    assert box.status()["last_error"] is None and box.status()["dest_generation"] == 2
    state = box.root / "f"
    assert box.run("follow", dest, state=state).code == 0
    assert content_of(state, box.run) == content_of(box.state, box.run)


def test_a_rollback_and_a_base_are_published_as_well(box, outlet):
    setting = ("--set", f"publish.dest={outlet.url}", "--config", box.config)
    build_slice(box, 1, *setting[:2])
    result = box.run("rollback", "1", *setting)
    assert result.code == 0, result
    state = box.root / "f"
    outlet.fetch(state)
    status = box.status(state)
    assert (status["generation"], status["watermark"]) == (3, rfc3339(slice_time(0)))
    assert "paused" in box.run("build", box.feed.url, state=state).out  # for a standby too
    assert box.run("rollback", "--resume", *setting).code == 0
    box.build(*setting[:2])
    snapshot = box.root / "full"
    snapshot.mkdir()
    (snapshot / "all.jsonl").write_bytes(b'{"id": "of-the-base", "title": "espresso"}\n')
    result = box.run("base", box.feed.url, "--from", snapshot, "--at", rfc3339(slice_time(1)), *setting)
    assert result.code == 0, result
    outlet.fetch(state)
    assert content_of(state, box.run) == content_of(box.state, box.run)
    assert "of-the-base" in content_of(state, box.run)


def test_the_pointer_names_only_what_is_there_whenever_it_is_killed(box, outlet):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    follower = box.root / "f"
    outlet.publish()
    started = time.monotonic()
    build_slice(box, 1)
    outlet.publish()
    killer = Killer(rng, (time.monotonic() - started) * 0.7)
    outlet.fetch(follower)
    whole = 2
    for i in range(2, KILLS + 2):
        build_slice(box, i)
        killer.kill(outlet.start("publish"))
        # What it left is a whole generation: this one or the one before.
        outlet.fetch(follower)
        assert box.status(follower)["generation"] in (whole, i + 1)
        whole = box.status(follower)["generation"]
        box.verify(follower)
        if rng.random() < 0.5:
            outlet.publish()
            outlet.fetch(follower)
            assert box.status(follower)["generation"] == i + 1
            whole = i + 1
    assert killer.killed > KILLS / 8
    outlet.publish()
    outlet.fetch(follower)
    assert content_of(follower, box.run) == content_of(box.state, box.run)
    assert list(outlet.epochs()) == [1]


def standbys(box, outlet, count):
    """States that follow what is published, each ready to go on from there."""
    states = [box.root / f"standby{i}" for i in range(count)]
    outlet.fetch(states[0])
    for state in states[1:]:
        shutil.copytree(states[0], state)
    return states


@pytest.mark.release
def test_of_all_who_take_over_at_once_one_wins_each_epoch(box, outlet):
    outlet.publish()
    count, rounds = (32, 4) if not os.environ.get("FRESHET_RACES") else (32, int(os.environ["FRESHET_RACES"]))
    states = standbys(box, outlet, count)
    for _ in range(rounds):
        known = set(outlet.epochs())
        racing = [outlet.start("publish", "--take-over", state=s) for s in states]
        results = [(p.communicate()[0].decode(), p.returncode) for p in racing]
        claims = outlet.epochs()
        won = [out for out, code in results if code == 0]
        assert {code for _, code in results} <= {0, EX_TEMPFAIL}, results
        # Who claimed and was displaced before its pointer has not won; the last has.
        epochs = [int(re.search(r"in epoch (\d+)", out)[1]) for out in won]
        assert len(set(epochs)) == len(epochs), epochs
        # Whoever was the owner of the last epoch may have been the first, and had nothing to take over.
        assert set(epochs) <= set(claims) - known | {max(known)} and max(epochs) == max(claims), (epochs, claims)
        for out, code in results:
            assert code == 0 or "only it publishes there" in out, out
        assert sorted(claims) == list(range(1, max(claims) + 1))
        outlet.fetch(box.root / "f")
        assert box.status(box.root / "f")["generation"] == outlet.pointer()["number"]


def stopped_before_its_pointer(outlet, pointer, known):
    """A publishing that was stopped when its edition was there and its pointer was not; or None, where it was too fast."""
    process = outlet.start("publish")
    def has_edition():
        return process.poll() is not None or outlet.names("generations") - known

    eventually(has_edition, "an edition")
    if process.poll() is None:
        os.kill(process.pid, signal.SIGSTOP)
        eventually(lambda: process.poll() is not None or
                   open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()[0] == "T", "the stop")
    if process.poll() is None and outlet.pointer(1) == pointer:
        return process
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)
    process.communicate()
    return None


@pytest.mark.release
def test_what_a_builder_that_was_displaced_uploads_late_never_shows(box, outlet):
    outlet.publish()
    zombie, i = None, 0
    while not zombie and i < 200:
        i += 1
        build_slice(box, i)
        known, pointer = outlet.names("generations"), outlet.pointer()
        zombie = stopped_before_its_pointer(outlet, pointer, known)
    assert zombie, "was too fast each time"
    follower, standby = box.root / "f", box.root / "standby"
    outlet.fetch(follower)
    outlet.fetch(standby)
    # Claimed, but nothing is published in the new epoch: what there was stays, whatever the other does.
    build_slice(box, i, state=standby)
    outlet.publish("--take-over", state=standby)
    late = box.status()["generation"]
    os.kill(zombie.pid, signal.SIGCONT)
    out = zombie.communicate()[0].decode()
    assert zombie.returncode in (0, EX_TEMPFAIL), out
    outlet.fetch(follower)
    assert box.status(follower)["generation"] == outlet.pointer(2)["number"] > late
    fresh = box.root / "fresh"
    outlet.fetch(fresh)
    assert box.status(fresh)["generation"] == outlet.pointer(2)["number"]
    result = outlet.publish(code=EX_TEMPFAIL)
    assert str(standby) in result.err and "--take-over" in result.err, result


def test_a_pointer_of_an_epoch_that_is_over_is_not_looked_at(box, outlet):
    outlet.publish()
    first = outlet.pointer(1)
    follower, standby = box.root / "f", box.root / "standby"
    outlet.fetch(standby)
    build_slice(box, 1)
    outlet.publish()
    late = outlet.read("epochs/1/current.json")
    # As if the take-over came in between: over the first generation, and its builder died before its pointer.
    outlet.remove("epochs/1/current.json")
    claim = dict(outlet.epochs()[1], epoch=2, owner="00000000-0000-4000-8000-000000000000", over=first)
    outlet.write("epochs/2/claim.json", json.dumps(claim).encode())
    outlet.write("epochs/1/current.json", late)
    outlet.fetch(follower)
    assert box.status(follower)["generation"] == first["number"] == 1
    outlet.publish(code=EX_TEMPFAIL)


def test_a_state_that_is_older_does_not_take_over(box, outlet):
    outlet.publish()
    standby = box.root / "standby"
    outlet.fetch(standby)
    build_slice(box, 1)
    outlet.publish()
    result = outlet.publish("--take-over", state=standby, code=EX_DATAERR)
    assert "freshet follow" in result.err
    outlet.fetch(standby)
    outlet.publish("--take-over", state=standby)
    assert outlet.pointer()["epoch"] == 2


def test_copies_of_a_state_do_not_publish_both(box, outlet):
    outlet.publish()
    copy = box.root / "copy"
    shutil.copytree(box.state, copy)
    build_slice(box, 1)
    outlet.publish()
    build_slice(box, 1, state=copy)
    result = outlet.publish(state=copy, code=EX_TEMPFAIL)
    assert "copy of this state" in result.err
    outlet.publish("--take-over", state=copy)
    build_slice(box, 2)
    result = outlet.publish(code=EX_TEMPFAIL)
    assert str(copy) in result.err


def test_another_index_is_refused(box, outlet):
    outlet.publish()
    other = box.root / "other"
    box.build(state=other)
    for args in ((), ("--take-over",)):
        result = outlet.publish(*args, state=other, code=EX_CONFIG)
        assert "another place" in result.err
    elsewhere = new_outlet(box, "elsewhere")
    elsewhere.publish(state=other)
    result = elsewhere.fetch(box.state, code=EX_DATAERR)
    assert "another --state" in result.err


def test_a_standby_builds_on_from_the_store_alone(box, outlet):
    rng = random.Random(3)
    for i in range(1, 4):
        box.feed.put(i, random_records(rng, 200), "a.jsonl")
        box.build("--no-merge")
    outlet.publish()
    standby = box.root / "standby"
    outlet.fetch(standby)
    rows = box.run("status", "--partitions").out
    assert box.run("status", "--partitions", state=standby).out == rows
    # Late, rewritten and vanished files: what the standby must know of what was read.
    box.feed.put(2, random_records(rng, 50), "late.jsonl")
    box.feed.put(1, random_records(rng, 100), "a.jsonl")
    (box.feed.dir(3) / "a.jsonl").unlink()
    box.feed.put(3, random_records(rng, 20), "b.jsonl")
    put_slice(box, 4)
    box.build("--no-merge")
    box.build("--no-merge", state=standby)
    assert box.segments(standby).keys() == box.segments().keys()
    assert content_of(standby, box.run) == content_of(box.state, box.run)
    outlet.publish("--take-over", state=standby)
    outlet.publish(code=EX_TEMPFAIL)
    assert box.run("verify", "--deep", state=standby).code == 0


def test_a_standby_rolls_back_to_what_it_followed(box, outlet):
    outlet.publish()
    standby = box.root / "standby"
    outlet.fetch(standby)
    for i in (1, 2):
        build_slice(box, i)
        outlet.publish()
        outlet.fetch(standby)
    result = box.run("rollback", "1", "--config", box.config, state=standby)
    assert result.code == 0, result
    states = [line.split("\t")[1] for line in box.run("status", "--partitions", state=standby).out.splitlines()[1:]]
    assert states == ["published", "complete", "complete"]
    assert box.run("rollback", "--resume", "--config", box.config, state=standby).code == 0
    box.build(state=standby)
    assert content_of(standby, box.run) == content_of(box.state, box.run)


def test_what_is_not_kept_goes_from_the_store(box, outlet):
    keep = ("--set", "build.keep=3", "--set", "build.keep_for=0s")
    for i in range(1, 20):
        put_slice(box, i)
        box.build(*keep, "--set", f"publish.dest={outlet.url}")
    files = outlet.files()
    editions = [p for p in files if p.startswith("generations/")]
    assert 3 <= len(editions) <= 3 + 4
    manifests = [p for p in files if p.startswith("manifests/")]
    assert len(editions) <= len(manifests) <= len(editions) + 1
    assert len([p for p in files if p.startswith("segments/")]) < 20
    follower = box.root / "f"
    outlet.fetch(follower)
    box.verify(follower)
    assert content_of(follower, box.run) == content_of(box.state, box.run)


def test_what_is_missing_is_put_there_again(box, outlet):
    outlet.publish()
    whole = outlet.files()
    for path in whole:
        if path.startswith("epochs/"):
            continue
        outlet.remove(path)
        outlet.publish()
        assert outlet.files() == whole, path


def test_what_is_damaged_here_is_not_published(box, outlet):
    [segment] = (box.state / "segments").iterdir()
    data = segment.read_bytes()
    segment.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    result = outlet.publish(code=EX_DATAERR)
    assert segment.stem in result.err
    assert not outlet.names("generations")


def test_words_that_are_wrong(box, outlet):
    assert box.run("publish").code == EX_USAGE
    result = box.run("publish", box.root / "nowhere")
    assert result.code == EX_NOINPUT and "nowhere" in result.err
    result = box.run("publish", "ftp://x/y")
    assert result.code == EX_CONFIG
    assert box.run("publish", outlet.url, "--no-such").code == EX_USAGE
    assert box.run("publish", outlet.url, state=box.root / "none").code == EX_NOINPUT
    result = box.run("publish", outlet.url, "--json")
    assert result.code == 0 and json.loads(result.out)["epoch"] == 1


@pytest.mark.release
@pytest.mark.directory("the store is moved away")
def test_a_mount_publishes_beside_its_builds(box):
    outlet = new_outlet(box)
    away = box.root / "away"
    outlet.dir.rename(away)
    put_slice(box, 0)
    mount = box.mount("refresh=eager", args=("--set", f"publish.dest={outlet.url}"))
    eventually(lambda: mount.text("generation") == "1\n", "a build")
    status = lambda: json.loads(mount.text("status.json"))
    eventually(lambda: outlet.url in (status()["last_error"] or ""), "the error")
    assert (status()["dest"], status()["dest_generation"]) == (outlet.url, 0)
    assert f"published to      {outlet.url}: nothing yet\n" in mount.text("status")
    put_slice(box, 1)
    # The store that is away holds nothing up.
    eventually(lambda: mount.text("generation") == "2\n", "a build", 60)
    away.rename(outlet.dir)
    eventually(lambda: "epochs/1/current.json" in outlet.versions("epochs") and outlet.pointer()["number"] == 2, "publishing")
    eventually(lambda: not status()["last_error"], "the end of the error")
    assert status()["dest_generation"] == 2 and "\nfreshet_dest_generation 2\n" in mount.text("metrics")
    put_slice(box, 2)
    eventually(lambda: outlet.pointer()["number"] == 3, "publishing")
    eventually(lambda: f"published to      {outlet.url}: generation 3\n" in mount.text("status"), "the record of it")
    # A follower reads the same configuration, and publishes nothing.
    follower = box.root / "f"
    assert box.run("follow", outlet.url, "--set", f"publish.dest={outlet.url}", state=follower).code == 0
    assert "dest" not in json.loads(box.run("status", "--json", "--set", f"publish.dest={outlet.url}", state=follower).out)
