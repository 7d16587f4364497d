# SPDX-License-Identifier: Apache-2.0
"""Ordinary tools behave on a mount as on a disk."""

import os

import pytest

from harness import needs, shell, tool


@pytest.fixture
def mount(box):
    box.feed.put(
        0,
        [
            {"id": f"ad-{i:05}", "title": "espresso" if i % 2 else "lungo", "brand": "Acme" if i % 3 else "Other"}
            for i in range(30000)
        ],
    )
    box.build()
    box.feed.put(1, [{"id": f"ad-{i:05}", "title": "espresso"} for i in range(0, 30000, 1000)])
    box.build()
    return box.mount()


@pytest.fixture
def disk(box, mount):
    """The same terms as files on a disk, copied by plain reads."""
    to = box.root / "disk"
    to.mkdir()
    for name in os.listdir(mount / "terms"):
        (to / name).write_bytes((mount / "terms" / name).read_bytes())
    return to


@pytest.mark.release
def test_text_tools_print_what_they_print_on_a_disk(mount, disk):
    terms = mount / "terms"
    for script in (
        "comm -12 espresso brand:Acme",
        "comm -13 espresso brand:Acme",
        "join espresso brand:Acme | sed -n 1,5p",
        "grep -rl ad-00007 . | sort",
        "grep -c . espresso",
        "wc -c espresso lungo brand:Acme",
        "wc -l < espresso",
        "tail -n 3 espresso",
        "tail -c 1000 espresso",
        "head -c 7 lungo",
        "sort -c espresso && echo sorted",
        "find . -type f | sort",
        "find . -name 'esp*' -size +100k",
        "cat * | sha256sum",
        "dd if=espresso bs=1000 skip=50 count=3 status=none | sha256sum",
        "stat -c '%s %F' espresso",
        "ls | sort",
        "! diff espresso lungo",
    ):
        assert shell(script, cwd=terms) == shell(script, cwd=disk), script


@pytest.mark.release
def test_copies_are_whole_and_keep_their_times(box, mount):
    to = box.root / "copy"
    to.mkdir()
    tool("cp", "-rp", mount / "terms", to)
    tool("diff", "-r", mount / "terms", to / "terms")
    file, copy = os.stat(mount / "terms/espresso"), os.stat(to / "terms/espresso")
    assert (file.st_size, int(file.st_mtime)) == (copy.st_size, int(copy.st_mtime))
    assert file.st_blocks == (file.st_size + 511) // 512


@pytest.mark.release
def test_rsync_copies_segments_once_and_they_check_out(box, mount):
    needs("rsync")
    to = box.root / "standby"
    rsync = ["rsync", "-a", "--out-format=%n", f"{mount / 'segments'}/", f"{to}/"]
    first = tool(*rsync)
    assert first.count(".seg") == 2
    assert "SHA256SUMS" in first and "MANIFEST.json" in first
    tool("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=to)
    assert tool(*rsync) == ""
    sums = (to / "SHA256SUMS").read_text()
    for name in os.listdir(to):
        assert name == "SHA256SUMS" or f" {name}\n" in sums, name


def test_files_can_be_mapped(mount):
    import mmap

    with open(mount / "terms/espresso", "rb") as f:
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == (mount / "terms/espresso").read_bytes()


def test_listing_can_go_on_where_it_stopped(mount):
    whole = [e.name for e in os.scandir(mount / "docs")]
    assert len(whole) == len(set(whole)) == 30000
    assert whole == sorted(whole)
    # A second listing while the first is under way does not disturb it.
    with os.scandir(mount / "docs") as one:
        begun = [next(one).name for _ in range(5000)]
        assert [e.name for e in os.scandir(mount / "docs")] == whole
        assert begun + [e.name for e in one] == whole


def test_a_working_directory_stays_in_its_generation(box, mount):
    here = os.open(mount / "terms", os.O_RDONLY | os.O_DIRECTORY)
    try:
        box.feed.put(2, [{"id": "new", "title": "ristretto"}])
        box.build()
        assert mount.ids("ristretto") == ["new"]
        with pytest.raises(FileNotFoundError):
            os.stat("ristretto", dir_fd=here)
        assert "ristretto" not in os.listdir(here)
        assert os.stat("espresso", dir_fd=here).st_size > 0
    finally:
        os.close(here)
