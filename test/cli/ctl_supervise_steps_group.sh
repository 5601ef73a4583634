#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise dies at each step of the restart of a group.
name=supervise-steps-group
. "$(dirname "$0")/supervise_steps.inc"

cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
  b: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
  c: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
groups:
  all: { programs: [a, b, c], strategy: all-for-one }
END
kill_b() { kill -9 "$("$ctl" status "$bus" b --json | sed 's/.*"pid":\([0-9]*\),"state".*/\1/')"; }
all_new_now() { all_new; }
each_step group kill_b all_new_now 3
rm -f "/dev/shm/shmbus.$bus"
end
