#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--all] [PART...] - install what the tests need, build, run everything, and sum it up.
#
# Parts, in this order, all of them by default:
#     format    clang-format agrees with every C file
#     docs      every promise of docs/semantics.md names a test that is there
#     release   build with gcc, -Werror; unit tests; the mount tests marked `release`; what `meson install` installs:
#               its files, manual pages, completion in bash and zsh; --all: all mount tests with feeds in Parquet
#     s3        the release build, and the mount tests marked `release` and not `long` with their feeds on MinIO instead of in directories,
#               signed by V4; by V2, which only reads otherwise, those of some files; --all: all mount tests by both, feeds in Parquet too
#     asan      build with gcc, AddressSanitizer and UBSan; unit tests; all mount tests, but for those of the tests' own tools
#     tsan      build with ThreadSanitizer; unit tests of what has threads; mount tests of feeds that hang, and of followers of MinIO
#     model     the release build against the model of tests/model: the model's own examples, kept cases, then
#               random steps for MODEL_SECONDS (150); --all: MODEL_STEPS (20000) of them; Hypothesis; where the asan
#               build is there, some with it too
#     fuzz      build with clang, -Werror; each fuzz target for FUZZ_SECONDS (20) on its kept corpus
#     examples  with --all only: Spark's pipeline (examples/spark-minio, where MinIO is to be had) and Delta Lake's, with the release build
#     roots     with --all only: README's commands in a bare Debian 12 and 13, systemd with the units, and the Debian package
#               (tests/bare-root.sh)
# --all also runs more kills (FRESHET_KILLS=200) and longer fuzzing (300 s a target).
# MinIO is made once, in the background meanwhile (tests/minio.sh says what that takes); where it cannot be had, what needs it is
# skipped, counted, and said.
# The last line is `N passed, N failed`; the exit code is 0 when nothing failed. Builds and logs go to
# build-tests/ (or $BUILD_ROOT), and stay there.
set -uo pipefail
export LC_ALL=C.UTF-8

top=$(cd "$(dirname "$0")/.." && pwd)
builds=${BUILD_ROOT:-$top/build-tests}
python=/usr/bin/python3 # Debian's, whose packages these are, whatever else is first in PATH
all=no
parts=()
passed=0 failed=0 skipped=0

for arg; do
	case $arg in
	--all) all=yes ;;
	format | docs | release | s3 | asan | tsan | model | fuzz | examples | roots) parts+=("$arg") ;;
	*)
		echo "usage: $0 [--all] [format|docs|release|s3|asan|tsan|model|fuzz|examples|roots]..." >&2
		exit 64
		;;
	esac
done
if [ ${#parts[@]} = 0 ]; then
	parts=(format docs release s3 asan tsan model fuzz)
	[ $all = no ] || parts+=(examples roots)
fi
if [ $all = yes ]; then
	export FRESHET_KILLS=${FRESHET_KILLS:-200}
	FUZZ_SECONDS=${FUZZ_SECONDS:-300}
	MODEL_STEPS=${MODEL_STEPS:-20000}
fi

say() { printf '== %s\n' "$*"; }
wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

# check NAME COMMAND...: one case; its output is shown only when it fails.
check()
{
	local name=$1 log=$builds/logs/${1//[^a-zA-Z0-9]/-}.log started=$SECONDS
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		say "ok: $name ($((SECONDS - started)) s)"
	else
		failed=$((failed + 1))
		say "FAILED: $name ($((SECONDS - started)) s), end of $log:"
		tail -n 60 "$log"
		return 1
	fi
}

# count NAME REPORT EXIT-CODE LOG STARTED: the cases of a JUnit report.
count()
{
	local name=$1 report=$2 code=$3 log=$4 started=$5 p f s
	if ! read -r p f s < <("$python" "$top/tests/tally.py" "$report"); then
		p=0 f=1 s=0
	elif [ "$code" != 0 ] && [ "$f" = 0 ]; then
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	say "$name: $p passed, $f failed, $s skipped ($((SECONDS - started)) s)"
	if [ "$f" != 0 ]; then
		say "end of $log:"
		tail -n 150 "$log"
	fi
}

install_tools()
{
	local deps=$top/examples/deps.sh clang
	# The browser is the one without windows, which needs half the space of the whole one.
	bash "$deps" attr bash-completion chromium-headless-shell clang clang-format findutils lowdown man-db mandoc mount openssl procps \
		python3 python3-boto3 python3-html5lib python3-hypothesis python3-pexpect python3-pip python3-pytest python3-pytest-timeout \
		python3-pytest-xdist rsync strace zsh zstd || return
	clang=$(clang -dumpversion | cut -d. -f1)
	bash "$deps" "libclang-rt-$clang-dev" || return # libFuzzer and the sanitizers of that clang
	# The feed of the catalogue test is what apt knows.
	[ "$(apt-cache pkgnames | wc -l)" -ge 10000 ] || $([ "$(id -u)" = 0 ] || echo sudo) apt-get -qq update
}

# promtool is in a package whose server would start here if it were installed: only the program is taken out. Without it the tests look at the
# form of metrics themselves, and skip what the alerts do.
fetch_promtool()
{
	local dir=$builds/promtool
	export PATH=$PATH:$dir/usr/bin
	command -v promtool >/dev/null && return
	mkdir -p "$dir"
	(cd "$dir" && apt-get -qq download prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb) >/dev/null 2>&1 ||
		say "promtool: cannot be had here, and is not needed"
}

# In the background, since it takes minutes where it was not made before.
start_minio()
{
	bash "$top/tests/minio.sh" >"$builds/logs/minio.path" 2>"$builds/logs/minio.log" &
	minio_job=$!
}

# Before the first tests that may need it. Where it cannot be had, they skip themselves.
wait_for_minio()
{
	[ -n "$minio_job" ] || return 0
	if wait "$minio_job"; then
		FRESHET_TEST_MINIO=$(tail -n 1 "$builds/logs/minio.path")
		export FRESHET_TEST_MINIO
	else
		say "MinIO cannot be had here, what needs it is skipped; end of $builds/logs/minio.log:"
		tail -n 5 "$builds/logs/minio.log"
	fi
	minio_job=
}

# fetch_duckdb: what reads Parquet, and what the tests write it with, of which Debian has no packages. Without them builds are without Parquet,
# and its tests are skipped.
fetch_duckdb()
{
	local log=$builds/logs/duckdb.log dir
	export PYARROW=$builds/pyarrow
	if dir=$(bash "$top/examples/duckdb.sh" "$builds/duckdb" 2>"$log"); then
		parquet=("-Dparquet=enabled" "-Dduckdb=$dir")
	else
		parquet=("-Dparquet=disabled" "-Dduckdb=")
		say "Parquet: skipped, because DuckDB cannot be had here: $(tail -n 1 "$log")"
	fi
	"$python" -c 'import sys; sys.path.append(sys.argv[1]); import pyarrow' "$PYARROW" 2>/dev/null ||
		"$python" -m pip install -q --no-deps --target "$PYARROW" 'pyarrow>=20' >>"$log" 2>&1 ||
		say "Parquet: most tests skipped, because pyarrow cannot be had here: $(tail -n 1 "$log")"
	[ "${parquet[0]}" = -Dparquet=disabled ] || [ ! -d "$PYARROW" ] || with_parquet=yes
}

# configure NAME COMPILER OPTION...: makes or refreshes the build directory.
configure()
{
	local dir=$builds/$1 cc=$2
	shift 2
	# A directory of another state of meson.build or the compiler is thrown away, not repaired.
	if ! CC=$cc meson setup --reconfigure --werror "$@" "$dir" "$top" 2>/dev/null; then
		rm -rf "$dir"
		CC=$cc meson setup --werror "$@" "$dir" "$top"
	fi
}

build()
{
	local name=$1
	configure "$@" && ninja -C "$builds/$name"
}

build_fuzz()
{
	configure fuzz clang --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false \
		-Dc_args=-fsanitize=fuzzer-no-link -Dparquet=disabled && ninja -C "$builds/fuzz" freshet index/libfreshet-index.a
}

unit_tests()
{
	local name=$1 dir=$builds/$1 log=$builds/logs/unit-$1.log started=$SECONDS options=() code
	[ "$name" != tsan ] || options=(--no-suite threadless)
	shift
	rm -f "$dir/meson-logs/testlog.junit.xml"
	# Time limits are there for hangs; a slow machine is not one.
	"$@" meson test -C "$dir" --no-rebuild --suite unit "${options[@]}" --print-errorlogs -t 5 >"$log" 2>&1
	code=$?
	count "unit tests, $name" "$dir/meson-logs/testlog.junit.xml" $code "$log" "$started"
}

# mount_tests BUILD FILES [PYTEST-ARGUMENT...]: these of tests/mount, or all; one file more at a time than there are processors, since most
# wait for something. The feeds lie where FRESHET_TEST_FEED says, in the format of FRESHET_TEST_FORMAT.
mount_tests()
{
	local name=$1 files what=$1${FRESHET_TEST_FEED:+-$FRESHET_TEST_FEED}${FRESHET_TEST_FORMAT:+-$FRESHET_TEST_FORMAT} started code
	local log=$builds/logs/mount-$what.log report=$builds/logs/mount-$what.xml
	read -ra files <<<"$2"
	files=("${files[@]/#/tests/mount/}")
	shift 2
	wait_for_minio
	started=$SECONDS
	rm -f "$report"
	(cd "$top" && FRESHET="$builds/$name/freshet" timeout 3600 "$python" -m pytest -q -p no:cacheprovider --confcutdir tests --durations 20 \
		-n "$(($(nproc) + 1))" --dist loadgroup --timeout 600 --junitxml "$report" -o junit_family=xunit2 "$@" "${files[@]:-tests/mount}") >"$log" 2>&1
	code=$?
	count "mount tests, $what" "$report" $code "$log" "$started"
}

install_tests()
{
	local log=$builds/logs/install.log report=$builds/logs/install.xml started=$SECONDS code
	rm -f "$report"
	(cd "$top" && FRESHET="$builds/release/freshet" "$python" -m pytest -q -p no:cacheprovider --confcutdir tests \
		--timeout 600 --junitxml "$report" -o junit_family=xunit2 tests/install) >"$log" 2>&1
	code=$?
	count "install" "$report" $code "$log" "$started"
}

# What one version of clang-format writes another would change: the style is that of version 14.
format_part()
{
	local version
	version=$(clang-format --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
	if [ "$version" != 14 ]; then
		say "format: not checked, this is clang-format $version and the style is that of 14"
		return
	fi
	check "format" bash -c \
		"find '$top/examples' '$top/fs' '$top/index' '$top/parquet' '$top/tests' -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror"
}

docs_part()
{
	check "docs" "$python" "$top/tests/docs_check.py"
}

release_part()
{
	check "build, release" build release gcc -Dman=enabled "${parquet[@]}" || return
	unit_tests release env
	mount_tests release "" -m "release or tools"
	if [ $all = yes ] && [ -n "$with_parquet" ]; then
		FRESHET_TEST_FORMAT=parquet mount_tests release "" # all of them, with feeds in Parquet
	fi
	install_tests
}

s3_part()
{
	local feed format
	check "build, release, for s3" build release gcc "${parquet[@]}" || return
	wait_for_minio
	if [ -z "${FRESHET_TEST_MINIO:-}" ]; then
		say "mount tests on S3: not run, MinIO is not here"
		skipped=$((skipped + 2))
		return
	fi
	if [ $all = no ]; then
		FRESHET_TEST_FEED=s3v4 mount_tests release "" -m "release and not long"
		FRESHET_TEST_FEED=s3v2 mount_tests release "$v2_files" -m release
		return
	fi
	for feed in s3v4 s3v2; do
		for format in "" ${with_parquet:+parquet}; do
			FRESHET_TEST_FORMAT=$format FRESHET_TEST_FEED=$feed mount_tests release ""
		done
	done
}

asan_part()
{
	check "build, asan" build asan gcc --buildtype=debugoptimized -Db_sanitize=address,undefined \
		-Db_lundef=false "${parquet[@]}" || return
	unit_tests asan env "${sanitizer_env[@]}"
	mount_tests asan "" -m "not tools"
}

tsan_part()
{
	local probe=$builds/logs/tsan-probe
	# ThreadSanitizer of these compilers cannot start where the kernel spreads addresses too widely.
	echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c -o "$probe" - || return
	tsan_run=(env)
	"$probe" 2>/dev/null || tsan_run=(setarch -R env)
	if ! "${tsan_run[@]}" "$probe"; then
		say "tsan: not run, its programs do not start on this kernel"
		skipped=$((skipped + 1))
		return
	fi
	# DuckDB is built without it, so its locks would not be seen.
	check "build, tsan" build tsan gcc --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false -Dparquet=disabled || return
	unit_tests tsan "${tsan_run[@]}" TSAN_OPTIONS=halt_on_error=1
	# The mount's threads: those that look, build and wait, and those that are late.
	[ ${#tsan_run[@]} -gt 1 ] || mount_tests tsan test_hung_feed.py
	# Those that fetch, and the followers'.
	[ ${#tsan_run[@]} -gt 1 ] || FRESHET_TEST_FEED=s3v4 mount_tests tsan test_follow.py -m release
}

# model_run BUILD ARGUMENT...: random steps or kept traces; what fails is cut down and saved in model/ beside the builds.
model_run()
{
	local name=$1
	shift
	FRESHET="$builds/$name/freshet" "$python" "$top/tests/model/run.py" --save "$builds/model" "$@"
}

model_pytest()
{
	(cd "$top" && FRESHET="$builds/release/freshet" MODEL_SAVE="$builds/model" timeout 3600 "$python" -m pytest -q \
		-p no:cacheprovider --confcutdir tests "tests/model/$1")
}

model_part()
{
	local much=(--seconds "${MODEL_SECONDS:-150}")
	[ -z "${MODEL_STEPS:-}" ] || much=(--steps "$MODEL_STEPS")
	check "build, release, for the model" build release gcc "${parquet[@]}" || return
	check "model, its own examples" model_pytest test_model.py
	check "model, kept cases" model_run release --cases
	check "model, random steps" model_run release "${much[@]}"
	check "model, Hypothesis" model_pytest machine.py
	if [ -x "$builds/asan/freshet" ]; then
		check "model, random steps, asan" model_run asan --seconds 20
	fi
}

# fuzz_target NOUN SECONDS: builds one target against the library and runs it on a copy of its corpus.
fuzz_target()
{
	local noun=$1 seconds=$2 dir=$builds/fuzz work=$builds/fuzz/run/$1
	local libs
	read -ra libs < <(pkg-config --libs sqlite3 libzstd zlib yyjson libutf8proc libxxhash libcrypto inih libcurl expat)
	rm -rf "$work" "$work.code"
	mkdir -p "$work/corpus" "$work/found" || return
	clang -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE \
		-Wall -Wextra -Wno-unused-parameter -Werror -I"$top/index" -o "$work/fuzz" \
		"$top/tests/fuzz/fuzz_$noun.c" "$dir/index/libfreshet-index.a" "${libs[@]}" -ls3 -lm -lpthread || return
	cp -r "$top/tests/fuzz/corpus/$noun/." "$work/corpus/" || return
	"${sanitizer_fuzz[@]}" "$work/fuzz" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=3000 \
		-artifact_prefix="$work/found/" -print_final_stats=1 "$work/corpus"
}

# What the run of a target left, as a case: its output and its exit code.
fuzz_result()
{
	cat "$builds/fuzz/run/$1.log"
	return "$(cat "$builds/fuzz/run/$1.code")"
}

fuzz_part()
{
	local target noun nouns=() seconds=${FUZZ_SECONDS:-20} results=$builds/fuzz/run
	check "build, clang and fuzzing" build_fuzz || return
	mkdir -p "$results"
	for target in "$top"/tests/fuzz/fuzz_*.c; do
		noun=$(basename "$target" .c)
		noun=${noun#fuzz_}
		nouns+=("$noun")
		# One a processor at a time.
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
			wait -n
		done
		{
			fuzz_target "$noun" "$seconds" >"$results/$noun.log" 2>&1
			echo $? >"$results/$noun.code"
		} &
	done
	wait
	for noun in "${nouns[@]}"; do
		check "fuzz $noun, $seconds s" fuzz_result "$noun"
	done
}

examples_part()
{
	local feeds=(env FRESHET="$builds/release/freshet")
	if [ -z "$with_parquet" ]; then
		say "examples: not run, they need Parquet"
		skipped=$((skipped + 2))
		return
	fi
	check "build, release, for the examples" build release gcc "${parquet[@]}" || return
	check "example, Delta Lake" "${feeds[@]}" bash "$top/examples/delta-lake/run.sh"
	wait_for_minio
	if [ -z "${FRESHET_TEST_MINIO:-}" ]; then
		say "example, Spark: not run, MinIO is not here"
		skipped=$((skipped + 1))
		return
	fi
	check "example, Spark into MinIO, killed and resumed" "${feeds[@]}" MINIO="$FRESHET_TEST_MINIO" bash "$top/examples/spark-minio/run.sh"
}

roots_part()
{
	local release
	for release in bookworm trixie; do
		check "bare $release, quickstart" bash "$top/tests/bare-root.sh" "$release" quickstart
		check "bare $release, systemd" bash "$top/tests/bare-root.sh" "$release" systemd
		check "bare $release, tests" bash "$top/tests/bare-root.sh" "$release" tests
	done
	check "bare trixie, package" bash "$top/tests/bare-root.sh" trixie package
}

sanitizer_env=(ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1)
sanitizer_fuzz=(env ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1)

# What reads a feed in every way that there is.
v2_files="test_ads.py test_bad_input.py test_kill.py test_partitions.py test_paths.py test_refresh.py"

mkdir -p "$builds/logs" || exit 73
if ! check "install what the tests need" install_tools; then
	echo "$passed passed, $failed failed"
	exit 1
fi
fetch_promtool
parquet=() with_parquet=
fetch_duckdb
minio_job=
if wants release || wants s3 || wants asan || wants tsan || wants examples; then
	start_minio
fi
for part in format docs release s3 asan tsan model fuzz examples roots; do
	wants "$part" || continue
	say "$part"
	"${part}_part"
done
[ $skipped = 0 ] || say "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
