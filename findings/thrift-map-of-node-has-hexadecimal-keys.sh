#!/bin/sh
# SPDX-License-Identifier: MIT
# Thrift from JavaScript: in a map<i64, ...> job 10 becomes job 16, with the binary protocol only
#
# With:     thrift 0.24.0 (npm), Node.js 20; thrift-compiler and python3-thrift 0.17.0-2+b2 (Debian 12).
# Expected: generated code sends {10: "ten"} of a map<i64, string> as the key 10, the protocols differ in the
#           bytes only. A field of type i64 that is given as the string "10" is 10, or is refused.
# Seen:     keys of a JavaScript object are strings, and the binary protocol takes a string for a hexadecimal
#           number: the key 10 arrives as 16, 16 as 22, 99 as 153. A plain i64 field that holds "10", as
#           number columns of databases arrive in JavaScript, is 16, "-5" is 4294967291. The compact
#           protocol sends 10 for both. As a number the field is right with either. A JavaScript receiver shows the
#           key 16 as well: the fault is the writer's. A Map instead of an object is sent as an empty map.
# Why:      identifiers of jobs, offsets by partition, counts by account are maps with 64-bit keys. Each one
#           arrives, under another number, and the keys below 10 that tests use are right.
. "$(dirname "$0")/common.inc"

debs thrift-compiler=0.17.0-2+b2 python3-thrift=0.17.0-2+b2
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts thrift@0.24.0 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >job.thrift <<'S'
struct Job {
    1: i64 number,
    2: map<i64, string> names,
}
S
"$root/usr/bin/thrift" --gen js:node --gen py job.thrift
cat >write.cjs <<'J'
const thrift = require('thrift');
const { Job } = require('./gen-nodejs/job_types');

const protocols = [['binary', thrift.TBinaryProtocol], ['compact', thrift.TCompactProtocol]];
const jobs = {
    number: { number: 10 },
    text: { number: '10' },
    negative: { number: '-5' },
    keys: { names: { 7: 'seven', 10: 'ten', 99: 'ninety-nine' } },
    map: { names: new Map([[7, 'seven']]) },
};
for (const [what, job] of Object.entries(jobs)) {
    for (const [name, Protocol] of protocols) {
        let bytes;
        const transport = new thrift.TBufferedTransport(null, (sent) => { bytes = sent; });
        const protocol = new Protocol(transport);
        new Job(job).write(protocol);
        protocol.flush();
        console.log(what, name, bytes.toString('hex'));
    }
}
J
node write.cjs >written
cat >read.py <<'P'
import sys

from job.ttypes import Job
from thrift.protocol import TBinaryProtocol, TCompactProtocol
from thrift.transport import TTransport

protocols = {"binary": TBinaryProtocol.TBinaryProtocol, "compact": TCompactProtocol.TCompactProtocol}
for line in sys.stdin:
    what, name, text = line.split()
    job = Job()
    job.read(protocols[name](TTransport.TMemoryBuffer(bytes.fromhex(text))))
    print(what, name, job.number if job.names is None else sorted(job.names.items()))
P
PYTHONPATH=$root/usr/lib/python3/dist-packages:gen-py /usr/bin/python3 read.py <written | tee out
said() { grep -qxF "$1" out; }
expect "a number: the same in both" eval 'said "number binary 10" && said "number compact 10"'
expect "binary: keys are hexadecimal" said "keys binary [(7, 'seven'), (16, 'ten'), (153, 'ninety-nine')]"
expect "compact: keys are decimal" said "keys compact [(7, 'seven'), (10, 'ten'), (99, 'ninety-nine')]"
expect "binary: so is a field" eval 'said "text binary 16" && said "negative binary 4294967291"'
expect "compact: it is decimal" eval 'said "text compact 10" && said "negative compact -5"'
expect "a Map is empty" eval 'said "map binary []" && said "map compact []"'
cd /
