# SPDX-License-Identifier: Apache-2.0
"""reader.py MOUNT STOP - reads until the file STOP is there; any error or mixed file ends it with a message.

The feed of test_publish: each generation replaces all ids by ones that begin with its number.
"""

import os
import random
import sys

from slow_read import read_slowly


PIECES = [100, 5000, 70000]  # bytes


def number_of(data):
    numbers = {line.split(b"-")[0] for line in data.split()}
    if len(numbers) != 1:
        sys.exit(f"a mixed file: {sorted(numbers)[:5]}, {len(data)} bytes")
    return int(numbers.pop())


def main():
    mount, stop = sys.argv[1:]
    rng = random.Random(os.getpid())
    newest = reads = 0
    while not os.path.exists(stop) or not reads:
        data = read_slowly(f"{mount}/terms/espresso", rng, PIECES)
        number = number_of(data)
        if len(data.split()) != 1500:
            sys.exit(f"generation {number} has {len(data.split())} ids")
        if number < newest:
            sys.exit(f"back from {newest} to {number}")
        newest = number
        # A directory that is held shows one generation, whatever is published meanwhile.
        held = os.open(f"{mount}/terms", os.O_RDONLY | os.O_DIRECTORY)
        ids = []
        for name in ("espresso", "brand:Acme"):
            fd = os.open(name, os.O_RDONLY, dir_fd=held)
            ids.append(os.read(fd, 1 << 20))
            os.close(fd)
        os.close(held)
        if ids[0] != ids[1]:
            sys.exit(f"two generations in one directory: {number_of(ids[0])} and {number_of(ids[1])}")
        if not read_slowly(f"{mount}/watermark", rng, PIECES).endswith(b"Z\n"):
            sys.exit("no watermark")
        reads += 1
    print(reads, newest)


main()
