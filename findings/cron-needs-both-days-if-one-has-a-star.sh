#!/bin/sh
# SPDX-License-Identifier: MIT
# cron: "every second day, and on Mondays" runs on Mondays with an odd date only; the libraries disagree
#
# With:     cron 3.0pl1-162 and libfaketime 0.9.10-2.1 (Debian 12); croner 11.0.1, cron 4.4.0, cron-parser 5.10.6
#           (npm), python3-croniter 1.3.5-3 (Debian 12). Needs root (for a mount namespace).
# Expected: if day of month and day of week are both restricted, the job runs when either matches. In
#           "0 0 */2 * 1" both are, so it runs on odd days and on Mondays; so say all four libraries.
# Seen:     cron looks at the first character of the field: a star, with a step too, means "not restricted", and
#           then both must match. The job runs on Mondays with an odd date, about twice a month. Written
#           as 1-31/2, the same days, it runs on all odd days and all Mondays.
# Why:      a schedule that is moved from crontab into a program, or read by a dashboard that shows the next
#           run, means other days, with no error anywhere.
. "$(dirname "$0")/common.inc"

debs cron=3.0pl1-162 libfaketime=0.9.10-2.1 python3-croniter=1.3.5-3
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts croner@11.0.1 cron@4.4.0 cron-parser@5.10.6 \
    >"$tmp/npm.log" 2>&1 || { cat "$tmp/npm.log" && exit 2; }

# Runs cron in a world of its own, ten times as fast, from a time on, until the sentinel job has run.
cat >world.sh <<'W'
set -eu
tmp=$1 root=$2 now=$3
mkdir -p /var/spool/cron /etc/cron.d
for d in /var/spool/cron /etc/cron.d /run; do mount -t tmpfs tmpfs "$d"; done
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mkdir /var/spool/cron/crontabs
cat >/var/spool/cron/crontabs/root <<T
* * */2 * 1 echo star >>$tmp/ran
* * 1-31/2 * 1 echo range >>$tmp/ran
* * * * * sleep 3; echo any >>$tmp/ran
T
chmod 600 /var/spool/cron/crontabs/root
export FAKETIME="@$now x10" LD_PRELOAD="$root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
exec "$root/usr/sbin/cron" -f
W
ran() {
    : >ran
    unshare --mount --pid --fork --kill-child sh world.sh "$tmp" "$root" "$1" >cron.log 2>&1 &
    pids=$!
    until_true grep -q any ran
    kill -9 "$pids"
    wait "$pids" 2>/dev/null || :
    sort -u ran | paste -sd,
}
wednesday=$(ran '2026-06-03 10:00:50')
odd_monday=$(ran '2026-06-01 10:00:50')
even_monday=$(ran '2026-06-08 10:00:50')
cat >libraries.mjs <<'J'
import { Cron } from 'croner';
import { CronTime } from 'cron';
import { CronExpressionParser } from 'cron-parser';

const text = '0 0 */2 * 1';
const timezone = 'UTC';
const days = (dates) => dates.map((date) => date.toISOString().slice(8, 10)).join(' ');
const from = new Date('2026-06-02T12:00:00Z');
const times = CronExpressionParser.parse(text, { currentDate: from, tz: timezone });
const time = new CronTime(text, timezone);
const cron = [];
for (let last = from; cron.length < 4; cron.push(last)) {
    last = time.getNextDateFrom(last, timezone).toJSDate();
}
console.log('croner', days(new Cron(text, { timezone }).nextRuns(4, from)));
console.log('cron', days(cron));
console.log('cron-parser', days(Array.from({ length: 4 }, () => times.next().toDate())));
J
node libraries.mjs >out
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 - >>out <<'P'
import datetime

import croniter

times = croniter.croniter("0 0 */2 * 1", datetime.datetime(2026, 6, 2, 12))
print("croniter", *(times.get_next(datetime.datetime).strftime("%d") for _ in range(4)))
P
saw "cron ran on Wednesday 3rd: $wednesday; Monday 1st: $odd_monday; Monday 8th: $even_monday"
cat out
expect "an odd Wednesday: only the field without a star" test "$wednesday" = any,range
expect "an odd Monday: both" test "$odd_monday" = any,range,star
expect "an even Monday: only the field without a star" test "$even_monday" = any,range
for name in croner cron cron-parser croniter; do
    expect "$name: odd days and Mondays" grep -qx "$name 03 05 07 08" out
done
cd /
