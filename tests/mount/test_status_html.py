# SPDX-License-Identifier: Apache-2.0
"""status.html, as a browser shows it: headless Chromium opens it in the mount.

FRESHET_SCREENSHOTS=DIR writes the pictures of docs/mount.md there, of a feed of a day, and does nothing else. They are made small by
pngquant, which nothing else needs:

    FRESHET_SCREENSHOTS=docs /usr/bin/python3 -m pytest -q -p no:cacheprovider --confcutdir tests tests/mount/test_status_html.py
"""

import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import html5lib
import pytest

from browser import Browser, Page
from harness import CADENCE, DOCUMENTS, EX_DATAERR, Box, eventually, lines_of, rfc3339, table

SCREENSHOTS = os.environ.get("FRESHET_SCREENSHOTS")
SIZES = [(360, "dark"), (360, "light"), (1280, "dark"), (1280, "light")]
EVIL = "<img src=x onerror=alert(1)>&quot;'\u202e"
STATES = "open complete building published failed skipped expired".split()
SECOND = 10**9

# The smallest contrast of text with what is behind it, and that text; what is not shown does not count.
CONTRAST = """(() => {
    const light = colour => { const c = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(
        v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
    const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(c)) return c; } };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let worst = [99, ''], seen = 0;
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim(), e = walker.currentNode.parentElement;
        if (!text || !e.checkVisibility() || e.namespaceURI.endsWith('svg')) continue;
        const a = light(getComputedStyle(e).color), b = light(behind(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        seen++;
        if (ratio < worst[0]) worst = [ratio, text];
    }
    return [...worst, seen];
})()"""
# What sticks out of its section, or of the page.
STICKS_OUT = """[...document.querySelectorAll('section *')].filter(e => e.checkVisibility() && !e.closest('svg') &&
    e.getBoundingClientRect().right > e.closest('section').getBoundingClientRect().right).map(e => e.outerHTML)"""


class Sample:
    """A feed up to now, and what freshet made of it: all that a page may have to show."""

    def __init__(self, box, slices):
        self.box, self.slices, self.rng = box, slices, random.Random(7)
        now = int(datetime.now(timezone.utc).timestamp())
        step = int(CADENCE.total_seconds())
        self.first = datetime.fromtimestamp(now // step * step, timezone.utc) - slices * CADENCE
        box.configure(DOCUMENTS, lag=f"window = {slices * 4 // 5 * 5}m")
        self.holes, self.broken = (slices - 31, slices - 8), (slices - 20, slices - 3)
        for i in set(range(slices)) - set(self.holes):
            self.put(i)
        box.feed.put(self.path(slices), b"", "_started")  # no data
        for end in (slices // 2, slices - 40, slices - 10, slices - 2, slices):
            result = box.try_build("--all", "--no-merge", "--now", rfc3339(self.time(end)))
            assert result.code in (0, EX_DATAERR), result
        self.spread_over_the_day()

    def time(self, i):
        return self.first + i * CADENCE

    def path(self, i):
        return self.time(i).strftime("dt=%Y-%m-%d/hour=%H/minute=%M")

    def put(self, i):
        records = [{"id": f"ad-{i * 13}-{k}", "item": f"{i * 13}-{k}", "title": "espresso"} for k in range(10 + i % 7)]
        if i in self.broken:
            self.box.feed.put(self.path(i), b"no JSON\n" * 30, "part-0.jsonl" if SCREENSHOTS else f"part-{EVIL}.jsonl")
        else:
            self.box.feed.put(self.path(i), lines_of(records * 20) + b"{}\n" * (3 if i % 37 == 5 else 0))

    def spread_over_the_day(self):
        """A day of builds takes a day. These were made in a second: their instants are put where they would have been."""
        db = sqlite3.connect(self.box.state / "catalog.db")
        for (ts,) in db.execute("SELECT ts FROM partitions WHERE published IS NOT NULL").fetchall():
            waited, built = self.rng.lognormvariate(0.3, 0.7), self.rng.lognormvariate(-0.6, 0.5)
            arrived = ts + int(CADENCE.total_seconds() * SECOND) + 3 * SECOND
            detected = arrived + int(waited * (8 if self.rng.random() < 0.04 else 1) * SECOND)
            instants = (arrived, detected, detected + int(built * SECOND), ts)
            db.execute("UPDATE partitions SET arrived = ?, detected = ?, published = ? WHERE ts = ?", instants)
        db.commit()
        db.close()


@pytest.fixture(scope="module")
def browser():
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sample():
    root = tempfile.mkdtemp(prefix="freshet-test-")
    made = Sample(Box(root), 300 if SCREENSHOTS else 60)
    made.mount = made.box.mount()
    if not SCREENSHOTS:
        current = int(made.mount.text("generation"))
        result = made.box.run("rollback", current - 1, "--config", made.box.config)
        assert result.code == 0, result
    try:
        yield made
    finally:
        try:
            made.box.close()
        finally:
            shutil.rmtree(root)


@pytest.fixture
def open_page(browser, sample):
    pages = []

    def make(width=1280, scheme="light"):
        pages.append(Page(browser, (sample.mount / "status.html").as_uri(), width, scheme))
        return pages[-1]

    yield make
    for page in pages:
        page.close()


if SCREENSHOTS:

    def test_the_pictures_of_the_documentation(open_page):
        for width, scheme, height in (360, "dark", 1180), (1280, "light", None):
            picture = open_page(width, scheme).screenshot(height)
            small = subprocess.run(["pngquant", "64", "-"], input=picture, stdout=subprocess.PIPE, check=True).stdout
            (Path(SCREENSHOTS) / f"status-{width}-{scheme}.png").write_bytes(small)


checks = pytest.mark.skipif(bool(SCREENSHOTS), reason="FRESHET_SCREENSHOTS is set")


@checks
@pytest.mark.release
@pytest.mark.parametrize("width, scheme", SIZES)
def test_it_fits_and_can_be_read(open_page, width, scheme):
    page = open_page(width, scheme)
    assert page.ask("innerWidth") == width
    assert page.ask("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
    page.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.ask(STICKS_OUT) == []
    contrast, text, seen = page.ask(CONTRAST)
    assert contrast >= 4.5 and seen > 100, text


@checks
@pytest.mark.release
def test_it_loads_nothing_and_runs_nothing(open_page, sample):
    page = open_page()
    assert page.requests() == [(sample.mount / "status.html").as_uri()]
    assert page.complaints() == []
    assert page.ask("document.scripts.length") == 0
    assert page.ask("[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length") == 0
    # Were there something all the same, its policy would not have it.
    page.ask("document.body.insertAdjacentHTML('beforeend', '<img src=http://127.0.0.1:9/><b onclick=\"ran = 1\">x</b>')")
    page.ask("document.body.append(Object.assign(document.createElement('script'), {textContent: 'ran = 1'}))")
    page.ask("document.body.lastElementChild.previousElementSibling.click()")
    page.ask("fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert page.ask("typeof ran") == "undefined"
    refused = lambda what: page.ask("1") and any(what in c and "Content Security Policy" in c for c in page.complaints())
    for what in "inline event handler", "inline script", "the image", "Fetch API":
        eventually(lambda: refused(what), f"a word that {what} is refused", 60)


@checks
@pytest.mark.release
@pytest.mark.blanks
def test_names_from_the_feed_are_text(open_page, sample):
    page = open_page()
    now = page.ask("document.querySelector('.now').innerText")
    for i in sample.broken:
        assert f"{sample.path(i)} has failed: part-{EVIL}.jsonl: 30 of 30 records refused".replace("\u202e", "?") in now
    assert page.ask("document.images.length") == 0
    title = page.ask("[...document.querySelectorAll('#timeline title')].map(t => t.textContent).find(t => t.includes('failed'))")
    assert "part-<img src=x onerror=alert(1)>&quot;'?" in title


@checks
@pytest.mark.release
def test_it_says_what_the_catalog_says(open_page, sample):
    page, mount = open_page(), sample.mount
    rows, status = table(mount), sample.box.status()
    counts = page.ask("Object.fromEntries([...document.querySelectorAll('[data-count]')].map(e => [e.dataset.count, +e.innerText]))")
    assert counts == status["partitions"] | {"late": len(sample.holes)}
    assert min(counts[s] for s in ("published", "complete", "open", "failed", "expired", "late")) >= 1
    assert page.ask("document.querySelector('time').dateTime") == status["watermark"] == mount.text("watermark").strip()

    # Each partition and each hole is a cell of its mark, in order; the newest row is the first.
    cells = page.ask(
        "[...document.querySelectorAll('#timeline ol svg')].reverse().flatMap(s => [...s.querySelectorAll('use')])"
        ".map(u => [u.getAttribute('href').slice(3), u.textContent])"
    )
    marks = [rows[path]["state"] if (path := sample.path(i)) in rows else "late" for i in range(sample.slices + 1)]
    assert [mark for mark, _ in cells] == marks
    assert all(words.startswith(f"{sample.time(i):%H:%M} {marks[i]}") for i, (_, words) in enumerate(cells))

    words = page.ask("document.querySelector('.now').innerText")
    assert "2 slices are late" in words and "Builds are paused" in words
    linked = "[...document.querySelectorAll('#{} tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    rejects = [[p, r["rejected"], r["records"]] for p, r in rows.items() if r["rejected"] != "0"]
    assert page.ask(linked.format("rejects")) == rejects[::-1]
    segments = page.ask("[...document.querySelectorAll('#segments a')].map(a => a.getAttribute('href'))")
    assert sorted(f"segments/{name}" for name in os.listdir(mount / "segments") if name.endswith(".seg")) == sorted(segments)


def short(nanoseconds):
    """A duration below a minute as the page writes it."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return f"{seconds}.{rest * 10 // SECOND}s" if seconds < 10 and rest else f"{seconds}s"


@checks
def test_its_bars_are_the_instants_of_the_catalog(open_page, sample):
    db = sqlite3.connect(f"file:{sample.box.state}/catalog.db?mode=ro", uri=True)
    wanted = db.execute(
        "SELECT detected - arrived, published - detected FROM partitions WHERE published IS NOT NULL ORDER BY ts DESC"
    ).fetchall()
    db.close()
    page = open_page()
    page.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    shown = page.ask("[...document.querySelectorAll('details tbody tr')].map(r => [r.cells[2].innerText, r.cells[3].innerText])")
    assert len(wanted) > 30 and shown == [[short(w), short(b)] for w, b in wanted]
    assert page.ask("document.querySelectorAll('.chart svg g').length") == len(wanted)


@checks
def test_every_link_leads_to_a_file(open_page, sample):
    for link in open_page().ask("[...document.querySelectorAll('a')].map(a => decodeURIComponent(a.getAttribute('href')))"):
        assert (sample.mount / link).exists(), link


@checks
def test_it_is_html_without_a_mistake(sample):
    html5lib.HTMLParser(strict=True).parse(sample.mount.text("status.html"))


@checks
@pytest.mark.release
def test_it_is_made_anew_at_each_lookup_and_stays_what_it_was(box):
    mount = box.mount()
    path = mount / "status.html"
    with open(path, "rb") as before:
        assert "Nothing has been published yet." in path.read_text()
        box.feed.put(0, [{"id": "a", "title": "espresso"}])
        box.build()
        # Everything after this slice of long ago is late, and most of it is not drawn.
        text = path.read_text()
        assert "Nothing newer has arrived since the slice that ended at 2024-05-04 10:05" in text
        assert text.count("late, nothing has arrived") == 12
        assert "Nothing has been published yet." in before.read().decode()
    assert path.stat().st_size == len(path.read_bytes())
    assert "status.html" in os.listdir(mount.point)


@checks
@pytest.mark.release
@pytest.mark.directory("a prefix with nothing below it is not away")
def test_a_feed_that_is_away_is_what_is_wrong(box):
    box.feed.put(0, [{"id": "a", "title": "espresso"}])
    box.build()
    mount = box.mount("refresh=lazy,poll=0s")
    assert "went wrong" not in mount.text("status.html")
    shutil.rmtree(box.feed.root)
    eventually(lambda: "The last look, build, merge or publishing went wrong: " in mount.text("status.html"), "a look that finds no feed")
    box.feed.root.mkdir()
    eventually(lambda: "went wrong" not in mount.text("status.html"), "a look that goes well")
