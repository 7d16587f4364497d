# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import tempfile

import pytest

import s3_feed
import s3_server
from harness import Box


def pytest_configure(config):
    config.addinivalue_line("markers", "release: also run against the release build")
    config.addinivalue_line("markers", "caches: drops the kernel's caches, or counts on what is in them")
    config.addinivalue_line("markers", "directory(reason): only with a feed that is a directory (s3_feed.py)")
    config.addinivalue_line("markers", "blanks: has names with blanks, for which libs3 has no way to say them by V2")
    config.addinivalue_line("markers", "feedless: the same wherever the feeds of the other tests lie")
    config.addinivalue_line("markers", "apart: long, and may run beside others of its file")
    config.addinivalue_line("markers", "long: tests/run.sh runs it on S3 with --all only")
    config.addinivalue_line("markers", "tools: of what tests stand on; nothing of freshet runs in it")
    config.addinivalue_line("markers", "xdist_group: xdist's")


def on_s3(config, items):
    """What needs a directory is skipped there, and what has no feed, or one of its own, is not run again."""
    for item in items:
        for mark in item.iter_markers("directory"):
            item.add_marker(pytest.mark.skip(reason=f"needs a feed that is a directory: {mark.args[0]}"))
        if s3_feed.KIND == "s3v2" and item.get_closest_marker("blanks"):
            item.add_marker(pytest.mark.skip(reason="V2 goes through libs3, which has no name for a key with a blank"))
    again = [item for item in items if item.get_closest_marker("feedless")]
    if again:
        config.hook.pytest_deselected(items=again)
        items[:] = [item for item in items if not item.get_closest_marker("feedless")]


def pytest_collection_modifyitems(config, items):
    """A file is one worker's, save what is long; and all that need the kernel's caches to themselves are the same one's."""
    if s3_feed.is_on_s3():
        on_s3(config, items)
    for item in items:
        group = item.name if item.get_closest_marker("apart") else item.path.name
        group = "caches" if item.get_closest_marker("caches") else group
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def box():
    """A box of its own, everything in it taken down and removed afterwards."""
    if s3_feed.is_on_s3() and s3_server.why_not():
        pytest.skip(s3_server.why_not())
    # Not under pytest's own directory: tests also run freshet as other users, who may not enter that.
    root = tempfile.mkdtemp(prefix="freshet-test-")
    os.chmod(root, 0o755)
    made = Box(root)
    try:
        yield made
    finally:
        try:
            made.close()
        finally:
            shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def minio():
    """A MinIO of its own, which may be stopped."""
    if not s3_server.find_minio():
        pytest.skip(s3_server.NO_MINIO)
    made = s3_server.Minio()
    yield made
    made.stop()
