#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""man.py [--docdir DIR] PAGE.md - the manual page that PAGE.md has in it, on stdout; lowdown does the formatting.

A page says in a comment, which nobody sees on the web, what it is called and its synopsis:

    <!-- man NAME(SECTION): what it is
    a line of the synopsis
    -->

Web pages and manual pages differ in a few things, which are changed here before lowdown sees the text:

- A table becomes a list: its first column is what is listed, the columns between first and last are named, the last says it.
- A link becomes text: to a page that is a manual page, NAME(SECTION); to another place, the words that are the link, and the files
  are named under SEE ALSO.
- Pictures are left out.
- The title becomes NAME, SYNOPSIS and DESCRIPTION. The date is that of freshet.1, so that the same sources give the same page.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

COMMENT = r"<!-- man ([\w.-]+)\((\d)\): (.+)\n((?:.+\n)+)-->\n"
PICTURE = r"<img [^>]*>\s*"
LINK = r"\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)]+)\)"
CELL = r"(?<!\\)\|"


def named(name, section):
    """As other pages are referred to."""
    return f"**{name}**({section})"


def page_of(path):
    """(name, section, what, synopsis) of the manual page that a file holds, or None."""
    found = re.search(COMMENT, path.read_text()) if path.is_file() else None
    return found.groups() if found else None


class Links:
    """What the links of a page become."""

    def __init__(self, path):
        self.path, self.pages, self.files = path, set(), set()

    def text(self, match):
        words, to = match[1], match[2].partition("#")[0]
        if not to:
            return words
        target = (self.path.parent / to).resolve()
        page = page_of(target)
        if page:
            self.pages.add(page[:2])
            return named(*page[:2]) if words == target.name else f"{words} ({named(*page[:2])})"
        self.files.add(str(target.relative_to(self.path.parents[1])))
        return target.name if words == target.stem else words


def item(head, row):
    """A row of a table, as an item of a list."""
    named = [f"*{h}*: {c}" if h else c for h, c in zip(head[1:], row[1:])] if len(row) > 2 else row[1:]
    if named[1:] and not head[-1]:
        named[-2:] = [f"{named[-2]}. {named[-1]}"]
    return f"{row[0]}\n\n: {'; '.join(named)}\n"


def without_tables(text):
    lines, head = [], None
    for line in text.splitlines():
        if not line.startswith("|"):
            head = None
            lines.append(line)
            continue
        row = [cell.strip().replace("\\|", "|") for cell in re.split(CELL, line)[1:-1]]
        if head is None:
            head = row
        elif not set(line) <= set("| -:"):
            lines.append(item(head, row))
    return "\n".join(lines) + "\n"


def markdown(path, docdir):
    """The page as lowdown is to see it."""
    name, section, what, synopsis = page_of(path)
    links = Links(path)
    body = re.sub(COMMENT, "", path.read_text())
    body = re.sub(r"\A# .*\n", "", body)
    body = re.sub(PICTURE, "", body)
    body = without_tables(re.sub(LINK, links.text, body))
    pages = sorted(links.pages | {("freshet", "1")} - {(name, section)}, key=lambda page: page[::-1])
    see = ", ".join(named(*page) for page in pages)
    if links.files:
        see += f"\n\nIn *{docdir}*: " + ", ".join(f"*{file}*" for file in sorted(links.files))
    usage = "\n\n".join(f"`{line}`" for line in synopsis.splitlines())
    return f"# NAME\n\n{name} - {what}\n\n# SYNOPSIS\n\n{usage}\n\n# DESCRIPTION\n\n{body}\n# SEE ALSO\n\n{see}\n"


def tidied(roff):
    """What terminals, groff and mandoc take alike; versions of lowdown differ in this."""
    roff = re.sub(r"\\f(C|\(CR)", r"\\fB", roff)  # nroff has no constant width
    roff = re.sub(r"^\.(S[HS])\n", r".\1 ", roff, flags=re.M)
    roff = re.sub(r"^(\.S[HS] .*\n)\.[LP]P\n", r"\1", roff, flags=re.M)
    roff = re.sub(r"^\.EX\n(.*?)^\.EE\n", r".RS 4\n.EX\n\1.EE\n.RE\n", roff, flags=re.M | re.S)
    # Names that are typed are not broken, and lines are not stretched.
    return re.sub(r"^(\.TH .*\n)", r"\1.nr HY 0\n.ad l\n", roff, flags=re.M)


def formatted(path, docdir):
    name, section = page_of(path)[:2]
    date = re.search(r"^\.Dd (.*)", (path.parent / "freshet.1").read_text(), re.M)[1]
    command = ["lowdown", "-s", "-tman", "--out-no-smarty", "--parse-no-metadata"]
    command += [f"-mtitle={name}", f"-msection={section}", "-msource=freshet", f"-mdate={date}"]
    page = subprocess.run(command, input=markdown(path, docdir), stdout=subprocess.PIPE, text=True, check=True).stdout
    return tidied(page)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--docdir", default="/usr/share/doc/freshet")
    parser.add_argument("page", type=Path)
    args = parser.parse_args()
    sys.stdout.write(formatted(args.page.resolve(), args.docdir))


if __name__ == "__main__":
    main()
