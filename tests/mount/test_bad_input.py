# SPDX-License-Identifier: Apache-2.0
"""Bad input gives one clear error with the documented exit code, and nothing that was published is lost."""

import errno
import gzip
import json
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

from harness import (
    DOCUMENTS, EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE,
    FRESHET, rfc3339, slice_path, slice_time, tool,
)  # fmt: skip

root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def refuses(result, code, *words):
    """One line that names every one of `words`."""
    assert result.code == code, result
    lines = [line for line in result.err.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("freshet: "), result
    for word in words:
        assert word in lines[0], result


@pytest.fixture
def published(box):
    """A box with one published generation."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    return box


def still_there(box):
    """What `published` published is served as before."""
    mount = box.mount()
    assert mount.ids("espresso") == ["a"]
    assert mount.text("watermark") == rfc3339(slice_time(0)) + "\n"
    box.verify()
    return mount


# Options, configuration, feed


@pytest.mark.parametrize("args", [["--frobnicate"], ["-Q"], ["one", "two", "three"], ["--now", "noon"]])
def test_unknown_options_and_wrong_values_are_usage_errors(box, args):
    result = box.run("build", *args)
    assert result.code == EX_USAGE, result
    assert result.err.startswith("freshet: build: ")


def test_an_unknown_command_is_a_usage_error(box):
    result = box.run("frobnicate")
    assert result.code == EX_USAGE and "frobnicate" in result.err


@pytest.mark.parametrize(
    "text, words",
    [
        ("[feed]\nfrobnicate = 1\n", ["frobnicate"]),
        ("[nowhere]\nid = 1\n", ["nowhere"]),
        ("[feed]\ncadence = soon\n", ["cadence", "soon"]),
        ("[feed]\ncadence = 0s\n", ["cadence"]),
        ("[lag]\npolicy = sometimes\n", ["policy"]),
        ("[feed]\npartition = dt=%Y/%H\n", ["%H"]),
        ("[feed]\npartition = ../%Y\n", [".."]),
        ("[feed]\npartition = %Y%Y\n", ["%Y"]),
        ("[document]\ndrop_if = (a:b\n", ["drop_if"]),
        ("[document]\nid = a\nid = b\n", ["id"]),
        ("[document]\nnonsense\n", []),
        ("[document]\nid = " + "x" * 5000 + "\n", []),
    ],
)  # fmt: skip
def test_wrong_configurations_are_refused(published, text, words):
    published.config.write_text(text + (DOCUMENTS if "[document]" not in text else ""))
    refuses(published.try_build(), EX_CONFIG, *words)
    published.configure(DOCUMENTS)
    still_there(published)


def test_a_configuration_that_is_not_there(box):
    refuses(box.run("build", box.feed.url, "--config", box.root / "none.ini"), EX_NOINPUT, "none.ini")


def test_a_feed_that_is_not_there(box):
    refuses(box.run("build", box.root / "nowhere"), EX_NOINPUT, "nowhere")


def test_a_feed_that_is_no_directory(box):
    refuses(box.run("build", box.config), EX_NOINPUT, "freshet.ini")


def test_another_feed_than_the_states_is_refused(published):
    other = published.root / "other"
    other.mkdir()
    result = published.run("build", other)
    assert result.code != 0 and "other" in result.err and "feed" in result.err, result
    still_there(published)


# State


def test_a_state_directory_that_is_a_file(box):
    refuses(box.try_build(state=box.config), EX_NOINPUT, "freshet.ini")


@root_only
def test_a_state_directory_that_may_not_be_entered(published):
    os.chmod(published.state, 0o700)
    shutil.copy(FRESHET, published.root / "freshet")  # where the other user may run it
    done = subprocess.run(
        [published.root / "freshet", "build", published.feed.url, "--state", published.state],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == EX_NOPERM, done
    assert str(published.state) in done.stderr
    still_there(published)


def test_a_directory_of_other_things_is_no_state_directory(box):
    box.state.mkdir()
    (box.state / "thesis.txt").write_text("dear")
    box.feed.put(0, [{"id": "a"}])
    result = box.try_build()
    assert result.code != 0 and str(box.state) in result.err, result
    assert os.listdir(box.state) == ["thesis.txt"]


def test_a_foreign_catalog_is_refused(published):
    catalog = published.state / "catalog.db"
    kept = catalog.read_bytes()
    for suffix in ("", "-wal", "-shm"):
        (published.state / f"catalog.db{suffix}").unlink(missing_ok=True)
    with sqlite3.connect(catalog) as db:
        db.execute("create table recipes (name text)")
    db.close()
    refuses(published.try_build(), EX_DATAERR, "catalog.db")
    catalog.write_bytes(kept)
    still_there(published)


def test_a_newer_catalog_is_refused(published):
    catalog = published.state / "catalog.db"
    with sqlite3.connect(catalog) as db:
        version = db.execute("pragma user_version").fetchone()[0]
        db.execute("pragma user_version = 9999")
    db.close()
    refuses(published.try_build(), EX_DATAERR, "catalog.db", "9999")
    with sqlite3.connect(catalog) as db:
        db.execute(f"pragma user_version = {version}")
    db.close()
    still_there(published)


def test_a_damaged_catalog_is_refused(published):
    catalog = published.state / "catalog.db"
    kept = catalog.read_bytes()
    catalog.write_bytes(b"not a database" + kept[14:])
    refuses(published.try_build(), EX_DATAERR, "catalog.db")
    catalog.write_bytes(kept)
    still_there(published)


# Segments


def segment_of(box):
    return next((box.state / "segments").glob("*.seg"))


def test_a_damaged_segment_is_found_by_verify_and_never_crashes_a_reader(published):
    path = segment_of(published)
    good = path.read_bytes()
    os.chmod(path, 0o644)
    for at in range(0, len(good), max(len(good) // 60, 1)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        result = published.run("verify")
        assert result.code == EX_DATAERR, (at, result)
        assert path.stem in result.err + result.out
        inspected = published.run("inspect", path)
        assert inspected.code in (0, EX_DATAERR), (at, inspected)
    path.write_bytes(good)
    still_there(published)


@pytest.mark.parametrize("at", [0, 7, 40, 0.3, 0.36, 0.6, 0.65, 0.9, -1])
def test_a_damaged_segment_takes_no_mount_down_and_verify_tells(published, at):
    """Checksums are looked at by verify: reading them all would make a mount over a large base start slowly."""
    path = segment_of(published)
    good = path.read_bytes()
    os.chmod(path, 0o644)
    where = int(len(good) * at) if isinstance(at, float) else at % len(good)
    path.write_bytes(good[:where] + bytes([good[where] ^ 0x55]) + good[where + 1 :])
    assert published.run("verify").code == EX_DATAERR
    mount, result = published.try_mount()
    if result.code:
        assert path.stem in result.err, result
        return
    for name in ("terms/espresso", "docs/a", "postings/espresso", "query/espresso", "terms", "docs"):
        try:
            (mount / name).read_bytes() if "/" in name else os.listdir(mount / name)
        except OSError as e:
            assert e.errno in (errno.EIO, errno.ENOENT), (name, e)
    assert mount.text("status") and mount.text("README")


@pytest.mark.release
@pytest.mark.parametrize("part", [0, 0.3, 0.6])
def test_a_segment_that_is_cut_short_under_a_mount_gives_errors_and_no_dead_mount(box, part):
    words = [f"w{i:04d}" for i in range(2000)]
    box.feed.put(0, [{"id": f"{w}-{i}", "title": f"{w} all"} for i, w in enumerate(words)])
    box.build()
    mount = box.mount()
    server = mount.pids()
    held = open(mount / "terms/all", "rb")
    (segment,) = (box.state / "segments").iterdir()
    os.truncate(segment, int(segment.stat().st_size * part) // 4096 * 4096)
    answers = {"right": 0, "errors": 0}
    for i, word in enumerate(words):
        for path, right in ((f"terms/{word}", f"{word}-{i}\n"), (f"docs/{word}-{i}", None)):
            try:
                text = mount.text(path)
            except OSError as e:
                assert e.errno == errno.EIO, (path, e)
                answers["errors"] += 1
            else:
                assert text == right if right else json.loads(text)["title"] == f"{word} all", path
                answers["right"] += 1
    assert answers["errors"], answers
    for reads in (held.read, lambda: (mount / "segments" / segment.name).read_bytes()):
        with pytest.raises(OSError) as failed:
            reads()
        assert failed.value.errno == errno.EIO
    held.close()
    for listing in ("terms", "prefix", "docs"):
        with pytest.raises(OSError) as failed:
            os.listdir(mount / listing)
        assert failed.value.errno == errno.EIO
    assert mount.text("generation") == "1\n"
    assert mount.pids() == server


def test_a_truncated_or_missing_segment_is_refused(published):
    path = segment_of(published)
    good = path.read_bytes()
    os.chmod(path, 0o644)
    for damage in (lambda: path.write_bytes(good[: len(good) // 2]), lambda: path.write_bytes(b""), path.unlink):
        damage()
        result = published.run("verify")
        assert result.code not in (0, -11, -6), result
        assert path.stem in result.err + result.out
    path.write_bytes(good)
    still_there(published)


@pytest.mark.parametrize("data", [b"", b"FSG", b"\0" * 4096, os.urandom(5000)], ids=["empty", "short", "zeros", "noise"])
def test_inspect_refuses_what_is_no_segment(box, data):
    path = box.root / ("0" * 32 + ".seg")
    path.write_bytes(data)
    refuses(box.run("inspect", path), EX_DATAERR, path.name)


# Mount points, FUSE, disks


def test_a_mount_point_that_is_missing(published):
    _, result = published.try_mount(point=published.root / "missing")
    refuses(result, EX_NOINPUT, "missing")


def test_a_mount_point_that_is_a_file(published):
    _, result = published.try_mount(point=published.config)
    assert result.code != 0 and "freshet.ini" in result.err, result


def test_a_mount_point_that_is_taken(published):
    mount = published.mount()
    _, result = published.try_mount(point=mount.point)
    assert result.code != 0 and str(mount.point) in result.err, result
    assert mount.ids("espresso") == ["a"]


def test_an_unknown_mount_option_is_a_usage_error(published):
    _, result = published.try_mount("refresh=sometimes")
    assert result.code in (EX_USAGE, EX_CONFIG) and "refresh" in result.err, result
    _, result = published.try_mount("frobnicate=1")
    assert result.code in (EX_USAGE, EX_CONFIG) and "frobnicate" in result.err, result


@root_only
def test_without_fuse_a_mount_says_so(published):
    point = published.root / "mnt"
    point.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "unchanged", "bash", "-c",
         # In a chroot / is no mount point, and /dev is all that must not spread.
         'mount --make-rprivate /dev && mount -t tmpfs none /dev && exec "$@"', "sh"]
        + published.argv("mount", published.feed.url, point),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0 and "/dev/fuse" in done.stderr, done
    assert done.returncode == EX_UNAVAILABLE, done


@root_only
def test_a_full_disk_loses_nothing(box):
    box.state.mkdir()
    tool("mount", "-t", "tmpfs", "-o", "size=2m", "none", box.state)
    try:
        box.feed.put(0, [{"id": "a", "title": "espresso"}])
        box.build()
        rng = random.Random(7)
        box.feed.put(1, [{"id": f"{i}", "title": f"{rng.getrandbits(400):x}"} for i in range(20000)])
        result = box.try_build()
        assert result.code != 0 and "o space left" in result.err, result
        mount = still_there(box)
        # And when there is room again it goes on.
        tool("mount", "-o", "remount,size=100m", box.state)
        box.build()
        assert len(mount.ids("espresso")) == 1
        assert (mount / "docs/19999").exists()
        mount.take_down()
    finally:
        tool("umount", box.state)


# Records


@pytest.mark.parametrize(
    "line, word",
    [
        (b'{"id": "x", "title": ', ""),
        (b"nonsense", ""),
        (b'["a", "list"]', "object"),
        (b'"text"', "object"),
        (b'{"id": "x", "title": "\xff\xfe"}', ""),
        (b'{"id": "x", "title": "a\x00b"}', ""),
        (b'{"id": "", "title": "x"}', "id"),
        (b'{"title": "no id"}', "id"),
        (b'{"id": {"a": "b"}}', "id"),
        (b'{"id": null}', "id"),
        (b'{"id": "a\\u0000b"}', "id"),
        (b'{"id": "a\\nb"}', "id"),
        (b'{"id": "x", "brand": "tab\\there"}', "brand"),
        (b'{"id": "x", "item": "\\u007f"}', "item"),
        (b'{"id": "' + b"x" * 5000 + b'"}', "id"),
        (b'{"id": "x", "t": ' + b"[" * 10000 + b"]" * 10000 + b"}", ""),
        (b'{"id": "x"} {"id": "y"}', ""),
    ],
    ids=lambda v: v[:24].decode("latin1").encode("unicode_escape").decode() if isinstance(v, bytes) else v or "any",
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_refused_alone(box, line, word):
    good = b"".join(b'{"id":"d%d","title":"espresso"}\n' % i for i in range(200))
    box.feed.put(0, good + line + b"\n" + b'{"id":"last","title":"espresso"}\n')
    box.build()
    mount = box.mount()
    assert len(mount.ids("espresso")) == 201
    (reject,) = mount.text(f"rejects/{slice_path(0)}/part-0.jsonl.tsv").splitlines()
    number, reason, _ = reject.split("\t")
    assert number == "201"
    assert word in reason
    assert box.status()["rejected"] == 1


def test_a_line_of_100_megabytes_is_refused_alone(box):
    good = b"".join(b'{"id":"d%d","title":"espresso"}\n' % i for i in range(200))
    box.feed.put(0, good + b'{"id":"x","title":"' + b"y" * 100_000_000 + b'"}\n' + b'{"id":"z","title":"espresso"}\n')
    box.build()
    mount = box.mount()
    assert len(mount.ids("espresso")) == 201
    (reject,) = mount.text(f"rejects/{slice_path(0)}/part-0.jsonl.tsv").splitlines()
    assert reject.startswith("201\t") and len(reject) < 10000


def test_ten_bad_records_of_a_few_are_borne_and_all_bad_are_not(box):
    box.feed.put(0, b'{"id":"a","title":"espresso"}\n' + b"bad\n" * 10)
    box.feed.put(1, b'{"id":"b","title":"espresso"}\n' + b"bad\n" * 11)
    box.feed.put(2, b"bad\n")
    assert box.try_build().code == EX_DATAERR
    mount = box.mount()
    assert mount.ids("espresso") == ["a"]
    assert box.status()["partitions"]["failed"] == 2


def test_duplicate_ids_give_the_last_one(box):
    box.feed.put(0, [{"id": "a", "title": f"v{i}"} for i in range(500)], "a.jsonl")
    box.feed.put(0, [{"id": "a", "title": "final"}], "b.jsonl")
    box.build()
    mount = box.mount()
    assert os.listdir(mount / "terms") == ["final"]
    assert os.listdir(mount / "docs") == ["a"]


# Files


def fails_alone(box, name, data):
    """The partition of that file fails and says which; its neighbours are published."""
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.feed.put(1, data, name)
    box.feed.put(2, [{"id": "c", "title": "espresso"}])
    result = box.try_build()
    assert result.code == EX_DATAERR, result
    mount = box.mount()
    assert mount.ids("espresso") == ["a", "c"]
    (row,) = [line for line in mount.text("partitions.tsv").splitlines() if "\tfailed\t" in line]
    assert row.startswith(slice_path(1)) and name in row


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_truncated_gz_fails_its_partition(box, cut):
    data = gzip.compress(b"".join(b'{"id":"d%d","title":"x"}\n' % i for i in range(5000)))
    fails_alone(box, "part-0.jsonl.gz", data[: int(len(data) * cut)])


def test_a_truncated_zst_fails_its_partition(box):
    lines = b"".join(b'{"id":"d%d","title":"x"}\n' % i for i in range(5000))
    data = subprocess.run(["zstd", "-qc"], input=lines, capture_output=True, check=True).stdout
    fails_alone(box, "part-0.jsonl.zst", data[: len(data) // 2])


@pytest.mark.parametrize("name", ["part-0.jsonl.zst", "part-0.jsonl.gz"])
def test_a_packed_file_that_is_none_fails_its_partition(box, name):
    fails_alone(box, name, b'{"id":"b","title":"plain"}\n')


def test_a_zst_bomb_fails_its_partition_within_bounds(box):
    bomb = subprocess.run(
        ["bash", "-c", "head -c 3000000000 /dev/zero | tr '\\0' '\\n' | zstd -qc -3"], capture_output=True, check=True
    ).stdout
    assert len(bomb) < 1_000_000
    fails_alone(box, "part-0.jsonl.zst", bomb)


def test_a_zst_with_a_huge_window_fails_its_partition(box):
    lines = b'{"id":"b","title":"y"}\n' * 10
    data = subprocess.run(
        ["bash", "-c", "zstd -qc --ultra -22 --long=31 --no-content-size"], input=os.urandom(10) + lines, capture_output=True, check=True,
    ).stdout  # fmt: skip
    fails_alone(box, "part-0.jsonl.zst", data)


def test_an_empty_file_is_a_partition_without_records(box):
    box.feed.put(0, b"")
    box.feed.put(1, b"\n\n  \n")
    box.build()
    assert box.status()["partitions"]["published"] == 2


def test_windows_line_ends_and_a_missing_last_one(box):
    box.feed.put(0, b'{"id":"a","title":"espresso"}\r\n\r\n{"id":"b","title":"espresso"}')
    box.build()
    mount = box.mount()
    assert mount.ids("espresso") == ["a", "b"]
    assert mount.text("docs/a") == '{"id":"a","title":"espresso"}\n'


@pytest.mark.blanks
def test_file_names_with_spaces_newlines_and_percents(box):
    names = ["with space.jsonl", "new\nline.jsonl", "50%.jsonl", "ü\\x.jsonl", "tab\t.jsonl"]
    for i, name in enumerate(names):
        box.feed.put(0, [{"id": f"ad-{i}", "title": "espresso"}], name)
    box.feed.put(0, b'{"id":"ad-9","title":"espresso"}\n' + b"bad\n", "sub dir/50%\n.jsonl")
    box.build()
    mount = box.mount()
    assert len(mount.ids("espresso")) == len(names) + 1
    part = mount / "partitions" / slice_path(0)
    assert sorted(os.listdir(part)) == sorted(names + ["sub dir"])
    for name in names:
        assert (part / name).read_bytes() == (box.feed.dir(0) / name).read_bytes()
    assert len(mount.text("partitions.tsv").splitlines()) == 2
    assert box.status()["rejected"] == 1
    box.feed.put(1, b"no JSON\n" * 20, "line\nbreak.jsonl")
    result = box.try_build()
    assert result.code == EX_DATAERR
    for shown in (result.err, mount.text("partitions.tsv")):
        assert "line%0Abreak.jsonl" in shown
    assert len(mount.text("partitions.tsv").splitlines()) == 3


@pytest.mark.directory("keys are UTF-8")
def test_file_names_that_are_no_text(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}], os.fsdecode(b"\xff.jsonl"))
    box.feed.put(1, b"no JSON\n" * 20, os.fsdecode(b"not\xffutf8.jsonl"))
    result = box.try_build()
    assert result.code == EX_DATAERR
    mount = box.mount()
    assert (mount / "partitions" / slice_path(0) / os.fsdecode(b"\xff.jsonl")).read_bytes()
    for shown in (result.err, mount.text("partitions.tsv")):
        assert "not%FFutf8.jsonl" in shown


def test_of_two_builders_the_second_says_who_holds_the_lock(box):
    for i in range(30):
        box.feed.put(i, [{"id": f"{n}", "title": "lungo " * 30} for n in range(5000)])
        builds = [box.start_build(), box.start_build()]
        said = [b.communicate()[0].decode() for b in builds]
        codes = [b.returncode for b in builds]
        assert set(codes) <= {0, EX_TEMPFAIL} and 0 in codes, said
        # The first one may have ended before the second began, or not yet have said who it is.
        if EX_TEMPFAIL in codes:
            second = codes.index(EX_TEMPFAIL)
            if str(builds[1 - second].pid) in said[second]:
                return
    raise AssertionError(f"no builder was named as the holder: {said}")


@pytest.mark.directory("links")
def test_links_out_of_the_feed_are_not_followed(box):
    outside = box.root / "outside.jsonl"
    outside.write_bytes(b'{"id":"secret","title":"espresso"}\n')
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    (box.feed.dir(0) / "link.jsonl").symlink_to(outside)
    os.mkfifo(box.feed.dir(0) / "pipe.jsonl")
    box.build()
    assert box.mount().ids("espresso") == ["a"]
