#!/bin/sh
# SPDX-License-Identifier: MIT
# CloudEvents for JavaScript: the same event arrives as a string or as an object, by the mode it was sent in
#
# With:     cloudevents 10.0.0 (npm), Node.js 20.
# Expected: binary mode (attributes in headers, data in the body) and structured mode (all of it in one JSON text)
#           are two ways to send the same event; what is received does not depend on them. In binary mode with
#           application/json the body is JSON.
# Seen:     a string is put into the body as it is, without quotes: 'hello' is no JSON, and '{"a":1}' comes
#           back as an object; in structured mode both come back as strings. null comes back as the
#           string "null", or not at all. A number as data can be sent, and is refused by toEvent() of the
#           same library in binary mode. A time with nanoseconds is cut to milliseconds in both.
# Why:      the mode is a setting of the sender or of a gateway on the way. A payload that is JSON already, the
#           usual thing to relay, changes its type with it; receivers in other languages get invalid JSON.
. "$(dirname "$0")/common.inc"

cd "$tmp"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cloudevents@10.0.0 >"$tmp/npm.log" 2>&1 ||
    { cat "$tmp/npm.log" && exit 2; }
cat >modes.mjs <<'J'
import { CloudEvent, HTTP } from 'cloudevents';

const attributes = {
    id: '1',
    source: '/finding',
    type: 'finding',
    datacontenttype: 'application/json',
    time: '2026-03-01T10:00:00.123456789Z',
};

function received(mode, data) {
    const { headers, body } = HTTP[mode](new CloudEvent({ ...attributes, data }));
    try {
        const event = HTTP.toEvent({ headers, body });
        return [JSON.stringify(event.data), event.time];
    } catch (e) {
        return ['refused'];
    }
}

for (const data of ['hello', '{"a":1}', { a: 1 }, null, 5]) {
    const [[binary], [structured]] = ['binary', 'structured'].map((mode) => received(mode, data));
    console.log(JSON.stringify(data), 'binary', binary, 'structured', structured);
}
console.log('body', HTTP.binary(new CloudEvent({ ...attributes, data: 'hello' })).body);
console.log('time', received('binary', {})[1], received('structured', {})[1]);
J
node modes.mjs | tee out
said() { grep -qxF "$1" out; }
expect "an object is the same in both" said '{"a":1} binary {"a":1} structured {"a":1}'
expect "a string of JSON is an object in binary mode" said '"{\"a\":1}" binary {"a":1} structured "{\"a\":1}"'
expect "another string is a string in both" said '"hello" binary "hello" structured "hello"'
expect "but its body is no JSON" said 'body hello'
expect "null is a string, or nothing" said 'null binary "null" structured undefined'
expect "a number is refused in binary mode" said '5 binary refused structured 5'
expect "nanoseconds are cut off" said 'time 2026-03-01T10:00:00.123Z 2026-03-01T10:00:00.123Z'
cd /
