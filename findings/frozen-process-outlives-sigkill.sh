#!/bin/sh
# SPDX-License-Identifier: MIT
# A process in a frozen cgroup of version 1 does not die of SIGKILL
#
# With:     Linux 6.18 with the freezer of cgroup v1 (where a container is "paused" by it). Needs root.
# Expected: SIGKILL ends every process that is not inside a stuck driver; that is how supervisors end
#           what ignores SIGTERM. With cgroup v2 it does, frozen or not.
# Seen:     under v1 the killed process stays in state D, with its memory, locks and sockets, and dies
#           only when somebody thaws it. Its pidfd is not readable, its parent is told nothing.
# Why:      on such hosts "TERM, wait, KILL, wait" does not end for a paused container, and whatever
#           takes the sent KILL for a death gives its work to a second one while the first may go on.
. "$(dirname "$0")/common.inc"

mkdir "$tmp/freezer"
if ! mount -t cgroup -o freezer none "$tmp/freezer" 2>/dev/null; then
    echo "skipped: this kernel has no freezer of cgroup v1"
    exit 0
fi
group=$tmp/freezer/finding-$$
undo() {
    rmdir "$group"
    umount "$tmp/freezer"
}
mkdir "$group"
state() { awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null || echo gone; }
python3 -c 'import time; time.sleep(60)' &
worker=$!
echo "$worker" >"$group/tasks"
echo FROZEN >"$group/freezer.state"
trap 'echo THAWED >"$group/freezer.state"; wait 2>/dev/null; clean_up' EXIT
until_true grep -q FROZEN "$group/freezer.state"
kill -9 "$worker"
sleep 2
killed=$(state "$worker")
readable=$(python3 -c 'import os, select, sys; print(len(select.select([os.pidfd_open(int(sys.argv[1]))], [], [], 0)[0]))' "$worker")
echo THAWED >"$group/freezer.state"
status=0
wait "$worker" 2>/dev/null || status=$?
saw "two seconds after SIGKILL: state $killed, pidfd readable: $readable; thawed: exit status $status"
expect "it lives on, frozen" test "$killed" = D
expect "its pidfd says so" test "$readable" = 0
expect "and dies when thawed" test "$status" = 137
