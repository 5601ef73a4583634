#!/bin/sh
# SPDX-License-Identifier: MIT
# What is said when dead letters or forgotten queues have what others want.
name=letters
. "$(dirname "$0")/ctl.inc"

cat >"$dir/bus.yaml" <<EOF
spare: { channels: 0 }
blocks: [ { size: 256, count: 24 } ]
channels:
  work:   { depth: 4, max_deliveries: 1, dead_letter: work.dead }
  keep:   { depth: 4, max_deliveries: 1, dead_letter: keep.dead }
  keep.dead: { depth: 4, on_full: block }
  logs:   { depth: 64 }
  alarms: { depth: 16 }
EOF
run create "$bus" -c "$dir/bus.yaml" --dry-run
check "dry-run shows that a dead-letter queue drops its oldest" says 'work.dead .*on_full=drop_oldest'
check "and that one which is told to keep what it has does not" says 'keep.dead .*on_full=block'
works "a bus for the tests" create "$bus" -c "$dir/bus.yaml"

complains() { grep -q -e "$1" "$err"; }
run send "$bus" logs x --count=19 --timeout=0
run send "$bus" alarms x --timeout=0
run send "$bus" logs x --timeout=0
check "a send that finds no block names the queue that has them" \
    complains 'no free block for 1 bytes: 19 of 19 wait in "logs"'
run send "$bus" alarms fire --timeout=0.2
check "also from another queue, and after a wait" \
    complains 'alarms.*no free block for 4 bytes within the timeout: 18 of 19 wait in "logs", 1 waits in "alarms"'
check "with the exit code of a time-out" test "$status" = 4
run doctor "$bus"
check "doctor names it, too" \
    says 'none of the 18 common blocks of 256 bytes is free: 18 of 18 wait in "logs"'
exit $failed
