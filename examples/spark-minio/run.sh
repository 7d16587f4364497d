#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - Spark writes Parquet into MinIO, freshet builds from it, publishes into MinIO, and is mounted on a follower; then the builder is
# killed, and goes on. Prints a timeline; about seven minutes, the first time longer: Spark (400 MB) and its S3 client (280 MB, by Ivy into
# ~/.ivy2) are fetched, DuckDB, and MinIO is made from source.
#
# As root or with sudo where something is missing. FRESHET and MINIO name binaries to use instead of making them. Everything else lies in
# build-spark/ of the source tree; nothing is left running.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$top/build-spark
spark=3.5.9

bash "$top/examples/deps.sh" default-jre-headless python3-venv >&2
mkdir -p "$work"
if [ ! -x "$work/venv/bin/spark-submit" ]; then
	/usr/bin/python3 -m venv "$work/venv"
	"$work/venv/bin/pip" install -q "pyspark==$spark" boto3 pyarrow setuptools
fi
if [ -z "${FRESHET:-}" ]; then
	duckdb=$(bash "$top/examples/duckdb.sh")
	[ -e "$work/build/build.ninja" ] || meson setup "$work/build" "$top" -Dparquet=enabled "-Dduckdb=$duckdb" >&2
	ninja -C "$work/build" >&2
	FRESHET=$work/build/freshet
fi
[ -n "${MINIO:-}" ] || MINIO=$(bash "$top/tests/minio.sh" | tail -n 1)
rm -rf "$work/run"
mkdir "$work/run"
exec "$work/venv/bin/python" "$here/pipeline.py" "$FRESHET" "$MINIO" "$work/run"
