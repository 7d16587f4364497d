# SPDX-License-Identifier: Apache-2.0
"""`freshet status` on a terminal is a picture; elsewhere it is what the mount's status says."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from harness import EX_DATAERR, HANG

ORDER = re.compile(r"\x1b\[[0-9]+m")


pytestmark = pytest.mark.feedless


@pytest.fixture
def state(box):
    """Published, published, nothing, failed; then nothing for years."""
    for i in 0, 1:
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
    box.feed.put(3, b"no JSON\n" * 20, "naïve\x1b[2J.jsonl")
    result = box.try_build()
    assert result.code == EX_DATAERR, result
    return box


def on_terminal(box, columns=80, **environment):
    """What it writes to a terminal that is so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {k: v for k, v in box.environment().items() if k != "NO_COLOR"} | {"TERM": "xterm"} | environment
    process = subprocess.Popen(box.argv("status"), stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    written = b""
    try:
        while more := os.read(ours, 65536):
            written += more
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(HANG) == 0, written
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_picture_and_a_program_what_it_always_got(state):
    text = on_terminal(state)
    assert ORDER.search(text)
    plain = ORDER.sub("", text)
    # To the right of these is what is late since, as far as it is drawn.
    assert "\npartitions  ██_✕" + 12 * "_" + "\n" in plain
    assert "█ published 2  _ late" in plain and "✕ failed 1" in plain
    assert re.search(r"^waiting     .+  median ", plain, re.M) and re.search(r"^building    .+  median ", plain, re.M)
    assert "has failed: naïve%1B[2J.jsonl: 20 of 20" in plain
    piped = state.run("status").out
    assert piped.startswith("feed              ") and not re.search("[█✕\x1b]", piped)
    assert [line for line in piped.splitlines() if not line.startswith("watermark")] == [
        line for line in state.mount().text("status").splitlines() if not line.startswith(("watermark", "refresh", "passthrough"))
    ]


def test_it_has_no_colours_and_no_characters_that_are_not_wanted(state):
    assert "\x1b" not in on_terminal(state, NO_COLOR="1")
    assert "\x1b" not in on_terminal(state, TERM="dumb")
    assert "\x1b" in on_terminal(state, NO_COLOR="")
    text = on_terminal(state, LC_ALL="C", NO_COLOR="1")
    assert text.isascii() and "\npartitions  ##_X" + 12 * "_" + "\n" in text


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_it_is_as_wide_as_the_terminal(box, columns):
    for i in range(100):
        box.feed.put(i, [{"id": f"ad-{i}", "title": "espresso"}])
    box.build()
    lines = on_terminal(box, columns, NO_COLOR="1").splitlines()
    drawn = {line.split()[0]: len(line) for line in lines if line.startswith(("partitions", "waiting", "building"))}
    assert drawn["partitions"] == min(columns, 12 + 100 + 12)
    assert max(drawn.values()) <= columns
