#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# duckdb.sh [DIR] - fetch DuckDB's C library, which Debian has no package of and Parquet feeds need, and print where it is:
#
#     meson setup build -Dduckdb="$(examples/duckdb.sh)"
#
# It goes to DIR, by default a directory in ~/.cache (or $XDG_CACHE_HOME), and nowhere else; where it is already, nothing is done. What
# is fetched is the module with header and static libraries that DuckDB's makers publish for Go, by Go's own client, which checks it
# against the checksum below. Go and g++ are installed where they are missing, as deps.sh does it.
set -euo pipefail

version=v0.10506.0 # DuckDB 1.5.6
module=github.com/duckdb/duckdb-go-bindings/lib

say() { printf 'duckdb: %s\n' "$*" >&2; }
die() { printf 'duckdb: %s\n' "$2" >&2; exit "$1"; }

case $(uname -m) in
x86_64)
	module=$module/linux-amd64
	sums=(h1:yy2TUU+YWxiBiOQryYseUl0AcUzoFFYRmmrCGijUxiU= h1:KAIynZ0GHCS7X5fRyuFnQMg/SZBPK/bS9OCOVojClxw=)
	;;
aarch64)
	module=$module/linux-arm64
	sums=(h1:HWUiLpeaZwUFg08Rs2eSpPbbaw3yEB2t96r+5NEbAgs= h1:81SGOYoEUs8qaAfSk1wRfM5oobrIJ5KI7AzYhK6/bvQ=)
	;;
*) die 69 "there is no library for $(uname -m): build DuckDB, and name its directory to meson with -Dduckdb=DIR" ;;
esac
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/freshet/duckdb-$version}
case $dir in
/*) ;;
*) dir=$PWD/$dir ;;
esac

needed=()
command -v g++ >/dev/null || needed+=(g++) # its library is linked
if [ ! -e "$dir/duckdb.h" ]; then
	command -v go >/dev/null || needed+=(golang-go)
	[ -e /etc/ssl/certs/ca-certificates.crt ] || needed+=(ca-certificates)
fi
[ ${#needed[@]} = 0 ] || bash "$(dirname "$0")/deps.sh" "${needed[@]}" >&2

if [ ! -e "$dir/duckdb.h" ]; then
	# It may be somebody's own: nothing in it is removed.
	[ ! -e "$dir" ] || rmdir "$dir" || die 73 "$dir is there, without DuckDB, and not an empty directory: name another"
	mkdir -p "$(dirname "$dir")"
	temp=$(mktemp -d "$dir.XXXXXX")
	trap 'chmod -R u+w "$temp"; rm -rf "$temp"' EXIT
	printf 'module fetch\n\nrequire %s %s\n' "$module" "$version" >"$temp/go.mod"
	printf '%s %s %s\n' "$module" "$version" "${sums[0]}" "$module" "$version/go.mod" "${sums[1]}" >"$temp/go.sum"
	say "fetching $module $version"
	(cd "$temp" && GOPATH=$temp/go GOCACHE=$temp/cache GOMODCACHE=$temp/mod GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off \
		go mod download "$module") >&2 ||
		die 69 "$module $version cannot be had: see above"
	mv -T "$temp/mod/$module@$version" "$dir"
	chmod -R u+w "$dir"
fi
printf '%s\n' "$dir"
