#!/bin/sh
# SPDX-License-Identifier: MIT
# prom-client: the median of four workers is four times the median of one
#
# With:     prom-client 15.1.3 (npm), Node.js 20 with cluster.
# Expected: AggregatorRegistry adds up counters and histograms; quantiles of a Summary cannot be added, so it
#           leaves them out, averages them, or refuses. A gauge that holds a time is not added up either.
# Seen:     whatever it is, it is added up. Four workers that each measured jobs of 0 to 1 second have a median
#           of 2 seconds and a 99th percentile of 4 in clusterMetrics(). "Time of the last job" is the sum of four
#           times, a date in the year 2185. An own aggregator has to be named for each gauge; for a Summary
#           "average" would be applied to its _sum and _count as well.
# Why:      the numbers are of the right kind and smooth; only their size is wrong, by the number of workers, and
#           falls when one dies. An alert "p99 above 2 s" rings on the day a service gets more workers.
. "$(dirname "$0")/common.inc"

cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts prom-client@15.1.3 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >measure.cjs <<'J'
const cluster = require('node:cluster');
const client = require('prom-client');

const registry = new client.AggregatorRegistry();
if (cluster.isPrimary) {
    const wanted = Number(process.argv[2]);
    let ready = 0;
    cluster.on('message', async (worker, message) => {
        if (message === 'ready' && ++ready === wanted) {
            console.log(await registry.clusterMetrics());
            process.exit(0);
        }
    });
    for (let i = 0; i < wanted; i++) {
        cluster.fork();
    }
} else {
    const seconds = new client.Summary({ name: 'job_seconds', help: 'Jobs.', percentiles: [0.5, 0.99] });
    const last = new client.Gauge({ name: 'job_last_time_seconds', help: 'When the last job ended.' });
    for (let i = 0; i < 1000; i++) {
        seconds.observe(i / 1000);
    }
    last.set(1700000000);
    process.send('ready');
}
J
for workers in 1 4; do
    timeout 60 node measure.cjs "$workers" >"$workers"
    saw "$workers workers: $(grep -v '^#' "$workers" | paste -sd' ')"
done
value() { sed -n "s/^$2 //p" "$1"; }
between() { awk -v a="$1" -v x="$2" -v b="$3" 'BEGIN { exit !(x >= a && x <= b) }'; }
expect "one worker: half a second" between 0.49 "$(value 1 'job_seconds{quantile="0.5"}')" 0.51
expect "four: two seconds" between 1.9 "$(value 4 'job_seconds{quantile="0.5"}')" 2.1
expect "no job took a second, the 99th percentile is four" \
    between 3.8 "$(value 4 'job_seconds{quantile="0.99"}')" 4
expect "their count is right" test "$(value 4 job_seconds_count)" = 4000
expect "a time is added up" test "$(value 4 job_last_time_seconds)" = 6800000000
cd /
