# SPDX-License-Identifier: Apache-2.0
"""A bucket in memory: its objects, the pages of its listings, and uploads in parts. No HTTP; s3_fake.py is the server."""

import base64
import binascii
import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import datetime, timezone

from s3_sign import Refused

PAGE = 1000
KEY_MAX = 1024
PART_MIN = 5 << 20  # of all parts but the last
HISTORY = 32  # how many changes ago a stale listing may be


@dataclass(frozen=True)
class Object:
    body: bytes = field(repr=False)
    etag: str  # without quotes
    modified: datetime
    headers: tuple = ()  # (name, value) that were put with it and come back

    @staticmethod
    def of(body, headers=(), modified=None, etag=None):
        now = modified or datetime.now(timezone.utc)
        return Object(body, etag or hashlib.md5(body).hexdigest(), now.replace(microsecond=0), tuple(headers))


@dataclass
class Upload:
    key: str
    headers: tuple
    started: datetime
    parts: dict = field(default_factory=dict)  # number: Object


@dataclass
class Page:
    entries: list  # (key, Object)
    prefixes: list
    last: str = None  # where the next page goes on; None: there is none


def order(key):
    """S3 sorts by the bytes of UTF-8."""
    return key.encode("utf-8", "surrogateescape")


def token_of(last):
    return base64.urlsafe_b64encode(b"from:" + order(last)).decode()


def last_of(token):
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(b"from:"):
        raise Refused(
            400, "InvalidArgument", "The continuation token provided is incorrect", ArgumentName="continuation-token"
        )
    return raw[len(b"from:") :].decode("utf-8", "surrogateescape")


def roll_up(keys, prefix, delimiter):
    """[(what is listed, is it a common prefix)], in order, each once."""
    rolled = []
    for key in keys:
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if end < 0 else (key[: end + len(delimiter)], True)
        if not rolled or rolled[-1] != entry:
            rolled.append(entry)
    return rolled


def page_of(objects, prefix="", delimiter="", after="", limit=PAGE):
    """The page behind `after`: a key, or a common prefix, which then is over."""
    keys = sorted((k for k in objects if k.startswith(prefix) and order(k) > order(after)), key=order)
    # `after` is a prefix that an earlier page gave: what it stands for is over, too.
    if delimiter and after.endswith(delimiter) and len(after) > len(prefix):
        keys = [k for k in keys if not k.startswith(after)]
    rolled = roll_up(keys, prefix, delimiter)
    given = rolled[:limit]
    page = Page([(k, objects[k]) for k, is_prefix in given if not is_prefix], [k for k, is_prefix in given if is_prefix])
    if given and len(rolled) > len(given):
        page.last = given[-1][0]
    return page


class Bucket:
    """Not safe for threads: the server has a lock."""

    def __init__(self):
        self.objects = {}  # replaced whole by every change: what was before stays as it was
        self.history = []
        self.uploads = {}
        self.numbers = itertools.count(1)

    def change(self, objects):
        self.history = [*self.history, self.objects][-HISTORY:]
        self.objects = objects

    def get(self, key):
        found = self.objects.get(key)
        if found is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.", Key=key)
        return found

    def put(self, key, made):
        if len(order(key)) > KEY_MAX:
            raise Refused(400, "KeyTooLongError", "Your key is too long", MaxSizeAllowed=KEY_MAX, Size=len(order(key)))
        self.change({**self.objects, key: made})

    def delete(self, key):
        if key in self.objects:
            self.change({k: v for k, v in self.objects.items() if k != key})

    # ---- uploads in parts ----

    def upload(self, upload_id, key):
        found = self.uploads.get(upload_id)
        if found is None or found.key != key:
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist.", UploadId=upload_id)
        return found

    def begin(self, key, headers):
        upload_id = f"upload-{next(self.numbers)}"
        self.uploads[upload_id] = Upload(key, tuple(headers), datetime.now(timezone.utc))
        return upload_id

    def complete(self, upload_id, key, wanted):
        """`wanted`: [(number, etag)] as the client lists them."""
        upload = self.upload(upload_id, key)
        if [n for n, _ in wanted] != sorted({n for n, _ in wanted}):
            raise Refused(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        for number, etag in wanted:
            if number not in upload.parts or upload.parts[number].etag != etag:
                raise Refused(400, "InvalidPart", "One or more of the specified parts could not be found.", PartNumber=number)
        parts = [upload.parts[number] for number, _ in wanted]
        if any(len(part.body) < PART_MIN for part in parts[:-1]):
            raise Refused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts)).hexdigest()
        made = Object.of(b"".join(part.body for part in parts), upload.headers, etag=f"{digest}-{len(parts)}")
        self.put(key, made)
        del self.uploads[upload_id]
        return made
