#!/bin/sh
# SPDX-License-Identifier: MIT
# Avro: a field that was renamed with an alias arrives in JavaScript, and is the default value in Python
#
# With:     python3-avro 1.11.1+dfsg-2 (Debian 12), avsc 5.7.9 (npm), Node.js 20.
# Expected: a reader's field "retries" with the alias "tries" takes the value that an older writer stored as
#           "tries". Aliases are the format's own way to rename, checkers of compatibility accept them.
# Seen:     avsc does so. Python's avro accepts aliases in a schema and does not use them to resolve: the field
#           counts as missing in the writer's schema and, as new fields must have a default, it is the
#           default: 0 for the 7 that was sent, no error. An alias of the whole record is refused with an
#           error there; avsc follows it. The same with the default symbol of an enum.
# Why:      the new schema is tested with one language and rolled out to the others; the counter that
#           guards against poisonous messages is then zero in each message from an older sender.
. "$(dirname "$0")/common.inc"

debs python3-avro=1.11.1+dfsg-2
cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts avsc@5.7.9 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >cases.json <<'J'
{
    "field": {
        "writer": { "type": "record", "name": "Job", "fields": [{ "name": "tries", "type": "int" }] },
        "reader": { "type": "record", "name": "Job", "fields": [
            { "name": "retries", "type": "int", "default": 0, "aliases": ["tries"] } ] },
        "value": { "tries": 7 }
    },
    "record": {
        "writer": { "type": "record", "name": "Job", "fields": [{ "name": "tries", "type": "int" }] },
        "reader": { "type": "record", "name": "Task", "aliases": ["Job"],
            "fields": [{ "name": "tries", "type": "int" }] },
        "value": { "tries": 7 }
    },
    "symbol": {
        "writer": { "type": "enum", "name": "State", "symbols": ["NEW", "DONE", "LOST"] },
        "reader": { "type": "enum", "name": "State", "symbols": ["NEW", "DONE"], "default": "NEW" },
        "value": "LOST"
    }
}
J
cat >read.mjs <<'J'
import avsc from 'avsc';
import { readFileSync, writeFileSync } from 'node:fs';

for (const [name, { writer, reader, value }] of Object.entries(JSON.parse(readFileSync('cases.json')))) {
    const [from, to] = [writer, reader].map((schema) => avsc.Type.forSchema(schema));
    const bytes = from.toBuffer(value);
    writeFileSync(`${name}.bin`, bytes);
    console.log('javascript', name, JSON.stringify(to.fromBuffer(bytes, to.createResolver(from))));
}
J
cat >read.py <<'P'
import json

import avro.errors
import avro.io
import avro.schema

for name, case in json.load(open("cases.json")).items():
    writer, reader = (avro.schema.parse(json.dumps(case[k])) for k in ("writer", "reader"))
    with open(name + ".bin", "rb") as f:
        try:
            value = json.dumps(avro.io.DatumReader(writer, reader).read(avro.io.BinaryDecoder(f)))
        except avro.errors.SchemaResolutionException:
            value = "refused"
    print("python", name, value.replace(" ", ""))
P
node read.mjs | tee out
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 read.py | tee -a out
said() { grep -qx "$1" out; }
expect "JavaScript follows the alias of a field" said 'javascript field {"retries":7}'
expect "Python reads the default instead" said 'python field {"retries":0}'
expect "JavaScript follows the alias of a record" said 'javascript record {"tries":7}'
expect "Python refuses it" said 'python record refused'
expect "JavaScript knows the default of an enum" said 'javascript symbol "NEW"'
expect "Python refuses the symbol" said 'python symbol refused'
cd /
