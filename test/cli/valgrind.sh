#!/bin/sh
# SPDX-License-Identifier: MIT
# A developer runs a program under valgrind: right, and without an error; also when it sleeps while
# somebody dies who holds what it waits for.
name=valgrind
. "$(dirname "$0")/ctl.inc"

what="a program under valgrind"
command -v valgrind >/dev/null 2>&1 || { skip "$what" "no valgrind (apt-get install valgrind)"; exit 0; }
! grep -q -e __asan_init -e __tsan_init "$ctl" || { skip "$what" "built with a sanitizer"; exit 0; }
valgrind -q --error-exitcode=9 "$ctl" help >/dev/null 2>&1 ||
    { skip "$what" "valgrind does not run here, or cannot read what this compiler wrote"; exit 0; }

works "a bus for the test" create "$bus" --memory=4MiB --queue=tasks
works "a message" send "$bus" tasks held
mkfifo "$dir/pipe"
exec 8<>"$dir/pipe"
head -c 65536 /dev/zero >"$dir/pipe" # full: who writes into it waits, with its message in hand
"$ctl" recv "$bus" tasks >"$dir/pipe" 2>/dev/null 8>&- &
holder=$!
pids=$holder
check "somebody holds it" eventually field_is tasks held 1
timeout 150 valgrind -q --error-exitcode=9 "$ctl" recv "$bus" tasks --headers --timeout=120s \
    >"$out" 2>"$err" &
waiter=$!
pids="$holder $waiter"
sleeps() { [ "$("$ctl" ps "$bus" --no-headings -o state | wc -l)" = 2 ]; }
check "one under valgrind waits for it" eventually sleeps
kill -9 "$holder"
wait "$waiter"
status=$?
pids=
check "the death becomes known, the message comes, no error is found" status_is 0
check "marked as delivered before" eval 'says delivery=2 && says "^held$"'
[ "$failed" = 0 ]
