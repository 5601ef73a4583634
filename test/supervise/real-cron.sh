#!/bin/sh
# SPDX-License-Identifier: MIT
# The real cron of this system with a clock of its own: prints when it runs what, one line a run:
#   NUMBER-OF-THE-EXPRESSION TIME        (seconds since 1970)
# usage: real-cron.sh DIRECTORY ZONE START MINUTES FACTOR   the expressions: DIRECTORY/expressions
# To be run as root in mount and pid namespaces of its own. DIRECTORY is for its files.
set -u
dir=$1 zone=$2 start=$3 minutes=$4 factor=$5
export TZ="$zone"
faketime=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | head -n 1)
[ -n "$faketime" ] || exit 2

# Its own spool, and nothing of what this system would run.
mount -t tmpfs tmpfs /var/spool/cron && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm || exit 2
mkdir -m 1730 /var/spool/cron/crontabs
mkdir -p "$dir/none"
: >"$dir/none.crontab"
[ ! -d /etc/cron.d ] || mount --bind "$dir/none" /etc/cron.d || exit 2
[ ! -f /etc/crontab ] || mount --bind "$dir/none.crontab" /etc/crontab || exit 2
{
    echo 'MAILTO=""'
    echo "* * * * * date +tick,\\%s\\%N >>$dir/runs"
    sed "s|.*|& date +\$(NUMBER),\\\\%s\\\\%N >>$dir/runs|" "$dir/expressions" |
        awk '{ sub(/\$\(NUMBER\)/, NR); print }'
} >/var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
: >"$dir/runs"

# Jobs get no LD_PRELOAD from cron: they see the real time, and the ticks tell the minutes.
LD_PRELOAD=$faketime FAKETIME="@$(date -d "@$start" '+%Y-%m-%d %H:%M:%S') x$factor" cron -f &
tries=0
until [ "$(grep -c tick "$dir/runs")" -ge "$minutes" ]; do
    tries=$((tries + 1))
    [ $tries -lt 3000 ] || exit 3
    /bin/sleep 0.05
done
kill $!

# A run belongs to the tick that is nearest to it.
sort -t , -k 2n "$dir/runs" | awk -F , -v start="$start" '
    { tag[NR] = $1; at[NR] = $2 / 1e9 }
    $1 == "tick" { tick[++ticks] = $2 / 1e9 }
    END {
        for (i = 1; i <= NR; i++) {
            if (tag[i] == "tick") continue
            best = 1
            for (k = 2; k <= ticks; k++)
                if ((at[i] - tick[k]) ^ 2 < (at[i] - tick[best]) ^ 2) best = k
            printf "%d %d\n", tag[i], start + 60 * best
        }
    }'
