#!/bin/sh
# SPDX-License-Identifier: MIT
# workerpool: a worker is killed, and the tasks that wait are not started until somebody submits another one
#
# With:     workerpool 10.0.3 (npm), Node.js 20, workers as processes and as threads.
# Expected: the task of a worker that dies fails, with an error; a new worker is started, as many as the pool may have, and
#           takes the next task from the queue.
# Seen:     the error comes at once. Then there is no worker, and none is started: two tasks wait, stats() says
#           pendingTasks 2, totalWorkers 0, with kill -9 of a process as with process.exit() in a thread. The next exec()
#           of anybody starts one, and it does all three.
# Why:      a batch that was submitted as a whole and is then waited for never ends, if its last submission was before
#           the kill; a service under steady load never shows it.
. "$(dirname "$0")/common.inc"

cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts workerpool@10.0.3 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >worker.cjs <<'J'
const workerpool = require('workerpool');
const { isMainThread } = require('node:worker_threads');

workerpool.worker({
    work(what) {
        if (what !== 'dies') {
            return what;
        }
        return isMainThread ? process.kill(process.pid, 'SIGKILL') : process.exit(0);
    },
});
J
cat >batch.cjs <<'J'
const { setTimeout: sleep } = require('node:timers/promises');
const workerpool = require('workerpool');

async function batch(workerType) {
    const pool = workerpool.pool(`${__dirname}/worker.cjs`, { workerType, maxWorkers: 1 });
    const results = {};
    const submit = (what) => pool.exec('work', [what]).then(
        () => { results[what] = 'done'; },
        () => { results[what] = 'failed'; },
    );
    const first = submit('dies');
    const others = [submit('a'), submit('b')];
    await first;
    await sleep(5000);
    const { pendingTasks, totalWorkers } = pool.stats();
    console.log(workerType, JSON.stringify(results), 'pending', pendingTasks, 'workers', totalWorkers);
    await Promise.all([...others, submit('c')]);
    console.log(workerType, JSON.stringify(results));
    await pool.terminate(true);
}
batch('process').then(() => batch('thread')).then(() => process.exit(0));
J
timeout 60 node batch.cjs | tee out
said() { grep -qxF "$1" out; }
for kind in process thread; do
    expect "$kind: nothing is started" said "$kind {\"dies\":\"failed\"} pending 2 workers 0"
    expect "$kind: another task, and all are done" eval "grep '^$kind' out | tail -n 1 | grep -q '\"a\":\"done\".*\"b\":\"done\"'"
done
cd /
