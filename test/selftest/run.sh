#!/bin/sh
# SPDX-License-Identifier: MIT
# The runner is tested with tests that must fail, and so is what counts. usage: run.sh PROGRAM
set -u
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc
program=$1
run() {
    "$program" "$@" >"$out" 2>&1
    status=$?
}
run

check "a good test passes" says '^ok .* good.passes$'
check "a skipped test is counted apart" says '^skip .* good.is_skipped$'
check "processes can wait for one another, be stopped and killed" says \
    '^ok .* good.processes_wait_for_one_another$'
for broken in assertion crash hang descriptor segment process assertion_in_a_child early_exit \
    result; do
    check "a test with a fault in its $broken fails" says "^FAIL .* broken.$broken\$"
done
check "the failed assertion is shown" says 'broken.c:[0-9]*: CU_ASSERT_EQUAL(1,2)'
check "the failed assertion of a child is shown" says 'in a child: CU_ASSERT_STRING_EQUAL'
check "the signal is shown" says 'ended by signal 9'
check "the hang is shown" says 'no end within'
check "the left segment is named" says 'left /dev/shm/shmbus.t'
check "the failed call is shown with its name" says 'SHMBUS_ERR_STALE'
check "the sum is right" says '^2 passed, 9 failed$'
check "the exit status says so" status_is 1
run --filter no.such.test
check "a filter that fits nothing is an error" status_is 2

# tally COMMAND...: what tally.sh writes down of it
tally() {
    rm -f "$work/results"
    T_RESULTS=$work/results sh config/tools/tally.sh it sh -c "$1" >"$out" 2>&1
    status=$?
}
tallied() { same "$(cat "$work/results")" "$1 it"; }
tally 'echo "ok - a"; echo "not ok - b"; echo "skip - c: d"; echo "ok - e"; exit 1'
check "lines are counted, and a failure is one" eval 'status_is 1 && tallied "2 1 1"'
tally 'echo "ok - a"; exit 3'
check "so is an end with a status and no word" eval 'status_is 1 && tallied "1 1 0"'
tally 'echo hello'
check "what counts nothing itself is one test" eval 'status_is 0 && tallied "1 0 0"'
tally 'kill -9 $$'
check "and fails if it is killed" eval 'status_is 1 && tallied "0 1 0"'
exit $failed
