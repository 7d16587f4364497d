# SPDX-License-Identifier: Apache-2.0
"""What the fake S3 does for each operation, and what it answers. s3_fake.py has the server, and what becomes of an answer on its way."""

import base64
import hashlib
import re
import struct
import xml.etree.ElementTree as tree
import zlib
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from s3_bucket import PAGE, Object, Page, last_of, order, page_of, token_of
from s3_sign import Refused

HUGE = 64 << 20
XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
LOOP = "\1loop:"  # before what an endless listing goes on from; no key of a test starts so
KEPT = {"content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"}


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: tuple = ()


def xml_text(text):
    """What XML cannot hold goes as a reference, as Amazon sends it."""
    escaped = escape(text, {'"': "&quot;"})
    return re.sub("[\0-\x1f\x7f\ufffe\uffff]", lambda m: f"&#x{ord(m[0]):x};", escaped)


def xml(name, *children, ns=True):
    """children: (name, text) or (name, [children])."""

    def element(child):
        tag, content = child
        inner = "".join(map(element, content)) if isinstance(content, list) else xml_text(str(content))
        return f"<{tag}>{inner}</{tag}>"

    head = f'<{name} xmlns="{XMLNS}">' if ns else f"<{name}>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(map(element, children))}</{name}>'
    return text.encode("utf-8", "surrogateescape")


def iso(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def flipped(body, where):
    at = int(where * len(body))
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def matches(header, etag):
    return header.strip() == "*" or etag in [part.strip().strip('"') for part in header.split(",")]


def failed(condition):
    return Refused(
        412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", Condition=condition
    )


class Operations:
    """Of one request: `fake`, `request_`, `bucket_name`, `key`, `query` and `call` are the server's."""

    # ---- buckets ----

    @property
    def bucket(self):
        found = self.fake.buckets.get(self.bucket_name)
        if found is None:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist", BucketName=self.bucket_name)
        return found

    def s3_other(self):
        raise Refused(501, "NotImplemented", "A header or query you provided implies functionality that is not implemented.")

    def s3_list_buckets(self):
        names = [("Bucket", [("Name", name), ("CreationDate", iso(self.fake.now()))]) for name in sorted(self.fake.buckets)]
        return Answer(body=xml("ListAllMyBucketsResult", ("Buckets", names)))

    def s3_make_bucket(self):
        if self.bucket_name in self.fake.buckets:
            raise Refused(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded")
        self.fake.make(self.bucket_name)
        return Answer(headers=(("Location", f"/{self.bucket_name}"),))

    def s3_head_bucket(self):
        self.bucket
        return Answer(headers=(("x-amz-bucket-region", self.fake.home),))

    def s3_delete_bucket(self):
        if self.bucket.objects:
            raise Refused(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.fake.buckets[self.bucket_name]
        return Answer(204)

    def s3_location(self):
        self.bucket
        where = "" if self.fake.home == "us-east-1" else xml_text(self.fake.home)
        return Answer(body=f'<LocationConstraint xmlns="{XMLNS}">{where}</LocationConstraint>'.encode())

    def s3_delete_many(self):
        deleted = []
        for found in tree.fromstring(self.request_.body).iter():
            if found.tag.endswith("Key"):
                self.bucket.delete(found.text)
                deleted.append(("Deleted", [("Key", found.text)]))
        return Answer(body=xml("DeleteResult", *deleted))

    # ---- listings ----

    def limit(self, name="max-keys"):
        said = self.query.get(name) or str(PAGE)
        if not re.fullmatch(r"\d{1,9}", said):
            raise Refused(400, "InvalidArgument", "Provided max-keys not an integer or within integer range", ArgumentName=name)
        return int(said)

    def listed(self):
        """The objects that this listing shows."""
        bucket = self.bucket
        if self.call.fault != "stale" or not bucket.history:
            return bucket.objects
        ago = self.fake.faults.number("ago", self.call.target, len(self.fake.calls))
        return bucket.history[int(ago * len(bucket.history))]

    def s3_list(self):
        get = self.query.get
        is_v2, prefix, delimiter = get("list-type") == "2", get("prefix") or "", get("delimiter") or ""
        if get("encoding-type") not in (None, "url"):
            raise Refused(400, "InvalidArgument", "Invalid Encoding Method specified in Request", ArgumentName="encoding-type")
        token, limit = get("continuation-token"), self.limit()
        after = (get("start-after") if is_v2 else get("marker")) or ""
        after = last_of(token) if is_v2 and token is not None else after
        if after.startswith(LOOP):  # once in it, there is no way out
            self.call.fault, after = "endless", after[len(LOOP) :]
        page = self.disturbed(page_of(self.listed(), prefix, delimiter, after, min(limit, PAGE)), after)
        fields = [("Name", self.bucket_name), ("Prefix", self.coded(prefix))]
        fields += self.fields_v2(page, token) if is_v2 else self.fields_v1(page, delimiter)
        fields += [("MaxKeys", limit), ("IsTruncated", str(page.last is not None).lower())]
        fields += [("Delimiter", self.coded(delimiter))] if delimiter else []
        fields += [("EncodingType", "url")] if self.is_coded() else []
        fields += [self.entry(key, found, not is_v2) for key, found in page.entries]
        fields += [("CommonPrefixes", [("Prefix", self.coded(p))]) for p in page.prefixes]
        body = xml("ListBucketResult", *fields)
        if self.call.fault == "no_xml":
            body = b"<html><body>It works!<br></body></html>\n"
        if self.call.fault == "huge":
            body = body.replace(b"</ListBucketResult>", b" " * HUGE + b"</ListBucketResult>")
        return Answer(body=body, headers=(("Content-Type", "application/xml"),))

    def disturbed(self, page, after):
        fault = self.call.fault
        if fault == "reordered":
            page = Page(page.entries[::-1], page.prefixes[::-1], page.last)
        elif fault == "duplicated":
            page = Page([e for e in page.entries for _ in range(2)], [p for p in page.prefixes for _ in range(2)], page.last)
        elif fault == "own_prefix":
            page = Page(page.entries, [self.query.get("prefix") or "/", *page.prefixes], page.last)
        elif fault == "endless":
            page.last = LOOP + after
        elif fault == "no_token":
            page.last = ""
        return page

    def is_coded(self):
        return self.fake.encodes and self.query.get("encoding-type") == "url"

    def coded(self, text):
        if not self.is_coded():
            return text
        return quote_plus(text, safe="/*", errors="surrogateescape")

    def fields_v2(self, page, token):
        get = self.query.get
        fields = [("KeyCount", len(page.entries) + len(page.prefixes))]
        fields += [("StartAfter", self.coded(get("start-after")))] if get("start-after") else []
        fields += [("ContinuationToken", token)] if token is not None else []
        return fields + ([("NextContinuationToken", token_of(page.last))] if page.last else [])

    def fields_v1(self, page, delimiter):
        fields = [("Marker", self.coded(self.query.get("marker") or ""))]
        # Without a delimiter the last key is the next marker, and Amazon says no other.
        return fields + ([("NextMarker", self.coded(page.last))] if page.last and delimiter else [])

    def entry(self, key, found, owner):
        fields = [
            ("Key", self.coded(key)),
            ("LastModified", iso(found.modified)),
            ("ETag", f'"{found.etag}"'),
            ("Size", len(found.body)),
        ]
        if owner or self.query.get("fetch-owner") == "true":
            fields.append(("Owner", [("ID", "fake"), ("DisplayName", "fake")]))
        return ("Contents", [*fields, ("StorageClass", "STANDARD")])

    # ---- objects ----

    def s3_get(self):
        found = self.bucket.get(self.key)
        self.check_read(found)
        body, etag = found.body, found.etag
        fault = self.call.fault
        if fault in ("flipped", "changed") and body:
            faults = self.fake.faults  # each time elsewhere
            body = flipped(body, faults.number("where", self.key, faults.seen["get", self.key]))
        if fault == "changed":
            etag = hashlib.md5(body).hexdigest()
        elif fault == "other_etag":
            etag = hashlib.md5(etag.encode()).hexdigest()
        headers = self.object_headers(found, etag)
        part = None if fault == "whole" else self.range_of(len(body))
        if part is None:
            return Answer(200, body, headers)
        start, end = part
        where = ("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
        return Answer(206, body[start:end], (*headers, where))

    def s3_head(self):
        answer = self.s3_get()
        headers = (*answer.headers, ("Content-Length", len(answer.body)))
        return Answer(answer.status, b"", headers)

    def object_headers(self, found, etag):
        fixed = (
            ("ETag", f'"{etag}"'),
            ("Last-Modified", format_datetime(found.modified, usegmt=True)),
            ("Accept-Ranges", "bytes"),
        )
        return (*fixed, *found.headers)

    def check_read(self, found):
        get = self.request_.headers.get
        if get("if-match") and not matches(get("if-match"), found.etag):
            raise failed("If-Match")
        since = get("if-unmodified-since")
        if since and not get("if-match") and found.modified > parsedate_to_datetime(since):
            raise failed("If-Unmodified-Since")
        if get("if-none-match") and matches(get("if-none-match"), found.etag):
            raise Refused(304, "NotModified", "Not Modified")
        since = get("if-modified-since")
        if since and not get("if-none-match") and found.modified <= parsedate_to_datetime(since):
            raise Refused(304, "NotModified", "Not Modified")

    def range_of(self, size):
        """(start, end) of the one range that was asked for; None: all."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.request_.headers.get("range", ""))
        if not match or match.groups() == ("", ""):
            return None
        first, last = match.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last) + 1, size) if first and last else size
        if start >= size or (not first and not int(last)):
            said = self.request_.headers["range"]
            raise Refused(
                416, "InvalidRange", "The requested range is not satisfiable", RangeRequested=said, ActualObjectSize=size
            )
        # One that ends before it starts is none.
        return (start, end) if start < end else None

    def check_body(self):
        headers, body = self.request_.headers, self.request_.body
        if "content-length" not in headers:
            raise Refused(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        said = headers.get("content-md5")
        if said is not None and said != base64.b64encode(hashlib.md5(body).digest()).decode():
            raise Refused(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        said = headers.get("x-amz-checksum-crc32")
        if said is not None and said != base64.b64encode(struct.pack(">I", zlib.crc32(body))).decode():
            raise Refused(400, "BadDigest", "The CRC32 you specified did not match what we received.")

    def check_write(self):
        if not self.fake.conditions:
            return
        get = self.request_.headers.get
        found = self.bucket.objects.get(self.key)
        if get("if-none-match") is not None:
            if get("if-none-match") != "*":
                raise Refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
            if found:
                raise failed("If-None-Match")
        if get("if-match") is not None:
            if not found:
                raise Refused(404, "NoSuchKey", "The specified key does not exist.", Key=self.key)
            if not matches(get("if-match"), found.etag):
                raise failed("If-Match")

    def kept_headers(self):
        """What comes back with the object."""
        headers = self.request_.headers
        kept = [(n, v) for n, v in headers.items() if n.startswith("x-amz-meta-") or n in KEPT]
        return kept if "content-type" in headers else [*kept, ("Content-Type", "binary/octet-stream")]

    def s3_put(self):
        if "x-amz-copy-source" in self.request_.headers:
            return self.s3_other()
        self.check_body()
        self.check_write()
        made = Object.of(self.request_.body, self.kept_headers(), self.fake.now())
        self.bucket.put(self.key, made)
        return Answer(headers=(("ETag", f'"{made.etag}"'),))

    def s3_delete(self):
        self.bucket.delete(self.key)
        return Answer(204)

    # ---- uploads in parts ----

    def s3_parts_begin(self):
        upload = self.bucket.begin(self.key, self.kept_headers())
        fields = (("Bucket", self.bucket_name), ("Key", self.key), ("UploadId", upload))
        return Answer(body=xml("InitiateMultipartUploadResult", *fields))

    def s3_parts_put(self):
        self.check_body()
        upload = self.bucket.upload(self.query["uploadId"], self.key)
        number = self.limit("partNumber")
        if not 1 <= number <= 10000:
            raise Refused(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        made = upload.parts[number] = Object.of(self.request_.body)
        return Answer(headers=(("ETag", f'"{made.etag}"'),))

    def s3_parts_end(self):
        try:
            found = tree.fromstring(self.request_.body)
            wanted = [(int(p.findtext("{*}PartNumber")), p.findtext("{*}ETag").strip('"')) for p in found.findall("{*}Part")]
        except (tree.ParseError, TypeError, ValueError, AttributeError):
            wanted = None
        if not wanted:
            raise Refused(400, "MalformedXML", "The XML you provided was not well-formed")
        self.bucket.upload(self.query["uploadId"], self.key)
        self.check_write()
        made = self.bucket.complete(self.query["uploadId"], self.key, wanted)
        fields = (("Bucket", self.bucket_name), ("Key", self.key), ("ETag", f'"{made.etag}"'))
        return Answer(body=xml("CompleteMultipartUploadResult", *fields))

    def s3_parts_abort(self):
        self.bucket.upload(self.query["uploadId"], self.key)
        del self.bucket.uploads[self.query["uploadId"]]
        return Answer(204)

    def s3_parts_list(self):
        upload = self.bucket.upload(self.query["uploadId"], self.key)
        parts = [
            ("Part", [("PartNumber", n), ("ETag", f'"{p.etag}"'), ("Size", len(p.body)), ("LastModified", iso(p.modified))])
            for n, p in sorted(upload.parts.items())
        ]
        fields = (("Bucket", self.bucket_name), ("Key", self.key), ("UploadId", self.query["uploadId"]))
        return Answer(body=xml("ListPartsResult", *fields, ("IsTruncated", "false"), *parts))

    def s3_uploads(self):
        found = sorted(self.bucket.uploads.items(), key=lambda item: order(item[1].key))
        prefix = self.query.get("prefix") or ""
        uploads = [
            ("Upload", [("Key", self.coded(u.key)), ("UploadId", i), ("Initiated", iso(u.started))])
            for i, u in found
            if u.key.startswith(prefix)
        ]
        fields = [("Bucket", self.bucket_name), ("Prefix", self.coded(prefix)), ("IsTruncated", "false")]
        fields += [("EncodingType", "url")] if self.is_coded() else []
        return Answer(body=xml("ListMultipartUploadsResult", *fields, *uploads))
