# SPDX-License-Identifier: Apache-2.0
"""The generator of examples/ads: what it writes is what it promises, and freshet takes it."""

import configparser
import json
import os
import subprocess
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness import EX_CANTCREAT, EX_USAGE, FRESHET, HANG, TOP, needs, shell, table, tool

ADS = Path(os.environ.get("FRESHET_ADS", Path(FRESHET).parent / "examples" / "ads" / "freshet-ads"))
EXAMPLE = TOP / "examples" / "ads"
START = datetime(2026, 5, 4, 10, 0, tzinfo=timezone.utc)
# Much changes in few slices: 600 ads, a fifth of the items anew in each.
SMALL = ["--documents", 600, "--churn", 20]
KEYS = {"ad": "ad_id", "item": "item_id", "campaign": "campaign_id", "signal": "item_id"}


def at(slices):
    return (START + slices * timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")


def generate(*args):
    return tool(ADS, *args)


def snapshot(directory, slices, *args):
    """A snapshot that has so many slices after START."""
    generate("--snapshot", directory, "--at", at(slices), *(args or SMALL))
    return directory


def feed(directory, count, *args):
    generate("--feed", directory, "--partitions", count, *(args or SMALL))
    return directory


def partitions(root):
    return sorted(root.glob("dt=*/hour=*/minute=*"))


def data_files(directory):
    return sorted(p for p in directory.rglob("*") if p.is_file() and p.name[0] not in "_.")


def contents(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def records(directory):
    found = []
    for path in data_files(directory):
        data = path.read_bytes()
        assert data.endswith(b"\n") or not data
        found += [json.loads(line) for line in data.decode().splitlines()]
    return found


def key_of(record):
    return record["kind"], record[KEYS[record["kind"]]]


def fold(state, found):
    """Newest wins; within one partition no key may come twice, so order does not matter there."""
    keys = list(map(key_of, found))
    assert len(keys) == len(set(keys)), "a key comes twice"
    for key, record in zip(keys, found):
        if record.get("op") == "delete":
            assert key in state, f"{key} is deleted and was never there"
            del state[key]
        else:
            state[key] = record
    return state


def check_record(record):
    kind = record["kind"]
    name = record[KEYS[kind]]
    assert name and not any(ord(c) < 32 for c in name)
    if record.get("op") == "delete":
        assert set(record) == {"kind", KEYS[kind], "op"}
        return
    assert record["rev"] >= 1
    if kind == "ad":
        wanted = "kind ad_id item_id campaign_id status rev brand category price bid title body"
        assert list(record) == wanted.split()
        assert record["status"] in ("active", "paused")
        assert record["price"] > 0 and record["bid"] > 0
        assert record["title"].split() and len(record["body"].split()) > 10
    if kind == "campaign":
        assert record["status"] in ("active", "paused")
        assert 0 <= record["budget_left"] <= record["budget"]


@pytest.mark.release
def test_equal_arguments_give_equal_bytes_and_another_seed_others(tmp_path):
    one = contents(snapshot(tmp_path / "a", 3))
    assert one == contents(snapshot(tmp_path / "b", 3))
    assert one != contents(snapshot(tmp_path / "c", 3, *SMALL, "--seed", 2))
    assert one != contents(snapshot(tmp_path / "d", 4))
    assert one == contents(snapshot(tmp_path / "whole", 3, *SMALL, "--file-size", 256000000))
    one = contents(feed(tmp_path / "e", 3))
    assert one == contents(feed(tmp_path / "f", 3))
    assert one != contents(feed(tmp_path / "g", 3, *SMALL, "--seed", 2))
    # Fewer partitions are the same ones.
    assert contents(feed(tmp_path / "h", 2)).items() < one.items()


def test_every_line_is_a_record_of_a_known_kind(tmp_path):
    found = records(snapshot(tmp_path / "s", 0)) + records(feed(tmp_path / "f", 12))
    for record in found:
        check_record(record)
    kinds = Counter((r["kind"], r.get("op")) for r in found)
    assert {kind for kind, _ in kinds} == set(KEYS)
    assert kinds["ad", "delete"] and kinds["item", "delete"] and kinds["signal", "delete"]
    campaigns = [r for r in found if r["kind"] == "campaign" and "op" not in r]
    assert {r["status"] for r in campaigns} == {"active", "paused"}
    assert any(r["budget_left"] == 0 for r in campaigns)


@pytest.mark.release
@pytest.mark.parametrize("size, asked", [("1M", 10**6), ("10M", 10**7), ("60M", 6 * 10**7)])
def test_the_size_is_within_a_tenth_of_what_was_asked(tmp_path, size, asked):
    directory = snapshot(tmp_path / "s", 0, "--size", size)
    got = sum(p.stat().st_size for p in data_files(directory))
    assert abs(got - asked) <= asked / 10, got


@pytest.mark.release
def test_a_snapshot_is_the_earlier_one_and_the_partitions_in_between(tmp_path):
    state = fold({}, records(snapshot(tmp_path / "s0", 0)))
    moved, paused = 0, 0
    for i, partition in enumerate(partitions(feed(tmp_path / "f", 30)), 1):
        before = dict(state)
        fold(state, records(partition))
        moved += sum(
            k[0] == "ad" and r["item_id"] != before[k]["item_id"] for k, r in state.items() if k in before
        )
        paused += sum(
            k[0] == "campaign" and r["status"] == "paused" and before.get(k, r)["status"] == "active"
            for k, r in state.items()
        )
        if i in (1, 2, 17, 30):
            assert state == fold({}, records(snapshot(tmp_path / f"s{i}", i))), f"after {i} slices"
    # What the rest of freshet is tested with does happen: ads change their item, campaigns pause.
    assert moved and paused


def test_an_item_is_written_whole_with_one_rev_for_all_its_ads(tmp_path):
    state = fold({}, records(snapshot(tmp_path / "s0", 0)))
    for partition in partitions(feed(tmp_path / "f", 12)):
        written = records(partition)
        fold(state, written)
        groups = {}
        for (kind, _), record in state.items():
            if kind == "ad":
                groups.setdefault(record["item_id"], set()).add((record["rev"], record["price"]))
        assert all(len(revs) == 1 for revs in groups.values())
        items = {r["item_id"]: r["rev"] for r in state.values() if r["kind"] == "item"}
        assert {i: next(iter(revs))[0] for i, revs in groups.items()} == items
        touched = {r["item_id"] for r in written if r["kind"] == "ad" and "op" not in r}
        ads = {k for k, r in state.items() if k[0] == "ad" and r["item_id"] in touched}
        assert ads <= set(map(key_of, written)), "a part of an item was written"
        assert sum(k[0] == "ad" for k in state) == 600
    assert max(Counter(r["item_id"] for r in state.values() if r["kind"] == "ad").values()) == 60


@pytest.mark.parametrize("churn", [1, 10])
def test_churn_is_the_part_of_items_that_a_partition_writes(tmp_path, churn):
    shop = ["--documents", 100000, "--churn", churn]
    items = sum(r["kind"] == "item" for r in records(snapshot(tmp_path / "s", 0, *shop)))
    for partition in partitions(feed(tmp_path / "f", 3, *shop)):
        written = sum(r["kind"] == "item" and "op" not in r for r in records(partition))
        assert 0.7 < written / (items * churn / 100) < 1.3, written


def test_words_follow_zipf(tmp_path):
    words = Counter()
    for record in records(snapshot(tmp_path / "s", 0, "--documents", 20000)):
        if record["kind"] == "ad":
            words.update(record["body"].split())
    counts = [n for _, n in words.most_common()]
    # The r-th commonest word is about r times rarer than the first; the tail is long.
    for rank in (2, 4, 10, 30):
        assert 0.6 < counts[rank - 1] * rank / counts[0] < 1.6, rank
    assert len(counts) > 20000


def test_packed_files_hold_the_same_records(tmp_path):
    needs("zstd")
    plain = contents(snapshot(tmp_path / "a", 0))
    snapshot(tmp_path / "b", 0, *SMALL, "--zst")
    assert {p.name for p in data_files(tmp_path / "b")} == {name + ".zst" for name in plain}
    for name, data in plain.items():
        assert tool("zstd", "-dqc", tmp_path / "b" / (name + ".zst")).encode() == data


@pytest.mark.parametrize("size", ["50K", "50000"])
def test_files_are_split_between_records(tmp_path, size):
    whole = snapshot(tmp_path / "a", 0)
    split = snapshot(tmp_path / "b", 0, *SMALL, "--file-size", size)
    ads = sorted(split.glob("ads-*.jsonl"))
    assert len(ads) > 3 and all(50000 <= p.stat().st_size < 51000 for p in ads[:-1])
    assert b"".join(p.read_bytes() for p in ads) == (whole / "ads-0000.jsonl").read_bytes()


def test_what_is_there_is_not_overwritten(tmp_path):
    snapshot(tmp_path / "s", 0)
    before = contents(tmp_path / "s")
    tool(ADS, "--snapshot", tmp_path / "s", *SMALL, code=EX_CANTCREAT)
    assert contents(tmp_path / "s") == before
    # A feed goes on where it stopped; what a killed run has left is swept.
    feed(tmp_path / "f", 2)
    (tmp_path / "f" / ".writing").mkdir()
    (tmp_path / "f" / ".writing" / "ads-0000.jsonl").write_bytes(b"half a li")
    feed(tmp_path / "f", 3)
    assert contents(tmp_path / "f") == contents(feed(tmp_path / "g", 3))


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--snapshot", "x"],
        ["--snapshot", "x", "--documents", "0"],
        ["--snapshot", "x", "--documents", "10k"],
        ["--snapshot", "x", "--documents", "18446744073709551617"],
        ["--snapshot", "x", "--size", "99999999999999G"],
        ["--snapshot", "x", "--documents", "10", "--live"],
        ["--feed", "x", "--documents", "10"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--start", "2026-05-04T10:01:00Z"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--start", "2025-05-04T10:00:00Z"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--churn", "101"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--churn", "1844674407370956"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--churn", "0"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "--cadence", "0s"],
        ["--feed", "x", "--documents", "10", "--partitions", "1", "more"],
    ],
)
def test_wrong_arguments_are_refused_and_write_nothing(tmp_path, args):
    tool(ADS, *args, code=EX_USAGE, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def documents_only(box):
    """The example's freshet.ini, without attributes."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(EXAMPLE / "freshet.ini")
    for section in [s for s in ini.sections() if s.startswith("attribute.")]:
        ini.remove_section(section)
    ini["document"].update(text="title, body", keyword="kind, brand, category", drop_if="NOT kind:ad")
    with open(box.config, "w") as f:
        ini.write(f)


@pytest.mark.release
def test_partitions_are_complete_by_rate_and_their_ads_are_in_the_index(box):
    """Of ads alone, the files of campaigns, items and signals taken away."""
    os.rmdir(box.feed.root)
    feed(box.feed.root, 6, *SMALL, "--full")
    for path in data_files(box.feed.root):
        if not path.name.startswith("ads-"):
            path.unlink()
    documents_only(box)
    box.build()
    state = {}
    for partition in partitions(box.feed.root):
        fold(state, records(partition))
    mount = box.mount()
    assert [row["state"] for row in table(mount).values()] == ["published"] * 6
    assert set(mount.ids("kind:ad")) == {ad for _, ad in state}
    for _, ad in sorted(state)[:50]:
        assert json.loads(mount.text(f"docs/{ad}")) == state["ad", ad]
    box.verify()


def visible(state):
    """The ads that freshet.ini does not drop, of a folded state."""
    found = {}
    for (kind, ad), record in state.items():
        if kind != "ad" or record["status"] == "paused":
            continue
        campaign = state.get(("campaign", record["campaign_id"]), {"status": None, "budget_left": 1})
        if campaign["status"] != "paused" and campaign["budget_left"] > 0:
            found[ad] = campaign["status"]
    return found


@pytest.mark.release
def test_campaigns_take_their_ads_away_and_give_them_back(box):
    os.rmdir(box.feed.root)
    feed(box.feed.root, 12, *SMALL, "--full")
    later = box.root / "later"
    box.config.write_bytes((EXAMPLE / "freshet.ini").read_bytes())
    state, mount, ever = {}, None, set()
    for partition in partitions(box.feed.root):
        to = later / partition.relative_to(box.feed.root)
        to.parent.mkdir(parents=True, exist_ok=True)
        partition.rename(to)
    for partition in partitions(later):
        to = box.feed.root / partition.relative_to(later)
        to.parent.mkdir(parents=True, exist_ok=True)
        partition.rename(to)
        box.build()
        mount = mount or box.mount()
        fold(state, records(to))
        shown = visible(state)
        assert set(os.listdir(mount / "docs")) == set(shown)
        active = sorted(ad for ad, status in shown.items() if status == "active")
        assert mount.ids("campaign.status:active") == active
        assert mount.ids("campaign.status:paused") is None
        ever |= set(shown)
    hidden = {ad for kind, ad in state if kind == "ad"} - set(shown)
    assert hidden & ever, "no ad was taken away"
    box.verify()


@pytest.mark.feedless
def test_live_writes_a_whole_partition_each_cadence(box):
    os.rmdir(box.feed.root)
    live = subprocess.Popen(
        [ADS, "--feed", box.feed.root, "--documents", "600", "--churn", "20", "--cadence", "1s", "--partitions", "1"]
        + ["--full", "--live"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        lines = [live.stdout.readline() for _ in range(3)]
    finally:
        live.terminate()
        live.communicate(timeout=HANG)
    written = sorted(box.feed.root.glob("dt=*/hour=*/minute=*/second=*"))
    assert [str(p.relative_to(box.feed.root)) for p in written[:3]] == [line.split(":")[0] for line in lines]
    state = {}
    for partition in written:
        assert (partition / "_SUCCESS").exists()
        fold(state, records(partition))
    assert sum(kind == "ad" for kind, _ in state) == 600


@pytest.mark.feedless
def test_large_makes_a_snapshot_and_what_follows_it(tmp_path):
    env = f"FRESHET_ADS={ADS}"
    out = shell(f"{env} {EXAMPLE}/large.sh 600 2 {tmp_path}/large --churn 20")
    assert "snapshot: 600 ads" in out and "MB/s" in out
    assert contents(tmp_path / "large" / "snapshot") == contents(snapshot(tmp_path / "s", 0))
    assert contents(tmp_path / "large" / "feed") == contents(feed(tmp_path / "f", 2))
    assert (tmp_path / "large" / "freshet.ini").read_bytes() == (EXAMPLE / "freshet.ini").read_bytes()
