# SPDX-License-Identifier: Apache-2.0
"""metrics: the numbers of status.json, as Prometheus reads them."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from harness import EX_DATAERR, TOP

HELP = re.compile(r"# HELP (freshet_[a-z_]+) ([A-Z][^\\\n]+\.)")
TYPE = re.compile(r"# TYPE (freshet_[a-z_]+) gauge")
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
            assert TYPE.fullmatch(next(lines))[1] == name
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample and sample[1] == name, line
        found[sample[1] + (sample[2] or "")] = float(sample[3])
    return found


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def check(mount):
    """What they say is what status.json says, and promtool, where it is, has nothing against the form."""
    metrics, status = parse(mount.text("metrics")), json.loads(mount.text("status.json"))
    for name, key in (("generation",) * 2, ("segments",) * 2, ("segment_bytes",) * 2, ("documents",) * 2,
                      ("uncovered_partitions", "uncovered"), ("rejected_records", "rejected"), ("paused",) * 2,
                      ("rules_changed",) * 2):  # fmt: skip
        assert metrics["freshet_" + name] == status[key], name
    for state, count in status["partitions"].items():
        assert metrics[f'freshet_partitions{{state="{state}"}}'] == count
    for key in ("watermark", "complete_through", "published"):
        value = metrics.get(f"freshet_{key}_timestamp_seconds")
        assert value is None if status[key] is None else abs(value - seconds(status[key])) < 1
    assert metrics["freshet_last_error"] == (status["last_error"] is not None)
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=mount.text("metrics"), text=True, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return metrics


@pytest.mark.release
def test_metrics_are_the_numbers_of_status(box):
    box.build()
    mount = box.mount()
    assert "freshet_watermark_timestamp_seconds" not in check(mount)
    box.feed.put(0, [{"id": "a", "title": "espresso"}, {"id": "b", "title": "lungo"}])
    box.build()
    metrics = check(mount)
    assert metrics["freshet_documents"] == 2 and metrics["freshet_age_seconds"] >= 0
    box.feed.put(1, b"no JSON\n" * 20)
    assert box.try_build().code == EX_DATAERR
    metrics = check(mount)
    assert metrics['freshet_partitions{state="failed"}'] == 1


def test_the_alerts_of_the_example_are_about_metrics_that_are_there(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    there = {name.split("{")[0] for name in check(box.mount())}
    rules = Path(TOP) / "examples/prometheus/freshet.rules.yml"
    asked = set(re.findall(r"freshet_[a-z_]+", " ".join(re.findall(r"expr: (.*)", rules.read_text()))))
    assert asked and asked <= there
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "rules", rules], text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
