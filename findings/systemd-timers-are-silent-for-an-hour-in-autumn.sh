#!/bin/sh
# SPDX-License-Identifier: MIT
# systemd: "hourly" and "every ten minutes" leave out the hour that comes twice, "daily at 2:30" leaves out a day
#
# With:     systemd 252.39-1~deb12u2 (Debian 12), systemd-analyze calendar, rules of Central Europe; beside it
#           croner 11.0.1, cron 4.4.0 and cron-parser 5.10.6 (npm), Node.js 20.
# Expected: a timer that fires each hour, or every ten minutes, does so on all days: wall clock or not, an hour
#           after one elapse comes the next. A daily one fires once on each day, a little late in spring.
# Seen:     in autumn, when 2:00 to 3:00 comes twice, OnCalendar=hourly is silent for two hours and *:0/10 for
#           70 minutes. In spring *-*-* 02:30 does not fire at all that day. The cron libraries for JavaScript
#           fire every ten minutes in autumn, and make up for the missing 2:30 in spring, at 3:00
#           (croner, cron) or 3:30 (cron-parser).
# Why:      a watchdog that expects a sign of life each half hour, or a lease renewed by a timer, fails in one
#           night of the year, a queue cleared nightly is not. Say UTC in the expression, or use
#           OnUnitActiveSec=. Moved from one scheduler to another, a job gets other nights.
. "$(dirname "$0")/common.inc"

debs systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts croner@11.0.1 cron@4.4.0 cron-parser@5.10.6 \
    >"$tmp/npm.log" 2>&1 || { cat "$tmp/npm.log" && exit 2; }

# The times in UTC at which a calendar expression elapses after a local time.
elapses() {
    TZ=CET-1CEST,M3.5.0,M10.5.0/3 LD_LIBRARY_PATH=$libs/systemd:$libs \
        "$root/usr/bin/systemd-analyze" calendar --iterations="$3" --base-time "$2" "$1" |
        sed -n 's/.*(in UTC): [A-Z][a-z]* \(.*\):00 UTC/\1/p' | paste -sd,
}
cat >libraries.mjs <<'J'
import { Cron } from 'croner';
import { CronTime } from 'cron';
import { CronExpressionParser } from 'cron-parser';

const timezone = 'Europe/Berlin';
const libraries = {
    croner: (text, from, n) => new Cron(text, { timezone }).nextRuns(n, from),
    cron: (text, from, n) => {
        const time = new CronTime(text, timezone);
        const runs = [];
        for (let last = from; runs.length < n; runs.push(last)) {
            last = time.getNextDateFrom(last, timezone).toJSDate();
        }
        return runs;
    },
    'cron-parser': (text, from, n) => {
        const times = CronExpressionParser.parse(text, { currentDate: from, tz: timezone });
        return Array.from({ length: n }, () => times.next().toDate());
    },
};
for (const [name, runs] of Object.entries(libraries)) {
    const autumn = runs('*/10 * * * *', new Date('2026-10-25T00:05:00Z'), 20);
    const gaps = autumn.slice(1).map((date, i) => (date - autumn[i]) / 60000);
    const spring = runs('30 2 * * *', new Date('2026-03-28T12:00:00Z'), 1)[0];
    console.log(name, 'longest gap', Math.max(...gaps), 'spring', spring.toISOString().slice(0, 16));
}
J
hourly=$(elapses hourly '2026-10-24 22:30 UTC' 4)
minutes=$(elapses '*:0/10' '2026-10-25 00:45 UTC' 3)
utc=$(elapses '*:0/10 UTC' '2026-10-25 00:45 UTC' 3)
daily=$(elapses '*-*-* 02:30' '2026-03-27 12:00 UTC' 2)
saw "hourly: $hourly; every ten minutes: $minutes, in UTC: $utc"
saw "daily at 2:30: $daily"
node libraries.mjs | tee out
expect "hourly: no elapse at 1:00 UTC" \
    test "$hourly" = "2026-10-24 23:00,2026-10-25 00:00,2026-10-25 02:00,2026-10-25 03:00"
expect "every ten minutes: none between 0:50 and 2:00 UTC" \
    test "$minutes" = "2026-10-25 00:50,2026-10-25 02:00,2026-10-25 02:10"
expect "with UTC said: none is left out" \
    test "$utc" = "2026-10-25 00:50,2026-10-25 01:00,2026-10-25 01:10"
expect "daily: nothing on the 29th" test "$daily" = "2026-03-28 01:30,2026-03-30 00:30"
expect "croner goes on" grep -qx 'croner longest gap 10 spring 2026-03-29T01:00' out
expect "cron goes on" grep -qx 'cron longest gap 10 spring 2026-03-29T01:00' out
expect "cron-parser goes on" grep -qx 'cron-parser longest gap 10 spring 2026-03-29T01:30' out
cd /
