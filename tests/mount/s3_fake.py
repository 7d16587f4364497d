# SPDX-License-Identifier: Apache-2.0
"""A small S3 that fails as it is told to.

What it answers is what Amazon's documentation says, as far as freshet and the tests ask it: test_s3_fake.py asks the same of it and of
a real server. It checks every signature by itself (s3_sign.py), and fails by a seeded schedule (s3_fault.py). Buckets are in memory.
"""

import itertools
import os
import select
import socket
import ssl
import struct
import threading
import traceback
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from s3_bucket import Bucket, Object
from s3_fault import Faults
from s3_operations import Answer, Operations, xml
from s3_sign import Account, Refused, Signed, authenticate, pairs

BODY_MAX = 1 << 30


@dataclass
class Call:
    operation: str
    bucket: str
    target: str  # the key, or the prefix of a listing
    status: int = 0  # 0: no answer was given
    fault: str = None
    signature: str = None  # v2, v4; None: not signed
    code: str = None  # of an error
    range: str = None

    def __str__(self):
        return f"{self.operation} {self.bucket}/{self.target} {self.range or ''} -> {self.status} {self.code or ''} {self.fault or ''}"


class Gone(Exception):
    """The connection is to end without more of an answer."""


class FakeS3:
    """`takes`: the signatures. `conditions`: does a PUT heed If-None-Match and If-Match? `encodes`: are keys in listings, when that is
    asked for? `virtual_host`: buckets are also names under this domain. `home`: the region; requests for another one are told so.
    `authority`: of TLS, a file with the server's own certificate and key."""

    def __init__(
        self, accounts=None, takes=("v2", "v4"), conditions=True, encodes=True, home="us-east-1", virtual_host=None, authority=None, log=None
    ):
        accounts = accounts or [Account("AKFAKE" + os.urandom(7).hex().upper(), os.urandom(20).hex())]
        self.accounts = {a.access_key: a for a in accounts}
        self.account = accounts[0]
        self.takes, self.conditions, self.home, self.virtual_host = set(takes), conditions, home, virtual_host
        self.encodes, self.authority = encodes, authority
        self.overloaded = set()  # signatures that it has no time for
        self.faults = Faults()
        self.skew = None  # timedelta: how far its clock is ahead
        self.buckets = {}
        self.calls = []
        self.broken = []  # its own mistakes
        self.log = open(log, "a") if log else None
        self.lock = threading.RLock()
        self.request_ids = itertools.count(1)
        self.stopping, self.stopped = os.pipe()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.fake = self
        self.port = self.server.server_address[1]
        self.endpoint = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends, and complains of its own mistakes."""
        os.close(self.stopped)  # lets those go that hang
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        os.close(self.stopping)
        if self.log:
            self.log.close()
        assert not self.broken, "the fake S3 is wrong:\n" + "\n".join(self.broken)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    # ---- for tests ----

    def make(self, bucket):
        with self.lock:
            return self.buckets.setdefault(bucket, Bucket())

    def put(self, bucket, key, body, **more):
        """Puts an object behind the server's back: no call, no fault. `modified`, `etag`: others than it would get."""
        with self.lock:
            self.make(bucket).put(key, Object.of(body, **more))

    def delete(self, bucket, key):
        with self.lock:
            self.buckets[bucket].delete(key)

    def count(self, operation=None):
        """Calls by operation, or those of one."""
        with self.lock:
            counted = Counter(call.operation for call in self.calls)
        return counted if operation is None else counted[operation]

    def forget(self):
        """The calls so far, which count no longer."""
        with self.lock:
            calls, self.calls = self.calls, []
        return calls

    def now(self):
        return datetime.now(timezone.utc) + self.skew if self.skew else datetime.now(timezone.utc)

    def write_down(self, call):
        with self.lock:
            if self.log:
                print(call, file=self.log, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        self.fake.broken.append(traceback.format_exc())


class Handler(Operations, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one write
    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    def log_message(self, *what):
        pass

    # ---- a request, from its bytes to an operation ----

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, Gone):
            self.close_connection = True

    def serve(self):
        self.fake = self.server.fake
        self.call = Call("none", "", "")
        try:
            self.request_ = self.read_request()
            self.operation, self.bucket_name, self.key = self.parse()
            self.call.operation, self.call.bucket, self.call.target = self.operation, self.bucket_name, self.target()
            self.call.range = self.request_.headers.get("range")
            self.call.fault = self.fake.faults.of(self.operation, self.call.target)
            with self.fake.lock:  # before anybody can have an answer
                self.fake.calls.append(self.call)
            self.answer(self.act())
        finally:
            self.fake.write_down(self.call)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def read_request(self):
        headers = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_MAX:
            self.send_error(411)
            raise Gone
        # Not self.path, from which slashes are missing.
        target = self.requestline.split(" ")[1]
        path, _, query = target.partition("?")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Gone
        return Signed(self.command, path, query, headers, body, self.host_bucket(headers))

    def host_bucket(self, headers):
        domain = self.fake.virtual_host
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        return host[: -len(domain) - 1] if domain and host.endswith("." + domain) else None

    def parse(self):
        """The operation, its bucket and its key."""
        request = self.request_
        path = unquote(request.path, errors="surrogateescape")[1:]
        bucket, _, key = (request.virtual_bucket, "", path) if request.virtual_bucket else path.partition("/")
        self.query = dict(pairs(request.query, lambda t: unquote(t.replace("+", " "), errors="surrogateescape")))
        level = "object" if key else "bucket" if bucket else "service"
        sub = next((s for s in SUBRESOURCES[level] if s in self.query), "")
        return OPERATIONS.get((level, self.command, sub), "other"), bucket, key

    def target(self):
        return self.key or self.query.get("prefix") or ""

    # ---- an operation, its faults and its answer ----

    def act(self):
        fault = self.call.fault
        if fault in BEFORE:
            return BEFORE[fault](self)
        try:
            account = authenticate(self.request_, self.fake.accounts, self.fake.now(), self.fake.home, self.fake.takes)
            self.call.signature = "v4" if self.request_.headers["authorization"].startswith("AWS4") else "v2"
            if self.call.signature in self.fake.overloaded:
                raise Refused(503, "SlowDown", "Please reduce your request rate.")
            if account.may is not None and self.operation not in account.may:
                raise Refused(403, "AccessDenied", "Access Denied")
            with self.fake.lock:
                answer = getattr(self, "s3_" + self.operation)()
        except Refused as refused:
            answer = self.refusal(refused)
        if fault == "lost":
            self.reset()
        return answer

    def refusal(self, refused):
        self.call.code = refused.code
        body = xml(
            "Error",
            ("Code", refused.code),
            ("Message", refused.message),
            *refused.more.items(),
            ("RequestId", "0000000000000000"),
            ("HostId", "fake"),
            ns=False,
        )
        headers = [("Content-Type", "application/xml")]
        headers += [("x-amz-bucket-region", refused.more["Region"])] if "Region" in refused.more else []
        return Answer(refused.status, b"" if refused.status == 304 else body, headers)

    def answer(self, answer):
        body, cut = answer.body, None
        fault = self.call.fault
        if 200 <= answer.status < 300 and self.command == "GET":
            if fault == "cut":
                body = body[: len(body) // 2]
            elif fault in ("reset_body", "stall", "short"):
                cut = len(body) // 2
        self.call.status = answer.status
        self.send_response(answer.status)
        headers = dict(answer.headers)
        if answer.status not in (204, 304):
            headers.setdefault("Content-Length", len(body))
        headers["x-amz-request-id"] = f"{next(self.fake.request_ids):016X}"
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        self.wfile.flush()
        if cut is not None:
            self.break_off(fault)

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def version_string(self):
        return "AmazonS3"

    def date_time_string(self, timestamp=None):
        return format_datetime(self.fake.now() if timestamp is None else timestamp, usegmt=True)

    def break_off(self, fault):
        if fault == "stall":
            self.hang()
        if fault == "reset_body":
            self.reset()
        raise Gone

    def reset(self):
        """An RST, not a FIN: no more is read or written, and the descriptor is closed under Python's hands."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise Gone

    def hang(self):
        """Until the client has gone, or the server ends."""
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        poll.register(self.fake.stopping, select.POLLHUP)
        poll.poll()
        raise Gone


# What in a query makes another operation of a request.
SUBRESOURCES = {
    "service": [],
    "bucket": "location uploads delete acl cors lifecycle logging notification object-lock policy replication tagging"
    " versioning versions website".split(),
    "object": "uploadId uploads acl tagging torrent restore select attributes retention legal-hold versionId".split(),
}
OPERATIONS = {
    ("service", "GET", ""): "list_buckets",
    ("bucket", "PUT", ""): "make_bucket",
    ("bucket", "HEAD", ""): "head_bucket",
    ("bucket", "DELETE", ""): "delete_bucket",
    ("bucket", "GET", ""): "list",
    ("bucket", "GET", "location"): "location",
    ("bucket", "GET", "uploads"): "uploads",
    ("bucket", "POST", "delete"): "delete_many",
    ("object", "GET", ""): "get",
    ("object", "HEAD", ""): "head",
    ("object", "PUT", ""): "put",
    ("object", "DELETE", ""): "delete",
    ("object", "POST", "uploads"): "parts_begin",
    ("object", "PUT", "uploadId"): "parts_put",
    ("object", "POST", "uploadId"): "parts_end",
    ("object", "DELETE", "uploadId"): "parts_abort",
    ("object", "GET", "uploadId"): "parts_list",
}
HTML = (("Content-Type", "text/html"),)

# Faults instead of the operation.
BEFORE = {
    "internal": lambda h: h.refusal(Refused(500, "InternalError", "We encountered an internal error. Please try again.")),
    "gateway": lambda h: Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", HTML),
    "slow_down": lambda h: h.refusal(Refused(503, "SlowDown", "Please reduce your request rate.")),
    "too_many": lambda h: h.refusal(Refused(429, "TooManyRequests", "Please reduce your request rate.")),
    "hang": Handler.hang,
    "reset": Handler.reset,
    "conflict": lambda h: h.refusal(Refused(409, "ConditionalRequestConflict", "The conditional request cannot succeed.")),
}
