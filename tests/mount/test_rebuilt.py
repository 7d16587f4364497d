# SPDX-License-Identifier: Apache-2.0
"""A state directory that is emptied, taken away or put back under a live mount."""

import os
import shutil
import subprocess

import pytest

from harness import Mount, eventually, slice_time, rfc3339


def empty(state):
    for entry in state.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def publish(box, texts, first=0):
    """One generation a text, each with documents of its own."""
    for i, text in enumerate(texts, first):
        box.feed.put(i, [{"id": f"{text}-{i}", "title": f"{text} all"}])
        box.build()


def foreground(box, options):
    """A mount that stays in the foreground, and what it says."""
    mount = Mount(box, box.root / "mnt")
    mount.point.mkdir()
    box.mounts.append(mount)
    log = open(box.root / "log", "wb")
    argv = box.argv("mount", "-f", box.feed.url, mount.point, "-o", options, "--config", box.config)
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=box.environment())
    eventually(lambda: os.path.ismount(mount.point) or server.poll() is not None, "the mount")
    return mount, server, box.root / "log"


@pytest.mark.release
@pytest.mark.parametrize("emptied", [empty, shutil.rmtree])
@pytest.mark.parametrize("options", ["refresh=manual,poll=0s", "refresh=lazy,poll=0s,wait=300s", "refresh=eager"])
def test_an_index_that_is_built_anew_takes_the_place_of_the_old_one(box, options, emptied):
    def put(i, text):
        box.feed.put(i, [{"id": f"{text}-{i}", "title": f"{text} all"}])
        if "manual" in options:
            box.build()

    publish(box, ["espresso", "lungo", "mocha"])
    mount, server, log = foreground(box, options)
    assert mount.ids("all") == ["espresso-0", "lungo-1", "mocha-2"]
    assert mount.text("generation") == "3\n"
    assert sorted(os.listdir(mount / "generations")) == ["1", "2", "3"]
    assert mount.text("generations/1/terms/all") == "espresso-0\n"
    standing = os.open(mount / "terms", os.O_RDONLY)
    emptied(box.state)
    put(3, "ristretto")
    everything = ["espresso-0", "lungo-1", "mocha-2", "ristretto-3"]
    eventually(lambda: mount.ids("all") == everything, "the new index")
    assert mount.text("generation") == "1\n"
    eventually(lambda: os.listdir(mount / "generations") == ["1"], "the new index's generations")
    # A name that the kernel keeps for ever, and a number that stands for other bytes now.
    eventually(lambda: mount.text("generations/1/terms/all").splitlines() == everything, "the new generation 1")
    assert not (mount / "generations/2").exists()
    # Whoever stands in the old one keeps it.
    with open(os.open("all", os.O_RDONLY, dir_fd=standing)) as f:
        assert f.read() == "espresso-0\nlungo-1\nmocha-2\n"
    os.close(standing)
    said = log.read_text()
    assert said.count("another index is in") == 1, said
    put(4, "cortado")
    eventually(lambda: mount.ids("all") == sorted(everything + ["cortado-4"]), "the next generation")
    eventually(lambda: mount.text("watermark") == rfc3339(slice_time(4)) + "\n", "its watermark")
    assert not mount.take_down()
    assert server.wait() == 0


def test_an_emptied_state_is_not_served_as_an_empty_index(box):
    publish(box, ["espresso", "lungo"])
    mount = box.mount("refresh=manual,poll=0s")
    assert mount.ids("all") == ["espresso-0", "lungo-1"]
    empty(box.state)
    assert mount.ids("all") == ["espresso-0", "lungo-1"]
    assert mount.text("generation") == "2\n"
    # An index that has published nothing yet does not take its place either.
    shutil.rmtree(box.feed.root)
    box.feed.root.mkdir()
    box.build()
    assert mount.ids("all") == ["espresso-0", "lungo-1"]


def test_the_same_index_never_goes_back_under_a_mount(box, tmp_path):
    publish(box, ["espresso"])
    shutil.copytree(box.state, tmp_path / "backup")
    publish(box, ["lungo"], first=1)
    mount = box.mount("refresh=manual,poll=0s")
    empty(box.state)
    shutil.copytree(tmp_path / "backup", box.state, dirs_exist_ok=True)
    assert mount.ids("all") == ["espresso-0", "lungo-1"]
    assert mount.text("generation") == "2\n"
    assert "from generation 2 to 1 of the same index" in mount.text("status")
    again = box.mount("refresh=manual,poll=0s")
    assert again.ids("all") == ["espresso-0"]
