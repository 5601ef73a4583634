#!/bin/sh
# SPDX-License-Identifier: MIT
# hdr-histogram-js: after 65536 equal values all percentiles are 0, the total count is right
#
# With:     hdr-histogram-js 3.0.1 (npm), Node.js 20, bitBucketSize 16 and 8 beside 32.
# Expected: a smaller count per bucket saves memory; a bucket that is full is an error, or stays full.
# Seen:     it begins again at 0. A value that was recorded 65536 times was never there, 65636 times are 100, while
#           totalCount has them all. Percentiles are looked up by the total and not found: the median and the 99th are
#           0, with 8 bits from 256 on. mean throws "Index Out Of Bounds". Another histogram to which this one is added
#           gets the wrong counts. With 32 bits, the usual ones, the same happens after 4294967296.
# Why:      the equal values are those of the good case: short waits, of which there are most. A latency of 0 on the
#           dashboard, after some minutes of load, is taken for an idle service.
. "$(dirname "$0")/common.inc"

cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts hdr-histogram-js@3.0.1 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >record.cjs <<'J'
const hdr = require('hdr-histogram-js');

function mean(histogram) {
    try {
        return histogram.mean.toFixed(0);
    } catch (e) {
        return e.message;
    }
}
function show(bits, times) {
    const histogram = hdr.build({ bitBucketSize: bits });
    if (times > 1e6) {
        histogram.recordValueWithCount(7, times);
    }
    for (let i = 0; i < times && times <= 1e6; i++) {
        histogram.recordValue(7);
    }
    for (let i = 0; i < 100; i++) {
        histogram.recordValue(500);
    }
    const percentiles = [10, 50, 99].map((p) => histogram.getValueAtPercentile(p));
    const sum = hdr.build({ bitBucketSize: 64 });
    sum.add(histogram);
    console.log(bits, times, 'total', histogram.totalCount, 'percentiles', ...percentiles, 'mean', mean(histogram),
        'added', sum.totalCount);
}
for (const [bits, times] of [[8, 255], [8, 300], [16, 65535], [16, 65536], [16, 70000], [32, 70000], [32, 2 ** 32]]) {
    show(bits, times);
}
J
timeout 60 node record.cjs | tee out
said() { grep -qE "^$1\$" out; }
none='percentiles 0 0 0 mean .*Out Of Bounds.*'
expect "16 bits, 65535 times: right" said '16 65535 total 65635 percentiles 7 7 7 mean 8 added .*'
expect "once more: zero" said "16 65536 total 65636 $none"
expect "8 bits: right up to 255" said '8 255 total 355 percentiles 7 7 500 mean 146 added .*'
expect "32 bits: right" said '32 70000 total 70100 percentiles 7 7 7 mean 8 added .*'
expect "until 2^32" said "32 4294967296 total 4294967396 $none"
cd /
