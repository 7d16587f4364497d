#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# large.sh DOCUMENTS PARTITIONS DIR [OPTION...] - the feed for benchmarks: a snapshot and what follows it.
#
# Writes DIR/snapshot (everything as of $AT, default 2026-05-04T10:00:00Z), DIR/feed (PARTITIONS slices of
# five minutes from then on) and DIR/freshet.ini. With 10,000,000 documents and 60 partitions these are about
# 4 GB and 1.1 GB. Further options go to freshet-ads, for both (--seed, --churn, --zst ...; not --cadence, which
# freshet.ini would not follow). The generator is $FRESHET_ADS, or the one in build/, which is built if need be.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
ads=${FRESHET_ADS:-$top/build/examples/ads/freshet-ads}
at=${AT:-2026-05-04T10:00:00Z}

die() { printf 'large: %s\n' "$2" >&2; exit "$1"; }

[ $# -ge 3 ] || die 64 "usage: $0 DOCUMENTS PARTITIONS DIR [OPTION...]"
documents=$1 partitions=$2 dir=$3
shift 3
[ ! -e "$dir/snapshot" ] && [ ! -e "$dir/feed" ] || die 73 "$dir holds a feed already"

if [ ! -x "$ads" ]; then
	[ -z "${FRESHET_ADS:-}" ] || die 66 "$ads is no program"
	[ -f "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=release >/dev/null
	ninja -C "$top/build" examples/ads/freshet-ads >/dev/null
fi
mkdir -p "$dir"
cp "$top/examples/ads/freshet.ini" "$dir/freshet.ini"

# timed WHAT PATH COMMAND...: runs it, and says how long that took and how large it came out.
timed()
{
	local what=$1 path=$2 started=$EPOCHREALTIME seconds bytes
	shift 2
	"$@"
	seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
	bytes=$(du -sb "$path" | cut -f1)
	awk -v what="$what" -v s="$seconds" -v b="$bytes" \
		'BEGIN { printf "%s: %.2f GB in %.1f s, %.0f MB/s\n", what, b / 1e9, s, b / 1e6 / s }'
}

timed snapshot "$dir/snapshot" "$ads" --snapshot "$dir/snapshot" --documents "$documents" --at "$at" "$@"
timed partitions "$dir/feed" "$ads" --feed "$dir/feed" --documents "$documents" --partitions "$partitions" \
	--start "$at" "$@"
