# SPDX-License-Identifier: Apache-2.0
"""Attributes and groups together: whatever order campaigns, items and ads come in, the index is what the records say.

The model below knows the rules of docs/records.md and nothing of freshet's code.
"""

import json
import math
import os
import random
import re

import pytest

from oracle import file_of, keyword_text, name_of, values, words

RULES = """\
[document]
id = id
group = item
version = rev
text = title, campaign.name, shop.name
keyword = brand, campaign.tags, shop.city
drop_if = status:paused OR campaign.status:paused OR campaign.budget<=0
[attribute.campaign]
when = kind:campaign
key = id
on = campaign_id
version = rev
[attribute.shop]
when = kind:shop
key = no
on = shop_no
"""
EXPIRING = RULES.replace("[attribute.shop]\n", "[attribute.shop]\nexpire = yes\n")


# --- the model ---


def version_key(record):
    v = record.get("rev")
    return (0, 0) if v is None else (1, v)


def key_of(record):
    if record.get("kind") == "campaign":
        return ("campaign", str(record["id"]))
    if record.get("kind") == "shop":
        return ("shop", str(record["no"]))
    return ("", record["id"])


def rank_of(key, record, place):
    return (version_key(record) if key[0] != "shop" else (0, 0), *place)


class Model:
    """All records, as (slice, file, line), record. `window`: of how many slices documents, and shops, count."""

    def __init__(self, window=None):
        self.records, self.window = [], window

    def counts(self, key, place):
        newest = max(p[0] for p, _ in self.records)
        return key[0] == "campaign" or self.window is None or place[0] > newest - self.window

    def put(self, box, slice_number, records, name):
        box.feed.put(slice_number, records, name)
        self.records += [((slice_number, name, i), r) for i, r in enumerate(records)]

    def winners(self):
        best = {}
        for place, record in self.records:
            key = key_of(record)
            rank = rank_of(key, record, place)
            if not self.counts(key, place):
                continue
            if key not in best or rank > best[key][0]:
                best[key] = (rank, record)
        return {key: r for key, (_, r) in best.items() if r.get("op") != "delete"}

    def documents(self):
        """{id: (stored record, joined record)} of all documents, hidden ones too."""
        winners = self.winners()
        found = {}
        for (kind, name), record in winners.items():
            if kind:
                continue
            joined = dict(record)
            for attribute, on in (("campaign", "campaign_id"), ("shop", "shop_no")):
                asked = [v for v in values(record, on) if v is not None and not isinstance(v, (bool, float))]
                member = winners.get((attribute, str(asked[0]))) if asked else None
                if member is not None:
                    joined[attribute] = member
            found[name] = (record, joined)
        return found


def is_hidden(d):
    paused = any("paused" in values(d, f) for f in ("status", "campaign.status"))
    return paused or any(v <= 0 for v in values(d, "campaign.budget") if not isinstance(v, (str, bool, type(None))))


def words_of(d):
    texts = [keyword_text(v) or "" for field in ("title", "campaign.name", "shop.name") for v in values(d, field)]
    return [word for text in texts for word in words(text)]


def terms_of(d):
    found = set(words_of(d))
    for field in ("brand", "campaign.tags", "shop.city"):
        found.update(f"{field}:{keyword_text(v)}" for v in values(d, field) if v is not None)
    return found


def ranks_of(documents, word):
    """rank/WORD by the formula of docs/mount.md, over the documents that show."""
    said = {key: words_of(joined) for key, (_, joined) in documents.items()}
    average = sum(map(len, said.values())) / len(said)
    n = sum(word in s for s in said.values())
    idf = math.log(1 + (len(said) - n + 0.5) / (n + 0.5))
    scores = []
    for key, s in said.items():
        if word in s:
            tf = s.count(word)
            score = idf * (tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * (len(s) / average))))
            scores.append((-int(score * 1e6 + 0.5), key))
    return [f"{-s // 1000000}.{-s % 1000000:06d}\t{key}" for s, key in sorted(scores)]


def compare(mount, model):
    documents = {k: d for k, d in model.documents().items() if not is_hidden(d[1])}
    postings, groups = {}, {}
    for key, (record, joined) in documents.items():
        for term in terms_of(joined):
            postings.setdefault(term, set()).add(key)
        if record.get("item"):
            groups.setdefault(record["item"], []).append(key)
    assert sorted(os.listdir(mount / "terms")) == sorted(map(name_of, postings))
    for term, ids in postings.items():
        assert (mount / "terms" / name_of(term)).read_bytes() == file_of(ids), term
    assert sorted(os.listdir(mount / "docs")) == sorted(documents)
    for key, (record, joined) in documents.items():
        shown = (mount / "docs" / key).read_bytes()
        if joined == record:
            assert shown == json.dumps(record, ensure_ascii=False).encode() + b"\n"
        assert shown.count(b"\n") == 1
        assert json.loads(shown) == joined, key
    # Attributes and hidden documents are in segments, but in nothing that lists or counts documents.
    assert sorted(os.listdir(mount / "groups")) == sorted(groups)
    for group, keys in groups.items():
        shown = b"".join((mount / "docs" / key).read_bytes() for key in sorted(keys))
        assert (mount / "groups" / group).read_bytes() == shown, group
    assert (mount / "query" / "NOT nowhere").read_bytes() == file_of(documents)
    assert (mount / "query" / "campaign.tags:*").read_bytes() == file_of(
        set().union(*(ids for term, ids in postings.items() if term.startswith("campaign.tags:")))
    )
    ranked = (mount / "rank" / "NOT nowhere").read_text().splitlines()
    assert ranked == [f"0.000000\t{key}" for key in sorted(documents)]
    for word in ("word1", "corner"):
        if word in postings:
            assert (mount / "rank" / word).read_text().splitlines() == ranks_of(documents, word)


# --- what a segment holds ---


def newest_segment(box):
    manifest = json.loads((box.state / "generations" / f"{generation(box)}.json").read_text())
    return manifest["segments"][-1]["name"]


def generation(box):
    return int((box.state / "current").read_text().split()[0])


def entries_of(box, segment):
    """{id: state} of a segment's entries, from its dump; an attribute's id as NAME/KEY."""
    shown = box.run("inspect", box.state / "segments" / f"{segment}.seg")
    assert shown.code == 0, shown
    found = {}
    for state, key in re.findall(r'^entry \d+ (\w+) id "([^"]*)"', shown.out, re.M):
        found[key.replace("\\x01", "/").lstrip("/")] = state
    return found


# --- cases ---


def ad(n, campaign, item, **more):
    return {"id": f"ad-{n}", "campaign_id": campaign, "item": item, "title": f"ad n{n}", **more}


def campaign(key, status="on", **more):
    return {"kind": "campaign", "id": key, "status": status, "name": f"name of {key}", **more}


def test_a_campaign_that_is_paused_takes_its_ads_away_and_gives_them_back(box):
    box.configure(RULES)
    model = Model()
    model.put(box, 0, [ad(1, "c1", "i1"), ad(2, "c1", "i2"), ad(3, "c2", "i2"), ad(4, 7, None)], "ads.jsonl")
    box.build()
    mount = box.mount()
    compare(mount, model)
    assert mount.ids("ad") == ["ad-1", "ad-2", "ad-3", "ad-4"]
    # It comes after its ads,
    model.put(box, 1, [campaign("c1")], "c.jsonl")
    box.build()
    compare(mount, model)
    assert mount.ids("name") == ["ad-1", "ad-2"]
    assert json.loads(mount.text("docs/ad-1"))["campaign"]["status"] == "on"
    # is paused,
    model.put(box, 2, [campaign("c1", "paused")], "c.jsonl")
    box.build()
    compare(mount, model)
    assert mount.ids("ad") == ["ad-3", "ad-4"]
    assert mount.ids("name") is None and not (mount / "docs/ad-1").exists()
    # changes while they are hidden, goes on,
    model.put(box, 3, [campaign("c1", "paused", budget=3)], "c.jsonl")
    box.build()
    model.put(box, 4, [campaign("c1", "on", budget=2, tags=["x", "y"])], "c.jsonl")
    box.build()
    compare(mount, model)
    assert mount.ids("campaign.tags:y") == ["ad-1", "ad-2"]
    # has no money, is deleted.
    model.put(box, 5, [campaign("c1", "on", budget=0)], "c.jsonl")
    box.build()
    compare(mount, model)
    assert mount.ids("ad") == ["ad-3", "ad-4"]
    model.put(box, 6, [{"kind": "campaign", "id": "c1", "op": "delete"}], "c.jsonl")
    box.build()
    compare(mount, model)
    assert mount.ids("ad") == ["ad-1", "ad-2", "ad-3", "ad-4"]
    box.verify()


def test_a_campaign_writes_the_groups_of_its_ads_and_nothing_else(box):
    box.configure(RULES)
    ads = [ad(n, f"c{n % 50}", f"i{n // 3}") for n in range(600)]
    box.feed.put(0, ads + [campaign(f"c{n}") for n in range(50)])
    box.build()
    # Two ads of the group i0 are of c0 or c1; a hidden ad of it is written, too.
    box.feed.put(1, [ad(0, "c0", "i0", status="paused")])
    box.build()
    assert entries_of(box, newest_segment(box)) == {"ad-0": "hidden", "ad-1": "live", "ad-2": "live"}
    box.feed.put(2, [campaign("c0", "paused")])
    box.build()
    touched = {a["item"] for a in ads if a["campaign_id"] == "c0"}
    want = {a["id"]: "hidden" if a["campaign_id"] == "c0" else "live" for a in ads if a["item"] in touched}
    assert len(want) == 12 * 3
    assert entries_of(box, newest_segment(box)) == {"campaign/c0": "attribute", **want}
    # What no document reads changes the record that docs/ shows, and no entry.
    box.feed.put(3, [campaign("c1", owner="someone")])
    box.build()
    assert entries_of(box, newest_segment(box)) == {"campaign/c1": "attribute"}
    mount = box.mount()
    assert json.loads(mount.text("docs/ad-1"))["campaign"]["owner"] == "someone"
    # The same once more changes nothing.
    box.feed.put(4, [campaign("c2")])
    box.build()
    assert entries_of(box, newest_segment(box)) == {"campaign/c2": "attribute"}
    # An ad that moves touches both groups.
    box.feed.put(5, [ad(7, "c7", "i100")])
    box.build()
    assert sorted(entries_of(box, newest_segment(box))) == ["ad-300", "ad-301", "ad-302", "ad-6", "ad-7", "ad-8"]
    box.verify()


def test_documents_leave_the_window_and_attributes_stay_unless_they_expire(box):
    box.configure(EXPIRING, lag="window = 20m")
    box.feed.put(0, [campaign("c1", "paused"), {"kind": "shop", "no": 1, "name": "corner", "city": "Rome"}])
    box.feed.put(0, [ad(1, "c1", "i1", shop_no=1), ad(2, "c2", "i1", shop_no=1), ad(3, "c2", "i2")], "ads.jsonl")
    box.build()
    mount = box.mount()
    assert mount.ids("ad") == ["ad-2", "ad-3"] and mount.ids("shop.city:Rome") == ["ad-2"]
    box.feed.put(3, [ad(1, "c1", "i1", shop_no=1), ad(2, "c2", "i1", shop_no=1)])
    box.build()
    assert mount.ids("ad") == ["ad-2", "ad-3"] and mount.ids("corner") == ["ad-2"]
    # Slice 0 leaves: with it ad-3 and the shop, but not the pause.
    box.feed.put(4, [ad(4, "c1", "i4", shop_no=1), ad(5, "c5", "i5", shop_no=1)])
    box.build()
    assert mount.ids("ad") == ["ad-2", "ad-5"]
    assert mount.ids("corner") is None and mount.ids("shop.city:Rome") is None
    assert "shop" not in json.loads(mount.text("docs/ad-2"))
    box.feed.put(5, [campaign("c1", "on")])
    box.build()
    assert mount.ids("ad") == ["ad-1", "ad-2", "ad-4", "ad-5"]
    box.verify()


def test_what_only_leaves_the_window_writes_no_group_anew(box):
    box.configure(RULES, lag="window = 20m")
    box.feed.put(0, [ad(1, "c1", "i1", rev=1), ad(2, "c1", "i1", rev=1)])
    box.feed.put(1, [ad(3, "c1", "i1", rev=1)])
    box.build()
    box.feed.put(4, [ad(9, "c1", "i9")])
    box.build()
    assert entries_of(box, newest_segment(box)) == {"ad-9": "live"}
    assert box.mount().ids("ad") == ["ad-3", "ad-9"]
    box.verify()


def random_record(rng, slice_number):
    what = rng.random()
    if what < 0.12:
        record = campaign(f"c{rng.randrange(6)}", rng.choice(["on", "on", "paused", ["on"], None]))
        if rng.random() < 0.5:
            record["budget"] = rng.choice([0, 1, 2.5, -1, "0"])
        if rng.random() < 0.5:
            record["tags"] = rng.choice(["x", ["x", "y"], [], ["z", 7, True]])
        if rng.random() < 0.3:
            record["note"] = rng.randrange(100)
    elif what < 0.2:
        record = {"kind": "shop", "no": rng.choice([1, 2, 3, "1"]), "name": rng.choice(["corner", "caf\u00e9", "mall"])}
        if rng.random() < 0.7:
            record["city"] = rng.choice(["Rome", "Oslo", 7])
    else:
        record = {"id": f"ad-{rng.randrange(40)}", "title": f"word{rng.randrange(8)} at{slice_number}"}
        if rng.random() < 0.8:
            record["item"] = f"i{rng.randrange(10)}"
        if rng.random() < 0.9:
            record["campaign_id"] = rng.choice([f"c{rng.randrange(8)}", None, 3, ""])
        if rng.random() < 0.5:
            record["shop_no"] = rng.choice([1, 2, 3, "2", 4, 1.5, ["3"]])
        if rng.random() < 0.3:
            record["campaign"] = rng.choice([{"name": "own", "tags": "own"}, "own", {"status": "paused"}])
        if rng.random() < 0.2:
            record["status"] = rng.choice(["paused", "on"])
        if rng.random() < 0.3:
            record["brand"] = rng.choice(["Acme", "B\u00e9"])
    if rng.random() < 0.15:
        record["op"] = "delete"
    if rng.random() < 0.2:
        record["rev"] = rng.randrange(4)
    return record


@pytest.mark.parametrize("window", [None, 4])
def test_random_records_in_any_order_agree_with_the_model(box, window):
    seed = int(os.environ.get("FRESHET_SEED", random.randrange(1 << 30)))
    print(f"FRESHET_SEED={seed}")
    rng = random.Random(seed)
    if window:
        box.configure(EXPIRING, lag=f"window = {5 * window}m")
    else:
        box.configure(RULES)
    model, mount = Model(window), None
    for tick in range(24):
        for n in range(rng.randrange(1, 5)):
            # The newest slice, and late files in older ones that are inside.
            oldest = max(0, tick - window + 1) if window else 0
            at = tick if n == 0 or rng.random() < 0.4 else rng.randrange(oldest, tick + 1)
            records = [random_record(rng, at) for _ in range(rng.randrange(1, 16))]
            model.put(box, at, records, f"{rng.randrange(9)}-{tick}-{n}.jsonl")
        box.build()
        mount = mount or box.mount()
        compare(mount, model)
    box.verify()
    if window:
        return
    # Content is a function of the records: one build over all of the feed shows the same.
    other = box.root / "other"
    done = box.run("build", box.feed.url, "--config", box.config, state=other)
    assert done.code == 0, done
    compare(box.mount(state=other), model)
