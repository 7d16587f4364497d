#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tally.py REPORT - count the cases of a JUnit report (meson and pytest write them).

Prints "PASSED FAILED SKIPPED"; names the failed cases on stderr, and the skipped ones with their reasons. A suite that says it failed
without a failed case, or whose program ended badly after its last one, counts as one failed case.
"""

import sys
import xml.etree.ElementTree as tree


def outcome(case):
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"


def why(case):
    """What a skipped case gives as its reason."""
    said = [child.get("message") for child in case if child.tag == "skipped" and child.get("message")]
    return f": {said[0]}" if said else ""


def main():
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in tree.parse(sys.argv[1]).iter("testsuite"):
        failed_before = count["failed"]
        for case in suite.iter("testcase"):
            what = outcome(case)
            count[what] += 1
            if what != "passed":
                name = f"{case.get('classname') or suite.get('name')}: {case.get('name')}"
                print(f"  {what}: {name}{why(case)}", file=sys.stderr)
        said = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        ended_badly = "test program exited with status code" in (suite.findtext("system-err") or "")
        if (said or ended_badly) and count["failed"] == failed_before:
            count["failed"] += 1
            print(f"  failed: {suite.get('name')}, outside of its cases", file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


main()
