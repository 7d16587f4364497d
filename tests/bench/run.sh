#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a release tree with the peers beside it and prints the table of figures (see run.py).
set -eu
cd "$(dirname "$0")/../.."
build=${FRESHET_BENCH_BUILD:-build-bench}
[ -d "$build" ] || meson setup "$build" --buildtype=release >/dev/null
ninja -C "$build" freshet tests/bench/bench_fts5 tests/bench/bench_constfs \
	tests/bench/bench_list tests/bench/bench_read >/dev/null
# The catalogue is real text only with the long descriptions, which some images leave out.
if ! ls /var/lib/apt/lists/*Translation-en* >/dev/null 2>&1; then
	apt-get -qq -o Acquire::Languages=en update
fi
exec /usr/bin/python3 tests/bench/run.py "$@"
