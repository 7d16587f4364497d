# SPDX-License-Identifier: Apache-2.0
"""freshet follow and mounts that follow: never half of a generation, never one with a wrong byte, never an older one.

FRESHET_PUBLISHES (25) says how many publishes the long test makes, FRESHET_RSYNCS (20) how many rsync runs beside; FRESHET_KILLS (20) and
FRESHET_SEED as elsewhere.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import (
    DOCUMENTS, EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL, EX_USAGE, HANG, children, eventually, killed_at, needs, rfc3339, shown, slice_time,
    table, tool,
)  # fmt: skip
from store import Watcher, content_of, damaged, kill_some, new_outlet, put_slice, serves
from test_paths import random_records

KILLS = int(os.environ.get("FRESHET_KILLS") or 20)
PUBLISHES = int(os.environ.get("FRESHET_PUBLISHES") or 25)
RSYNCS = int(os.environ.get("FRESHET_RSYNCS") or 20)
SEED = int(os.environ.get("FRESHET_SEED") or time.time())
LATENCY = 2.0  # seconds, of a segment of 10 MB with poll = 1s


@pytest.fixture
def outlet(box):
    put_slice(box, 0)
    box.build()
    made = new_outlet(box)
    made.publish()
    return made


def publish_slice(box, outlet, i):
    put_slice(box, i)
    box.build("--no-merge")
    outlet.publish()


@pytest.mark.release
def test_a_follower_shows_what_the_publisher_shows(box):
    rng = random.Random(8)
    outlet = new_outlet(box)
    setting = ("--set", f"publish.dest={outlet.url}", "--set", "build.keep=4", "--set", "build.keep_for=0s")
    mount = box.mount()
    follower = box.follow(outlet.url, args=("--config", box.config, "--set", "build.keep=4", "--set", "build.keep_for=0s"))
    assert follower.text("generation") == "" and "last error        -" in follower.text("status")
    for i in range(6):
        box.feed.put(i, random_records(rng, 300))
        if i == 4:  # late, rewritten and vanished
            box.feed.put(1, random_records(rng, 50), "late.jsonl")
            box.feed.put(2, random_records(rng, 50))
            (box.feed.dir(3) / "part-0.jsonl").unlink()
            box.feed.put(3, random_records(rng, 5), "b.jsonl")
        box.build("--no-merge", *setting)
        serves(follower, i + 1)
        assert shown(mount) == shown(follower)
        assert table(mount) == table(follower)
        for name in ("watermark", "complete_through", "segments/MANIFEST.json", "segments/SHA256SUMS"):
            assert mount.text(name) == follower.text(name)
    assert sorted(os.listdir(mount / "generations")) == sorted(os.listdir(follower / "generations"))
    assert shown(mount, "generations/4") == shown(follower, "generations/4")
    assert os.listdir(follower / "partitions") == []
    one, two = json.loads(mount.text("status.json")), json.loads(follower.text("status.json"))
    for key in ("generation", "watermark", "documents", "partitions", "rejected", "segments", "index"):
        assert one[key] == two[key], key
    assert two["feed"] == outlet.url
    result = box.run("verify", "--deep", state=follower.state)
    assert result.code == 0, result


@pytest.mark.release
@pytest.mark.parametrize("refresh", ["lazy", "manual"])
def test_refresh_is_as_for_feeds(box, outlet, refresh):
    follower = box.follow(outlet.url, f"refresh={refresh},poll=0s")
    if refresh == "manual":
        assert follower.text("generation") == ""
        outlet.fetch(follower.state)
    assert follower.text("generation") == "1\n"
    publish_slice(box, outlet, 1)
    if refresh == "manual":
        assert follower.text("generation") == "1\n"
        outlet.fetch(follower.state)
    # The first look waits for what it finds.
    assert follower.ids("espresso") == ["d-00000", "d-00001"]


@pytest.mark.release
def test_what_is_open_stays_and_pinned_generations_never_change(box, outlet):
    follower = box.follow(outlet.url)
    serves(follower, 1)
    before = shown(follower, "generations/1")
    with open(follower / "terms/espresso", "rb") as held:
        for i in range(1, 4):
            publish_slice(box, outlet, i)
            serves(follower, i + 1)
        assert held.read() == b"d-00000\n"
    assert shown(follower, "generations/1") == before


def test_only_what_is_missing_is_fetched(box, outlet):
    state = box.root / "f"
    publish_slice(box, outlet, 1)
    first = outlet.fetch(state).out
    assert "2 segments" in first
    assert "nothing newer" in outlet.fetch(state).out
    publish_slice(box, outlet, 2)
    assert "1 segment," in outlet.fetch(state).out
    names = {p.name for p in (state / "segments").iterdir()}
    assert names == outlet.names("segments")


@pytest.mark.release
def test_a_fetch_that_is_killed_goes_on_where_it_was(box):
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED}")
    for i in range(6):
        box.feed.put(i, [{"id": f"{i}-{n}", "title": rng.randbytes(60).hex()} for n in range(6000)])
        box.build("--no-merge")
    outlet = new_outlet(box)
    outlet.publish()
    whole = box.root / "whole"
    started = time.monotonic()
    outlet.fetch(whole)
    duration = time.monotonic() - started
    state, was_killed, killed, parts = box.root / "f", False, 0, 0
    for _ in range(KILLS):
        if not was_killed or rng.random() < 0.2:  # what is there whole is nothing to be killed at
            shutil.rmtree(state, ignore_errors=True)
        before = {p.name: p.stat().st_size for p in (state / "fetch").iterdir()} if (state / "fetch").exists() else {}
        whole_before = {p.name for p in (state / "segments").glob("*.seg")}
        was_killed = killed_at(outlet.start("follow", state=state), rng.uniform(0, duration))
        assert whole_before <= {p.name for p in (state / "segments").glob("*.seg")}, "fetched, and thrown away"
        killed += was_killed
        if (state / "fetch").exists():
            for part in (state / "fetch").iterdir():
                assert part.stat().st_size >= before.get(part.name, 0)
                parts += 1
        for segment in (state / "segments").glob("*.seg"):
            assert segment.read_bytes() == outlet.read(f"segments/{segment.name}")
    assert killed > KILLS / 8
    outlet.fetch(state)
    box.verify(state)
    assert content_of(state, box.run) == content_of(whole, box.run) == content_of(box.state, box.run)
    assert not list((state / "fetch").iterdir()) and not list((state / "tmp").iterdir())


def test_a_part_that_was_begun_is_gone_on_with(box, outlet):
    [segment] = outlet.names("segments")
    data = outlet.read(f"segments/{segment}")
    state = box.root / "f"
    (state / "fetch").mkdir(parents=True)
    part = state / "fetch" / segment.replace(".seg", ".part")
    part.write_bytes(data[:1000])
    (state / "fetch" / f"{'0' * 32}.part").write_bytes(b"of something else")
    out = outlet.fetch(state).out
    assert f"{len(data) - 1000:,} bytes" in out
    assert not list((state / "fetch").iterdir())
    box.verify(state)
    # What was begun and is wrong is thrown away, and fetched anew before the store is blamed.
    publish_slice(box, outlet, 1)
    [other] = outlet.names("segments") - {segment}
    data = outlet.read(f"segments/{other}")
    begun = state / "fetch" / other.replace(".seg", ".part")
    (state / "segments" / f"{'0' * 32}.seg").write_bytes(b"of a generation that never came to be whole")
    outlet.write(f"segments/{other}", damaged(data))
    begun.write_bytes(b"wrong" * 20)
    result = outlet.fetch(state, EX_DATAERR)
    assert f"{outlet.url}/segments/{other}" in result.err
    assert {p.name for p in (state / "segments").iterdir()} == {segment} and not begun.exists()
    outlet.write(f"segments/{other}", data)
    begun.write_bytes(b"wrong" * 20)
    assert f"{2 * len(data) - 100:,} bytes" in outlet.fetch(state).out
    box.verify(state)


def test_a_segment_that_is_damaged_here_is_fetched_again(box, outlet):
    state = box.root / "f"
    outlet.fetch(state)
    [segment] = (state / "segments").iterdir()
    whole = segment.read_bytes()
    publish_slice(box, outlet, 1)
    segment.write_bytes(b"\0" * len(whole))
    assert "2 segments" in outlet.fetch(state).out
    assert segment.read_bytes() == whole
    box.verify(state)
    # Where it is not to be had, what is said is about here as well.
    publish_slice(box, outlet, 2)
    segment.write_bytes(b"\0" * len(whole))
    outlet.remove(f"segments/{segment.name}")
    result = outlet.fetch(state, EX_DATAERR)
    assert f"damaged in {state}/segments" in result.err and segment.name in result.err


@pytest.mark.release
def test_nothing_that_is_damaged_is_ever_served(box, outlet):
    publish_slice(box, outlet, 1)
    follower = box.follow(outlet.url, "refresh=manual,poll=0s")
    outlet.fetch(follower.state)
    before = outlet.files()
    publish_slice(box, outlet, 2)
    content = shown(follower)
    after = outlet.files()
    # Segments first: once one has come whole it stays, whatever becomes of the others.
    changed = sorted((p for p in after if after[p] != before.get(p)), key=lambda p: not p.startswith("segments/"))
    assert {p.split("/")[0] for p in changed} == {"epochs", "generations", "manifests", "live", "rows", "segments"}
    for path in changed + ["epochs/1/claim.json"]:
        # Pointers are not named by their content: one without its last newline says the same.
        cut = after[path][: -2 if path.startswith("epochs/") else -1]
        for data in (damaged(after[path]), cut, after[path] + b"\0", b"", None):
            outlet.remove(path)
            if data is not None:
                outlet.write(path, data)
            result = box.run("follow", outlet.url, state=follower.state)
            if path == "epochs/1/claim.json" and data == damaged(after[path]) and result.code == 0:
                break  # what it says to people only
            if path.endswith("current.json") and data is None:  # as if nothing were published
                assert result.code == 0 and "nothing newer" in result.out
            else:
                assert result.code == EX_DATAERR, (path, data, result)
                assert path.split("/")[-1].split(".")[0].split("-")[-1] in result.err or path.startswith("epochs"), result
                assert box.status(follower.state)["last_error"]
            assert follower.text("generation") == "2\n"
            assert shown(follower) == content
            outlet.write(path, after[path])
    outlet.fetch(follower.state)
    assert follower.text("generation") == "3\n"
    assert box.status(follower.state)["last_error"] is None
    box.verify(follower.state)


@pytest.mark.release
@pytest.mark.directory("the store is moved away")
def test_a_store_that_is_away_takes_nothing_away(box, outlet):
    follower = box.follow(outlet.url)
    serves(follower, 1)
    away = box.root / "away"
    (outlet.dir / "epochs").rename(away)
    eventually(lambda: outlet.url in (json.loads(follower.text("status.json"))["last_error"] or ""), "the error")
    assert follower.ids("espresso") == ["d-00000"]
    away.rename(outlet.dir / "epochs")
    follower.take_down()
    # Nor does a start without it.
    outlet.dir.rename(away)
    again = box.follow(outlet.url, state=follower.state)
    assert again.ids("espresso") == ["d-00000"]
    eventually(lambda: outlet.url in (json.loads(again.text("status.json"))["last_error"] or ""), "the error")
    put_slice(box, 1)
    box.build("--no-merge")
    assert box.run("publish", away).code == 0
    away.rename(outlet.dir)
    serves(again, 2)
    eventually(lambda: json.loads(again.text("status.json"))["last_error"] is None, "the end of the error")


@pytest.mark.directory("another takes its place")
def test_a_store_that_takes_the_place_of_another_is_followed(box, outlet):
    follower = box.follow(outlet.url)
    serves(follower, 1)
    away = box.root / "away"
    outlet.dir.rename(away)
    eventually(lambda: outlet.url in (json.loads(follower.text("status.json"))["last_error"] or ""), "the error")
    put_slice(box, 1)
    box.build("--no-merge")
    assert box.run("publish", away).code == 0
    shutil.copytree(away, outlet.dir)
    serves(follower, 2)


def test_it_never_goes_back(box, outlet):
    old = outlet.files()
    state = box.root / "f"
    publish_slice(box, outlet, 1)
    outlet.fetch(state)
    outlet.replace(old)
    assert "nothing newer" in outlet.fetch(state).out
    assert box.status(state)["generation"] == 2
    # Of an epoch that was left behind, not even what has a higher number.
    standby = box.root / "standby"
    outlet.fetch(standby)
    outlet.publish("--take-over", state=standby)
    outlet.fetch(state)
    for path in outlet.versions("epochs/2/"):
        outlet.remove(path)
    result = outlet.fetch(state, EX_DATAERR)
    assert "epoch 2" in result.err


@pytest.mark.release
def test_older_generations_go_when_the_cache_is_full(box, outlet):
    state = box.root / "f"
    rng = random.Random(1)
    for i in range(1, 6):  # each slice replaces all that the one before had, in a segment of several MB
        box.feed.put(i, [{"id": f"same-{n}", "title": rng.randbytes(2000).hex()} for n in range(6000)])
        box.configure(DOCUMENTS, lag="window = 1m")
        box.build("--no-merge", "--now", rfc3339(slice_time(i + 1)))
        outlet.publish()
        result = box.run("follow", outlet.url, "--set", "mount.cache_size=64MiB", state=state)
        assert result.code == 0, result
    newest = box.status(state)["generation"]
    kept = sorted(int(p.stem) for p in (state / "generations").glob("*.json"))
    assert kept[-1] == newest and 1 < len(kept) < 6, kept
    total = sum(p.stat().st_size for p in (state / "segments").iterdir())
    current = json.loads((state / f"generations/{newest}.json").read_text())
    assert total - sum(s["bytes"] for s in current["segments"]) <= 64 << 20
    assert total > 64 << 20
    box.verify(state)


@pytest.mark.release
def test_ten_megabytes_are_visible_within_two_seconds(box):
    outlet = new_outlet(box)
    mount = box.mount("refresh=eager", args=("--set", f"publish.dest={outlet.url}"))
    follower = box.follow(outlet.url, "refresh=eager,poll=1s")
    rng, took = random.Random(2), []
    for i in range(5):
        box.feed.put(i, [{"id": f"{i}-{n}", "title": f"word{i} " + rng.randbytes(900).hex()} for n in range(8000)])
        eventually(lambda: mount.ids(f"word{i}"), "the publish")
        began = time.monotonic()
        eventually(lambda: follower.ids(f"word{i}"), "the follower")
        took.append(time.monotonic() - began)
    sizes = [len(outlet.read(f"segments/{name}")) for name in outlet.names("segments")]
    print(f"segments of {min(sizes):,} to {max(sizes):,} bytes, visible after", *(f"{t:.2f}" for t in took), "s")
    assert min(sizes) >= 10_000_000
    if "asan" not in os.environ.get("FRESHET", ""):
        assert sorted(took)[len(took) // 2] <= LATENCY, took


def rsync(mount, to):
    """One run, as from cron: a publish in between may stop it. The segments that it copied."""
    done = subprocess.run(
        ["rsync", "-a", "--delete", "--out-format=%n", f"{mount / 'segments'}/", f"{to}/"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line.endswith(".seg")]


@pytest.mark.release
def test_a_directory_that_rsync_fills_is_followed(box):
    needs("rsync")
    put_slice(box, 0)
    box.build()
    mount = box.mount()
    to = box.root / "copy"
    to.mkdir()
    copied, over = rsync(mount, to), threading.Event()

    def copy_again_and_again():
        while not over.is_set():
            copied.extend(rsync(mount, to))

    copier = threading.Thread(target=copy_again_and_again)
    copier.start()
    follower = box.follow(to)
    watcher = Watcher(follower)
    try:
        for i in range(1, RSYNCS):
            put_slice(box, i)
            box.build()
            if i % 5 == 0:
                eventually(lambda: watcher.seen and watcher.seen[-1] > i - 5, "the follower")
    finally:
        over.set()
        copier.join()
        seen = watcher.end()
    copied += rsync(mount, to)
    number = int(mount.text("generation"))
    serves(follower, number)
    assert len(copied) == len(set(copied)), "copied twice"
    assert shown(mount) == shown(follower)
    assert len(seen) > RSYNCS / 10
    box.verify(follower.state)
    assert follower.text("partitions.tsv").count("\n") == 1
    tool("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=to)
    result = box.try_build(state=follower.state)
    assert result.code == EX_DATAERR and "rsync" in result.err
    outlet = new_outlet(box)
    result = outlet.publish(state=follower.state, code=EX_DATAERR)
    assert "nor published" in result.err and not outlet.versions()


def test_a_copy_that_is_not_whole_yet_is_not_taken(box):
    put_slice(box, 0)
    box.build()
    mount = box.mount()
    to, state = box.root / "copy", box.root / "f"
    shutil.copytree(mount / "segments", to)
    assert box.run("follow", to, state=state).code == 0
    put_slice(box, 1)
    box.build("--no-merge")
    new = {n: (mount / "segments" / n).read_bytes() for n in os.listdir(mount / "segments")}
    (to / "MANIFEST.json").write_bytes(new["MANIFEST.json"])
    missing = [n for n in new if n.endswith(".seg") and not (to / n).exists()] + ["2.live"]
    for name in missing:
        result = box.run("follow", to, state=state)
        assert result.code == EX_TEMPFAIL and "not there whole yet" in result.err, result
        assert box.status(state)["generation"] == 1
        (to / name).write_bytes(new[name])
    assert box.run("follow", to, state=state).code == 0
    assert content_of(state, box.run) == content_of(box.state, box.run)


def empty_directory(box):
    empty = box.root / "empty"
    empty.mkdir(exist_ok=True)
    return empty


def test_words_that_are_wrong(box, outlet):
    state = box.root / "f"
    assert box.run("follow").code == EX_USAGE
    for words in (("--follow",), ("-o", "follow")):
        result = box.run("mount", *words, empty_directory(box), state=state)
        assert result.code == EX_USAGE and "SRC" in result.err, result
    result = box.run("follow", box.root / "nowhere", state=state)
    assert result.code == EX_NOINPUT and "nowhere" in result.err
    result = box.run("follow", empty_directory(box), state=state)
    assert result.code == 0 and "nothing newer is published" in result.out
    result = box.run("follow", outlet.url, "--json", state=state)
    assert json.loads(result.out)["generation"] == 1
    holder = box.start_build(state=state)
    holder.communicate()


@pytest.mark.release
@pytest.mark.timeout(3000)
def test_followers_hold_while_builders_are_killed_and_displaced(box):
    """Three followers, a builder and a rogue one, all of them killed at random."""
    rng = random.Random(SEED)
    print(f"FRESHET_SEED={SEED} FRESHET_PUBLISHES={PUBLISHES}")
    outlet = new_outlet(box)
    states = [box.state, box.root / "rogue"]
    put_slice(box, 0)
    box.build()
    outlet.publish()
    outlet.fetch(states[1])
    followers = [box.follow(outlet.url, "refresh=eager,poll=50ms") for _ in range(3)]
    watchers = [Watcher(f) for f in followers]
    servers = [pid for f in followers for pid in f.pids()]
    counts = {"publish": 0, "killed": 0, "displaced": 0, "taken over": 0}
    slice, owner = 0, 0

    def run(command, *args, state):
        process = outlet.start(command, *args, state=state)
        out = ""
        if rng.random() < 0.3:
            counts["killed"] += killed_at(process, rng.uniform(0, 0.1), lambda: kill_some(children(servers), rng, 0.01))
        else:
            out = process.communicate()[0].decode()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode in (0, EX_TEMPFAIL, EX_DATAERR), (command, args, process.returncode, out)
        return process.returncode

    try:
        while counts["publish"] < PUBLISHES and not any(w.failure for w in watchers):
            if slice < 4000 and rng.random() < 0.8:
                slice += 1
                put_slice(box, slice)
            other = rng.random() < 0.15
            who = 1 - owner if other else owner
            if other:
                run("follow", state=states[who])
            building = box.start_build(state=states[who])
            counts["killed"] += killed_at(building, rng.uniform(0, 0.1) if rng.random() < 0.1 else HANG)
            takes = other and rng.random() < 0.5
            code = run("publish", *(["--take-over"] if takes else []), state=states[who])
            counts["publish"] += 1
            counts["displaced"] += code == EX_TEMPFAIL
            if code == 0:
                counts["taken over"] += takes
                owner = who
            elif code == EX_TEMPFAIL and who == owner:
                owner = 1 - owner
    finally:
        seen = [w.end() for w in watchers]
    print(counts, "seen", [len(s) for s in seen], "epochs", max(outlet.epochs()))
    # In peace: all come to the same.
    outlet.fetch(states[0])
    put_slice(box, slice + 1)
    box.build(state=states[0])
    outlet.publish("--take-over", state=states[0])
    number = box.status()["generation"]
    for f in followers:
        serves(f, number)
        box.verify(f.state)
        assert f.ids("espresso")[-1] == f"d-{slice + 1:05}"
    assert all(len(s) >= min(5, PUBLISHES / 8) for s in seen)
