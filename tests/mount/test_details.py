# SPDX-License-Identifier: Apache-2.0
"""What programs expect of files on a disk, of every kind of file that the mount has."""

import errno
import mmap
import os
import socket
import subprocess

import pytest

from harness import PART, shell, tool

pytestmark = pytest.mark.release
WORD = "w" * 254  # its name in terms/ and docs/ has as many bytes


@pytest.fixture
def mount(box):
    records = [{"id": f"ad-{i:04}", "title": f"espresso {'crema ' * 40}w{i}", "item": f"i{i // 3}"} for i in range(3000)]
    records += [{"id": "x" * 255, "title": WORD, "item": "long"}, {"id": "y" * 256, "title": "espresso", "item": "long"}]
    box.feed.put(0, records)
    box.build()
    return box.mount()


def files(mount):
    """One of each kind, the largest first."""
    (segment,) = (n for n in os.listdir(mount / "segments") if n.endswith(".seg"))
    names = [f"segments/{segment}", "postings/espresso", "terms/espresso", "query/espresso", "rank/espresso", "segments/1.live",
             "segments/MANIFEST.json", "segments/SHA256SUMS", "docs/ad-0001", "groups/i1", "partitions.tsv", "README", "watermark",
             "generation", "generations/1/terms/espresso", "generations/1/watermark",
             f"partitions/dt=2024-05-04/hour=10/minute=00/{PART}"]  # fmt: skip
    return [mount / name for name in names]


def test_sizes_blocks_and_modes_are_those_of_the_bytes(mount):
    for path in files(mount):
        data, st = path.read_bytes(), path.stat()
        assert (st.st_size, st.st_blocks) == (len(data), -(-len(data) // 512)), path
        assert (st.st_mode & 0o7777, st.st_nlink, st.st_uid) == (0o444, 1, os.getuid()), path
        assert st.st_mtime > 0 and len(data) > 0, path


def test_every_way_to_read_gives_the_same_bytes(mount):
    for path in files(mount):
        data = path.read_bytes()
        with open(path, "rb") as f:
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as shared:
                assert shared[:] == data, path
            with mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as private:
                private[0:1] = b"!"
                assert private[1:] == data[1:], path
            assert b"".join(os.pread(f.fileno(), 777, at) for at in range(0, len(data), 777)) == data, path
            assert os.pread(f.fileno(), 10, len(data)) == os.pread(f.fileno(), 10, 1 << 40) == b"", path
            there, here = socket.socketpair()
            with there, here:
                sent = os.sendfile(there.fileno(), f.fileno(), 0, 1000)
                assert here.recv(1000) == data[:sent], path


def test_direct_reads_give_the_same_bytes(mount):
    for path in files(mount):
        data, fd = path.read_bytes(), os.open(path, os.O_RDONLY | os.O_DIRECT)
        with mmap.mmap(-1, 1 << 16) as aligned:
            found = b""
            while n := os.preadv(fd, [aligned], len(found)):
                found += aligned[:n]
        os.close(fd)
        assert found == data, path


def test_there_are_no_holes(mount):
    for path in files(mount):
        size = path.stat().st_size
        with open(path, "rb") as f:
            assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 0 and os.lseek(f.fileno(), 0, os.SEEK_HOLE) == size, path
            with pytest.raises(OSError) as beyond:
                os.lseek(f.fileno(), size, os.SEEK_DATA)
            assert beyond.value.errno == errno.ENXIO, path


def test_tools_that_look_for_holes_and_space_copy_what_is_there(box, mount):
    shell(f"cp --sparse=always --reflink=auto {mount.point}/terms/espresso {box.root}/copy && cmp {mount.point}/terms/espresso {box.root}/copy")
    shell(f"tar -C {mount.point}/generations/1 -cSf {box.root}/a.tar segments docs/ad-0001 && tar -C {mount.point}/generations/1 -df {box.root}/a.tar")
    total = sum(p.stat().st_blocks for p in (mount / "segments").iterdir()) // 2
    assert int(shell(f"du -s {mount.point}/segments").split()[0]) == total
    st = os.statvfs(mount.point)
    assert st.f_blocks * st.f_frsize >= sum(p.stat().st_size for p in (mount / "segments").glob("*.seg"))
    assert (st.f_bavail, st.f_namemax) == (0, 255) and st.f_flag & os.ST_RDONLY
    assert "100%" in tool("df", mount.point)


def test_names_as_long_as_names_may_be(mount):
    assert (mount / "terms" / WORD).read_text() == "x" * 255 + "\n"
    assert b"x" * 255 in (mount / "docs" / ("x" * 255)).read_bytes()
    assert "x" * 255 in os.listdir(mount / "docs") and "y" * 256 not in os.listdir(mount / "docs")
    # What has no name is in the files all the same.
    assert "y" * 256 in (mount / "terms/espresso").read_text().splitlines()
    for name, number in (("z" * 255, errno.ENOENT), ("y" * 256, errno.ENAMETOOLONG)):
        with pytest.raises(OSError) as refused:
            os.stat(mount / "docs" / name)
        assert refused.value.errno == number


def test_attributes_are_listed_and_read_as_system_calls_have_it(mount):
    for path in files(mount):
        for name in os.listxattr(path):
            assert name.startswith("user.freshet.") and os.getxattr(path, name), path
        for name, number in (("user.nothing", errno.ENODATA), ("security.selinux", errno.EOPNOTSUPP)):
            with pytest.raises(OSError) as refused:
                os.getxattr(path, name)
            assert refused.value.errno == number, (path, name)
    assert os.getxattr(mount / "terms/espresso", "user.freshet.df") == b"3001"


def test_locks_of_readers_work_and_are_local(mount):
    done = subprocess.run(["flock", "-n", "-s", mount / "generations/1/terms/espresso", "true"])
    assert done.returncode == 0
