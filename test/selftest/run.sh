#!/bin/sh
# SPDX-License-Identifier: MIT
# The runner is tested with tests that must fail. usage: run.sh PROGRAM
set -u
out=$(env -u T_RESULTS "$1" 2>&1)
status=$?
passed=0 failed=0

check() {
    if printf '%s\n' "$out" | grep -q -e "$2"; then
        echo "ok - $1"
        passed=$((passed + 1))
    else
        echo "not ok - $1"
        failed=$((failed + 1))
    fi
}

check "a good test passes" '^ok .* good.passes$'
check "a skipped test is counted apart" '^skip .* good.is_skipped$'
check "processes can wait for one another, be stopped and killed" \
    '^ok .* good.processes_wait_for_one_another$'
for broken in assertion crash hang descriptor segment process assertion_in_a_child early_exit \
    result; do
    check "a test with a fault in its $broken fails" "^FAIL .* broken.$broken\$"
done
check "the failed assertion is shown" 'broken.c:[0-9]*: CU_ASSERT_EQUAL(1,2)'
check "the failed assertion of a child is shown" 'in a child: CU_ASSERT_STRING_EQUAL'
check "the signal is shown" 'ended by signal 9'
check "the hang is shown" 'no end within'
check "the left segment is named" 'left /dev/shm/shmbus.t'
check "the failed call is shown with its name" 'SHMBUS_ERR_STALE'
check "the sum is right" '^2 passed, 9 failed$'
out="status $status"
check "the exit status says so" '^status 1$'
out=$(env -u T_RESULTS "$1" --filter no.such.test 2>&1; echo "status $?")
check "a filter that fits nothing is an error" '^status 2$'

echo "$passed passed, $failed failed"
[ -z "${T_RESULTS:-}" ] || echo "$passed $failed 0 test/selftest" >>"$T_RESULTS"
[ $failed = 0 ]
