#!/bin/sh
# SPDX-License-Identifier: MIT
# prom-client: the counters of a cluster fall when a worker dies, and rate() counts all of them again
#
# With:     prom-client 15.1.3 (npm), Node.js 20 with cluster; prometheus 2.42.0+ds-5+deb12u1 for promtool.
# Expected: AggregatorRegistry adds up the counters of all workers; a counter never falls, so what a dead
#           worker had counted stays in the sum.
# Seen:     the sum is over the workers that answer now: 1010 becomes 1000 when a worker that had done 10
#           is killed. To Prometheus a counter that falls was restarted and has counted from zero to the new
#           value since: increase() shows a thousand jobs that never were.
# Why:      a crash of one worker of many makes a spike in every rate, of all that the living ones have
#           ever done: an alert on the load fires, one on a standstill does not. Counters of workers that
#           may die belong where their death does not reach, or under a label for each of them.
. "$(dirname "$0")/common.inc"

debs prometheus=2.42.0+ds-5+deb12u1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts prom-client@15.1.3 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >cluster.js <<'J'
const cluster = require('cluster');
const { once } = require('events');
const prom = require('prom-client');

const registry = new prom.AggregatorRegistry();

async function start(jobs) {
    const worker = cluster.fork({ JOBS: jobs });
    await new Promise((resolve) => {
        worker.on('message', (message) => message === 'counted' && resolve());
    });
    return worker;
}

async function sum() {
    const text = await registry.clusterMetrics();
    return /^jobs_total (\d+)$/m.exec(text)[1];
}

async function main() {
    const survivor = await start(1000);
    const victim = await start(10);
    const before = await sum();
    victim.process.kill('SIGKILL');
    await once(victim, 'exit');
    const after = await sum();
    survivor.process.kill('SIGKILL');
    await once(survivor, 'exit');
    console.log(before, after);
}

if (cluster.isPrimary) {
    main();
} else {
    new prom.Counter({ name: 'jobs_total', help: 'Jobs done' }).inc(Number(process.env.JOBS));
    process.send('counted');
}
J
sums=$(node cluster.js)
before=${sums% *} after=${sums#* }
saw "jobs_total before: $before, after the death of the one with 10: $after"
cat >rule.yml <<R
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: jobs_total
        values: '$before $before $before $after $after $after'
    promql_expr_test:
      - expr: increase(jobs_total[5m])
        eval_time: 5m
        exp_samples:
          - labels: '{}'
            value: 1000
R
expect "the counter falls" test "$before $after" = "1010 1000"
expect "and Prometheus sees 1000 new jobs" "$root/usr/bin/promtool" test rules rule.yml
cd /
