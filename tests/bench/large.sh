#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a release tree with the peer and the generator beside it and prints the figures of a large base (see large.py).
set -eu
cd "$(dirname "$0")/../.."
build=${FRESHET_BENCH_BUILD:-build-bench}
[ -d "$build" ] || meson setup "$build" --buildtype=release >/dev/null
ninja -C "$build" freshet tests/bench/bench_fts5 tests/bench/bench_read examples/ads/freshet-ads >/dev/null
exec /usr/bin/python3 tests/bench/large.py "$@"
