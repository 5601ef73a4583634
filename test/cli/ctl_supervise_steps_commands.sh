#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise dies at each step of commands, and of a new binary.
name=supervise-steps-commands
. "$(dirname "$0")/supervise_steps.inc"

cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sleep, "1000"], count: 2, ready: { by: alive, after: 5ms } }
  b: { command: [sleep, "1000"], ready: { by: alive, after: 5ms }, reload: { max_unavailable: 1 } }
END
up_and_down() { "$ctl" scale "$bus" a=4 && "$ctl" scale "$bus" a=2; }
each_step scale up_and_down nothing 3 up_and_down

off_and_on() { "$ctl" stop "$bus" a && "$ctl" start "$bus" a; }
each_step stop-start off_and_on nothing 3 off_and_on

new_binary() { kill -USR2 "$supervisor"; }
has_begun_anew() { [ "$(grep -c ' begin ' "$log")" -ge 2 ]; }
each_step new-binary new_binary has_begun_anew 3

rm -f "/dev/shm/shmbus.$bus"
end
