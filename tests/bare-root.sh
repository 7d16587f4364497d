#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bare-root.sh RELEASE quickstart|tests [PART...] - one of README's two commands in a bare Debian root.
#
# RELEASE is bookworm or trixie. The root is what mmdebstrap calls minbase, from the mirror of this machine's
# own apt sources; a clean clone of this repository's last commit is put into it. Mounts and processes live in
# namespaces of their own and end with this script, and the root is removed. Needs root, and a network.
# The roots lie under $TMPDIR or /var/tmp; KEEP_ROOT=yes leaves the root there.
set -euo pipefail

die() { printf 'bare-root: %s\n' "$2" >&2; exit "$1"; }

case ${1:-}:${2:-} in
bookworm:quickstart | bookworm:tests | trixie:quickstart | trixie:tests) ;;
*) die 64 "usage: bare-root.sh bookworm|trixie quickstart|tests [PART...]" ;;
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
	# Nothing is mounted there in this namespace, so this removes the root and nothing else.
	cleanup() { [ "${KEEP_ROOT:-}" = yes ] && echo "the root is left in $root" || rm -rf --one-file-system "$root"; }
	trap cleanup EXIT
	chmod 755 "$root"
	mmdebstrap --quiet --variant=minbase "$release" "$root" "$mirror"
	git clone -q --no-hardlinks "$top" "$root/freshet"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	# From here on in namespaces that end with their first process, whatever is still mounted or running.
	BARE_ROOT=$root unshare --mount --propagation private --pid --fork --kill-child bash "$0" "$@"
	exit
fi

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
esac
chroot "$BARE_ROOT" /usr/bin/env -i HOME=/root TERM=dumb FRESHET_KILLS="${FRESHET_KILLS:-}" \
	FUZZ_SECONDS="${FUZZ_SECONDS:-}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	bash -c "cd /freshet && $command"
