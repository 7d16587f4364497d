# SPDX-License-Identifier: Apache-2.0
"""A feed in a bucket, for tests that know nothing of buckets.

FRESHET_TEST_FEED says where the feeds of all tests lie: dir (the default), s3v2 or s3v4 (what freshet signs with). On S3 a test writes
into a directory as ever, and an independent client makes the bucket the same: when put() ends, before any freshet starts, and at
sync(). What a bucket cannot have, empty directories, links and times of one's choice, is not in it: tests of that are marked
`directory`, with the reason.
"""

import os
from pathlib import Path

import s3_server
from harness import Feed

KIND = os.environ.get("FRESHET_TEST_FEED") or "dir"
assert KIND in ("dir", "s3v2", "s3v4"), f"FRESHET_TEST_FEED={KIND}: one of dir, s3v2, s3v4"
# Of the commands that open the feed, or what is published.
COMMANDS = ("base", "build", "doctor", "follow", "mount", "publish", "rollback")


def is_on_s3():
    return KIND != "dir"


def settings(server, signature="auto", style="path"):
    """--set for a server: where it is, and how it is spoken to. Never who we are."""
    said = {"endpoint": server.endpoint, "region": s3_server.REGION, "signature": signature, "style": style}
    return [word for key, value in said.items() for word in ("--set", f"s3.{key}={value}")]


def environment(root, access_key, secret_key, token=None):
    """The AWS part of a process's environment: these credentials, and nothing of whoever runs the tests."""
    said = {"HOME": str(root), "AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "AWS_SESSION_TOKEN": token}
    said |= {"AWS_CONFIG_FILE": f"{root}/no-aws-config", "AWS_SHARED_CREDENTIALS_FILE": f"{root}/no-aws-credentials"}
    return {name: value for name, value in said.items() if value is not None}


def scrubbed(environ):
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


class S3Feed(Feed):
    """`credentials`: (access key, secret key, session token) that freshet has; None: the server's own."""

    def __init__(self, root, server, signature="auto", prefix="feeds/ads", style="path", credentials=None):
        super().__init__(root)
        self.server, self.signature, self.style, self.prefix = server, signature, style, prefix
        account = getattr(server, "account", server)
        self.credentials = credentials or (account.access_key, account.secret_key, getattr(account, "token", None))
        self.client = s3_server.client(server, attempts=5)  # MinIO may be busy
        self.bucket = s3_server.new_bucket(server)
        self.sent = {}  # path: what was sent

    @property
    def url(self):
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def options(self, command):
        return settings(self.server, self.signature, self.style) if command in COMMANDS else []

    def environment(self):
        authority = getattr(self.server, "authority", None)
        trusts = {"AWS_CA_BUNDLE": str(authority)} if authority else {}
        return environment(self.root.parent, *self.credentials) | trusts

    def put(self, *args, **more):
        to = super().put(*args, **more)
        self.sync()
        return to

    def key(self, path):
        return f"{self.prefix}/{path}" if self.prefix else str(path)

    def send(self, path, file):
        st = file.stat()
        self.client.put_object(Bucket=self.bucket, Key=self.key(path), Body=file.read_bytes())
        self.sent[str(path)] = identity(st)

    def sync(self):
        there = {}
        for where, _, names in os.walk(self.root):
            for name in names:
                file = Path(where, name)
                if name != ".writing" and not file.is_symlink() and file.is_file():
                    there[str(file.relative_to(self.root))] = file
        for path in sorted(there):
            try:
                if self.sent.get(path) != identity(there[path].stat()):
                    self.send(path, there[path])
            except FileNotFoundError:  # a producer has just given it its name
                pass
        for path in sorted(set(self.sent) - set(there)):
            self.client.delete_object(Bucket=self.bucket, Key=self.key(path))
            del self.sent[path]


def identity(st):
    return (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)


def write_profile(box, account, name="default", more="", config=""):
    """Into files of ~/.aws, where the environment of the box looks for them."""
    text = f"[{name}]\naws_access_key_id = {account.access_key}\naws_secret_access_key = {account.secret_key}\n"
    text += f"aws_session_token = {account.token}\n" if account.token else ""
    temporary = box.root / "credentials.new"
    temporary.write_text(f"{text}{more}")
    temporary.rename(box.root / "no-aws-credentials")
    (box.root / "no-aws-config").write_text(config)


def on(box, server, *args, **more):
    """The box, with its feed on that server."""
    box.feed = S3Feed(box.root / f"feed-{len(os.listdir(box.root))}", server, *args, **more)
    return box


def feed(root):
    return S3Feed(root, s3_server.shared(), KIND.removeprefix("s3")) if is_on_s3() else Feed(root)
