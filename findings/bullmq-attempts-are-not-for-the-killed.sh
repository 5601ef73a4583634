#!/bin/sh
# SPDX-License-Identifier: MIT
# BullMQ: a job with ten attempts fails for good when its worker is killed for the second time
#
# With:     bullmq 6.7.0, ioredis 5.11.1 (npm), Node.js 20; redis-server 7.0.15-1~deb12u10 (Debian 12), loopback.
# Expected: "attempts: 10" is how often a job is tried, whatever ends a try. An exception is a failed try, and a
#           killed worker, out of memory or by a deployment, is one, or none since it was not the job's fault.
# Seen:     exceptions are tried ten times. For a killed worker there is another limit, one, whatever attempts says:
#           after the second kill the job is failed ("job stalled more than allowable limit"), with attempts
#           left: attemptsMade is 0 in both tries and 1 in the end.
# Why:      two quick deployments, or two kills for want of memory, and the job that was to be tried ten times is in
#           the list of failed ones, beside those with bugs. maxStalledCount of the worker is the number to set.
. "$(dirname "$0")/common.inc"

debs redis-tools=5:7.0.15-1~deb12u10 redis-server=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1 \
    liblua5.1-0=5.1.5-9 lua-cjson=2.1.0+dfsg-2.2 lua-bitop=1.0.2-7
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts bullmq@6.7.0 ioredis@5.11.1 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
"$root/usr/bin/redis-server" --port 18399 --bind 127.0.0.1 --save '' --dir "$tmp" >redis.log 2>&1 &
pids=$!
until_true grep -q 'Ready to accept' redis.log
export NODE_PATH=$tmp/node_modules
cat >queue.cjs <<'J'
const { Queue, Worker } = require('bullmq');

const connection = { host: '127.0.0.1', port: 18399 };
const [what] = process.argv.slice(2);

async function add() {
    const queue = new Queue('jobs', { connection });
    await queue.add('throws', {}, { attempts: 10 });
    await queue.add('kills', {}, { attempts: 10 });
    await queue.close();
}
async function show() {
    const queue = new Queue('jobs', { connection });
    for (const id of ['1', '2']) {
        const job = await queue.getJob(id);
        console.log(job.name, await job.getState(), 'made', job.attemptsMade, job.failedReason);
    }
    await queue.close();
}
function work() {
    const worker = new Worker('jobs', async (job) => {
        console.log('try', job.name, job.attemptsMade);
        if (job.name === 'kills') {
            process.kill(process.pid, 'SIGKILL');
            await new Promise(() => {});
        }
        throw new Error('on purpose');
    }, { connection, lockDuration: 1000, stalledInterval: 500 });
    worker.on('failed', (job, error) => {
        if (job.name === 'kills') {
            console.log('failed', error.message);
            process.exit(0);
        }
    });
}
({ add, show, work })[what]();
J
timeout 20 node queue.cjs add
# Three workers, one after another; the third one finds nothing to do but the verdict.
for i in 1 2 3; do
    timeout 20 node queue.cjs work >>tries 2>&1 || :
done
timeout 20 node queue.cjs show >state
sed 's/^/seen: /' tries state | sort | uniq -c
expect "ten tries for exceptions" test "$(grep -c '^try throws' tries)" = 10
expect "two for kills" test "$(grep -c '^try kills 0' tries) $(grep -c '^try kills' tries)" = "2 2"
expect "then it is failed" grep -qx 'failed job stalled more than allowable limit' tries
expect "and stays so" grep -qx 'kills failed made 1 job stalled more than allowable limit' state
cd /
