# SPDX-License-Identifier: Apache-2.0
"""max_age: no answer rather than an old one."""

import errno
import html
import json
import os
import time
from datetime import datetime, timedelta, timezone

import pytest

from harness import eventually

pytestmark = pytest.mark.release
DATA = ("terms", "postings", "prefix", "docs", "groups", "query", "rank", "segments")


def put(box, seconds_ago, word):
    """A partition whose slice, of five minutes, ended so long ago."""
    start = datetime.now(timezone.utc) - timedelta(seconds=seconds_ago + 300)
    box.feed.put(start.strftime("dt=%Y-%m-%d/hour=%H/minute=%M"), [{"id": word, "title": f"espresso {word}", "item": word}])
    box.build()


@pytest.fixture
def recent(box):
    """Slices begin at any minute here."""
    text = box.config.read_text()
    box.config.write_text(text.replace("quiet = 0s", "quiet = 0s\ncadence = 1m"))
    return box


def is_stale(mount, name):
    with pytest.raises(OSError) as e:
        os.stat(mount / name)
    return e.value.errno == errno.ESTALE


def test_what_is_too_old_is_not_shown_until_there_is_newer(recent):
    put(recent, 3600, "old")
    mount = recent.mount("refresh=manual,poll=0s,max_age=30m")
    assert all(is_stale(mount, name) for name in DATA)
    assert is_stale(mount, "terms/espresso")
    for name in ("README", "status", "metrics", "watermark", "generation", "partitions.tsv"):
        assert mount.text(name)
    assert set(DATA) <= set(os.listdir(mount.point))
    assert "\ntoo old " in mount.text("status") and json.loads(mount.text("status.json"))["too_old"] is True
    assert "The index is older than max_age, 30m:" in html.unescape(mount.text("status.html"))
    assert "freshet_too_old 1\n" in mount.text("metrics")
    assert mount.text("generations/1/terms/espresso") == "old\n"
    put(recent, 600, "new")
    assert mount.text("terms/espresso") == "new\nold\n"
    assert "too old" not in mount.text("status") and json.loads(mount.text("status.json"))["too_old"] is False


def test_it_gets_too_old_while_it_is_mounted_whatever_the_kernel_keeps(recent):
    put(recent, 600, "old")
    age = json.loads(recent.run("status", "--json", "--config", recent.config).out)["age_seconds"]
    mount = recent.mount(f"refresh=eager,poll=1h,max_age={age + 5}s")
    here = os.open(mount / "terms", os.O_RDONLY)
    file = open(mount / "terms" / "espresso", encoding="utf-8")

    def fails():
        try:
            mount.text("terms/espresso")
        except OSError as e:
            return e.errno == errno.ESTALE

    began = time.monotonic()
    eventually(fails, "too old")
    assert time.monotonic() - began < 60
    # What a process has, it keeps.
    assert file.read() == "old\n"
    with open(os.open("espresso", os.O_RDONLY, dir_fd=here), encoding="utf-8") as again:
        assert again.read() == "old\n"
    file.close()
    os.close(here)


def test_without_it_any_age_is_shown(box):
    box.feed.put(0, [{"id": "old", "title": "espresso", "item": "g"}])
    box.build()
    mount = box.mount()
    assert mount.ids("espresso") == ["old"]
    assert json.loads(mount.text("status.json"))["too_old"] is False
