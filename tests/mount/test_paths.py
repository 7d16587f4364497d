# SPDX-License-Identifier: Apache-2.0
"""What the paths of a mount hold, against what the raw feed says."""

import errno
import json
import os
import random

import pytest

import oracle
from harness import CADENCE, DOCUMENTS, PART, rfc3339, slice_path, slice_time

WORDS = ["espresso", "Grinder", "Größe", "ＦＵＬＬ", "straße", "naïve", "Ⅷ", "东京塔", "ﬁlter", "x86-64", "don't", "ｶﾌｪ", "é́"]
BRANDS = ["Acme", "a/b", "100%", ".hidden", "tab\there", "Ünïted", "with space", "x" * 240, "y" * 300, ":", "-5"]


def random_records(rng, count, deletes=True):
    records = []
    for _ in range(count):
        key = rng.choice(["ad-%d", "Ad %d", "/%d", ".%d", "ü%d"]) % rng.randrange(count)
        if deletes and rng.random() < 0.1:
            records.append({"id": key, "op": "delete"})
            continue
        record = {
            "id": key,
            "item": "item-%d" % rng.randrange(9),
            "title": " ".join(rng.choices(WORDS, k=rng.randrange(1, 6))),
            "body": [" ".join(rng.choices(WORDS, k=3)), "more", rng.choice([42, 0.5, True, None])],
            "n": rng.choice([0, 7, -12, 2.5, 1e21, True, False, None]),
            "brand": rng.sample(BRANDS, rng.randrange(3)),
        }
        # Control characters in a keyword make a record unusable: that is test_bad_input's.
        record["brand"] = [b for b in record["brand"] if "\t" not in b]
        records.append(record)
    return records


def expect(box, partitions):
    live = oracle.documents(box.feed.root, [slice_path(i) for i in range(partitions)], "id")
    return live, oracle.postings(live, ["title", "body"], ["brand", "n"])


def check_terms(mount, found):
    listed = sorted(os.listdir(mount / "terms"))
    assert listed == sorted(filter(None, map(oracle.name_of, found)))
    for term, ids in found.items():
        name = oracle.name_of(term)
        if name:
            assert (mount / "terms" / name).read_bytes() == oracle.file_of(ids), term


@pytest.mark.release
def test_terms_and_docs_are_what_the_raw_feed_says(box):
    seed = int(os.environ.get("FRESHET_SEED", "1"))
    rng = random.Random(seed)
    names = ["a.jsonl", "b.jsonl.gz", "c.ndjson.zst", "sub/d.json"]
    for i in range(4):
        for name in rng.sample(names, 2):
            box.feed.put(i, random_records(rng, 300), name)
        box.build()  # so that there are several segments, and superseded entries in them
    live, found = expect(box, 4)
    mount = box.mount()
    check_terms(mount, found)
    assert sorted(os.listdir(mount / "docs")) == sorted(filter(None, map(oracle.name_of, live)))
    for key, (_, line) in live.items():
        assert (mount / "docs" / oracle.name_of(key)).read_bytes() == line + b"\n"


@pytest.mark.release
def test_one_build_and_many_builds_show_the_same(box):
    rng = random.Random(2)
    for i in range(5):
        box.feed.put(i, random_records(rng, 100))
    box.build("--all", state=box.root / "at-once")
    for i in range(5):
        # What the clock shows decides what is complete: one partition more each time.
        box.build("--now", rfc3339(slice_time(i) + CADENCE))
        box.build("--now", rfc3339(slice_time(i) + CADENCE), "--no-merge", state=box.root / "unmerged")
    segments = {s: box.status(s)["segments"] for s in (box.root / "at-once", box.state, box.root / "unmerged")}
    assert segments == {box.root / "at-once": 1, box.state: 2, box.root / "unmerged": 5}
    _, found = expect(box, 5)
    for state in segments:
        check_terms(box.mount(state=state), found)


def test_without_configuration_every_string_is_text(box):
    box.config.write_text("[feed]\nquiet = 0s\n")
    box.feed.put(0, [{"id": "a", "t": "espresso", "n": 5, "o": ["deep words", 6]}, {"t": "no id"}])
    box.build()
    mount = box.mount()
    assert mount.ids("espresso") == ["a"]
    assert mount.ids("deep") == ["a"]
    assert mount.ids("id") == [f"{slice_path(0)}/part-0.jsonl:2"]
    assert mount.ids("5") is None


def test_pointers_of_a_generation(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount()
    assert mount.text("watermark") == rfc3339(slice_time(0)) + "\n"
    assert mount.text("complete_through") == rfc3339(slice_time(0)) + "\n"
    assert mount.text("generation") == "1\n"
    assert json.loads(mount.text("status.json"))["generation"] == 1
    assert "terms" in mount.text("README")
    assert mount.text("status")


def test_before_the_first_publish_there_are_no_lines(box):
    mount = box.mount()
    assert [mount.text(p) for p in ("watermark", "complete_through", "generation")] == ["", "", ""]
    assert os.listdir(mount / "terms") == []
    assert len(mount.text("partitions.tsv").splitlines()) == 1


def test_old_generations_keep_what_they_held(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    box.feed.put(1, [{"id": "a", "title": "lungo"}, {"id": "b", "title": "lungo"}])
    box.build()
    mount = box.mount()
    assert sorted(os.listdir(mount / "generations")) == ["1", "2"]
    assert mount.text("generations/1/terms/espresso") == "a\n"
    assert mount.text("generations/1/watermark") == rfc3339(slice_time(0)) + "\n"
    assert mount.text("generations/2/terms/lungo") == mount.text("terms/lungo") == "a\nb\n"
    assert mount.ids("espresso") is None
    assert not (mount / "generations/1/terms/lungo").exists()
    assert not (mount / "generations/3").exists()


def test_prefix_directories_hold_the_terms_that_start_so(box):
    box.feed.put(0, [{"id": "a", "title": "grind grinder ground", "brand": "grind"}])
    box.build()
    mount = box.mount()
    assert sorted(os.listdir(mount / "prefix/grin")) == ["grind", "grinder"]
    assert os.listdir(mount / "prefix/brand:") == ["brand:grind"]
    assert mount.text("prefix/gr/ground") == "a\n"
    assert not (mount / "prefix/grin/ground").exists()


def test_the_feed_shows_byte_for_byte(box):
    records = box.feed.put(0, [{"id": "a", "title": "espresso"}]).read_bytes()
    box.feed.put(0, [{"id": "b"}], "packed.jsonl.zst")
    box.build()
    mount = box.mount()
    part = mount / "partitions" / slice_path(0)
    assert sorted(os.listdir(part)) == ["packed.jsonl.zst", PART]
    assert (part / PART).read_bytes() == records
    assert (part / "packed.jsonl.zst").read_bytes() == (box.feed.dir(0) / "packed.jsonl.zst").read_bytes()


@pytest.mark.release
def test_long_terms_are_whole_however_they_are_read(box):
    """Longer than a request, than a buffer that is lent, and short of both; whole, in parts and from behind."""
    counts = {"latte": 40_000, "lungo": 9_000, "mocha": 300}
    wanted = {}
    for i, (word, count) in enumerate(counts.items()):
        ids = [f"{word}-{n:08d}-{'x' * 20}" for n in range(count)]
        box.feed.put(i, [{"id": i, "title": word} for i in ids])
        wanted[word] = "".join(i + "\n" for i in ids).encode()
    box.build()
    for order in (1, -1):
        mount = box.mount()
        for word, text in wanted.items():
            with open(mount / "terms" / word, "rb", buffering=0) as f:
                for at in range(0, len(text), 300_000)[::order]:
                    assert os.pread(f.fileno(), 300_000, at) == text[at : at + 300_000], (word, at)
            assert (mount / "terms" / word).read_bytes() == text


def test_the_kernel_is_told_to_ask_for_more_at_once(box):
    device = os.stat(box.mount().point).st_dev
    readahead = f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"
    if not os.access(readahead, os.W_OK):
        pytest.skip("only who may write under /sys can")
    with open(readahead) as f:
        assert int(f.read()) == 4096


def test_lookups_normalise_as_indexing_did_and_names_have_one_spelling(box):
    box.feed.put(0, [{"id": "a/b", "title": "Größe", "brand": "50%"}])
    box.build()
    mount = box.mount()
    for spelling in ("größe", "GRÖSSE", "Größe", "grösse"):
        assert mount.text(f"terms/{spelling}") == "a/b\n", spelling
    assert mount.text("terms/brand:50%25") == "a/b\n"
    assert mount.text("docs/a%2Fb")
    for wrong in ("docs/a%2fb", "docs/%61%2Fb", "terms/brand:50%", "terms/two words", "terms/%2E"):
        assert not (mount / wrong).exists(), wrong


def test_the_mount_is_read_only(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount()
    for change in (
        lambda: open(mount / "terms/espresso", "a"),
        lambda: open(mount / "new", "w"),
        lambda: open(mount / "partitions" / slice_path(0) / PART, "w"),
        lambda: os.open(mount / "docs/a", os.O_RDWR),
        lambda: os.truncate(mount / "docs/a", 0),
        lambda: os.unlink(mount / "terms/espresso"),
        lambda: os.mkdir(mount / "docs/x"),
        lambda: os.rmdir(mount / "docs"),
        lambda: os.rename(mount / "watermark", mount / "x"),
        lambda: os.link(mount / "watermark", mount / "x"),
        lambda: os.symlink("watermark", mount / "x"),
        lambda: os.mkfifo(mount / "x"),
        lambda: os.chmod(mount / "watermark", 0o600),
        lambda: os.chown(mount / "watermark", os.getuid(), os.getgid()),
        lambda: os.utime(mount / "watermark"),
        lambda: os.setxattr(mount / "terms/espresso", "user.freshet.df", b"2"),
        lambda: os.removexattr(mount / "terms/espresso", "user.freshet.df"),
    ):
        with pytest.raises(OSError) as refused:
            change()
        assert refused.value.errno == errno.EROFS


def test_extended_attributes_say_what_a_file_is(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "espresso"}])
    box.build()
    mount = box.mount()
    get = lambda path, name: os.getxattr(mount / path, f"user.freshet.{name}").decode()
    assert get("terms/espresso", "df") == "2"
    assert get("terms/espresso", "generation") == "1"
    assert get("terms", "watermark") == rfc3339(slice_time(0))
    assert get(f"partitions/{slice_path(0)}", "state") == "published"
    segment = next(p for p in os.listdir(mount / "segments") if p.endswith(".seg"))
    assert get(f"segments/{segment}", "sha256").startswith(segment[:32])


def test_drop_if_hides_a_document_for_as_long_as_it_holds(box):
    box.configure(DOCUMENTS + "drop_if = status:paused\n")
    mount = box.mount()
    for status, seen in (("on", ["a"]), ("paused", None), ("on", ["a"])):
        i = len(list(box.feed.root.rglob("*.jsonl")))
        box.feed.put(i, [{"id": "a", "title": "espresso", "status": status}])
        box.build()
        assert mount.ids("espresso") == seen
        assert (mount / "docs/a").exists() == bool(seen)


def test_a_higher_version_wins_over_a_newer_partition(box):
    box.configure(DOCUMENTS + "version = v\n")
    box.feed.put(0, [{"id": "a", "title": "nine", "v": 9}, {"id": "b", "title": "nine"}])
    box.feed.put(1, [{"id": "a", "title": "eight", "v": 8}, {"id": "b", "title": "eight", "v": "8"}])
    box.build()
    box.feed.put(2, [{"id": "a", "title": "ten", "v": 10}])
    box.build()
    mount = box.mount()
    assert mount.ids("ten") == ["a"]
    assert mount.ids("eight") == ["b"]
    assert mount.ids("nine") is None


def test_a_late_file_takes_its_place_in_the_order(box):
    box.feed.put(0, [{"id": "a", "title": "old"}, {"id": "c", "title": "old"}])
    box.feed.put(1, [{"id": "a", "title": "new"}])
    box.build()
    box.feed.put(0, [{"id": "a", "title": "late"}, {"id": "b", "title": "late"}, {"id": "c", "op": "delete"}], "part-1.jsonl")
    box.build()
    mount = box.mount()
    assert mount.ids("late") == ["b"]
    assert mount.ids("new") == ["a"]
    assert mount.ids("old") is None
    assert mount.text("watermark") == rfc3339(slice_time(1)) + "\n"
    assert mount.text("generation") == "2\n"


def test_the_window_lets_old_documents_go(box):
    box.configure(DOCUMENTS, lag="window = 10m")
    box.feed.put(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "espresso"}])
    box.feed.put(1, [{"id": "b", "title": "espresso"}])
    now = ["--now", rfc3339(slice_time(1) + CADENCE)]
    box.build(*now)
    mount = box.mount()
    assert mount.ids("espresso") == ["a", "b"]
    box.feed.put(2, [{"id": "c", "title": "espresso"}])
    box.build("--now", rfc3339(slice_time(2) + CADENCE))
    # Slice 0 is exactly the window older than slice 2: not younger, so it left.
    assert mount.ids("espresso") == ["b", "c"]
