#!/bin/sh
# SPDX-License-Identifier: MIT
# Node.js: a Buffer of five bytes is sent to a worker as 8192 bytes, with what else was in the pool
#
# With:     Node.js 20.20, worker_threads (postMessage, BroadcastChannel) beside child_process (send).
# Expected: what is posted is what the Buffer shows, five bytes; the structured clone copies a view and what it shows.
# Seen:     the whole memory under the view is copied. Small Buffers come out of a common pool of 8 KiB, so a
#           message of five bytes copies 8192, and its .buffer at the receiver holds the messages beside it, of other
#           queues too. It is a Uint8Array there, no Buffer: toString() gives "104,101,108,108,111". A
#           message cut from a read of one megabyte costs one megabyte each time, and keeps it for as long as
#           the five bytes are kept. send() of a child process, with serialization "advanced", sends five.
# Why:      a thousand small messages are eight megabytes, or a gigabyte; copies of other people's messages lie in the
#           workers. Uint8Array.from(buffer) is five bytes.
. "$(dirname "$0")/common.inc"

case $(node --version) in v20.*) ;; *) echo "needs Node.js 20" && exit 2 ;; esac
cat >"$tmp/post.cjs" <<'J'
const { BroadcastChannel, MessageChannel, receiveMessageOnPort } = require('node:worker_threads');
const { fork } = require('node:child_process');

const show = (how, m) => console.log(how, m.constructor.name, m.length, 'of', m.buffer.byteLength,
    Buffer.from(m.buffer).includes('of another queue') ? 'with the neighbour' : 'alone', `${m}`);

if (process.argv[2] === 'child') {
    process.on('message', (m) => {
        show('send', m);
        process.exit(0);
    });
} else {
    const other = Buffer.from('of another queue');
    const small = Buffer.from('hello');
    const cut = Buffer.alloc(1 << 20, 'hello').subarray(0, 5);
    const { port1, port2 } = new MessageChannel();
    for (const [how, message] of [['pool', small], ['cut', cut], ['copy', Uint8Array.from(small)]]) {
        port1.postMessage(message);
        show(how, receiveMessageOnPort(port2).message);
    }
    port1.close();
    const [from, to] = [new BroadcastChannel('x'), new BroadcastChannel('x')];
    to.onmessage = (event) => {
        show('broadcast', event.data);
        from.close();
        to.close();
        const child = fork(__filename, ['child'], { serialization: 'advanced' });
        child.send(small);
        child.on('exit', () => other.length);
    };
    from.postMessage(small);
}
J
timeout 60 node "$tmp/post.cjs" >"$tmp/out" </dev/null
cat "$tmp/out"
said() { grep -qxF "$1" "$tmp/out"; }
expect "five bytes are 8192" said "pool Uint8Array 5 of 8192 with the neighbour 104,101,108,108,111"
expect "to a channel too" said "broadcast Uint8Array 5 of 8192 with the neighbour 104,101,108,108,111"
expect "or a megabyte" said "cut Uint8Array 5 of 1048576 alone 104,101,108,108,111"
expect "a copy is five" said "copy Uint8Array 5 of 5 alone 104,101,108,108,111"
expect "a child process gets no neighbours" grep -qE '^send (Buffer|Uint8Array) 5 of [0-9]+ alone ' "$tmp/out"
