#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# boot.sh ROOT - becomes the systemd of a root that bare-root.sh has made, in its namespaces. systemd runs tests/systemd.sh in there and
# ends; what that printed is in ROOT/result, and its exit code in ROOT/code.
set -euo pipefail

root=$1
cat >"$root/etc/systemd/system/freshet-test.service" <<'END'
[Unit]
After=basic.target dbus.service
Requires=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'tests/systemd.sh build-systemd/freshet >/result 2>&1; echo $? >/code'
WorkingDirectory=/freshet
ExecStopPost=/bin/systemctl --no-block exit
END
umount -R "$root/dev"
# The kernel is the host's: nothing in there may set it.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do
	touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mknod -m 666 "$root/dev/fuse" c 10 229
mknod "$root/dev/autofs" c 10 235
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=freshet-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=freshet-test.service
