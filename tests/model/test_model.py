# SPDX-License-Identifier: Apache-2.0
"""The model itself against small examples that were worked out by hand, without freshet."""

import json

import pytest

import model as m

MIN = 60
DOCUMENT = {"id": "id", "group": "item", "text": "title", "keyword": "brand, campaign.status", "version": "v"}
CAMPAIGN = {"when": "kind:campaign", "key": "id", "on": "campaign_id"}


def a_model(lag=None, document=None, features=m.FEATURES, feed=None, **more):
    sections = {"feed": {"quiet": "0s", **(feed or {})}, "lag": lag or {"window": "all"},
                "document": {**DOCUMENT, **(document or {})}, **more}  # fmt: skip
    return m.Model(sections, features, lambda ts: f"p{ts // MIN}")


def put(model, minute, name, *records, mtime=0, stamp=[0]):
    stamp[0] += 1
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    data = "".join(line + "\n" for line in lines).encode()
    model.feed.setdefault(minute * MIN, m.Partition()).files[name] = m.File(data, mtime, stamp[0])


def rows(model):
    return {ts // MIN: "/".join(filter(None, (r.state, r.reason if r.state != "failed" else ""))) for ts, r in sorted(model.rows.items())}


def docs(model):
    """{id: title} of the live documents."""
    found = {}
    for key, (shown, _, _) in model.content()[0].items():
        found[key] = (json.loads(shown) if isinstance(shown, bytes) else shown).get("title")
    return found


def terms(model):
    return {term: sorted(ids) for term, ids in model.content()[1].items()}


def minutes(model):
    through = model.complete_through()
    return model.watermark / MIN, None if through is None else through / MIN


def test_newest_wins_by_version_then_time_then_path_then_line():
    model = a_model()
    put(model, 0, "b", {"id": "x", "title": "b0"}, {"id": "x", "title": "b1"})
    put(model, 0, "a", {"id": "x", "title": "a0"})
    put(model, 5, "a", {"id": "y", "title": "later", "v": 9}, {"id": "z", "title": "text", "v": "9a"})
    put(model, 10, "a", {"id": "y", "title": "newest", "v": "10"}, {"id": "y", "title": "none"}, {"id": "z", "title": "2", "v": 2})
    assert model.tick(15 * MIN).published
    assert docs(model) == {"x": "b1", "y": "newest", "z": "text"}


def test_versions_are_integers_first_then_bytes_and_missing_is_lowest():
    order = [None, -3, "2", 10, "9a", "a"]
    found = [m.version_order({} if v is None else {"v": v}, "v") for v in order]
    assert found == sorted(found) and len(set(found)) == len(found)


def test_a_delete_takes_part_like_any_record():
    model = a_model()
    put(model, 0, "a", {"id": "x", "title": "one", "v": 2}, {"id": "x", "op": "delete", "v": 1}, {"id": "y", "title": "y"})
    put(model, 5, "a", {"id": "y", "op": "delete"})
    model.tick(10 * MIN)
    assert docs(model) == {"x": "one"}


def test_expressions():
    record = {"a": "x", "n": 3, "list": ["p", "q"], "o": {"s": "t"}, "flag": True, "digits": "7"}
    true = ["a:x", "n>=3", "list:q", "o.s:t", "flag:true", "NOT b:x", "a:y OR n<4", "a:x AND NOT n:4"]
    false = ["a:y", "n>3", "list:r", "b:x", "b<=0", "digits>0", "a:x AND n<3", "flag>0"]
    assert [e for e in true if not m.holds(e, record)] == []
    assert [e for e in false if m.holds(e, record)] == []


def test_a_rewritten_file_takes_its_records_back():
    model = a_model()
    put(model, 0, "a", {"id": "x", "title": "old"}, {"id": "y", "title": "y"})
    put(model, 0, "b", {"id": "x", "title": "over"})
    model.tick(5 * MIN)
    assert docs(model) == {"x": "over", "y": "y"}
    del model.feed[0].files["b"]
    put(model, 0, "a", {"id": "x", "title": "new"})
    assert model.tick(5 * MIN).published
    assert docs(model) == {"x": "new"} and rows(model) == {0: "published"}
    assert not model.tick(5 * MIN).published
    put(model, 0, "a", {"id": "x", "title": "new"})  # the same bytes again
    assert not model.tick(5 * MIN).published


def test_gone_files_are_retention_and_a_failed_rewrite_leaves_the_last_good_set():
    model = a_model()
    put(model, 0, "a", {"id": "x", "title": "x"})
    model.tick(5 * MIN)
    put(model, 0, "a", "bad")
    assert model.tick(5 * MIN).failed == 1
    assert rows(model) == {0: "failed"} and docs(model) == {"x": "x"} and minutes(model) == (0, None)
    assert model.tick(5 * MIN).failed == 0 and model.tick(5 * MIN, retry=True).failed == 1
    del model.feed[0]
    model.tick(5 * MIN)
    assert rows(model) == {0: "published/gone"} and docs(model) == {"x": "x"}


def test_the_window_takes_documents_away_and_the_newest_inside_remains():
    model = a_model({"window": "10m"})
    put(model, 0, "a", {"id": "x", "title": "high", "v": 2}, {"id": "y", "title": "y"})
    put(model, 5, "a", {"id": "x", "title": "low", "v": 1})
    model.tick(10 * MIN)
    assert docs(model) == {"x": "high", "y": "y"}
    put(model, 10, "a", {"id": "z", "title": "z"})
    model.tick(15 * MIN)
    assert rows(model) == {0: "expired", 5: "published", 10: "published"}
    assert docs(model) == {"x": "low", "z": "z"}


def test_complete_through_stops_at_gaps_and_failures():
    model = a_model()
    for minute in (0, 5, 15):
        put(model, minute, "a", {"id": "x"})
    model.tick(20 * MIN)
    assert minutes(model) == (15, 5)
    put(model, 10, "a", {"id": "x"})
    put(model, 20, "a", "bad")
    put(model, 25, "a", {"id": "x"})
    model.tick(30 * MIN)
    assert minutes(model) == (25, 15)


@pytest.mark.parametrize("bad, good, state", [(10, 1, "published"), (11, 1, "failed"), (11, 1100, "published"), (1, 0, "failed")])
def test_how_many_records_may_be_refused(bad, good, state):
    model = a_model()
    put(model, 0, "a", *["bad"] * bad, *[{"id": str(i)} for i in range(good)])
    model.tick(5 * MIN)
    assert rows(model) == {0: state}


def test_an_attribute_is_seen_by_documents_before_and_after_it():
    campaign = {"id": "c", "kind": "campaign"}
    model = a_model({"window": "10m"}, {"drop_if": "campaign.status:paused"}, **{"attribute.campaign": CAMPAIGN})
    put(model, 0, "a", {"id": "x", "title": "x", "campaign_id": "c", "campaign": "own"}, {"id": "y", "title": "y"})
    put(model, 5, "a", {**campaign, "status": "on"})
    model.tick(10 * MIN)
    shown = model.content()[0]["x"][0]
    assert shown["campaign"] == {**campaign, "status": "on"} and list(shown) == ["id", "title", "campaign_id", "campaign"]
    assert terms(model)["campaign.status:on"] == ["x"]
    put(model, 10, "a", {**campaign, "status": "paused"}, {"id": "z", "title": "z", "campaign_id": "c"})
    model.tick(15 * MIN)
    assert docs(model) == {}  # y has left the window
    put(model, 40, "a", {"id": "w", "title": "w", "campaign_id": "c"})
    model.tick(45 * MIN)
    assert docs(model) == {}  # the attribute holds, though its partition has left
    put(model, 45, "a", {**campaign, "op": "delete"})
    model.tick(50 * MIN)
    assert docs(model) == {"w": "w"} and isinstance(model.content()[0]["w"][0], bytes)


def test_an_attribute_that_expires_leaves_with_its_partition():
    model = a_model({"window": "10m"}, {"drop_if": "campaign.status:paused"}, **{"attribute.campaign": {**CAMPAIGN, "expire": "yes"}})
    put(model, 0, "a", {"id": "c", "kind": "campaign", "status": "paused"})
    put(model, 5, "a", {"id": "x", "title": "x", "campaign_id": "c"})
    model.tick(10 * MIN)
    assert docs(model) == {}
    put(model, 10, "a", {"id": "y", "title": "y"})
    model.tick(15 * MIN)
    assert docs(model) == {"x": "x", "y": "y"}


def test_attributes_have_their_own_keys_and_versions_and_do_not_chain():
    item = {"when": "kind:item", "key": "id", "on": "item", "version": "w"}
    model = a_model(**{"attribute.campaign": {**CAMPAIGN, "on": "item.campaign"}, "attribute.item": item})
    put(model, 0, "a", {"id": "7", "kind": "item", "campaign": "c", "w": 2}, {"id": 7, "kind": "item", "w": 1, "v": 9},
        {"id": "c", "kind": "campaign", "status": "on"}, {"id": "7", "title": "seven", "item": 7})  # fmt: skip
    model.tick(5 * MIN)
    assert model.content()[0]["7"][0] == {"id": "7", "title": "seven", "item": {"id": "7", "kind": "item", "campaign": "c", "w": 2}}
    assert "campaign.status:on" not in terms(model)


def test_groups_hold_what_is_live():
    model = a_model(document={"drop_if": "status:paused"})
    put(model, 0, "a", {"id": "x", "item": "g"}, {"id": "y", "item": "g", "status": "paused"}, {"id": "z"})
    model.tick(5 * MIN)
    assert model.content()[2] == {"g": {"x"}}
    put(model, 5, "a", {"id": "x", "item": "h"})
    model.tick(10 * MIN)
    assert model.content()[2] == {"h": {"x"}}


def test_policy_newest_replaces_and_says_what_it_passed_over():
    model = a_model({"policy": "newest", "window": "20m", "overlap": "10m"})
    for minute in (0, 10, 15, 20):
        put(model, minute, "a", {"id": str(minute), "title": str(minute)})
    model.tick(25 * MIN)
    assert rows(model) == {0: "skipped/old", 10: "skipped/uncovered", 15: "skipped/superseded", 20: "published"}
    assert docs(model) == {"20": "20"}
    put(model, 20, "b", {"id": "late", "title": "late"})
    put(model, 25, "a", "bad")
    model.tick(30 * MIN)
    model.tick(30 * MIN)
    assert docs(model) == {"20": "20", "late": "late"}
    put(model, 25, "a", {"id": "25", "title": "25"})
    model.tick(30 * MIN)
    assert rows(model)[20] == "expired/replaced" and docs(model) == {"25": "25"}


def test_policy_replay_takes_one_at_a_time_and_waits_at_gaps():
    model = a_model({"policy": "replay", "window": "1h", "gap_timeout": "30m"})
    for minute in (0, 5, 15):
        put(model, minute, "a", {"id": str(minute)})
    now = 44 * MIN  # the gap at 10 ends at 15, and 30 minutes later it is given up
    assert [model.tick(now).published for _ in range(3)] == [True, True, False]
    assert rows(model) == {0: "published", 5: "published", 15: "complete"} and minutes(model) == (5, 5)
    assert model.tick(45 * MIN).published and minutes(model) == (15, 5)
    put(model, 10, "a", {"id": "late"})
    put(model, 20, "a", {"id": "20"})
    assert model.tick(45 * MIN).published and minutes(model) == (15, 15)  # the late one first
    assert model.tick(45 * MIN).published and minutes(model) == (20, 20)


def test_a_base_covers_what_came_before_and_nothing_leaves_over_it():
    model = a_model({"window": "10m"})
    for minute in (0, 5, 10):
        put(model, minute, "a", {"id": str(minute), "title": "old"}, {"id": "x", "title": str(minute)})
    model.tick(15 * MIN)
    model.swap_base(10 * MIN, [b'{"id":"x","title":"base"}', b'{"id":"b","title":"base"}'])
    assert rows(model) == {0: "skipped/covered", 5: "expired/covered", 10: "published"}
    assert docs(model) == {"10": "old", "x": "10", "b": "base"}
    put(model, 40, "a", {"id": "x", "op": "delete"})
    put(model, 5, "late", {"id": "lost"})
    model.tick(45 * MIN)
    assert docs(model) == {"10": "old", "b": "base"}
    model.swap_base(50 * MIN, [b'{"id":"c","title":"next"}'])
    assert docs(model) == {"c": "next"} and minutes(model) == (45, 45)


def test_another_document_section_folds_everything_again():
    model = a_model()
    put(model, 0, "a", {"id": "x", "title": "espresso", "body": "mocha"})
    model.tick(5 * MIN)
    model.configure({**model.cfg.sections, "document": {**DOCUMENT, "text": "body"}})
    assert "espresso" in terms(model)  # until the next build the old rules serve
    assert model.tick(5 * MIN).published and terms(model) == {"mocha": ["x"]}


def test_rollback_puts_newer_partitions_back():
    model = a_model()
    put(model, 0, "a", {"id": "x", "title": "x"})
    model.tick(5 * MIN)
    put(model, 5, "a", {"id": "y", "title": "y"})
    model.tick(10 * MIN)
    model.rollback(1)
    assert rows(model) == {0: "published", 5: "complete"} and docs(model) == {"x": "x"}
    assert not model.tick(10 * MIN).published  # paused
    model.paused = False
    assert model.tick(10 * MIN).published and docs(model) == {"x": "x", "y": "y"}


def test_marker_and_both():
    for rule, first in (("marker", "open/no marker"), ("both", "open/no marker")):
        model = a_model(feed={"complete": rule})
        put(model, 0, "a", {"id": "x"})
        model.tick(5 * MIN)
        assert rows(model) == {0: first}
        model.feed[0].marker = True
        model.tick(4 * MIN)
        assert rows(model)[0].startswith("open/no")
        model.tick(5 * MIN)
        assert rows(model) == {0: "published"}


def test_young_files_wait():
    model = a_model(feed={"quiet": "30s"})
    put(model, 0, "a", {"id": "x"}, mtime=299)
    put(model, 5, "a", {"id": "y"}, mtime=9000)  # over an hour ahead: a wrong clock
    model.tick(328)
    assert rows(model) == {0: "open/quiet", 5: "open/not ended"}
    model.tick(600)
    assert rows(model) == {0: "published", 5: "published"}
