#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bare-root.sh RELEASE quickstart|tests [PART...] - one of README's two commands in a bare Debian root.
# bare-root.sh RELEASE systemd - boots systemd in such a root, for tests/systemd.sh.
#
# RELEASE is bookworm or trixie. The root is what mmdebstrap calls minbase, from the mirror of this machine's
# own apt sources; a clean clone of this repository's last commit is put into it. Mounts and processes live in
# namespaces of their own and end with this script, and the root is removed. Needs root, and a network.
# The roots lie under $TMPDIR or /var/tmp; KEEP_ROOT=yes leaves the root there.
set -euo pipefail

die() { printf 'bare-root: %s\n' "$2" >&2; exit "$1"; }

case ${1:-}:${2:-} in
bookworm:quickstart | bookworm:tests | bookworm:systemd | trixie:quickstart | trixie:tests | trixie:systemd) ;;
*) die 64 "usage: bare-root.sh bookworm|trixie quickstart|systemd|tests [PART...]" ;;
esac
release=$1 what=$2
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || die 77 "making a root needs root"

if [ -z "${BARE_ROOT:-}" ]; then
	bash "$top/examples/deps.sh" git mmdebstrap util-linux
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		awk -v own="$codename" '$1 == "Debian" && $2 == own && !seen++ { print $3 }')
	[ -n "$mirror" ] || die 69 "this machine's apt sources name no mirror of Debian $codename"
	root=$(mktemp -d "${TMPDIR:-/var/tmp}/freshet-root.XXXXXX")
	cgroup=
	# Nothing is mounted there in this namespace, so this removes the root and nothing else.
	cleanup()
	{
		[ "${KEEP_ROOT:-}" = yes ] && echo "the root is left in $root" || rm -rf --one-file-system "$root"
		[ -z "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} +
	}
	trap cleanup EXIT
	chmod 755 "$root"
	mmdebstrap --quiet --variant=minbase "$release" "$root" "$mirror"
	git clone -q --no-hardlinks "$top" "$root/freshet"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	# From here on in namespaces that end with their first process, whatever is still mounted or running.
	namespaces=(--mount --propagation private --pid --fork --kill-child)
	if [ $what = systemd ]; then
		# systemd makes its groups below one of its own, and takes that for the top.
		top_cgroup=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
		[ -n "$top_cgroup" ] || die 77 "systemd needs cgroup2, and none is mounted"
		cgroup=$top_cgroup/freshet-root.$$
		mkdir "$cgroup"
		namespaces+=(--cgroup --uts --ipc)
	fi
	BARE_ROOT=$root bash -c '[ -z "$1" ] || echo $$ >"$1/cgroup.procs" || exit; shift; exec "$@"' bash "$cgroup" \
		unshare "${namespaces[@]}" bash "$0" "$@"
	if [ $what = systemd ]; then
		cat "$root/result"
		exit "$(cat "$root/code")"
	fi
	exit
fi

# boot: makes this process the systemd of the root, which runs tests/systemd.sh and ends; what that printed is in /result.
boot()
{
	cat >"$BARE_ROOT/etc/systemd/system/freshet-test.service" <<-'END'
		[Unit]
		After=basic.target dbus.service
		Requires=basic.target
		[Service]
		Type=oneshot
		ExecStart=/bin/bash -c 'tests/systemd.sh build-systemd/freshet >/result 2>&1; echo $? >/code'
		WorkingDirectory=/freshet
		ExecStopPost=/bin/systemctl --no-block exit
	END
	umount -R "$BARE_ROOT/dev"
	# The kernel is the host's: nothing in there may set it.
	mount --bind "$BARE_ROOT/proc/sys" "$BARE_ROOT/proc/sys"
	mount -o remount,bind,ro "$BARE_ROOT/proc/sys"
	mount -t sysfs -o ro sysfs "$BARE_ROOT/sys"
	mount -t cgroup2 cgroup2 "$BARE_ROOT/sys/fs/cgroup"
	mount -t tmpfs -o mode=755 tmpfs "$BARE_ROOT/run"
	mount -t tmpfs -o mode=755 tmpfs "$BARE_ROOT/dev"
	mkdir "$BARE_ROOT/dev/pts" "$BARE_ROOT/dev/shm"
	local node
	for node in null zero full random urandom tty; do
		touch "$BARE_ROOT/dev/$node"
		mount --bind "/dev/$node" "$BARE_ROOT/dev/$node"
	done
	mknod -m 666 "$BARE_ROOT/dev/fuse" c 10 229
	mknod "$BARE_ROOT/dev/autofs" c 10 235
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$BARE_ROOT/dev/pts"
	ln -s pts/ptmx "$BARE_ROOT/dev/ptmx"
	mkdir -p "$BARE_ROOT/old"
	cd "$BARE_ROOT"
	pivot_root . old
	umount -l /old
	exec env -i container=freshet-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=freshet-test.service
}

mount --rbind "$BARE_ROOT" "$BARE_ROOT"
mount --bind /dev "$BARE_ROOT/dev"
[ ! -d /dev/pts ] || mount --bind /dev/pts "$BARE_ROOT/dev/pts"
mount -t proc proc "$BARE_ROOT/proc"
case $what in
quickstart)
	# What quickstart leaves up is used once from outside, and taken down as it says.
	command='examples/quickstart.sh && test -s build-quickstart/index/watermark &&
		grep -c . build-quickstart/index/terms/section:games && fusermount3 -u build-quickstart/index'
	;;
tests) command="tests/run.sh ${*:3}" ;; # all parts, or those given
systemd) # built before anything is booted
	command='examples/deps.sh dbus systemd systemd-sysv && meson setup build-systemd && ninja -C build-systemd' ;;
esac
chroot "$BARE_ROOT" /usr/bin/env -i HOME=/root TERM=dumb FRESHET_KILLS="${FRESHET_KILLS:-}" \
	FUZZ_SECONDS="${FUZZ_SECONDS:-}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	bash -c "cd /freshet && $command"
[ "$what" != systemd ] || boot
