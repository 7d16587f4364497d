#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bare-root.sh RELEASE quickstart|tests|package|systemd [PART...] - in a bare Debian root: one of README's commands, or systemd.
#
# RELEASE is bookworm or trixie; packages are made for trixie. The root is what mmdebstrap calls minbase, from the mirror of
# this machine's own apt sources; a clean clone of this repository's last commit is put into it. A package is made in one root
# and used in another (package.sh); systemd is booted in one, for systemd.sh (boot.sh). Mounts and processes live in namespaces
# of their own and end with this script, and the roots are removed. Needs root, and a network.
# The roots lie under $TMPDIR or /var/tmp; KEEP_ROOT=yes leaves the root there.
set -euo pipefail

die() { printf 'bare-root: %s\n' "$2" >&2; exit "$1"; }

case ${1:-}:${2:-} in
bookworm:quickstart | bookworm:tests | bookworm:systemd | trixie:quickstart | trixie:tests | trixie:systemd | trixie:package) ;;
*) die 64 "usage: bare-root.sh bookworm|trixie quickstart|systemd|tests [PART...], or bare-root.sh trixie package" ;;
esac
release=$1 what=$2
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || die 77 "making a root needs root"

roots=() cgroup=

# Nothing is mounted there in this namespace, so this removes the roots and nothing else.
cleanup()
{
	[ "${KEEP_ROOT:-}" = yes ] && echo "left: ${roots[*]}" || rm -rf --one-file-system "${roots[@]}"
	[ -z "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} +
}

make_root()
{
	root=$(mktemp -d "${TMPDIR:-/var/tmp}/freshet-root.XXXXXX")
	roots+=("$root")
	chmod 755 "$root"
	mmdebstrap --quiet --variant=minbase "$release" "$root" "$mirror"
	git clone -q --no-hardlinks "$top" "$root/freshet"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	# Authorities that this machine trusts beside Debian's: the way to the registries may lead past them.
	[ ! -d /usr/local/share/ca-certificates ] || cp -rL /usr/local/share/ca-certificates "$root/usr/local/share/"
	# systemd and container engines make it, and fusermount3 (3.17) wants it.
	[ -e "$root/etc/mtab" ] || ln -s ../proc/self/mounts "$root/etc/mtab"
}

# in_root COMMAND [OPTION...]: in namespaces that end with their first process, whatever is still mounted or running. Options are
# unshare's, for further ones.
in_root()
{
	BARE_ROOT=$root BARE_COMMAND=$1 unshare --mount --propagation private --pid --fork --kill-child "${@:2}" \
		bash "$0" "$release" "$what"
}

if [ -n "${BARE_ROOT:-}" ]; then
	mount --rbind "$BARE_ROOT" "$BARE_ROOT"
	mount --bind /dev "$BARE_ROOT/dev"
	[ ! -d /dev/pts ] || mount --bind /dev/pts "$BARE_ROOT/dev/pts"
	mount -t proc proc "$BARE_ROOT/proc"
	chroot "$BARE_ROOT" /usr/bin/env -i HOME=/root TERM=dumb FRESHET_KILLS="${FRESHET_KILLS:-}" \
		FUZZ_SECONDS="${FUZZ_SECONDS:-}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash -c "cd /freshet && $BARE_COMMAND"
	[ "$what" != systemd ] || exec bash "$top/tests/boot.sh" "$BARE_ROOT"
	exit
fi

# boot_root: the same with systemd as the first process, once what it needs is there. systemd makes its groups below one of its own,
# and takes that for the top.
boot_root()
{
	local groups
	groups=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[ -n "$groups" ] || die 77 "systemd needs cgroup2, and none is mounted"
	cgroup=$groups/freshet-root.$$
	mkdir "$cgroup"
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		in_root 'examples/deps.sh dbus systemd systemd-sysv && meson setup build-systemd && ninja -C build-systemd' \
			--cgroup --uts --ipc
	)
	cat "$root/result"
	return "$(cat "$root/code")"
}

bash "$top/examples/deps.sh" git mmdebstrap util-linux
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
	awk -v own="$codename" '$1 == "Debian" && $2 == own && !seen++ { print $3 }')
[ -n "$mirror" ] || die 69 "this machine's apt sources name no mirror of Debian $codename"
trap cleanup EXIT
make_root
case $what in
quickstart)
	# What quickstart leaves up is used once from outside, and taken down as it says.
	in_root 'examples/quickstart.sh && test -s build-quickstart/index/watermark &&
		grep -c . build-quickstart/index/terms/section:games && fusermount3 -u build-quickstart/index'
	;;
tests) in_root "tests/run.sh ${*:3}" ;; # all parts, or those given
package)
	in_root 'tests/package.sh build /freshet'
	package=$(ls "$root"/freshet_*_*.deb)
	make_root
	cp "$package" "$root/"
	in_root "tests/package.sh use /freshet /$(basename "$package")"
	;;
systemd) boot_root ;;
esac
