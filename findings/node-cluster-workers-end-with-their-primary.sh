#!/bin/sh
# SPDX-License-Identifier: MIT
# Node.js: the workers of a killed cluster primary end at once, in the middle of their work, with status 0
#
# With:     Node.js 20, modules cluster and child_process.
# Expected: the workers are processes of their own; a dead primary starts no new ones, and the old ones
#           go on, at least until their work is done. So it is with child_process.fork().
# Seen:     a worker of cluster calls process.exit(0) as soon as its channel to the primary closes. Timers,
#           promises and requests under way are cut off, no signal handler is asked, and whoever reaps
#           it reads status 0, "ended well". One started by fork() works on, without a parent.
# Why:      a supervisor that starts the cluster again after a kill cannot count on the workers to have
#           finished, nor on their status to tell it. Work that was taken must be given back by
#           somebody who sees the death, not the exit status.
. "$(dirname "$0")/common.inc"

cd "$tmp"
cat >work.js <<'J'
const fs = require('fs');
const cluster = require('cluster');
const { fork } = require('child_process');

const kind = process.argv[2];

function work() {
    process.on('exit', (code) => fs.writeFileSync(`${kind}.status`, `${code}`));
    process.on('message', () => {});
    process.on('SIGTERM', () => {});
    process.send('started');
    setTimeout(() => {
        fs.writeFileSync(`${kind}.done`, '');
        process.exit(7);
    }, 2000);
}

function start() {
    if (kind === 'cluster') {
        cluster.setupPrimary({ args: [kind] });
        return cluster.fork();
    }
    return fork(__filename, [kind, 'worker']);
}

if (cluster.isWorker || process.argv[3] === 'worker') {
    work();
} else {
    start().on('message', () => process.kill(process.pid, 'SIGKILL'));
}
J
saw "$(node --version)"
ended() { test -s "$1.status"; }
for kind in cluster fork; do
    node work.js $kind || :
    until_true ended $kind
    done=cut
    [ ! -e $kind.done ] || done=finished
    echo "$kind: work $done, status $(cat $kind.status)"
done >out 2>/dev/null
cat out
expect "a worker of a cluster ends at once, with 0" grep -qx 'cluster: work cut, status 0' out
expect "a forked one finishes" grep -qx 'fork: work finished, status 7' out
cd /
