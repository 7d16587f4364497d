# SPDX-License-Identifier: Apache-2.0
"""What the processes that read while generations are published share."""

import os


def read_slowly(path, rng, sizes):
    """In small pieces, so that publishes come in between."""
    data, fd = b"", os.open(path, os.O_RDONLY)
    try:
        while piece := os.read(fd, rng.choice(sizes)):
            data += piece
        return data
    finally:
        os.close(fd)
