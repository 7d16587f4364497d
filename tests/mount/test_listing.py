# SPDX-License-Identifier: Apache-2.0
"""Large directories: listed in order and in parts, and with attributes where somebody looks at them."""

import ctypes
import json
import os
import random
import struct

import pytest

from harness import FRESHET, eventually, shell, tool

pytestmark = [pytest.mark.caches, pytest.mark.feedless]

WORDS = 100  # of a document; each is another
PART = 32768  # what libc reads at a time


def requests(mount):
    return json.loads(mount.text("status.json"))["requests"]


def sent(mount, act):
    """What act() sends, besides some that the readings cost."""
    before = requests(mount)
    act()
    after = requests(mount)
    return {kind: after[kind] - before[kind] for kind in after}


def getdents(fd, size):
    """[(name, offset of the next)], [] at the end."""
    buffer = ctypes.create_string_buffer(size)
    n = libc.syscall(217, fd, buffer, size)
    if n < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    found, at = [], 0
    while at < n:
        _, after, length = struct.unpack_from("QqH", buffer, at)
        found.append((buffer.raw[at + 19 : at + length].split(b"\0", 1)[0].decode(), after))
        at += length
    return found


libc = ctypes.CDLL(None, use_errno=True)


def resident(mount):
    """MiB."""
    (pid,) = mount.pids()
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def fill(box, documents):
    """That many documents; the names of their terms."""
    word = lambda i, j: f"w{i * WORDS + j:06}"
    box.feed.put(0, [{"id": f"ad-{i:05}", "title": " ".join(word(i, j) for j in range(WORDS))} for i in range(documents)])
    box.build()
    return [f"w{i:06}" for i in range(documents * WORDS)]


@pytest.mark.release
def test_a_large_directory_is_listed_in_parts_from_anywhere(box):
    if os.uname().machine != "x86_64":
        pytest.skip("knows the system calls of x86_64")
    names = fill(box, 1000)
    mount = box.mount("refresh=eager")
    fd = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
    small = resident(mount)
    try:
        # The first part comes after one request, however many names there are.
        began = sent(mount, lambda: getdents(fd, PART))
        assert began["readdir"] + began["readdirplus"] == 1
        os.lseek(fd, 0, os.SEEK_SET)
        whole = []
        while part := getdents(fd, PART):
            whole += part
        assert [name for name, _ in whole] == [".", "..", *names]
        offsets = [after for _, after in whole]
        assert offsets == sorted(set(offsets))
        rng = random.Random(1)
        places = [rng.randrange(len(whole) - 50) for _ in range(100)] + [0, 1, 2, len(whole) - 2]
        for i in places:
            assert os.lseek(fd, offsets[i], os.SEEK_SET) == offsets[i]
            # As few at a time as fit.
            for size in (40, 100, PART):
                part = getdents(fd, size)
                assert part == whole[i + 1 : i + 1 + len(part)] and part
                i += len(part)
                if i == len(whole) - 1:
                    break
        os.lseek(fd, offsets[-1], os.SEEK_SET)
        assert getdents(fd, PART) == []
        with pytest.raises(OSError):
            os.lseek(fd, 0, os.SEEK_SET), getdents(fd, 8)
        # The same by way of the kernel's own copy, and without it.
        for mode in ("1", "3"):
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write(mode)
            assert sorted(os.listdir(mount / "terms")) == names
    finally:
        os.close(fd)
    with open(FRESHET, "rb") as f:
        sanitized = b"__asan_init" in f.read()
    assert sanitized or resident(mount) - small <= 8


@pytest.mark.release
def test_a_listing_looks_nothing_up_and_one_with_attributes_in_parts(box):
    names = fill(box, 300)
    mount = box.mount("refresh=eager")
    os.listdir(mount / "docs")  # opens are over
    plain = sent(mount, lambda: tool("ls", "-U", mount / "terms"))
    assert plain["lookup"] < 20 and plain["readdir"] > plain["readdirplus"] == 1
    # Of another mount: a listing that the kernel keeps says nothing of attributes.
    mount = box.mount("refresh=eager")
    long = sent(mount, lambda: tool("ls", "-l", mount / "terms"))
    assert long["lookup"] < 500 and 100 < long["readdirplus"] < 1000
    # Labels and access lists: one answer says that there are none. From 9.6 on (Debian 13), ls asks each file for the names of all.
    assert long["xattr"] < 20 or len(names) <= long["xattr"] < len(names) + 20
    # Each has been told of right: as a lookup by name says.
    sizes = dict(line.split() for line in shell("find . -type f -printf '%f %s\n'", cwd=mount / "terms").splitlines())
    assert sizes == {name: "9" for name in names}
    assert sent(mount, lambda: [os.stat(mount / "terms" / name) for name in names])["lookup"] < 500
    assert (mount / "terms" / names[7]).read_bytes() == b"ad-00000\n"
    # And the kernel gives them all back.
    told = requests(mount)["forget"]
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("2\n")
    eventually(lambda: requests(mount)["forget"] - told > len(names) // 2, "that inodes are forgotten")


def entries_of(path):
    attributes = lambda s: (s.st_mode, s.st_size, s.st_blocks, s.st_mtime_ns, s.st_nlink)
    return {e.name: attributes(e.stat()) for e in os.scandir(path)}


@pytest.mark.release
def test_attributes_in_a_listing_are_those_of_a_lookup(box):
    box.feed.put(0, [{"id": f"ad-{i}", "item": f"i{i // 2}", "title": f"espresso e{i} {'é' * i}"} for i in range(60)])
    box.feed.put(1, [{"id": "ad-3", "title": "lungo"}])
    box.build()
    one, other = box.mount(), box.mount()
    for tree in ("terms", "prefix/e", "docs", "groups", "postings", "segments", ""):
        listed = entries_of(one / "generations/1" / tree)
        assert len(listed) >= 4, tree
        for name, attributes in listed.items():
            s = os.stat(other / "generations/1" / tree / name)
            assert attributes == (s.st_mode, s.st_size, s.st_blocks, s.st_mtime_ns, s.st_nlink), (tree, name)
        if tree:
            assert int(tool("du", "-sb", one / "generations/1" / tree).split()[0]) == sum(a[1] for a in listed.values())
