#!/bin/sh
# SPDX-License-Identifier: MIT
# The coordinator/worker demo, its programs by themselves, and the small examples.
. "$(dirname "$0")/programs.inc"

# ------------------------------------------------------------------------------------ the demo
run demo --bus "$bus" --work-ms 20
check "the demo runs" status_is 0
check "it kills a worker in the middle of a task" \
    says "kill -9 worker-1 .* in the middle of task"
check "another one gets that task" says "has task [0-9]*, delivery count 2"
check "every task is still counted once" says "100 of 100 tasks done, each counted once"
check "no segment is left" nothing_left

run demo --config config/demo.yaml --bus "$bus" --work-ms 20 --kill-coordinator
check "the demo kills the coordinator, too" eval 'status_is 0 && says "kill -9 coordinator"'
check "the next one goes on with the run" says "goes on: .* coordinator number 2"
check "and every task is counted once" says "100 of 100 tasks done, each counted once"
check "no segment is left, either" nothing_left

start killed demo --bus "$bus" --work-ms 100
check "a demo is under way" until_has killed "completed 10/"
kill -9 "$started"
ended "$started"
pids=$(sed -n 's/.* started (pid \([0-9]*\))/\1/p' "$T_DIR/killed")
check "it had started workers" test -n "$pids"
for pid in $pids; do
    check "when it is killed process $pid dies with it" eventually gone "$pid"
done
run demo --bus "$bus" --work-ms 5
check "the next demo clears away what a killed one left" \
    eval 'status_is 0 && says "removed the bus that a killed demo had left" && nothing_left'

start ended demo --bus "$bus" --work-ms 100
check "a demo is under way again" until_has ended "completed 10/"
kill -TERM "$started"
ended "$started"
check "SIGTERM ends the demo with 3 and nothing is left" eval 'status_is 3 && nothing_left'

for program in demo coordinator worker; do
    run $program --tasks many --workers 3 --work-ms soon
    check "a number out of range is wrong usage of $program" status_is 2
done
run demo --tasks many
check "and is named" complains "many. is not a whole number"

# -------------------------------------------------------- coordinator and workers by themselves
start w0 worker --bus "$bus" --name w-0 --work-ms 5
w0=$started
start w1 worker --bus "$bus" --name w-1 --work-ms 5
w1=$started
check "workers may be there before the coordinator" \
    eval 'until_has w0 started && until_has w1 started'
run coordinator --bus "$bus" --tasks 50
check "which has them do its tasks" \
    eval 'status_is 0 && says "50 of 50 tasks, each counted once"'
ended "$w0"
check "a worker leaves when told" status_is 0
ended "$w1"
check "so does the other one" status_is 0

start first coordinator --bus "$bus" --tasks 40
first=$started
check "a coordinator runs" until_has first "run 2"
run coordinator --bus "$bus"
check "a second one is refused while the first lives" \
    eval 'status_is 1 && complains "has a coordinator already"'
kill -TERM "$first"
ended "$first"
check "an interrupted coordinator exits with 3" status_is 3
start second coordinator --bus "$bus" --tasks 40
second=$started
check "and the next one goes on" until_has second "run 2 goes on"

start w2 worker --bus "$bus" --name w-2 --work-ms 5
w2=$started
check "half of the tasks are done" until_has second "completed 20/40"
kill -9 "$second"
ended "$second"
run coordinator --bus "$bus" --tasks 40
check "after a kill the next one goes on, with no task lost or counted twice" \
    eval 'status_is 0 && says "40 of 40 tasks, each counted once"'
ended "$w2"
check "its worker leaves when told" status_is 0

echo "work_ms: 4" >"$T_DIR/settings"
start w3 worker --bus "$bus" --name w-3 --settings "$T_DIR/settings"
w3=$started
check "a worker reads its settings" until_has w3 started
echo "work_ms: 6" >"$T_DIR/settings"
kill -HUP "$w3"
check "SIGHUP makes it read them again" until_has w3 "work_ms 6"
echo "work_ms: soon" >"$T_DIR/settings"
kill -HUP "$w3"
check "and keep the old ones when the new ones are wrong" until_has w3 "expected one line"

run coordinator --bus "$bus" --tasks 20 --remove
check "what is left of old runs stops nobody in the next" \
    eval 'status_is 0 && says "run 3 done: 20 of 20 tasks"'
ended "$w3"
check "the last worker leaves, and nothing is left" eval 'status_is 0 && nothing_left'

# --------------------------------------------------------------------------- the small examples
start letter recv "$bus" letters
run send "$bus" letters "hello over there"
check "send sends" status_is 0
ended "$started"
check "recv prints it" eval 'status_is 0 && until_has letter "^hello over there$"'

start loop epoll "$bus" letters
for word in one two three; do run send "$bus" letters $word; done
check "the epoll loop prints what arrives" until_has loop '^three$'
kill -TERM "$started"
ended "$started"
check "and ends with 0 on SIGTERM" status_is 0

run stream
check "a stream is taken over from a killed receiver at the message it held" \
    eval 'status_is 0 && says "tick 8 .*(taken over)"'
run threads
check "threads with handles of their own share the work" status_is 0
exit $failed
