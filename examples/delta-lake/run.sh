#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - a Delta Lake table whose files are a feed: appends are followed; what Delta Lake does beyond appending, and what of it freshet
# does not see. README.md says it in words; each line that starts with "ok" here was checked.
#
# As root or with sudo where something is missing. FRESHET names a binary to use instead of making one. Everything lies in
# build-delta/ of the source tree.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$top/build-delta

bash "$top/examples/deps.sh" python3-venv >&2
mkdir -p "$work"
if [ ! -e "$work/venv/ready" ]; then
	/usr/bin/python3 -m venv "$work/venv"
	"$work/venv/bin/pip" install -q 'deltalake>=1' pyarrow
	touch "$work/venv/ready"
fi
if [ -z "${FRESHET:-}" ]; then
	duckdb=$(bash "$top/examples/duckdb.sh")
	[ -e "$work/build/build.ninja" ] || meson setup "$work/build" "$top" -Dparquet=enabled "-Dduckdb=$duckdb" >&2
	ninja -C "$work/build" >&2
	FRESHET=$work/build/freshet
fi
rm -rf "$work/run"
mkdir "$work/run"
exec "$work/venv/bin/python" "$here/table.py" "$FRESHET" "$work/run"
