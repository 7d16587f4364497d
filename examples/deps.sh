#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh [PACKAGE...] - install what building freshet needs and this Debian machine has not, nothing else.
# deps.sh --download DIR PACKAGE... - install nothing: put the files of packages into a directory that is there.
#
# Further packages on the command line are installed in the same way. May be run again: with nothing missing
# it changes nothing and needs no network. As root, or with sudo where that is installed; a download needs neither.
set -euo pipefail

download=
if [ "${1:-}" = --download ]; then
	download=${2:?deps.sh --download DIR PACKAGE...}
	shift 2
fi
packages=(
	gcc libc6-dev meson ninja-build pkgconf
	fuse3 libfuse3-dev
	libcurl4-openssl-dev libexpat1-dev libinih-dev libs3-dev libsqlite3-dev libssl-dev libutf8proc-dev libxxhash-dev libyyjson-dev libzstd-dev zlib1g-dev
	"$@"
)
archive_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'deps: %s\n' "$*"; }
die() { printf 'deps: %s\n' "$2" >&2; exit "$1"; }

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
# Reads to the end (no grep -q): a closed pipe would make apt-cache fail.
has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -E '^ *Candidate: *[^ (]' >/dev/null; }

find_missing()
{
	local p
	missing=()
	for p in "${packages[@]}"; do
		is_installed "$p" || missing+=("$p")
	done
}

update_lists()
{
	say "apt-get update"
	as_root apt-get -qq update || die 69 "apt-get update failed: see above; without package lists nothing can be installed"
}

# Debian 12 has no yyjson; Debian 13's package installs there as it is. It is fetched by apt, signatures
# checked, from the mirror that this machine's own sources name, through lists and settings of its own, so
# that this machine's apt never hears of the other suite.
fetch_from_next_suite()
{
	local suite=$1 dir=$2 own uri
	local opts=(
		-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o APT::Default-Release= -o Acquire::Languages=none -o "APT::Sandbox::User=$(id -un)"
	)
	shift 2
	own=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# By codename, since a mirror's Release file says it whatever the sources call the suite.
	uri=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		awk -v own="$own" '$1 == "Debian" && $2 == own && !seen++ { print $3 }')
	[ -n "$uri" ] || die 69 "this machine's apt sources name no mirror of Debian $own to take $* ($suite) from"
	[ -r "$archive_keyring" ] ||
		die 69 "$archive_keyring is missing, signatures of $suite cannot be checked: install debian-archive-keyring"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	echo "deb [signed-by=$archive_keyring] $uri $suite main" >"$dir/sources.list"
	say "not in Debian $own, taken from $suite at $uri: $*"
	apt-get -qq "${opts[@]}" update ||
		die 69 "the package lists of $suite at $uri cannot be used: see above"
	(cd "$dir" && apt-get -qq "${opts[@]}" download "$@") ||
		die 69 "$* could not be downloaded from $suite at $uri: see above"
}

install_missing()
{
	as_root apt-get -qq -y --no-install-recommends install "$@" >&2
}

# What this suite has not is taken from Debian 13.
download_all()
{
	local p own=() next=()
	for p in "$@"; do
		has_candidate "$p" && own+=("$p") || next+=("$p")
	done
	[ ${#own[@]} = 0 ] || (cd "$download" && apt-get -qq -o "APT::Sandbox::User=$(id -un)" download "${own[@]}") ||
		die 69 "${own[*]} could not be downloaded: see above"
	[ ${#next[@]} = 0 ] && return
	[ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ] || die 69 "this machine's apt sources have no ${next[*]}"
	temp=$(mktemp -d)
	trap 'rm -rf "$temp"' EXIT
	fetch_from_next_suite trixie "$temp" "${next[@]}"
	mv "$temp"/*.deb "$download/"
}

[ -r /etc/debian_version ] && command -v apt-get >/dev/null ||
	die 69 "this is not Debian; install by hand what these packages hold: ${packages[*]}"
if [ -n "$download" ]; then
	download_all "$@"
	exit
fi
find_missing
if [ ${#missing[@]} = 0 ]; then
	say "nothing is missing"
	exit 0
fi
say "missing: ${missing[*]}"
if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
	die 77 "installing them needs root and there is no sudo: run $0 as root"
fi

updated=no
for p in "${missing[@]}"; do
	if [ $updated = no ] && ! has_candidate "$p"; then
		update_lists
		updated=yes
	fi
done

files=()
if printf '%s\n' "${missing[@]}" | grep -x libyyjson-dev >/dev/null && ! has_candidate libyyjson-dev; then
	[ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ] ||
		die 69 "this machine's apt sources have no libyyjson-dev (Debian 13 has it, and its package fits Debian 12)"
	temp=$(mktemp -d)
	trap 'rm -rf "$temp"' EXIT
	chmod 755 "$temp" # the user that apt downloads as reads the files here
	fetch_from_next_suite trixie "$temp" libyyjson0 libyyjson-dev
	files=("$temp"/*.deb)
fi

wanted=()
for p in "${missing[@]}"; do
	[ "$p" = libyyjson-dev ] && [ ${#files[@]} -gt 0 ] || wanted+=("$p")
done
if ! install_missing "${wanted[@]}" "${files[@]}"; then
	[ $updated = no ] || die 69 "apt-get could not install ${missing[*]}: see above"
	update_lists # lists that are too old name files that the mirror has no more
	install_missing "${wanted[@]}" "${files[@]}" || die 69 "apt-get could not install ${missing[*]}: see above"
fi
find_missing
[ ${#missing[@]} = 0 ] || die 69 "still missing after installing: ${missing[*]}"
say "installed"
