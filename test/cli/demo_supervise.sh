#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo-supervise`: every step checks itself.
. "$(dirname "$0")/programs.inc"

run sh examples/supervise/demo.sh "$BIN" "$bus"
check "shows kill, respawn, reload, roll back, recycle and a death of the supervisor" eval \
    'status_is 0 && says "killed, respawned, reloaded, rolled back, recycled, taken over, stopped"'
check "leaves nothing behind" nothing_left
exit $failed
