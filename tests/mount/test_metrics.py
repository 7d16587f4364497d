# SPDX-License-Identifier: Apache-2.0
"""metrics: the numbers of status.json, as Prometheus reads them."""

import json
import re
import shutil
from datetime import datetime

import pytest

from harness import EX_DATAERR, FRESHET, TOP, eventually, tool

HELP = re.compile(r"# HELP (freshet_[a-z_]+) ([A-Z][^\\\n]+\.)")
TYPE = re.compile(r"# TYPE (freshet_[a-z_]+) (gauge|counter)")
EXAMPLE = TOP / "examples/prometheus"
DASHBOARD = TOP / "examples/grafana/freshet.json"
SAMPLE = re.compile(r'(freshet_[a-z_]+)(\{[a-z]+="[^"\\\n]*"\})? (\d+(?:\.\d+)?)')


def parse(text):
    """{name with labels: value}; each name has one HELP, then one TYPE, then its samples, all together."""
    assert text.endswith("\n")
    found, lines, seen = {}, iter(text.splitlines()), set()
    name = None
    for line in lines:
        if about := HELP.fullmatch(line):
            name = about[1]
            assert name not in seen
            seen.add(name)
            about = TYPE.fullmatch(next(lines))
            assert about[1] == name and (about[2] == "counter") == name.endswith("_total")
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample and sample[1] == name, line
        found[sample[1] + (sample[2] or "")] = float(sample[3])
    return found


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def check(mount):
    """What they say is what status.json says, and promtool, where it is, has nothing against the form."""
    before, text, status = json.loads(mount.text("status.json")), mount.text("metrics"), json.loads(mount.text("status.json"))
    metrics = parse(text)
    for name, key in (("generation",) * 2, ("segments",) * 2, ("segment_bytes",) * 2, ("documents",) * 2,
                      ("uncovered_partitions", "uncovered"), ("rejected_records", "rejected"), ("paused",) * 2,
                      ("rules_changed",) * 2):  # fmt: skip
        assert metrics["freshet_" + name] == status[key], name
    partitions = {f'freshet_partitions{{state="{state}"}}': count for state, count in status["partitions"].items()}
    assert partitions == {name: value for name, value in metrics.items() if name.startswith("freshet_partitions{")}
    age = metrics.get("freshet_age_seconds")
    assert age is None if status["age_seconds"] is None else before["age_seconds"] <= age < status["age_seconds"] + 1
    for name in "waiting_seconds", "building_seconds":
        value = metrics.get("freshet_" + name)
        assert value is None if status[name] is None else status[name] <= value < status[name] + 0.002, name
    version = tool(FRESHET, "--version").split()[1]
    assert metrics[f'freshet_build_info{{version="{version}"}}'] == 1
    for key in ("watermark", "complete_through", "published"):
        value = metrics.get(f"freshet_{key}_timestamp_seconds")
        assert value is None if status[key] is None else abs(value - seconds(status[key])) < 1
    # Requests only grow, also between these readings.
    for kind, count in status["requests"].items():
        assert before["requests"][kind] <= metrics[f'freshet_requests_total{{kind="{kind}"}}'] <= count, kind
    assert metrics.get("freshet_dest_generation") == status.get("dest_generation")
    assert metrics["freshet_last_error"] == (status["last_error"] is not None)
    if shutil.which("promtool"):
        assert tool("promtool", "check", "metrics", input=text.encode()) == ""
    return metrics


@pytest.mark.release
def test_metrics_are_the_numbers_of_status(box):
    box.build()
    mount = box.mount()
    assert not {"freshet_watermark_timestamp_seconds", "freshet_waiting_seconds"} & check(mount).keys()
    box.feed.put(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "lungo"}])
    box.build()
    metrics = check(mount)
    assert metrics["freshet_documents"] == 2 and metrics["freshet_age_seconds"] >= 0
    box.feed.put(1, b"no JSON\n" * 20)
    assert box.try_build().code == EX_DATAERR
    metrics = check(mount)
    assert metrics['freshet_partitions{state="failed"}'] == 1


@pytest.mark.directory("a prefix with nothing below it is not away")
def test_what_goes_wrong_in_the_mount_is_seen_until_it_goes_right(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    mount = box.mount("refresh=lazy,poll=0s")
    assert check(mount)["freshet_last_error"] == 0
    shutil.rmtree(box.feed.root)
    eventually(lambda: check(mount)["freshet_last_error"] == 1, "a look that finds no feed")
    box.feed.root.mkdir()
    eventually(lambda: check(mount)["freshet_last_error"] == 0, "a look that goes well")


def test_a_rollback_is_seen_until_builds_go_on(box):
    for i in range(2):
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
        box.build("--no-merge")
    mount = box.mount()
    assert check(mount)["freshet_paused"] == 0
    for argv, paused in (["1"], 1), (["--resume"], 0):
        result = box.run("rollback", *argv, "--config", box.config)
        assert result.code == 0, result
        assert check(mount)["freshet_paused"] == paused


def dashboard_exprs():
    """What its panels ask for, with values for its variables."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    exprs = [target["expr"] for panel in panels for target in panel["targets"]]
    return [e.replace("$instance", ".*").replace("$__rate_interval", "5m") for e in exprs]


def test_the_examples_are_about_metrics_that_are_there(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    dest = box.root / "store"
    dest.mkdir()
    there = {name.split("{")[0] for name in check(box.mount(args=("--set", f"publish.dest={dest}")))}
    # Only while a build runs.
    there.add("freshet_building_since_timestamp_seconds")
    for exprs in re.findall(r"expr: (.*)", (EXAMPLE / "freshet.rules.yml").read_text()), dashboard_exprs():
        asked = set(re.findall(r"freshet_[a-z_]+", " ".join(exprs)))
        assert asked and asked <= there, asked - there


def test_the_dashboard_of_the_example_is_one():
    board = json.loads(DASHBOARD.read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24, "panels lie on each other, or stick out"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(e.count("instance=~") for e in dashboard_exprs())


def test_what_the_dashboard_of_the_example_asks_is_promql(tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not here")
    rules = [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(dashboard_exprs())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in tool("promtool", "check", "rules", tmp_path / "rules.yml")


def test_the_alerts_of_the_example_fire_when_they_should_and_not_before():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not here")
    tool("promtool", "check", "rules", EXAMPLE / "freshet.rules.yml")
    tool("promtool", "test", "rules", TOP / "tests/mount/metrics_alerts.yml")
