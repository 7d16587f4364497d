#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# package.sh build TREE | use TREE DEB - the Debian package, in bare roots that bare-root.sh makes and removes.
#
# `build` makes the package in TREE's parent and asks lintian. `use` installs it elsewhere, mounts a small feed as root and as an
# ordinary user, reads the manual pages, removes and purges it, and looks for what is left.
set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

die() { printf 'package: %s\n' "$*" >&2; exit 70; }
apt() { apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"; }

# Every file that is not apt's own book-keeping, and the users.
list_files()
{
	find / -xdev \( -path /dev -o -path /proc -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o \
		-path /var/log \) -prune -o -print | sort
	cat /etc/passwd /etc/group
}

package_build()
{
	cd "$1"
	apt update
	apt install build-essential lintian
	apt build-dep ./
	dpkg-buildpackage -us -uc
	lintian --pedantic --info --fail-on warning,error ../freshet_*.changes
}

# mount_as USER TREE
mount_as()
{
	local dir
	dir=$(mktemp -d /tmp/freshet.XXXXXX)
	chown "$1" "$dir"
	setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups env HOME="$dir" AUTOPKGTEST_TMP="$dir" "$2/debian/tests/mount"
	rm -r "$dir" # fails where something is still mounted
}

package_use()
{
	local before page
	apt update
	apt install adduser bash-completion man-db zsh # fuse3 brings adduser, and apt does not let that go again
	useradd --create-home reader
	# What systemd and udev give a host: /dev/fuse for everyone (a root shows that of its host, so it gets one of its own), and
	# the table of mounts, which fusermount3 reads for an ordinary user.
	mknod -m 666 /run/fuse c 10 229
	mount --bind /run/fuse /dev/fuse
	ln -s ../proc/self/mounts /etc/mtab
	before=$(list_files)

	apt install "$2"
	freshet --version
	mount_as root "$1"
	mount_as reader "$1"
	for page in "1 freshet" "5 freshet.ini" "5 freshet-mount"; do
		# shellcheck disable=SC2086
		MANWIDTH=80 man $page | grep -A 1 '^NAME' || die "no manual page $page"
		whatis "${page#* }"
	done
	bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader freshet; complete -p freshet'
	zsh -ic 'autoload -Uz compinit; compinit -D; [[ $_comps[freshet] = _freshet ]]' || die "zsh does not know the completion"

	apt remove freshet
	dpkg --purge freshet
	apt autoremove --purge
	! grep fuse.freshet /proc/mounts || die "still mounted"
	! grep -lsx freshet /proc/[0-9]*/comm || die "still running"
	diff <(echo "$before") <(list_files) || die "purged, and the above is left or missing"
}

case $#:${1:-} in
2:build) package_build "$2" ;;
3:use) package_use "$2" "$3" ;;
*)
	echo "usage: package.sh build TREE | use TREE DEB" >&2
	exit 64
	;;
esac
