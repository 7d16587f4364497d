#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs_check.py - fails where docs/semantics.md promises something that no test holds.

On that page a reference is a footnote, `[^name]`, and a footnote names tests:

    [^name]: `unit/test_NOUN: case`; `mount/test_NOUN: test_case`; `model/test_model: test_case`; `model: FEATURE`;
        `model/cases: NAME`

Below the sections "Words" and above "Tests", a row of a table has a reference, and a paragraph or an item of a list ends with
one, unless it ends with a colon: so what stands between two references is held by the second. A case counts when it is run: a unit
case by RUN() in a file that tests/meson.build knows, a feature of the model when the random steps have it.
"""

import ast
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs" / "semantics.md"
FREE = ("Words", "Tests")  # sections that promise nothing
REFERENCE = r"\[\^([a-z0-9-]+)\]"


def pytest_cases(path):
    return {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def model_features():
    """Those that the random steps run with."""
    for node in ast.parse((TOP / "tests/model/model.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "FEATURES":
            return set(ast.literal_eval(node.value))
    raise SystemExit("tests/model/model.py: no FEATURES")


def known_tests():
    """{suite: cases}"""
    nouns = set(re.findall(r"^  '(\w+)',$", (TOP / "tests/meson.build").read_text(), re.M))
    known = {"model": model_features(), "model/cases": {p.stem for p in (TOP / "tests/model/cases").glob("*.json")}}
    for path in (TOP / "tests/unit").glob("test_*.c"):
        if path.stem.removeprefix("test_") in nouns:
            known[f"unit/{path.stem}"] = set(re.findall(r"^\tRUN\((\w+)\);", path.read_text(), re.M))
    for suite in ("mount", "model"):
        for path in (TOP / "tests" / suite).glob("test_*.py"):
            known[f"{suite}/{path.stem}"] = pytest_cases(path)
    return known


def blocks(text):
    """(line number, section, text) of each table row, paragraph, item of a list and footnote; code is left out."""
    section, begun, gathered, code, head = None, 0, [], False, True
    for number, line in enumerate(text.splitlines() + [""], 1):
        starts = re.match(r"\||#|[-*] |\d+\. |\[\^", line)
        if line.startswith("```"):
            code = not code
        elif code:
            continue
        elif (starts or not line.strip()) and gathered:
            yield begun, section, " ".join(gathered)
            gathered = []
        if line.startswith("#"):
            section = line.lstrip("# ") if line.startswith("## ") else section
        elif line.startswith("|"):
            if head:
                head = "--" not in line or not set(line) <= set("| -:")  # the rule below the head ends it
            else:
                yield number, section, line
            continue
        elif line.strip() and not line.startswith("```") and not line.startswith("    "):
            begun = begun if gathered else number
            gathered.append(line.strip())
        elif line.startswith("    ") and gathered:
            gathered.append(line.strip())
        head = True


def complaints(text, known):
    """What is wrong with the page, a line each."""
    notes, used = {}, {}
    for number, section, block in blocks(text):
        note = re.match(REFERENCE + r": (.*)", block)
        if note:
            if note[1] in notes:
                yield f"{number}: there is another [^{note[1]}], which counts"
            notes[note[1]] = (number, note[2])
            continue
        found = re.findall(REFERENCE, block)
        used.update({name: number for name in found if name not in used})
        if section is None or section in FREE:
            continue
        if block.startswith("|"):
            if not found:
                yield f"{number}: a row without a test: {block[:70]}"
        elif not block.endswith(":") and not re.search(REFERENCE + r"$", block):
            yield f"{number}: no test holds the end of this: …{block[-70:]}"
    for name in sorted(used.keys() - notes.keys()):
        yield f"{used[name]}: there is no [^{name}]"
    for name, (number, tests) in notes.items():
        if name not in used:
            yield f"{number}: nothing refers to [^{name}]"
        if not re.fullmatch(r"`[^`]+: [^`]+`(; `[^`]+: [^`]+`)*", tests):
            yield f"{number}: [^{name}] is no list of tests: {tests[:70]}"
        for suite, case in re.findall(r"`([^`]+): ([^`]+)`", tests):
            if case not in known.get(suite, ()):
                yield f"{number}: [^{name}]: no test runs as {suite}: {case}"


def check_itself():
    """What must be found wrong is, and what is right is not."""
    known = {"unit/test_a": {"it_holds"}}
    right = "Free.\n\n## Words\n\nFree.\n\n## S\n\nOne. Two.[^x]\n\nSo:\n\n- three[^x]\n\n| | a |\n| --- | --- |\n| c | d[^x] |\n\n"
    note = "[^x]: `unit/test_a: it_holds`\n"
    assert not list(complaints(right + note, known)), list(complaints(right + note, known))
    for wrong in (
        right,  # no such footnote
        right + note.replace("it_holds", "it_does_not"),
        right + note.replace("unit/", "mount/"),
        right + note.replace("`", ""),
        right + note + "[^y]: `unit/test_a: it_holds`\n",  # used nowhere
        right + note + note,
        right.replace("Two.[^x]", "Two.") + note,
        right.replace("Two.[^x]", "Two.[^x] Three.") + note,
        right.replace("three[^x]", "three") + note,
        right.replace("d[^x]", "d") + note,
    ):
        assert list(complaints(wrong, known)), wrong


def main():
    check_itself()
    wrong = list(complaints(PAGE.read_text(), known_tests()))
    for line in wrong:
        print(f"docs/semantics.md:{line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
