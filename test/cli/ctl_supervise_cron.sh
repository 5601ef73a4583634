#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: cron expressions, against the cron of this system at both changes of the clock.
name=supervise-cron
. "$(dirname "$0")/ctl.inc"
unless_brief "cron expressions, against the cron of this system"
bin=$(dirname "$ctl")
zone=Europe/Berlin

cat >"$dir/expressions" <<'END'
30 2 * * *
0 2 * * *
0 3 * * *
59 1 * * *
0 * * * *
*/30 * * * *
15,45 2 * * *
30 1-3 * * *
30 2 29 3 *
0 2 * * 7
5 * * 10 sun
*/20 2 * * *
END
can() {
    [ "$(id -u)" = 0 ] && [ -e /usr/share/zoneinfo/$zone ] && command -v cron >/dev/null &&
        ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 && unshare --mount --pid --fork true 2>/dev/null
}
# both START MINUTES FACTOR: from the real one into real.txt, from ours into ours.txt. A time of the
# real one that is leapt over twice (15,45 2 * * *) is run twice in one minute; ours is due in it.
both() {
    mkdir -p "$dir/cron"
    cp "$dir/expressions" "$dir/cron/"
    unshare --mount --pid --fork --kill-child sh "$root/test/supervise/real-cron.sh" "$dir/cron" $zone "$1" "$2" "$3" \
        >"$dir/runs.txt" 2>"$err"
    status=$?
    while read -r number when; do
        echo "$(sed -n "${number}p" "$dir/expressions"): $(TZ=$zone date -d "@$when" '+%m-%d %H:%M %Z')"
    done <"$dir/runs.txt" | sort -u >"$dir/real.txt"
    while read -r expression; do
        "$bin/test-cron" "$expression" $zone $(($1 + 60)) $(($1 + $2 * 60 + 60)) | sed "s|^|$expression: |"
    done <"$dir/expressions" | sort >"$dir/ours.txt"
}
# A machine that is too busy mixes neighbouring minutes of a fast clock: then again with a slower one.
agree() {
    for factor in $3 $(($3 / 2)); do
        both "$1" "$2" "$factor"
        if [ "$status" = 0 ] && [ -s "$dir/real.txt" ] && diff "$dir/real.txt" "$dir/ours.txt" >"$out"; then
            return 0
        fi
    done
    return 1
}

if can; then
    check "clocks forward: the same runs as Debian's cron" \
        agree "$(TZ=$zone date -d '2026-03-29 01:55' +%s)" 12 120
    check "clocks back: the same runs as Debian's cron" \
        agree "$(TZ=$zone date -d '2026-10-25 01:57 CEST' +%s)" 126 240
else
    skip "against the real cron" "needs root, cron, faketime and the time zones"
fi
end
