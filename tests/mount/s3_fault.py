# SPDX-License-Identifier: Apache-2.0
"""When a call to the fake S3 fails, and how: a schedule that its seed decides.

What happens to a call depends on the seed, the operation, what it is about, and how many such calls came before; not on the order
in which calls about different things arrive. So the same seed gives the same faults, whatever threads the client has.
"""

import hashlib
import threading

READS = {"list", "get", "head"}
ANY = None

# {how: on which operations}; s3_fake.py does them.
KINDS = {
    # No answer that is one.
    "internal": ANY,  # 500 InternalError
    "gateway": ANY,  # 502, in HTML
    "slow_down": ANY,  # 503 SlowDown
    "too_many": ANY,  # 429
    "hang": ANY,  # no answer until the client gives up
    "reset": ANY,  # the connection is reset instead of an answer, nothing was done
    "lost": ANY,  # it was done, and the connection is reset instead of the answer
    "conflict": {"put"},  # 409, another write is under way
    # A body that breaks off.
    "reset_body": {"list", "get"},  # the connection is reset in its middle
    "stall": {"list", "get"},  # nothing comes after its middle, until the client gives up
    "short": {"list", "get"},  # the connection ends in its middle, its length was announced
    "cut": {"list", "get"},  # half of it, announced as such
    # A body that is another one.
    "flipped": {"get"},  # a wrong bit, each time another, with the right ETag
    "changed": {"get"},  # the same with an ETag of their own
    "other_etag": {"get", "head"},  # the right bytes with a wrong ETag
    "whole": {"get"},  # 200 and the whole object, where a range was asked for
    # A listing that is none.
    "stale": {"list"},  # as it was some changes ago
    "reordered": {"list"},
    "duplicated": {"list"},
    "endless": {"list"},  # the page says that there is more, and gives itself as the next one
    "no_token": {"list"},  # the page says that there is more, and not from where
    "own_prefix": {"list"},  # what was asked for is a common prefix of itself, also where none were asked for
    "no_xml": {"list"},
    "huge": {"list"},  # a page of many MiB
}


class Faults:
    """`rate` of the calls fail in one of the `kinds`, on those operations (None: all that the kind is for) alone."""

    def __init__(self, seed=0, rate=0.0, kinds=tuple(KINDS), operations=None):
        unknown = set(kinds) - set(KINDS)
        assert not unknown, unknown
        self.seed, self.rate, self.kinds, self.operations = seed, rate, tuple(kinds), operations
        self.seen = {}
        self.lock = threading.Lock()

    def __repr__(self):
        return f"Faults(seed={self.seed}, rate={self.rate}, kinds={self.kinds}, operations={self.operations})"

    def number(self, *what):
        """Between 0 and 1, of what it is about alone."""
        text = "\0".join(map(str, (self.seed, *what)))
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "big") / 2**64

    def of(self, operation, target):
        """How this call fails; None: it does not."""
        if self.operations is not None and operation not in self.operations:
            return None
        kinds = [k for k in self.kinds if KINDS[k] is ANY or operation in KINDS[k]]
        with self.lock:
            n = self.seen[operation, target] = self.seen.get((operation, target), 0) + 1
        if not kinds or self.number(operation, target, n) >= self.rate:
            return None
        return kinds[int(self.number("kind", operation, target, n) * len(kinds))]
