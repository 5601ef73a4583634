#!/bin/sh
# SPDX-License-Identifier: MIT
# protobufjs: toJSON() of a message with a Struct is valid for the other libraries, and means something else
#
# With:     protobufjs 8.8.1 (npm), Node.js 20; protobuf-compiler and python3-protobuf 3.21.12-3+deb12u1
#           (Debian 12).
# Expected: protocol buffers have one mapping to JSON; what one library writes the other one reads, or refuses.
# Seen:     protobufjs writes the well-known types by their fields. A Timestamp or a wrapper (Int32Value) is
#           refused by the other side. A Struct {a: 1} is written as {"fields": {"a": {"numberValue": 1}}},
#           and any object is a valid Struct: Python reads a Struct with a key "fields". So it is with Value,
#           and in the other direction fromObject() makes an empty Struct of {"a": 1}. No error anywhere. The
#           binary form of the same message is read correctly by both.
# Why:      Struct is what messages without a schema of their own are put into: attributes, labels, logs,
#           parameters of jobs. Behind a bridge that speaks JSON the labels are gone, or one level deeper.
. "$(dirname "$0")/common.inc"

debs protobuf-compiler=3.21.12-3+deb12u1 python3-protobuf=3.21.12-3+deb12u1 libprotobuf32=3.21.12-3+deb12u1 \
    libprotoc32=3.21.12-3+deb12u1 libprotobuf-dev=3.21.12-3+deb12u1
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts protobufjs@8.8.1 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >job.proto <<'S'
syntax = "proto3";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
message Job {
    google.protobuf.Struct labels = 1;
    google.protobuf.Value parameter = 2;
    google.protobuf.Timestamp at = 3;
    int64 number = 4;
}
S
"$root/usr/bin/protoc" -I. "-I$root/usr/include" --python_out=. job.proto
cat >write.mjs <<'J'
import { writeFileSync } from 'node:fs';
import protobuf from 'protobufjs';

const Job = new protobuf.Root().loadSync('job.proto').lookupType('Job');
const job = Job.fromObject({
    labels: { fields: { a: { numberValue: 1 } } },
    parameter: { stringValue: 'x' },
    at: { seconds: 1700000000 },
    number: '9007199254740993',
});
writeFileSync('job.bin', Job.encode(job).finish());
writeFileSync('job.json', JSON.stringify(job));
console.log('back', JSON.stringify(Job.fromObject({ labels: { a: 1 } })));
J
cat >read.py <<'P'
import json

import job_pb2
from google.protobuf import json_format


def show(how, job):
    print(how, json.dumps(json.loads(json_format.MessageToJson(job)), separators=(",", ":")))


job = job_pb2.Job()
with open("job.bin", "rb") as f:
    job.ParseFromString(f.read())
show("binary", job)
for name, value in json.load(open("job.json")).items():
    try:
        show("json", json_format.ParseDict({name: value}, job_pb2.Job()))
    except json_format.ParseError:
        print("refused", name)
P
node write.mjs >out
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 read.py >>out
cat out
said() { grep -qxF "$1" out; }
expect "binary: the same for both" said \
    'binary {"labels":{"a":1.0},"parameter":"x","at":"2023-11-14T22:13:20Z","number":"9007199254740993"}'
expect "JSON: a Struct of another shape" said 'json {"labels":{"fields":{"a":{"numberValue":1.0}}}}'
expect "JSON: a Value of another kind" said 'json {"parameter":{"stringValue":"x"}}'
expect "JSON: a Timestamp is refused" said 'refused at'
expect "JSON: a plain field is fine" said 'json {"number":"9007199254740993"}'
expect "the other way round the Struct is empty" said 'back {"labels":{}}'
cd /
