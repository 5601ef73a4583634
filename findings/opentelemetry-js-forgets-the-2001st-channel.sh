#!/bin/sh
# SPDX-License-Identifier: MIT
# OpenTelemetry for JavaScript: the 2001st channel has no counter, and two libraries with one name spoil the whole page
#
# With:     @opentelemetry/sdk-metrics 2.12.1, @opentelemetry/exporter-prometheus 0.223.0, @opentelemetry/api 1.9.1
#           (npm), Node.js 20; promtool of prometheus 2.42.0+ds-5+deb12u1 (Debian 12).
# Expected: a counter with a label per channel has one series per channel; too many of them cost memory. Two parts of a
#           program that both have a counter "jobs" get two series, by scope, in one family of the page.
# Seen:     from the 2000th set of labels on all others are one series, otel_metric_overflow="true", without
#           their labels: which 1999 channels have counters is decided by who came first after the start, and there is
#           no error and no log line. The two counters "jobs" are written with a HELP and TYPE line each, and
#           promtool, like each reader that is strict, refuses the page at the second one, with all metrics in it.
# Why:      after a restart other channels have counters than before: series end and begin, alerts for one channel
#           never fire, sums stay right, so nobody looks. A second library that counts "requests" ends the monitoring of
#           the first one where pages are checked or pushed on.
. "$(dirname "$0")/common.inc"

debs prometheus=2.42.0+ds-5+deb12u1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @opentelemetry/sdk-metrics@2.12.1 \
    @opentelemetry/exporter-prometheus@0.223.0 @opentelemetry/api@1.9.1 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >page.cjs <<'J'
const { MeterProvider } = require('@opentelemetry/sdk-metrics');
const { PrometheusExporter, PrometheusSerializer } = require('@opentelemetry/exporter-prometheus');

async function page(fill) {
    const reader = new PrometheusExporter({ preventServerStart: true });
    fill(new MeterProvider({ readers: [reader] }));
    const { resourceMetrics, errors } = await reader.collect();
    console.error('errors', errors.length);
    return new PrometheusSerializer().serialize(resourceMetrics).trimEnd();
}
function channels(provider) {
    const counter = provider.getMeter('bus').createCounter('messages', { description: 'Messages.' });
    for (let i = 1; i <= 2500; i++) {
        counter.add(i <= 2400 ? 1 : 1000, { channel: `c${i}` });
    }
}
function scopes(provider) {
    for (const scope of process.argv.slice(3)) {
        provider.getMeter(scope).createCounter('jobs', { description: 'Jobs.' }).add(1);
    }
}
page(process.argv[2] === 'channels' ? channels : scopes).then(console.log);
J
node page.cjs channels >channels 2>>log
node page.cjs scopes one >one 2>>log
node page.cjs scopes one two >two 2>>log
series() { grep -c '^messages_total{channel=' channels; }
saw "$(series) series of 2500 channels; $(grep overflow channels)"
expect "1999 channels" test "$(series)" = 1999
expect "the busy ones are not among them" eval '! grep -q "channel=\"c2450\"" channels'
expect "but in the overflow" grep -qE '^messages_total\{.*overflow="true".*\} 100401$' channels
expect "no error" eval '! grep -vqx "errors 0" log'
checked() { "$root/usr/bin/promtool" check metrics <"$1" >checked 2>&1; }
expect "one scope: a valid page" eval 'checked one || ! grep -q "parsing error" checked'
expect "two: refused" eval '! checked two && grep -q "second HELP line" checked'
saw "$(cat checked)"
cd /
