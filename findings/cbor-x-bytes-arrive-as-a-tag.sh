#!/bin/sh
# SPDX-License-Identifier: MIT
# CBOR from JavaScript: the same five bytes arrive as bytes or as a tagged object, by the class they had there
#
# With:     cbor-x 1.6.9 and cborg 6.1.5 (npm), Node.js 20; python3-cbor2 5.4.6-1+b1 (Debian 12).
# Expected: CBOR has byte strings; a Buffer is a Uint8Array in Node.js, so both are written as one. An object is a
#           map of the format, a Map too. encode() and new Encoder().encode() write the same.
# Seen:     cbor-x writes a Buffer as bytes, a Uint8Array as tag 64 and a Map as tag 259: Python's library, which knows
#           neither, gives CBORTag(64, ...) and CBORTag(259, ...), without an error. cborg writes bytes and a map. A
#           Buffer that has passed through postMessage() or a typed array method has become a
#           Uint8Array on the way. An own Encoder, as for its options, writes an object as a record of its
#           own (tag 57343), of which Python makes another CBORTag, and a Map as a map.
# Why:      a receiver that stores "payload" or looks for message["id"] works with the Buffer of the test, and fails
#           with a TypeError when the sender is moved into a worker thread, or gets an Encoder of its own for speed.
. "$(dirname "$0")/common.inc"

debs python3-cbor2=5.4.6-1+b1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cbor-x@1.6.9 cborg@6.1.5 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >write.mjs <<'J'
import * as cborX from 'cbor-x';
import * as cborg from 'cborg';

const own = new cborX.Encoder();
const libraries = [['cbor-x', cborX.encode], ['own', (v) => own.encode(v)], ['cborg', cborg.encode]];
const values = {
    buffer: Buffer.from('hello'),
    array: Uint8Array.from(Buffer.from('hello')),
    map: new Map([['id', 1]]),
    object: { id: 1 },
};
for (const [name, encode] of libraries) {
    for (const [what, value] of Object.entries(values)) {
        console.log(name, what, Buffer.from(encode(value)).toString('hex'));
    }
}
J
node write.mjs >written
cat >read.py <<'P'
import sys

import cbor2

for line in sys.stdin:
    name, what, text = line.split()
    print(name, what, cbor2.loads(bytes.fromhex(text)))
P
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 read.py <written | tee out
said() { grep -qxF "$1" out; }
expect "cbor-x: a Buffer is bytes" said "cbor-x buffer b'hello'"
expect "cbor-x: a Uint8Array is a tag" said "cbor-x array CBORTag(64, b'hello')"
expect "cbor-x: a Map is a tag, an object is a map" eval "said \"cbor-x map CBORTag(259, {'id': 1})\" &&
    said \"cbor-x object {'id': 1}\""
expect "its own Encoder: the other way round" eval "said \"own map {'id': 1}\" &&
    said \"own object CBORTag(57343, [57344, ['id'], 1])\""
expect "cborg: bytes and maps" eval "said \"cborg array b'hello'\" && said \"cborg map {'id': 1}\""
cd /
