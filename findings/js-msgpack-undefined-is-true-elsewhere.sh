#!/bin/sh
# SPDX-License-Identifier: MIT
# MessagePack from JavaScript: "no deadline" arrives as a true value, labels in a Map arrive as nothing
#
# With:     msgpackr 2.1.4 and @msgpack/msgpack 3.1.3 (npm), Node.js 20; python3-msgpack 1.0.3-2+b1 as the
#           receiver (Debian 12).
# Expected: an object's property that is undefined is left out, as in JSON, or is nil. A Map is a map of the format. What
#           a library cannot write it refuses.
# Seen:     msgpackr writes undefined as an extension of its own (type 0), which elsewhere is an object: in Python
#           ExtType(0, ...), true in each condition. So is the hole in an array. @msgpack/msgpack writes nil. That one in
#           turn writes a Map, a Set and an Error as an empty map, and an invalid Date as the first of January
#           1970, without an error, where msgpackr writes maps and arrays, and for the invalid Date bytes
#           that Python refuses, and with them the whole message.
# Why:      optional fields are undefined in JavaScript all the time: "if message['deadline']" is taken for
#           all messages that have none. Exchanging one library for the other empties all Maps.
. "$(dirname "$0")/common.inc"

debs python3-msgpack=1.0.3-2+b1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts msgpackr@2.1.4 @msgpack/msgpack@3.1.3 \
    >"$tmp/npm.log" 2>&1 || { cat "$tmp/npm.log" && exit 2; }
cat >write.mjs <<'J'
import * as msgpackr from 'msgpackr';
import * as msgpack from '@msgpack/msgpack';

const values = {
    missing: { deadline: undefined },
    map: new Map([['a', 1]]),
    set: new Set([1]),
    error: new Error('x'),
    date: new Date(NaN),
};
for (const [name, encode] of [['msgpackr', msgpackr.pack], ['msgpack', msgpack.encode]]) {
    for (const [what, value] of Object.entries(values)) {
        console.log(name, what, Buffer.from(encode(value)).toString('hex'));
    }
}
J
node write.mjs >written
cat >read.py <<'P'
import sys

import msgpack

for line in sys.stdin:
    name, what, text = line.split()
    try:
        value = msgpack.unpackb(bytes.fromhex(text))
        if what == "missing":
            print(name, what, "yes" if value["deadline"] else "no", value["deadline"])
        else:
            print(name, what, value)
    except ValueError:
        print(name, what, "refused")
P
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 read.py <written | tee out
said() { grep -qxF "$1" out; }
expect "msgpackr: undefined is true" said "msgpackr missing yes ExtType(code=0, data=b'\\x00')"
expect "the other: nil" said "msgpack missing no None"
expect "msgpackr: a Map is a map" said "msgpackr map {'a': 1}"
for what in map set error; do
    expect "the other: $what is empty" said "msgpack $what {}"
done
expect "an invalid Date is refused by the receiver" said "msgpackr date refused"
expect "or is 1970" said "msgpack date Timestamp(seconds=0, nanoseconds=0)"
cd /
