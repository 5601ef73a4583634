#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise dies at each step of a start, and of a change of generations.
name=supervise-steps
. "$(dirname "$0")/supervise_steps.inc"

cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sleep, "1000"], count: 2, ready: { by: alive, after: 5ms } }
  b: { command: [sleep, "1000"], ready: { by: alive, after: 5ms }, reload: { max_unavailable: 1 } }
END
each_step start nothing nothing 3

new_if_told() { [ $acknowledged = no ] || all_new; }
reload() { "$ctl" reload "$bus"; }
each_step reload reload new_if_told 3
rm -f "/dev/shm/shmbus.$bus"
end
