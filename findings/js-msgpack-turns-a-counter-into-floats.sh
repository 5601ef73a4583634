#!/bin/sh
# SPDX-License-Identifier: MIT
# MessagePack and CBOR from JavaScript: a counter becomes a float when it passes 2^32
#
# With:     msgpackr 2.1.4, msgpack-lite 0.2.2, cbor-x 1.6.9 beside @msgpack/msgpack 3.1.3 and cborg 6.1.5
#           (npm), Node.js 20; python3-msgpack 1.0.3-2+b1 as the receiver (Debian 12).
# Expected: a whole number of JavaScript up to 2^53 is written as an integer, the formats have 64 bits for
#           it and a receiver with types wants one.
# Seen:     the fast ones write 4294967295 as an integer and 4294967296 as a double. Time stamps in
#           milliseconds are doubles from the start. A JavaScript receiver cannot tell, one in another
#           language gets a float in a field that was an integer for the first four thousand million
#           messages. The other two libraries write integers. A BigInt is an integer with all that take it.
# Why:      sequence numbers, offsets and sizes in bytes are made of such numbers. Typed readers refuse
#           the message, others print 4294967296.0 as part of a key or a path. No test gets that far.
. "$(dirname "$0")/common.inc"

debs python3-msgpack=1.0.3-2+b1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts msgpackr@2.1.4 msgpack-lite@0.2.2 cbor-x@1.6.9 \
    @msgpack/msgpack@3.1.3 cborg@6.1.5 >"$tmp/npm.log" 2>&1 || { cat "$tmp/npm.log" && exit 2; }
cat >write.mjs <<'J'
import * as msgpackr from 'msgpackr';
import lite from 'msgpack-lite';
import * as msgpack from '@msgpack/msgpack';
import * as cborX from 'cbor-x';
import * as cborg from 'cborg';

const libraries = [
    ['msgpackr', msgpackr.pack],
    ['msgpack-lite', lite.encode],
    ['@msgpack/msgpack', msgpack.encode],
    ['cbor-x', cborX.encode],
    ['cborg', cborg.encode],
];
for (const [name, encode] of libraries) {
    const bytes = [2 ** 32 - 1, 2 ** 32].map((n) => Buffer.from(encode(n)).toString('hex'));
    console.log(name, ...bytes);
}
J
node write.mjs >written
cat >read.py <<'P'
import sys

import msgpack

# CBOR: major type 0 has the first byte 0x00 to 0x1b, a double 0xfb.
for line in sys.stdin:
    name, *texts = line.split()
    kinds = []
    for text in texts:
        data = bytes.fromhex(text)
        if name.startswith("cbor"):
            kinds.append({0x1A: "int", 0x1B: "int", 0xFB: "float"}[data[0]])
        else:
            kinds.append(type(msgpack.unpackb(data)).__name__)
    print(name, *kinds)
P
PYTHONPATH=$root/usr/lib/python3/dist-packages python3 read.py <written | tee out
for name in msgpackr msgpack-lite cbor-x; do
    expect "$name: a float from 2^32 on" grep -qx "$name int float" out
done
for name in @msgpack/msgpack cborg; do
    expect "$name: an integer" grep -qx "$name int int" out
done
cd /
