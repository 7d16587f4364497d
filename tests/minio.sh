#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# minio.sh - install MinIO, a real S3 server, for the tests; the last line of stdout is its path.
#
# Debian has no package of it, so it is made from its Go module, once: it stays under $XDG_CACHE_HOME (~/.cache) in freshet-tests/.
# That takes 3 to 4 minutes of a processor, 250 MB of downloads, and 2.5 GB of disk until it is done. The Go that is here is used when
# it is new enough; else Debian's (13 has it, and its packages fit Debian 12), unpacked and not installed. Needs no root.
# Exit code 69 with a reason where it cannot be had.
set -euo pipefail

module=github.com/minio/minio version=v0.0.0-20260212201848-7aac2a2c5b7c
go_least=1.24 # of the module's go.mod
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/freshet-tests
dir=$cache/minio-${version#v0.0.0-}
program=$dir/minio

say() { printf 'minio: %s\n' "$*" >&2; }
die() { printf 'minio: %s\n' "$2" >&2; exit "$1"; }

is_new_enough()
{
	local found
	found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return
	found=${found#go}
	[ "$(printf '%s\n' "$go_least" "$found" | sort -V | head -n 1)" = "$go_least" ]
}

# Sets `go`.
find_go()
{
	for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
		[ ! -x "$go" ] || ! is_new_enough "$go" || return 0
	done
	say "no Go $go_least here, taking Debian's"
	mkdir "$work/debs"
	bash "$top/examples/deps.sh" --download "$work/debs" "golang-$go_least-go" "golang-$go_least-src" >&2 ||
		die 69 "Go $go_least is not here, and could not be had from Debian: see above"
	for go in "$work"/debs/*.deb; do
		dpkg -x "$go" "$work/root"
	done
	go=$work/root/usr/lib/go-$go_least/bin/go
	is_new_enough "$go" || die 69 "what was unpacked is no Go $go_least: $go"
}

make_it()
{
	local at=("$go" install -p "$(nproc)" -trimpath -ldflags '-s -w' "$module@$version")
	# Modules and what was compiled go with the work directory; without -modcacherw they could not be removed.
	env GOTOOLCHAIN=local GOPATH="$work/path" GOCACHE="$work/made" GOBIN="$work/bin" GOFLAGS='-modcacherw -buildvcs=false' \
		CGO_ENABLED=0 TMPDIR="$work" timeout 1500 nice -n 10 "${at[@]}" >"$work/log" 2>&1 && return
	grep -v '^go: downloading' "$work/log" | tail -n 20 >&2
	die 69 "$module@$version could not be made: see above (it comes by way of GOPROXY, $("$go" env GOPROXY))"
}

mkdir -p "$cache"
exec 9>"$cache/minio.lock"
flock 9 # another run may be making it
if [ ! -x "$program" ]; then
	work=$(mktemp -d "$cache/making.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	find_go
	say "making it with $(GOTOOLCHAIN=local "$go" env GOVERSION): this takes some minutes, once"
	make_it
	mkdir -p "$dir"
	mv "$work/bin/minio" "$program"
fi
echo "$program"
