#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh [DIR] - from a bare Debian machine to postings of its own package catalogue, in one command.
#
# Installs what is missing, builds freshet (build/), writes a feed from this machine's package catalogue,
# mounts its index, shows six things to try, and then the feed changing. Everything lies in DIR (default:
# build-quickstart/ in this repository): feed/, state/, and the mount, index/, which is left up. May be run
# again: it then starts from a new feed.
set -euo pipefail
export LC_ALL=C.UTF-8

top=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$top/build-quickstart}
freshet=$top/build/freshet

bold='' plain=''
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
die() { printf 'quickstart: %s\n' "$2" >&2; exit "$1"; }
# try WHAT COMMAND: shows a command as a person would type it, and the first lines of what it prints.
try()
{
	local status
	say "$1"
	printf '$ %s\n' "$2"
	set +e
	bash -c "set -o pipefail; cd '$dir'; $2" 2>&1 | awk '
		NR <= 12 { print (length($0) > 240 ? substr($0, 1, 240) " ..." : $0) }
		END { if (NR > 12) print "... " NR " lines" }'
	status=${PIPESTATUS[0]}
	set -e
	[ "$status" = 0 ] || die 70 "that ended with exit code $status"
}

# Bare roots and containers often have no /dev/fuse, though the kernel has FUSE.
check_fuse()
{
	if [ ! -e /dev/fuse ] && [ "$(id -u)" = 0 ]; then
		mknod -m 666 /dev/fuse c 10 229 2>/dev/null || true
	fi
	[ -e /dev/fuse ] ||
		die 69 "FUSE is missing: there is no /dev/fuse. Load the kernel module (modprobe fuse); in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN; in a chroot, bind /dev into it"
	(: <>/dev/fuse) 2>/dev/null ||
		die 69 "FUSE is missing: /dev/fuse cannot be opened by $(id -un). In a container, start it with --device /dev/fuse --cap-add SYS_ADMIN"
}

build()
{
	[ -f "$top/build/build.ninja" ] || meson setup "$top/build" "$top" >/dev/null
	ninja -C "$top/build" freshet
}

# A new feed of the whole catalogue; apt's lists are fetched where there are none. Returns when the catalogue
# is written; feed-debian goes on in the background, with a partition every $every seconds.
every=10
write_feed()
{
	if [ "$(apt-cache pkgnames | wc -l)" -lt 10000 ]; then
		$([ "$(id -u)" = 0 ] || echo sudo) apt-get -qq update ||
			die 69 "apt-get update failed, and without package lists there is no catalogue"
	fi
	rm -rf "$dir/feed" "$dir/state" "$dir/standby"
	mkdir -p "$dir/index"
	coproc "$top/examples/feed-debian" "$dir/feed" --live $every
	feed_pid=$COPROC_PID
	trap 'kill $feed_pid 2>/dev/null || true' EXIT
	for _ in 1 2 3 4 5 6; do
		IFS= read -r line <&"${COPROC[0]}" || die 70 "writing the feed failed, see above"
		echo "$line"
	done
}

say "Installing what is missing"
bash "$top/examples/deps.sh" python3 rsync zstd
check_fuse
say "Building"
build
if mountpoint -q "$dir/index"; then
	fusermount3 -u "$dir/index" || die 75 "$dir/index is mounted and in use: leave it, then run this again"
fi
say "Writing a feed from this machine's package catalogue"
write_feed

say "Mounting its index"
cd "$dir"
printf '$ cd %s\n$ %s\n' "$dir" "$freshet mount feed index --state state --config feed/freshet.ini"
"$freshet" mount feed index --state state --config feed/freshet.ini ||
	die 69 "the mount failed, see above"
# The mount builds by itself when it is looked at; this only waits until it has.
"$freshet" build feed --state state --config feed/freshet.ini --set build.lock_wait=60s

try "How fresh is it?" "cat index/watermark"
try "Which packages have a word in their description?" "cat index/terms/chess"
try "Which of them are games? Postings are sorted: comm joins them" \
	"comm -12 index/terms/chess index/terms/section:games"
try "One document, as the feed gave it" "cat index/docs/gnuchess"
try "What became of each partition?" "cat index/partitions.tsv"
try "Published segments can be copied and checked anywhere" \
	"rsync -a index/generations/\$(cat index/generation)/segments/ standby/ && cd standby && sha256sum -c SHA256SUMS"

say "And the feed changes: every $every seconds some packages are changed, new or removed"
before=$(cat index/watermark)
for _ in $(seq 60); do
	# Looking is what makes the mount look at the feed (refresh = lazy).
	[ "$(cat index/watermark)" = "$before" ] || break
	sleep 1
done
try "The next partition is in the index" "cat index/watermark index/terms/tag:live::new"

say "The mount is up"
cat <<END
Look around:          cd $dir/index; cat README status; ls terms/chess* prefix/ches
Let the feed go on:   $top/examples/feed-debian $dir/feed --live $every
Take it down:         fusermount3 -u $dir/index
Remove all of it:     rm -r $dir
END
