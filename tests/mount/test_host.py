# SPDX-License-Identifier: Apache-2.0
"""A mount among others on a host: mount(8) and fstab, as root and as an ordinary user, every way to end, and dead ones.

All of it happens in a mount namespace with an fstab, a /dev/fuse and a /usr/bin/freshet of its own."""

import os
import re
import shlex
import signal
import subprocess

import pytest

from harness import FRESHET, HANG, Result, eventually, stat_of

pytestmark = pytest.mark.directory("fstab and the shells of other users name it")

NOBODY = 65534
SETUP = """
set -e
mount -t tmpfs -o mode=755 none "$1"
mkdir "$1/bin"
ln -s "$2" "$1/bin/freshet"
mknod -m 666 "$1/fuse" c 10 229
touch "$1/fstab"
mount --bind "$1/fuse" /dev/fuse
mount --bind "$1/fstab" /etc/fstab
mount -t overlay -o "lowerdir=$1/bin:/usr/bin" none /usr/bin
echo ready
exec sleep 100000
"""


class Host:
    """The namespace, and one feed with one document in it."""

    def __init__(self, box, uid):
        self.box, self.uid = box, uid
        self.own, self.point = box.root / "own", box.root / "mnt"
        for directory in (self.own, self.point, box.state):
            directory.mkdir()
        box.feed.put(0, [{"id": "a", "title": "espresso"}])
        box.logs.chmod(0o777)
        for path in (self.point, box.state):
            os.chown(path, uid, uid)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "slave", "sh", "-c", SETUP, "sh", self.own, os.path.realpath(FRESHET)],
            stdout=subprocess.PIPE, cwd="/",
        )
        assert self.holder.stdout.readline() == b"ready\n"

    def argv(self, script, uid=None):
        uid = self.uid if uid is None else uid
        become = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
        home = ["env", f"HOME={self.box.root}", f"M={self.point}"]
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-r", "-w", *become, *home, "sh", "-c", script]

    def run(self, script, uid=None):
        done = subprocess.run(
            self.argv(script, uid), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.box.environment(killed=True), cwd="/", timeout=HANG)
        return Result(done)

    def start(self, script):
        return subprocess.Popen(
            self.argv(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.box.environment(killed=True), cwd="/")

    def ok(self, script, uid=None):
        result = self.run(script, uid)
        assert result.code == 0, result
        return result.out

    def options(self):
        return f"state={self.box.state},config={self.box.config}"

    def fstab(self, options):
        line = f"{self.box.feed.root} {self.point} fuse.freshet {options},{self.options()} 0 0"
        self.ok(f"echo {shlex.quote(line)} > {self.own}/fstab", uid=0)

    def mount(self, more=""):
        return self.run(f"freshet mount {self.box.feed.root} $M -o {self.options()} {more}")

    def mounts(self):
        """How many of ours lie on the mount point."""
        return self.run(f"grep -c ' {self.point} .*fuse.freshet' /proc/self/mountinfo", uid=0).out.strip()

    def serves(self):
        return self.ok("cat $M/terms/espresso") == "a\n"

    def pids(self):
        """Of all that freshet runs in the namespace."""
        space, found = os.readlink(f"/proc/{self.holder.pid}/ns/mnt"), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/ns/mnt") == space and stat_of(pid)[0] != "Z" and \
                        os.path.samefile(f"/proc/{pid}/exe", FRESHET):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def ended(self):
        eventually(lambda: not self.pids(), "the end of the server")
        assert self.mounts() == "0"

    def close(self):
        self.run("while umount -l $M; do :; done", uid=0)
        try:
            eventually(lambda: not self.pids(), "the end of the server", 60)
        finally:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.holder.kill()
            self.holder.wait()


@pytest.fixture(params=[0, NOBODY], ids=["root", "user"])
def host(box, request):
    made = Host(box, request.param)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def user_host(box):
    made = Host(box, NOBODY)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def root_host(box):
    made = Host(box, 0)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.release
def test_a_line_of_fstab_mounts(host):
    """Root by the options that systemd's automount has, a user by `user`."""
    host.fstab("user,noauto" if host.uid else "noauto,nofail,_netdev,x-systemd.automount,x-systemd.idle-timeout=1h,"
               "x-systemd.requires=network-online.target,refresh=lazy,poll=2s")
    assert host.ok("mount $M") == "" and host.serves()
    # Who mounts it may read it, and with no option nobody else.
    assert host.run("cat $M/generation", uid=1).code != 0
    source, fs, options = host.ok("findmnt -n -o SOURCE,FSTYPE,OPTIONS $M").split()
    assert (source, fs) == (str(host.box.feed.root), "fuse.freshet")
    assert {"ro", "nosuid", "nodev"} <= set(options.split(","))
    assert host.ok("umount $M") == ""
    host.ended()


@pytest.mark.release
def test_mount_a_mounts_once(root_host):
    root_host.fstab("_netdev,nofail")
    for _ in range(2):
        assert root_host.ok("mount -a") == ""
        assert root_host.mounts() == "1" and root_host.serves()
    root_host.ok("umount $M")
    root_host.ended()


@pytest.mark.release
def test_what_mount_8_cannot_have_is_refused_with_a_reason(root_host):
    source = f"mount -t fuse.freshet {root_host.box.feed.root} $M -o {root_host.options()}"
    result = root_host.run(source + ",refesh=eager")
    assert result.code != 0 and "-o refesh: there is no such option" in result.err, result
    assert root_host.mounts() == "0"
    root_host.ok(source + ",refresh=manual,defaults,rw,noatime")
    result = root_host.run("mount -o remount,refresh=eager $M")
    assert result.code != 0 and "-o remount: what a mount was started with cannot be changed" in result.err, result
    result = root_host.run(source)
    assert result.code != 0 and "is a freshet mount already" in result.err, result
    assert root_host.mounts() == "1"
    root_host.ok("umount $M")
    root_host.ended()


@pytest.mark.release
def test_an_ordinary_user_has_no_passthrough_and_is_told_why(user_host):
    assert user_host.mount("-o passthrough=yes").code == 0 and user_host.serves()

    def said():
        (line,) = (line for line in user_host.ok("cat $M/status").splitlines() if line.startswith("passthrough "))
        return "nothing is published yet" not in line and line

    line = eventually(said)
    assert "off: " in line and ("libfuse before 3.17" in line or "CAP_SYS_ADMIN" in line), line
    assert user_host.ok("cd $M/segments && sha256sum -c SHA256SUMS").count(": OK\n") == 3
    user_host.ok("umount $M", uid=0)
    user_host.ended()


@pytest.mark.release
def test_a_mount_that_died_is_taken_down_by_the_next(host):
    assert host.mount().code == 0 and host.serves()
    for pid in host.pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: "not connected" in host.run("ls $M").err)
    result = host.mount()
    assert result.code == 0 and result.err.count("a mount had died here, and was taken down") == 1, result
    assert host.serves() and host.mounts() == "1"
    # A live one never is.
    result = host.mount()
    assert result.code != 0 and "is a freshet mount already" in result.err, result
    assert host.serves() and host.mounts() == "1"
    host.ok("fusermount3 -u $M")
    host.ended()


@pytest.mark.release
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_mount_in_the_foreground(host, sig):
    process = host.start(f"exec freshet mount -f {host.box.feed.root} $M -o {host.options()}")
    assert b"is served at" in process.stderr.readline() and host.serves()
    for pid in host.pids():
        os.kill(pid, sig)
    assert process.wait(HANG) == 0
    assert f"ends on signal {int(sig)}".encode() in process.stderr.read()
    host.ended()


@pytest.mark.release
@pytest.mark.parametrize("way", ["fusermount3 -uz $M", "umount -l $M", "signal"])
def test_under_open_files(host, way):
    """An unmount is refused while a file is open; a lazy one, or a signal, is not, and the file stays readable or fails."""
    assert host.mount().code == 0 and host.serves()
    reader = host.start("exec 3< $M/docs/a; cd $M; echo open; read _; cat <&3")
    assert reader.stdout.readline() == b"open\n"
    for unmount in ("fusermount3 -u $M", "umount $M"):
        result = host.run(unmount)
        assert result.code != 0 and "busy" in result.err, result
    assert host.serves()
    if way == "umount -l $M" and host.uid:
        way = "fusermount3 -uz $M"  # umount(8) lets only root be lazy
    if way == "signal":
        for pid in host.pids():
            os.kill(pid, signal.SIGTERM)
        host.ended()
    else:
        host.ok(way)
        assert host.mounts() == "0" and host.pids()
    out, err = reader.communicate(b"\n", HANG)
    if way != "signal":
        assert re.match(rb'{"id": ?"a"', out), err
    else:
        assert re.match(rb'{"id": ?"a"', out) or b"not connected" in err or b"aborted" in err, (out, err)
    host.ended()
    # The place is free at once.
    assert host.mount().code == 0 and host.serves()
    host.ok("fusermount3 -u $M")
    host.ended()
