#!/bin/sh
# SPDX-License-Identifier: MIT
# Apache Arrow for JavaScript: of five tables written to a stream only the first one is kept
#
# With:     apache-arrow 17.0.0 (npm), Node.js 20.
# Expected: RecordBatchStreamWriter.write() takes tables and record batches; five writes and finish()
#           make one stream of five batches, with the same schema, of course.
# Seen:     write(table) ends the stream behind it; write(batch) does not. With autoDestroy: false, which
#           keeps the writer open for a next stream, the four later tables are taken without an
#           error and are nowhere in the output. (By default the second write throws "AsyncQueue is
#           closed".) Written batch by batch, all 5000 rows are there.
# Why:      a recorder or bridge that hands each message over as a table keeps the first one and loses the
#           rest, and its output is a valid stream.
. "$(dirname "$0")/common.inc"

cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts apache-arrow@17.0.0 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >rows.mjs <<'J'
import { RecordBatchStreamWriter, tableFromArrays, tableFromIPC } from 'apache-arrow';

async function rowsOf(options, piece) {
    const writer = new RecordBatchStreamWriter(options);
    let failed = 'no error';
    try {
        for (let i = 0; i < 5; i++) {
            const x = Float64Array.from({ length: 1000 }, (_, k) => i * 1000 + k);
            writer.write(piece(tableFromArrays({ x })));
        }
        writer.finish();
        writer.close();
    } catch (e) {
        failed = e.message;
    }
    return `${tableFromIPC(await writer.toUint8Array()).numRows} rows, ${failed}`;
}

console.log('batches:', await rowsOf({}, (table) => table.batches[0]));
console.log('tables:', await rowsOf({}, (table) => table));
console.log('tables, kept open:', await rowsOf({ autoDestroy: false }, (table) => table));
J
node rows.mjs | tee out
expect "batch by batch all is there" grep -qx 'batches: 5000 rows, no error' out
expect "the second table fails by default" grep -qx 'tables: 1000 rows, AsyncQueue is closed' out
expect "kept open, four tables vanish" grep -qx 'tables, kept open: 1000 rows, no error' out
cd /
