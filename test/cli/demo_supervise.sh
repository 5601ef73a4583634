#!/bin/sh
# `make demo-supervise`: every step checks itself.
. "$(dirname "$0")/harness"

it "shows kill, respawn, reload, roll back, recycle and a death of the supervisor"
run sh examples/supervise/demo.sh "$BIN"
status_is 0
out_has 'killed, respawned, reloaded, rolled back, recycled, taken over, stopped'

it "leaves nothing behind"
[ -z "$(ls /dev/shm | grep supervise-demo)" ] || fail "files in /dev/shm"
