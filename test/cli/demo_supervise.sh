#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo-supervise`: every step checks itself.
. "$(dirname "$0")/harness"
bus=$T_NAME

it "shows kill, respawn, reload, roll back, recycle and a death of the supervisor"
run sh examples/supervise/demo.sh "$BIN" "$bus"
status_is 0
out_has 'killed, respawned, reloaded, rolled back, recycled, taken over, stopped'

it "leaves nothing behind"
# Of this run alone: another one may go on beside it.
for left in /dev/shm/*"$bus"*; do [ ! -e "$left" ] || fail "left $left"; done
