#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a release tree with Parquet and the generator beside it and prints the figures of a feed in a bucket (see s3.py).
set -eu
cd "$(dirname "$0")/../.."
build=${FRESHET_BENCH_BUILD:-build-bench-s3}
export FRESHET_BENCH_BUILD="$build"
if [ ! -d "$build" ]; then
	duckdb=$(bash examples/duckdb.sh)
	meson setup "$build" --buildtype=release -Dparquet=enabled "-Dduckdb=$duckdb" >/dev/null
fi
ninja -C "$build" freshet freshet-parquet examples/ads/freshet-ads >/dev/null
[ -n "${FRESHET_TEST_MINIO:-}" ] || FRESHET_TEST_MINIO=$(bash tests/minio.sh | tail -n 1)
export FRESHET_TEST_MINIO
exec /usr/bin/python3 tests/bench/s3.py "$@"
