# SPDX-License-Identifier: Apache-2.0
"""S3 for tests: a real server, MinIO, where tests/minio.sh could install it, and an independent client, boto3, for any server.

What the tests write goes in by this client, so that freshet's own signing and reading are never what they are measured with.
"""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from harness import HANG, eventually, tool

REGION = "us-east-1"
NO_MINIO = "MinIO is not here: tests/minio.sh installs it where Go 1.24 can be had"
NO_BOTO = "boto3 is not installed: tests/run.sh installs it"


def cache():
    """Where tests/minio.sh puts it; the directory is the version's."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return sorted(Path(root, "freshet-tests").glob("minio-*/minio"))


def find_minio():
    """The program, or None."""
    said = os.environ.get("FRESHET_TEST_MINIO")
    return said or shutil.which("minio") or next(map(str, reversed(cache())), None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Minio:
    """A server of one's own, with data of its own. Its credentials are new in each run."""

    def __init__(self, program=None):
        self.program = program or find_minio()
        assert self.program, NO_MINIO
        self.root = Path(tempfile.mkdtemp(prefix="freshet-minio-"))
        self.access_key = "AK" + secrets.token_hex(9).upper()
        self.secret_key = secrets.token_hex(20)
        self.process, self.port = None, free_port()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts it on the data that is there, and waits until it answers."""
        # Dies with its starter, however that ends.
        argv = ["setpriv", "--pdeathsig", "KILL", self.program, "server", "--quiet", "--anonymous"]
        argv += ["--address", f"127.0.0.1:{self.port}", self.root / "data"]
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.root),
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_REGION": REGION,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "on",  # the data may lie on the disk of the system
            "GOMAXPROCS": "2",
        }
        with open(self.root / "log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, argv)), env=environment, stdout=log, stderr=log)
        eventually(self.is_ready, "MinIO")

    def is_ready(self):
        assert self.process.poll() is None, "MinIO ended:\n" + (self.root / "log").read_text(errors="replace")
        try:
            with urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=HANG):
                return answers(client(self).list_buckets)
        except (OSError, urllib.error.URLError):
            return False

    def pause(self):
        """It takes connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def temporary(self, policy=None):
        """(access key, secret key, session token) of temporary credentials; `policy`: JSON of what they may."""
        more = {"Policy": policy} if policy else {}
        sts = client(self, service="sts")
        ask = partial(sts.assume_role, RoleArn="arn:aws:iam::0:role/any", RoleSessionName="test", DurationSeconds=900, **more)
        made = eventually(lambda: answers(ask), "MinIO's users")
        return tuple(made["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))


def answers(ask):
    """What MinIO says; None: it is there, and has not begun with that yet. It may be ready before it has buckets, and these before users."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as e:
        if "not initialized" not in str(e):
            raise
    return None


def client(server, signature="v4", credentials=None, service="s3", style="path", region=REGION, attempts=1):
    """boto3's client. `credentials`: (access key, secret key, session token); None: the server's own."""
    import boto3
    from botocore.config import Config

    account = getattr(server, "account", server)
    access_key, secret_key, token = credentials or (account.access_key, account.secret_key, getattr(account, "token", None))
    config = {"retries": {"total_max_attempts": attempts}, "s3": {"addressing_style": style}, "read_timeout": HANG}
    if service == "s3":
        config["signature_version"] = {"v2": "s3", "v4": "s3v4"}[signature]
    made = boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(**config),
        verify=getattr(server, "authority", None),
    )
    if service == "s3":
        made.meta.events.register_last("before-sign.s3", expect_nothing)
    if service == "s3" and signature == "v2":
        made.meta.events.register_first("before-sign.s3", sign_what_is_sent)
    return made


def expect_nothing(request, **_):
    """Debian 12's boto3 loses count of the answers where "100 Continue" comes late."""
    del request.headers["Expect"]


def sign_what_is_sent(request, **_):
    """By V2 boto3 signs another path than it sends where that is a bucket's, or has a query in its model."""
    request.auth_path = "/" + request.url.partition("://")[2].partition("/")[2].partition("?")[0]


def new_authority(root, name="authority"):
    """A file with a certificate of this host by itself, and its key: who is told of it trusts who has it."""
    made = Path(root, f"{name}.pem")
    argv = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=127.0.0.1"]
    tool(*argv, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made, "-out", made)
    return made


def keys(made, bucket, prefix=""):
    """[key] of all pages."""
    pages = made.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def new_bucket(server, name=None):
    """Makes one; its name."""
    name = name or f"freshet-{secrets.token_hex(6)}"
    client(server).create_bucket(Bucket=name)
    return name


_shared = None


def shared():
    """The process's own server, started when it is first asked for: MinIO, or with FRESHET_TEST_S3=fake the fake."""
    global _shared
    if _shared is None:
        if os.environ.get("FRESHET_TEST_S3") == "fake":
            from s3_fake import FakeS3

            _shared = FakeS3()
        else:
            _shared = Minio()
        atexit.register(_shared.stop)
    return _shared


def why_not():
    """Why there is no shared server; None: there is one, or will be."""
    try:
        import boto3  # noqa: F401
    except ImportError:
        return NO_BOTO
    return None if os.environ.get("FRESHET_TEST_S3") == "fake" or find_minio() else NO_MINIO

