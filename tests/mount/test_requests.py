# SPDX-License-Identifier: Apache-2.0
"""Requests are counted, and the counts prove what the kernel answers by itself."""

import itertools
import json
import os

import pytest

from harness import eventually

pytestmark = pytest.mark.caches

UNTOUCHED = itertools.count(1)
KINDS = "lookup forget getattr open read readdir readdirplus xattr statfs poll write".split()


def requests(mount):
    """By kind. Each reading counts itself: what it costs is the difference of two in a row."""
    found = json.loads(mount.text("status.json"))["requests"]
    assert list(found) == KINDS
    return found


def sent(mount, act):
    """What act() sends, by kind, without what the readings cost; the kinds that it sends none of are left out."""
    one, two = requests(mount), requests(mount)
    act()
    three = requests(mount)
    # Of forgets the kernel decides when.
    counts = {k: three[k] - two[k] - (two[k] - one[k]) for k in KINDS if k != "forget"}
    return {k: n for k, n in counts.items() if n}


def fewest(mount, acts):
    """Of what each of these sends, which should all send the same: the kernel may let go of what it keeps, when others need the memory."""
    return min((sent(mount, act) for act in acts), key=lambda counts: sum(map(abs, counts.values())))


def sent_cold(mount, act, stem="w"):
    """By act(path) of a term that nobody has asked for."""
    paths = [mount / f"terms/{stem}{next(UNTOUCHED)}" for _ in range(3)]
    return fewest(mount, [lambda path=path: act(path) for path in paths])


def sent_warm(mount, act):
    return fewest(mount, [act] * 3)


def read(path):
    with open(path, "rb") as f:
        return f.read()


@pytest.fixture
def mount(box):
    box.feed.put(0, [{"id": f"ad-{i:04}", "title": f"espresso w{i}", "item": f"i{i // 3}"} for i in range(2000)])
    box.build()
    made = box.mount("refresh=eager")
    read(made / "terms/espresso")  # from here on the kernel opens by itself
    os.listdir(made.point)
    return made


@pytest.mark.release
def test_warm_reads_send_nothing(mount):
    term = mount / "terms/espresso"
    assert sent_cold(mount, read) == {"lookup": 1, "read": 1}

    def read_it_warm():
        for _ in range(1000):
            assert len(read(term)) == 2000 * 8

    assert sent_warm(mount, read_it_warm) == {}
    assert sent_warm(mount, lambda: [os.stat(term) for _ in range(1000)]) == {}
    # A name that is known not to be there is not asked for either.
    assert sent_cold(mount, os.path.exists, "decaf") == {"lookup": 1}
    assert sent_warm(mount, lambda: [os.path.exists(mount / "terms/decaf") for _ in range(1000)]) == {}


@pytest.mark.release
def test_each_kind_is_counted_as_it_is_sent(mount):
    assert sent_cold(mount, os.stat) == {"lookup": 1}
    assert sent_cold(mount, read) == {"lookup": 1, "read": 1}
    term = mount / "terms/espresso"
    assert sent_warm(mount, lambda: os.statvfs(term)) == {"statfs": 1}
    assert sent_warm(mount, lambda: os.getxattr(term, "user.freshet.df")) == {"xattr": 1}
    assert sent_warm(mount, lambda: os.listxattr(term)) == {"xattr": 1}
    listing = sent(mount, lambda: os.listdir(mount / "docs"))
    assert listing["readdir"] >= 1 and "read" not in listing
    # It is the kernel's now; that it still holds is asked for.
    assert not sent_warm(mount, lambda: os.listdir(mount / "docs")).keys() - {"getattr"}
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("2\n")
    eventually(lambda: requests(mount)["forget"], "forgets")
