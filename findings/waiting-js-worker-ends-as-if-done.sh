#!/bin/sh
# SPDX-License-Identifier: MIT
# Atomics.waitAsync(): a worker that waits for its peer ends with exit code 0 instead of waiting
#
# With:     Node.js 20.20, worker_threads, SharedArrayBuffer.
# Expected: "await Atomics.waitAsync(...)" is the sleep that does not block the event loop; like each other
#           pending operation with a promise (a timer, a read) it keeps the thread alive until it is over, or until
#           its time limit, as the blocking Atomics.wait() does.
# Seen:     it keeps nothing alive. A worker that has nothing else to do ends at once, exit code 0, "exit" is
#           the only event; a notify() a little later wakes nobody. A time limit does not count either: a main
#           program that waits for at most half a second ends with 0 before, and what stands behind the await is
#           never run; with await at the top level of a module the code is 13. With a timer that keeps the
#           thread, the same wait is woken.
# Why:      a consumer of a ring in shared memory works while messages come, and while the test keeps a
#           socket open. In the first quiet moment it is gone, politely, and a supervisor takes 0 for "done".
. "$(dirname "$0")/common.inc"

case $(node --version) in v20.*) ;; *) echo "needs Node.js 20" && exit 2 ;; esac
cd "$tmp"
cat >worker.mjs <<'J'
import { Worker, isMainThread, workerData } from 'node:worker_threads';

if (isMainThread) {
    for (const kept of [false, true]) {
        const shared = new SharedArrayBuffer(8);
        const words = new Int32Array(shared);
        const worker = new Worker(new URL(import.meta.url), { workerData: { shared, kept } });
        const name = kept ? 'kept' : 'bare';
        const events = [];
        for (const event of ['message', 'error', 'exit']) {
            worker.on(event, (what) => events.push(`${event} ${what}`));
        }
        const ended = new Promise((resolve) => { worker.on('exit', resolve); });
        // Until it waits (word 1 is stored after the call), then until it is gone, or for two seconds.
        while (Atomics.load(words, 1) === 0) {
            await new Promise((resolve) => { setTimeout(resolve, 10); });
        }
        await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 2000); })]);
        console.log(name, 'woken', Atomics.notify(words, 0));
        await ended;
        console.log(name, events.join(', '));
    }
    process.exit(0);
} else {
    const { parentPort } = await import('node:worker_threads');
    const words = new Int32Array(workerData.shared);
    const timer = workerData.kept ? setInterval(() => {}, 60000) : undefined;
    Atomics.waitAsync(words, 0, 0).value.then((result) => {
        parentPort.postMessage(result);
        clearInterval(timer);
    });
    Atomics.store(words, 1, 1);
}
J
cat >limit.cjs <<'J'
const words = new Int32Array(new SharedArrayBuffer(8));
(async () => {
    console.log('waits');
    console.log(await Atomics.waitAsync(words, 0, 0, 500).value);
})();
J
cat >limit.mjs <<'J'
const words = new Int32Array(new SharedArrayBuffer(8));
console.log('waits');
console.log(await Atomics.waitAsync(words, 0, 0, 500).value);
J
cat >blocking.cjs <<'J'
console.log(Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 500));
J
timeout 60 node worker.mjs | tee out
for program in limit.cjs limit.mjs blocking.cjs; do
    code=0
    timeout 20 node "$program" >seen 2>/dev/null || code=$?
    echo "$program $code: $(paste -sd' ' seen)" | tee -a out
done
said() { grep -qxF "$1" out; }
expect "a worker that only waits is over, with 0" eval 'said "bare woken 0" && said "bare exit 0"'
expect "one with a timer is woken" eval 'said "kept woken 1" && said "kept message ok, exit 0"'
expect "the time limit is not waited for, exit status 0" said "limit.cjs 0: waits"
expect "13 at the top level" said "limit.mjs 13: waits"
expect "Atomics.wait() waits for it" said "blocking.cjs 0: timed-out"
cd /
