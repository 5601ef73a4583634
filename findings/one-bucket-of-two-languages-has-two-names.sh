#!/bin/sh
# SPDX-License-Identifier: MIT
# Prometheus clients: a histogram of Node.js and Python workers has buckets le="1" and le="1.0", a query sees half
#
# With:     prom-client 15.1.3 (npm), Node.js 20; python3-prometheus-client 0.16.0-0.1 and promtool of prometheus
#           2.42.0+ds-5+deb12u1 (Debian 12).
# Expected: the same name and the same buckets, 0.5, 1 and 10, make one histogram, whatever the workers are
#           written in; a limit is a number.
# Seen:     it is a text, and Python writes whole numbers as "1.0", Node.js as "1". "Share of jobs within a
#           second" by le="1" finds the Node.js workers alone: 50 % for workers that are all in time; with "1.0" it
#           is the other half. histogram_quantile() reads numbers and is right, so the graph beside it
#           looks well. A counter "jobs" is jobs_total from Python and jobs from Node.js; with the
#           OpenMetrics content type, which exemplars need, Node.js changes to jobs_total, the limits stay.
# Why:      workers in two languages behind one bus share a dashboard and its alarms. The alarm goes off, or
#           never does, and every graph says otherwise. Choose limits that are no whole numbers, or ask for
#           le=~"1|1.0"; name counters with _total.
. "$(dirname "$0")/common.inc"

debs prometheus=2.42.0+ds-5+deb12u1 python3-prometheus-client=0.16.0-0.1 python3-decorator=5.1.1-3
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts prom-client@15.1.3 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >node.mjs <<'J'
import client from 'prom-client';

const registers = [new client.Registry()];
if (process.argv[2] === 'openmetrics') {
    registers[0].setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE);
}
new client.Histogram({ name: 'seconds', help: 'x', buckets: [0.5, 1, 10], registers }).observe(0.7);
new client.Counter({ name: 'jobs', help: 'x', registers }).inc();
console.log(await registers[0].metrics());
J
cat >python.py <<'P'
import prometheus_client

registry = prometheus_client.CollectorRegistry()
prometheus_client.Histogram("seconds", "x", buckets=[0.5, 1, 10], registry=registry).observe(0.7)
prometheus_client.Counter("jobs", "x", registry=registry).inc()
print(prometheus_client.generate_latest(registry).decode())
P
node node.mjs >node
node node.mjs openmetrics >openmetrics
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 python.py >python
limits() { sed -n 's/.*_bucket{le="\([^"]*\)".*/\1/p' "$1" | paste -sd' '; }
counter() { sed -n 's/^\(jobs[a-z_]*\) .*/\1/p' "$1" | grep -v created; }

# Two workers, sixty jobs a minute each, all of them between 0.5 and 1 second.
series() {
    for limit in $(limits "$1"); do
        count=60
        [ "$limit" != 0.5 ] || count=0
        printf "  - { series: 'seconds_bucket{worker=\"%s\",le=\"%s\"}', values: '0+%sx10' }\n" \
            "$1" "$limit" $count
    done
}
ask() { printf "  - { expr: '%s', eval_time: 10m, exp_samples: [{ labels: '{}', value: %s }] }\n" "$1" "$2"; }
share() { ask "sum(rate(seconds_bucket{le=$1}[5m])) / sum(rate(seconds_bucket{le=\"+Inf\"}[5m]))" "$2"; }
{
    printf 'evaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n'
    series node
    series python
    echo '  promql_expr_test:'
    share '"1"' 0.5
    share '"1.0"' 0.5
    share '~"1|1.0"' 1
    ask 'histogram_quantile(0.5, sum by (le) (rate(seconds_bucket[5m])))' 0.75
} >queries.yml
saw "Node.js: $(limits node), $(counter node); OpenMetrics: $(limits openmetrics), $(counter openmetrics)"
saw "Python: $(limits python), $(counter python)"
expect "Node.js writes 1" test "$(limits node)" = "0.5 1 10 +Inf"
expect "Python writes 1.0" test "$(limits python)" = "0.5 1.0 10.0 +Inf"
expect "the counter has two names" test "$(counter node) $(counter python)" = "jobs jobs_total"
expect "with OpenMetrics one, and the limits stay" \
    test "$(counter openmetrics) $(limits openmetrics)" = "jobs_total 0.5 1 10 +Inf"
expect "each limit finds one half, the quantile is right" "$root/usr/bin/promtool" test rules queries.yml
cd /
