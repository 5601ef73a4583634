#!/bin/sh
# SPDX-License-Identifier: MIT
# faketime: killed as the first process of a container, it refuses to start in the next one with this /dev/shm
#
# With:     faketime and libfaketime 0.9.10-2.1 (Debian 12). Needs root (for namespaces).
# Expected: a test that runs under "faketime DATE COMMAND" and is killed leaves nothing that matters; it is
#           started again and runs. Two containers do not know of each other.
# Seen:     the wrapper makes a semaphore and a segment in /dev/shm, named after its pid, and removes them when
#           its command has ended. Killed, it leaves both. As the entry point of a container its pid is 1 each
#           time, so the next one says "sem_open: File exists", that the platform has no sem_open(), and
#           ends; so does a second container beside a healthy first one.
# Why:      the containers of a pod share /dev/shm, and it outlives their restarts: one kill for lack of
#           memory, and the test environment is down until somebody removes two files by hand. Setting
#           LD_PRELOAD and FAKETIME without the wrapper starts beside what is left.
. "$(dirname "$0")/common.inc"

debs faketime=0.9.10-2.1 libfaketime=0.9.10-2.1
cat >"$tmp/pod.sh" <<'S'
mount -t tmpfs tmpfs /dev/shm || exit 3
# A container: its first process is faketime, with its command; ends by kill -9, as all in it.
container() { exec unshare --pid --fork --kill-child "$1/usr/bin/faketime" 2020-01-01 "$2" "$3"; }
files() { ls /dev/shm | paste -sd' '; }
until_up() {
    tries=0
    until [ -s "$2" ] || [ $tries = 200 ]; do sleep 0.05 && tries=$((tries + 1)); done
}
(container "$1" true '') && echo "ended by itself: left $(files)"
(container "$1" sh "$2/work.sh" >"$2/up") &
first=$!
until_up "$first" "$2/up"
echo "first: $(cat "$2/up")"
(container "$1" true '' 2>"$2/beside") && echo "second beside it: starts" || echo "second beside it: $?"
kill -9 $first
wait $first
echo "first killed: left $(files)"
(container "$1" true '' 2>"$2/again") && echo "again: starts" || echo "again: $?"
(LD_PRELOAD="$1/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1" FAKETIME='@2020-01-01 00:00:00' \
    exec unshare --pid --fork date +'without the wrapper: %Y')
rm /dev/shm/sem.faketime_sem_1 /dev/shm/faketime_shm_1
(container "$1" true '') && echo "removed by hand: starts"
S
printf 'echo up\nsleep 60\n' >"$tmp/work.sh"
unshare --mount sh "$tmp/pod.sh" "$root" "$tmp" >"$tmp/out" 2>"$tmp/errors" || :
cat "$tmp/out"
saw "$(head -1 "$tmp/again")"
said() { grep -qxF "$1" "$tmp/out"; }
expect "ended by itself it leaves nothing" said "ended by itself: left "
expect "a second container does not start" said "second beside it: 1"
expect "killed it leaves both files" said "first killed: left faketime_shm_1 sem.faketime_sem_1"
expect "and does not start again" said "again: 1"
expect "as the file exists" grep -qi 'sem_open: File exists' "$tmp/again"
expect "without the wrapper it does" said "without the wrapper: 2020"
expect "removed by hand, it starts" said "removed by hand: starts"
