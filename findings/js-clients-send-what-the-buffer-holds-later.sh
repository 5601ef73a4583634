#!/bin/sh
# SPDX-License-Identifier: MIT
# NATS and ZeroMQ from JavaScript: three messages from one buffer arrive as three times the last one
#
# With:     nats 2.29.3 and zeromq 6.8.0 (npm), Node.js 20; nats-server 2.9.10-1+b3 (Debian 12), loopback.
# Expected: publish() has returned, the promise of send() is fulfilled: the message is under way, and the buffer
#           can be filled with the next one, as with any send() that copies or says when it is done.
# Seen:     both keep the buffer and look at it when they write. nats does so when the program next waits for
#           anything; zeromq for as long as the message lies in its queue, for a peer that is away or slow:
#           "await send()" waits for room in the queue, not for the sending. What is received is what
#           the buffer holds by then. Short messages of zeromq are copied.
# Why:      a bridge that reads each message into one buffer, or lends out a slot of shared memory that is
#           used again, sends doubles and loses the originals, with ZeroMQ only while the other side is
#           slow. Nothing tells when the buffer is free: make a copy for each message.
. "$(dirname "$0")/common.inc"

debs nats-server=2.9.10-1+b3
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts nats@2.29.3 zeromq@6.8.0 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
port=18422
"$root/usr/sbin/nats-server" -a 127.0.0.1 -p $port -l "$tmp/log" &
pids=$!
until_true grep -q 'Server is ready' "$tmp/log"
cat >nats.mjs <<'J'
import { connect } from 'nats';

const connection = await connect({ servers: `127.0.0.1:${process.argv[2]}` });
const text = new TextDecoder();

async function received(between) {
    const subscription = connection.subscribe('finding', { max: 3 });
    const buffer = new Uint8Array(8);
    const got = [];
    await connection.flush();
    for (const digit of '123') {
        buffer.fill(digit.charCodeAt());
        connection.publish('finding', buffer);
        if (between !== undefined) {
            await between();
        }
    }
    for await (const message of subscription) {
        got.push(text.decode(message.data)[0]);
    }
    return got.join('');
}

console.log('nats', await received());
console.log('nats, after flush()', await received(() => connection.flush()));
await connection.close();
J
cat >zeromq.mjs <<'J'
import { Pull, Push } from 'zeromq';

async function received(size, address) {
    const push = new Push({ linger: 0 });
    const pull = new Pull();
    const buffer = Buffer.alloc(size);
    let got = '';
    push.connect(address);
    for (const digit of '123') {
        buffer.fill(digit);
        await push.send(buffer);
    }
    await pull.bind(address);
    while (got.length < 3) {
        const [message] = await pull.receive();
        got += String.fromCharCode(message[0]);
    }
    pull.close();
    push.close();
    return got;
}

console.log('zeromq, 1000 bytes', await received(1000, 'tcp://127.0.0.1:18423'));
console.log('zeromq, 16 bytes', await received(16, 'tcp://127.0.0.1:18424'));
J
node nats.mjs $port | tee out
timeout 30 node zeromq.mjs | tee -a out
expect "nats: three times the last one" grep -qx 'nats 333' out
expect "nats: the three, with a round trip after each" grep -qx 'nats, after flush() 123' out
expect "zeromq: three times the last one" grep -qx 'zeromq, 1000 bytes 333' out
expect "zeromq: short ones are copied" grep -qx 'zeromq, 16 bytes 123' out
cd /
