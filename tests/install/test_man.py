# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what freshet does, and those who show manual pages can read them."""

import os
import re
import subprocess

import pytest

from conftest import TOP

PAGES = {"man1/freshet.1": "freshet", "man5/freshet.ini.5": "freshet.ini", "man5/freshet-mount.5": "freshet-mount"}
HIDDEN = {"pulse"}  # what freshet gives to the builds that it starts


def words_of_manual(text):
    """{command: its options} of freshet(1): those of its section in SYNOPSIS and those described; common ones under None."""
    synopsis, described, command = {}, {None: set()}, None
    for line in text.splitlines():
        if line.startswith(".Cm ") and command == "":
            command = line.split()[1]
            synopsis[command] = set()
        elif line == ".Nm":
            command = ""
        elif line.startswith(".Sh DESCRIPTION"):
            break
        elif command:
            synopsis[command] |= set(re.findall(r"Fl -([\w-]+)", line))
    section, command = None, None
    for line in text.splitlines():
        if line.startswith(".Sh "):
            section, command = line[4:], None
        elif line.startswith(".Ss "):
            command = line[4:]
            described[command] = set()
        elif line.startswith(".It Fl") and (command or section == "COMMON OPTIONS"):
            described[command] |= set(re.findall(r"Fl -([\w-]+)", line))
    return synopsis, described


def words_of_help(text):
    """(options of the command, common options)"""
    own, _, common = text.partition("\nCommon options:\n")
    return tuple(set(re.findall(r"^ .*?--([\w-]+)", part, re.M)) for part in (own, common))


def test_freshet_1_has_the_commands_and_options_that_help_has(installed):
    synopsis, described = words_of_manual((TOP / "docs/freshet.1").read_text())
    commands = installed.commands()
    assert list(synopsis) and set(synopsis) == set(commands) == set(described) - {None}
    for command in commands:
        own, common = words_of_help(installed.help(command))
        assert (command, own) == (command, described[command])
        assert (command, common) == (command, described[None])
        # A synopsis may have a short form, "-f", or say "--level deep" where "--deep" means it.
        assert (command, synopsis[command] - own) == (command, set())


def test_help_has_the_options_that_are_taken(installed):
    """Those in the tables of the sources."""
    for command in installed.commands():
        source = (TOP / f"fs/cmd_{command}.c").read_text()
        taken = set(re.findall(r'\{"([\w-]+)", (?:0|\'\w\'), CLI_', source)) - HIDDEN
        assert (command, taken) == (command, words_of_help(installed.help(command))[0])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read(installed, page):
    path = installed.prefix / "share/man" / page
    env = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, text=True, check=True, env=env)
    assert shown.stderr == ""
    assert re.search(r"^NAME$", shown.stdout, re.M) and re.search(r"^SYNOPSIS$", shown.stdout, re.M)
    # Only lines that are shown as they are, such as records, may be longer than the terminal.
    wide = [line.strip() for line in shown.stdout.splitlines() if len(line) > 80]
    assert not set(wide) - set(path.read_text().replace("\\(dq", '"').splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_faults(installed, page):
    path = installed.prefix / "share/man" / page
    found = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], stdout=subprocess.PIPE, text=True).stdout
    assert found == ""


@pytest.mark.parametrize("page", PAGES)
def test_apropos_can_take_what_a_page_is(installed, page):
    path = installed.prefix / "share/man" / page
    found = subprocess.run(["lexgrog", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert f': "{PAGES[page]} - ' in found


def test_pages_made_from_the_web_pages_leave_nothing_out(installed):
    """Each key is in freshet.ini(5), each path of the mount in freshet-mount(5)."""
    for page, source in (("freshet.ini.5", "configuration.md"), ("freshet-mount.5", "mount.md")):
        made = (installed.prefix / "share/man/man5" / page).read_text()
        keys = re.findall(r"^\| `([\w./]+)`", (TOP / "docs" / source).read_text(), re.M)
        assert len(keys) > 15
        assert not [key for key in keys if f"\\fB{key}\\fR" not in made]
        assert ".md#" not in made and "](" not in made
