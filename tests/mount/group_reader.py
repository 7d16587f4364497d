# SPDX-License-Identifier: Apache-2.0
"""group_reader.py MOUNT STOP ADS - reads groups/item-0 until the file STOP is there; half an update ends it with a message.

The feed of test_groups_atomic: the item's record and the ads that come with it bear one number, `rev`, which grows.
"""

import json
import os
import random
import sys

from slow_read import read_slowly


PIECES = [1000, 40000, 300000]  # bytes


def revision(data, ads):
    """The one version that all of the group's documents show, or the end."""
    documents = [json.loads(line) for line in data.splitlines()]
    if [d["ad_id"] for d in documents] != [f"ad-{i:04}" for i in range(ads)]:
        sys.exit(f"{len(documents)} documents of {ads}")
    of_item = {d["item"]["rev"] for d in documents}
    if len(of_item) != 1:
        sys.exit(f"one group, several versions of its item: {sorted(of_item)}")
    newest_ad = max(d["rev"] for d in documents)
    if {newest_ad} != of_item:
        sys.exit(f"ads of version {newest_ad} beside an item of version {of_item}")
    return newest_ad


def main():
    mount, stop, ads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rng = random.Random(os.getpid())
    newest = reads = 0
    seen = set()
    while not os.path.exists(stop) or not reads:
        rev = revision(read_slowly(f"{mount}/groups/item-0", rng, PIECES), ads)
        if rev < newest:
            sys.exit(f"back from version {newest} to {rev}")
        newest = rev
        seen.add(rev)
        # What stands in one directory is of one version, whatever is published meanwhile.
        held = os.open(f"{mount}/docs", os.O_RDONLY | os.O_DIRECTORY)
        revs = set()
        for i in rng.sample(range(ads), 20):
            fd = os.open(f"ad-{i:04}", os.O_RDONLY, dir_fd=held)
            revs.add(json.loads(os.read(fd, 1 << 16))["item"]["rev"])
            os.close(fd)
        os.close(held)
        if len(revs) != 1:
            sys.exit(f"one directory, several versions of an item: {sorted(revs)}")
        reads += 1
    print(reads, len(seen))


main()
