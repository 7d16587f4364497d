# SPDX-License-Identifier: Apache-2.0
"""What a reader holds stays whole: while others publish and merge, past `keep`, and over a restart."""

import json
import os
import signal
import subprocess

import pytest

from harness import (
    DOCUMENTS, EX_DATAERR, HANG, PART, eventually, is_running, needs, rfc3339, shown, slice_path, slice_time, table, tool,
)  # fmt: skip

SHORT = ("--set", "build.keep=1", "--set", "build.keep_for=0s")


def publish(box, i, *options, count=400):
    box.feed.put(i, [{"id": f"ad-{n:05}", "title": f"espresso of{i} {n * n}", "n": n} for n in range(i, i + count)])
    box.build(*options)


@pytest.mark.release
@pytest.mark.parametrize("way", ["by its number", "from inside"])
def test_rsync_of_one_generation_while_others_are_published(box, way):
    """By its number while it is kept; standing in its directory also when the generation is not kept any more."""
    needs("rsync")
    options = SHORT if way == "from inside" else ()
    for i in range(4):
        publish(box, i, "--no-merge", count=4000)
    mount = box.mount()
    number = mount.text("generation").strip()
    source = mount / "generations" / number / "segments"
    wanted = {name: (source / name).read_bytes() for name in os.listdir(source)}
    largest = max(map(len, wanted.values()))
    to = box.root / "copy"
    here = "." if way == "from inside" else str(source)
    # So slow that it takes some seconds, whatever the disk does: publishes and merges come in between.
    rsync = subprocess.Popen(
        ["rsync", "-a", f"--bwlimit={largest // 1024}", f"{here}/", f"{to}/"],
        cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    # It waits at what it has begun with until two are published, however slow that is here.
    eventually(lambda: to.exists() and os.listdir(to), "the beginning of a copy")
    rsync.send_signal(signal.SIGSTOP)
    for i in (4, 5):
        publish(box, i, *options)
    assert rsync.poll() is None, "it was done before anything was published"
    rsync.send_signal(signal.SIGCONT)
    i = 6
    while rsync.poll() is None:
        publish(box, i, *options)
        i += 1
        if way == "by its number" and i == 11:
            break  # it would not be kept any longer
    said, _ = rsync.communicate(timeout=HANG)
    assert rsync.returncode == 0, said
    assert int(mount.text("generation")) > int(number) + 1
    assert {name: (to / name).read_bytes() for name in os.listdir(to)} == wanted
    tool("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=to)


@pytest.mark.release
def test_what_is_held_outlives_the_generations_that_are_kept(box):
    publish(box, 0, *SHORT)
    mount = box.mount()
    wanted = (mount / "terms/espresso").read_bytes()
    with open(mount / "terms/espresso", "rb") as held:
        begun = held.read(100)
        here = {tree: os.open(mount / tree, os.O_RDONLY | os.O_DIRECTORY) for tree in ("terms", "docs")}
        listing = os.listdir(here["docs"])
        for i in range(1, 6):
            publish(box, i, *SHORT)
        assert "1" not in os.listdir(mount / "generations")
        assert begun + held.read() == wanted
        # In the directory that is held, also names that nobody has looked up before.
        assert os.listdir(here["docs"]) == listing
        for name in (listing[0], listing[-1]):
            with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=here["docs"]), "rb") as f:
                assert b"espresso of0 " in f.read()
        with pytest.raises(FileNotFoundError):
            os.stat("of5", dir_fd=here["terms"])
        for fd in here.values():
            os.close(fd)
    assert mount.ids("of5")


@pytest.mark.release
@pytest.mark.parametrize("end", ["unmounted", "killed"])
def test_a_restart_shows_what_was_there(box, end):
    """A mount keeps nothing of its own: another one over the same state shows the same, and goes on from there."""
    box.configure(DOCUMENTS, lag="window = 1h")
    box.feed.put(9, b"no JSON\n" * 20)
    for i in range(6):
        publish(box, i, "--now", rfc3339(slice_time(i + 1)))
    mount = box.mount("refresh=eager")
    before = shown(mount)
    for pid in mount.pids() if end == "killed" else []:
        os.kill(pid, 9)
    if end == "unmounted":
        assert mount.take_down() == ""
    else:
        subprocess.run(["fusermount3", "-uz", mount.point], check=True)
        assert not any(map(is_running, mount.pids()))
    again = box.mount("refresh=manual,poll=0s")
    assert shown(again) == before
    box.feed.put(6, [{"id": "new", "title": "ristretto"}])
    box.build("--now", rfc3339(slice_time(7)))
    assert again.ids("ristretto") == ["new"]
    assert table(again)[slice_path(6)]["state"] == "published"


@pytest.mark.release
def test_other_rules_fold_everything_again_in_one_generation(box):
    """Also of records whose files are gone; until that build the old rules serve."""
    box.feed.put(0, [{"id": "a", "title": "espresso", "note": "fresh", "item": "x"}])
    box.feed.put(1, [{"id": "b", "title": "lungo", "note": "stale", "item": "x"}])
    box.build()
    mount = box.mount()
    (box.feed.dir(0) / PART).unlink()
    box.configure(DOCUMENTS.replace("text = title, body", "text = note\ndrop_if = note:stale"))
    assert mount.ids("espresso") == ["a"]
    assert mount.ids("fresh") is None
    changed = lambda: json.loads(box.run("status", "--json", "--config", box.config).out)["rules_changed"]
    assert changed() is True
    held = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
    generation = int(mount.text("generation"))
    box.build()
    assert int(mount.text("generation")) == generation + 1
    assert changed() is False
    assert (mount.ids("espresso"), mount.ids("lungo"), mount.ids("stale")) == (None, None, None)
    assert mount.ids("fresh") == ["a"]
    assert os.listdir(mount / "docs") == ["a"]
    assert os.stat("espresso", dir_fd=held).st_size == 2
    os.close(held)
    box.verify()


def test_rules_that_refuse_what_is_indexed_are_not_taken(box):
    """A slip in the configuration does not empty a mount: the old rules serve, it says why, and right ones are taken."""
    box.feed.put(0, [{"id": f"d{i}", "title": "espresso", "item": "x"} for i in range(20)])
    box.build()
    status = lambda: json.loads(box.run("status", "--json", "--config", box.config).out)
    box.configure(DOCUMENTS.replace("id = id", "id = ident"))
    mount = box.mount("refresh=lazy,poll=100ms")
    box.feed.put(1, [{"id": "new", "title": "espresso", "item": "x"}])
    eventually(lambda: "refuse 20 of 20 records" in mount.text("status"))
    assert len(mount.ids("espresso")) == 20
    assert box.try_build().code == EX_DATAERR
    assert status()["rules_changed"] is True
    box.configure(DOCUMENTS)
    box.build()
    eventually(lambda: len(mount.ids("espresso")) == 21)
    box.configure(DOCUMENTS.replace("id = id", "id = ident"))
    assert "refuse 21 of 21 records" in box.build("--force").err
    eventually(lambda: mount.ids("espresso") is None)
    box.verify()


@pytest.mark.release
def test_a_rollback_changes_nothing_that_is_held(box):
    """It is one more generation, with an older one's content; builds wait until they are told to go on."""
    for i in range(3):
        publish(box, i, "--no-merge")
    box.feed.put(5, b"no JSON\n" * 20)
    assert box.try_build("--no-merge").code == EX_DATAERR
    mount = box.mount()
    then, newest = shown(mount, "generations/1"), shown(mount)
    here = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
    with open(mount / "terms/espresso", "rb") as held:
        begun, wanted = held.read(100), (mount / "terms/espresso").read_bytes()
        assert box.run("rollback", "1", "--config", box.config).code == 0
        assert mount.text("generation") == "4\n"
        assert shown(mount) == then and mount.text("watermark") == rfc3339(slice_time(0)) + "\n"
        assert shown(mount, "generations/3") == newest
        assert begun + held.read() == wanted
        assert os.stat("of2", dir_fd=here).st_size
    os.close(here)
    assert [row["state"] for row in table(mount).values()] == ["published", "complete", "complete", "failed"]
    box.build()
    assert (mount.text("generation"), box.status()["paused"]) == ("4\n", True)
    assert box.run("rollback", "--resume", "--config", box.config).code == 0
    box.build()
    # What was two segments is one, being built at once.
    assert shown(mount, segments=False) == shown(mount, "generations/3", segments=False)


def test_a_rollback_over_other_rules_serves_by_the_old_ones(box):
    """And the build after the pause folds everything again by the new ones."""
    box.feed.put(0, [{"id": "a", "title": "espresso", "note": "fresh"}])
    box.build()
    mount = box.mount()
    box.configure(DOCUMENTS.replace("text = title, body", "text = note"))
    box.build()
    assert (mount.ids("espresso"), mount.ids("fresh")) == (None, ["a"])
    assert box.run("rollback", "1", "--config", box.config).code == 0
    assert (mount.ids("espresso"), mount.ids("fresh")) == (["a"], None)
    assert box.run("rollback", "--resume", "--config", box.config).code == 0
    box.build()
    assert (mount.ids("espresso"), mount.ids("fresh")) == (None, ["a"])
    box.verify()
