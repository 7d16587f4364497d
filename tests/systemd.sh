#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd.sh FRESHET - tests the units of examples/systemd under the systemd that is PID 1; tests/bare-root.sh boots one.
# Installs what it tests: for a machine that is thrown away afterwards. Prints a line a case; ends at the first that fails.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
feed=/srv/feed point=/srv/freshet/ads
log=$(mktemp)

failed() { printf 'FAILED: %s\n' "$1"; systemctl status --no-pager -l 'freshet*' || :; journalctl --no-pager -n 60 || :; exit 1; }
case_is() { printf 'ok: %s\n' "$1"; }
eventually()
{
	local end=$((SECONDS + 120))
	until "$@" >"$log" 2>&1; do
		[ $SECONDS -lt $end ] || { cat "$log"; return 1; }
	done
}
# put MINUTE ID: a partition with one document.
put()
{
	local dir=$feed/dt=2024-05-04/hour=10/minute=$1
	mkdir -p "$dir"
	printf '{"id": "%s", "title": "espresso"}\n' "$2" >"$dir/.new"
	mv "$dir/.new" "$dir/part.jsonl"
}
shows() { [ "$(paste -sd' ' "$point/terms/espresso")" = "$1" ]; }
status_has() { systemctl show -P StatusText freshet@ads | grep -q "$1"; }
is_active() { [ "$(systemctl is-active "$1")" = "$2" ]; }
pid_of() { systemctl show -P MainPID freshet@ads; }
pid_is_not() { local now; now=$(pid_of); [ "$now" != "$1" ] && [ "$now" != 0 ]; }

install -D -m 755 "$1" /usr/bin/freshet
install -m 644 -t /etc/systemd/system "$top"/examples/systemd/*.service "$top"/examples/systemd/*.timer
mkdir -p /etc/freshet
printf '[feed]\nurl = %s\nquiet = 0s\n[lag]\nwindow = all\n[mount]\nrefresh = eager\n[publish]\ndest = /srv/pub\n' $feed >/etc/freshet/ads.ini
put 00 a
systemctl daemon-reload
systemd-analyze verify --man=no freshet@ads.service freshet-build@ads.service freshet-restart@ads.timer freshet-build@ads.timer ||
	failed "systemd-analyze verify"
case_is "the units are well formed"

# What is published into a directory needs a hole in the wall.
mkdir -p /srv/pub /etc/systemd/system/freshet-build@ads.service.d
printf '[Service]\nReadWritePaths=/srv/pub\n' >/etc/systemd/system/freshet-build@ads.service.d/publish.conf
systemctl daemon-reload
systemctl start freshet-build@ads.service || failed "a build as a service"
freshet status --state /var/lib/freshet/ads | grep -q 'documents  *1' || failed "what it built"
freshet status --json --state /var/lib/freshet/ads | grep -q '"dest_generation": 1' || failed "what it published"
case_is "freshet-build@: built and published behind all its walls"

systemctl start freshet@ads.service || failed "start"
mountpoint -q $point && shows a || failed "start returns when the mount answers, and the host sees it"
# Not only root: allow_other.
setpriv --reuid 65534 --clear-groups cat $point/terms/espresso >/dev/null || failed "others may read"
eventually status_has 'generation 1, watermark 2024-05-04T10:00:00Z' || failed "the status line"
case_is "freshet@: start returns when the mount answers, outside too"

put 05 b
eventually shows 'a b' || failed "a build that the mount starts, behind its walls"
eventually status_has 'generation 2' || failed "the status line after a publish"
journalctl -u freshet@ads -p info | grep -q 'generation 2 is served' || failed "the journal has levels"
[ -z "$(journalctl -q -u freshet@ads -p warning)" ] || failed "no warnings"
case_is "freshet@: follows the feed, and the journal knows levels"

printf '[mount]\nrefresh = eager\n' >/etc/freshet/standby.ini
printf 'SOURCE=/srv/pub\nOPTIONS=allow_other,follow\n' >/etc/freshet/standby.env
systemctl start freshet@standby.service || failed "start of a follower"
follower_shows() { [ "$(paste -sd' ' /srv/freshet/standby/terms/espresso)" = "$1" ]; }
eventually follower_shows 'a b' || failed "what a follower shows"
systemctl stop freshet@standby.service || failed "stop of a follower"
case_is "freshet@: follows what another publishes"

before=$(pid_of)
systemctl start freshet-restart@ads.service && pid_is_not "$before" && shows 'a b' || failed "a planned restart"
case_is "freshet-restart@: serves again when it returns"

before=$(pid_of)
kill -KILL "$before"
eventually pid_is_not "$before" && eventually is_active freshet@ads active && shows 'a b' || failed "after kill -9"
case_is "freshet@: is back after kill -9"

# Stopped as a whole, it serves nobody and sends no sign of life.
mkdir -p /run/systemd/system/freshet@ads.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/freshet@ads.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart freshet@ads.service
before=$(pid_of)
kill -STOP "$before"
eventually pid_is_not "$before" && eventually is_active freshet@ads active && shows 'a b' || failed "the watchdog"
journalctl -u freshet@ads | grep -qi 'watchdog timeout' || failed "it was the watchdog"
case_is "freshet@: the watchdog restarts what hangs"

systemctl stop freshet@ads.service
! mountpoint -q $point || failed "stop"
is_active freshet@ads inactive || failed "a clean stop is no failure"
case_is "freshet@: stops clean"

# fstab with an automount: mounted by the first use.
mkdir -p /srv/auto
echo "$feed /srv/auto fuse.freshet _netdev,noauto,x-systemd.automount,allow_other,state=/var/lib/freshet/ads,config=/etc/freshet/ads.ini 0 0" >>/etc/fstab
systemctl daemon-reload
systemctl start srv-auto.automount || failed "the automount of a line of fstab"
[ "$(paste -sd' ' /srv/auto/terms/espresso)" = 'a b' ] || failed "its first use mounts"
systemctl stop srv-auto.mount srv-auto.automount || failed "its end"
case_is "fstab: x-systemd.automount mounts at the first use"
systemd-analyze security --no-pager freshet@ads.service freshet-build@ads.service | tail -n 3 || :
for unit in freshet@ads freshet-build@ads; do
	systemd-analyze security --no-pager $unit.service | tail -n 1
done
