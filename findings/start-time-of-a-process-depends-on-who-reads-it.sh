#!/bin/sh
# SPDX-License-Identifier: MIT
# The start time of a process in /proc/PID/stat is another one for a reader in a time namespace
#
# With:     Linux 6.18, util-linux unshare 2.38.1. Needs root (for a time namespace).
# Expected: field 22, the start time in ticks since boot, is a fixed property of the process. Together with
#           the pid it names the process for good, whatever happens to the pid later; every program that
#           writes "pid and start time" into a file or a segment relies on it.
# Seen:     the kernel adds the READER's offset of the boot clock. A program in a container whose time namespace
#           was given an offset (as after a migration, so that the clock goes on) reads another start time
#           for the same process than its neighbour does, in the same pid namespace, with the same /proc.
#           An offset of the monotonic clock alone changes nothing.
# Why:      the living owner of a lock or slot, written down by one side, is "another process with the same
#           pid, so the owner is dead" for the other, and is cleaned up under its feet.
. "$(dirname "$0")/common.inc"

unshare --time true || { echo "needs root and a kernel with time namespaces" && exit 2; }
sleep 60 &
pids=$!
start_time() { "$@" awk '{ print $22 }' "/proc/$pids/stat"; }
here=$(start_time env)
again=$(start_time env)
there=$(start_time unshare --time --boottime 1000 --fork)
monotonic=$(start_time unshare --time --monotonic 1000 --fork)
ticks=$(getconf CLK_TCK)
saw "from here $here, from a namespace 1000 s ahead $there, with the monotonic clock ahead only $monotonic"
expect "here it is fixed" test "$here" = "$again"
expect "there it is 1000 s later" test "$((there - here))" = "$((1000 * ticks))"
expect "the monotonic clock has no part in it" test "$monotonic" = "$here"
