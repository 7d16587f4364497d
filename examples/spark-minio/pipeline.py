# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on one machine: Spark writes, freshet builds and publishes, a follower serves; the builder is killed and goes on.

pipeline.py FRESHET MINIO WORK: prints a timeline, compares at the end what the follower serves with what Spark wrote, and exits 0 where that is
the same. WORK is an empty directory.
"""
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pyarrow.parquet as parquet
from botocore.config import Config

HERE = Path(__file__).resolve().parent
MINUTES = 4  # that Spark writes
KILL_AFTER = 2  # minutes, then the builder is killed
DOWN = 45  # seconds, before it is started again
PATIENCE = 180


class Timeline:
    def __init__(self):
        self.began = time.monotonic()

    def __call__(self, who, what):
        print(f"{time.monotonic() - self.began:7.1f} s  {who:<9} {what}", flush=True)


say = Timeline()


class Pipeline:
    def __init__(self, freshet, minio, work):
        self.freshet, self.minio, self.work = freshet, minio, Path(work)
        self.processes = []
        self.mounts = []
        self.seen = {}
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.endpoint = f"http://127.0.0.1:{s.getsockname()[1]}"
        self.environment = dict(
            os.environ, AWS_ACCESS_KEY_ID="freshet", AWS_SECRET_ACCESS_KEY=secrets.token_urlsafe(24), AWS_REGION="us-east-1", TZ="UTC"
        )
        self.environment.update(
            MINIO_ROOT_USER=self.environment["AWS_ACCESS_KEY_ID"], MINIO_ROOT_PASSWORD=self.environment["AWS_SECRET_ACCESS_KEY"]
        )

    def start(self, name, *command):
        log = open(self.work / f"{name}.log", "ab")
        process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def start_minio(self):
        self.start("minio", self.minio, "server", "--address", self.endpoint[7:], str(self.work / "minio"))
        wait(lambda: urllib.request.urlopen(self.endpoint + "/minio/health/ready").status == 200, "MinIO")
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        for bucket in ("feed", "serve"):
            self.client.create_bucket(Bucket=bucket)
        (self.work / "freshet.ini").write_text((HERE / "freshet.ini").read_text() + f"\n[s3]\nendpoint = {self.endpoint}\n")
        say("minio", self.endpoint)

    def start_producer(self):
        return self.start("producer", sys.executable, str(HERE / "producer.py"), self.endpoint, str(self.work / "checkpoint"))

    def mount(self, name, *arguments):
        at = self.work / name
        # A mount whose process was killed is still there, and dead.
        subprocess.run(["fusermount3", "-uz", str(at)], stderr=subprocess.DEVNULL)
        at.mkdir(exist_ok=True)
        state, config = str(self.work / f"{name}.state"), str(self.work / "freshet.ini")
        process = self.start(name, self.freshet, "mount", "-f", "--state", state, "--config", config, *arguments, str(at))
        if at not in self.mounts:
            self.mounts.append(at)
        wait(lambda: (at / "README").exists(), f"the mount {name}")
        return process

    def look(self):
        """Says what is new anywhere."""
        for name in ("builder", "follower"):
            try:
                now = tuple((self.work / name / part).read_text().strip() for part in ("watermark", "generation"))
            except OSError:
                continue
            if now[0] and self.seen.get(name) != now:
                self.seen[name] = now
                say(name, f"watermark {now[0]}, generation {now[1]}")
        newest = max((key.rsplit("/", 1)[0] for key in self.keys()), default=None)
        if newest and self.seen.get("spark") != newest:
            self.seen["spark"] = newest
            say("spark", f"writes {newest}")

    def keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="feed", Prefix="ads/dt=")
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.5)

    def written(self):
        """What Spark wrote: id → title of its newest record, as a reader of its own sees it."""
        newest = {}
        for key in sorted(self.keys()):
            body = self.client.get_object(Bucket="feed", Key=key)["Body"].read()
            for row in parquet.ParquetFile(io.BytesIO(body)).read().to_pylist():
                newest[row["id"]] = max(newest.get(row["id"], (-1, "")), (row["serial"], row["title"]))
        return {id: title for id, (_, title) in newest.items()}

    def served(self):
        """The same, of the follower."""
        docs = self.work / "follower" / "docs"
        titles = {}
        for id in sorted(os.listdir(docs)):
            text = (docs / id).read_text()
            titles[id] = text.split('"title":"', 1)[1].split('"', 1)[0]
        return titles

    def stop(self):
        for at in self.mounts:
            subprocess.run(["fusermount3", "-uz", str(at)], stderr=subprocess.DEVNULL)
        for process in self.processes:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()


def wait(done, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if done():
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise SystemExit(f"pipeline: {what} is not there after {PATIENCE} s; the logs lie in the work directory")


def run(p):
    p.start_minio()
    producer = p.start_producer()
    wait(p.keys, "Spark's first file")
    p.look()
    builder = p.mount("builder")
    wait(lambda: (p.work / "builder" / "watermark").read_text().strip(), "the first generation")
    p.look()
    wait(lambda: p.client.list_objects_v2(Bucket="serve", Prefix="index/epochs/").get("KeyCount"), "what is published")
    p.mount("follower", "--follow", "s3://serve/index")
    p.watch(KILL_AFTER * 60)
    os.killpg(builder.pid, signal.SIGKILL)
    say("builder", "killed; the follower goes on with what it has")
    before = p.seen.get("builder")
    p.watch(DOWN)
    p.mount("builder")
    say("builder", f"started again, at its own watermark {before[0] if before else '-'}")
    p.watch(max(0, MINUTES - KILL_AFTER) * 60 - DOWN)
    os.killpg(producer.pid, signal.SIGTERM)
    producer.wait()
    say("spark", "stopped")
    last = max(key.rsplit("/", 1)[0] for key in p.keys())
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and p.served() != p.written():
        p.watch(2)
    written, served = p.written(), p.served()
    if served != written:
        wrong = [id for id in written if served.get(id) != written[id]] + [id for id in served if id not in written]
        raise SystemExit(f"pipeline: the follower serves {len(served)} ads, Spark wrote {len(written)}; wrong: {wrong[:10]}")
    say("follower", f"serves the {len(served)} ads that Spark wrote, up to {last}, each as it was written last")


def main(freshet, minio, work):
    p = Pipeline(freshet, minio, work)
    try:
        run(p)
    finally:
        p.stop()


main(*sys.argv[1:])
