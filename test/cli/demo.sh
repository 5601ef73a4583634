#!/bin/sh
# SPDX-License-Identifier: MIT
# The coordinator/worker demo, its programs by themselves, and the small examples.
. "$(dirname "$0")/harness"
bus=$T_NAME

# Whatever this script started and did not wait for.
end_children() {
    jobs -p >"$T_DIR/.jobs"
    while read -r pid; do kill -9 "$pid" 2>/dev/null; done <"$T_DIR/.jobs"
    rm -f /dev/shm/shmbus."$T_NAME"*
}
trap 'end_children; it_exit' EXIT

# start FILE COMMAND…: in the background, output to $T_DIR/FILE, its pid in $started
start() {
    start_file=$T_DIR/$1
    shift
    last_command=$*
    "$@" >"$start_file" 2>&1 &
    started=$!
}
# ended PID: its exit status in $status
ended() {
    wait "$1" 2>/dev/null
    status=$?
}
# until_has FILE PATTERN: at most 20 s
until_has() {
    tries=0
    until grep -q -e "$2" "$T_DIR/$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -ge 2000 ]; then
            fail "$1 has no: $2: $(tail -n 5 "$T_DIR/$1")"
            return 1
        fi
        sleep 0.01
    done
}
until_gone() {
    tries=0
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -ge 2000 ]; then
            fail "process $1 is still there"
            return 1
        fi
        sleep 0.01
    done
}
no_segment() {
    for left in /dev/shm/shmbus."$bus"*; do [ ! -e "$left" ] || fail "left $left"; done
}

# ------------------------------------------------------------------------------------ the demo
it "the demo kills a worker in the middle of a task and every task is still counted once"
run demo --bus "$bus" --work-ms 20
status_is 0
out_has "kill -9 worker-1 .* in the middle of task"
out_has "has task [0-9]*, delivery count 2"
out_has "100 of 100 tasks done, each counted once"
no_segment

it "the demo kills the coordinator, too, and the next one goes on with the run"
run demo --config config/demo.yaml --bus "$bus" --work-ms 20 --kill-coordinator
status_is 0
out_has "kill -9 coordinator"
out_has "goes on: .* coordinator number 2"
out_has "100 of 100 tasks done, each counted once"
no_segment

it "the processes of a killed demo die with it"
start killed demo --bus "$bus" --work-ms 100
until_has killed "completed 10/"
kill -9 "$started"
ended "$started"
pids=$(sed -n 's/.* started (pid \([0-9]*\))/\1/p' "$T_DIR/killed")
[ -n "$pids" ] || fail "the demo had started no worker"
for pid in $pids; do until_gone "$pid"; done

it "the next demo clears away what a killed one left"
run demo --bus "$bus" --work-ms 5
status_is 0
out_has "removed the bus that a killed demo had left"
no_segment

it "SIGTERM ends the demo with 3 and nothing is left"
start ended demo --bus "$bus" --work-ms 100
until_has ended "completed 10/"
kill -TERM "$started"
ended "$started"
status_is 3
no_segment

it "a number out of range is wrong usage and is named"
for program in demo coordinator worker; do
    run $program --tasks many --workers 3 --work-ms soon
    status_is 2
done
run demo --tasks many
err_has "'many' is not a whole number"

# -------------------------------------------------------- coordinator and workers by themselves
it "workers may be there before the coordinator and leave when told"
start w0 worker --bus "$bus" --name w-0 --work-ms 5
w0=$started
start w1 worker --bus "$bus" --name w-1 --work-ms 5
w1=$started
until_has w0 started
until_has w1 started
run coordinator --bus "$bus" --tasks 50
status_is 0
out_has "50 of 50 tasks, each counted once"
ended "$w0"
status_is 0
ended "$w1"
status_is 0

it "a second coordinator is refused while the first lives"
start first coordinator --bus "$bus" --tasks 40
first=$started
until_has first "run 2"
run coordinator --bus "$bus"
status_is 1
err_has "has a coordinator already"

it "an interrupted coordinator exits with 3 and the next one goes on"
kill -TERM "$first"
ended "$first"
status_is 3
start second coordinator --bus "$bus" --tasks 40
second=$started
until_has second "run 2 goes on"

it "so does one after a kill, with no task lost or counted twice"
start w2 worker --bus "$bus" --name w-2 --work-ms 5
w2=$started
until_has second "completed 20/40"
kill -9 "$second"
ended "$second"
run coordinator --bus "$bus" --tasks 40
status_is 0
out_has "40 of 40 tasks, each counted once"
ended "$w2"
status_is 0

it "SIGHUP makes a worker read its settings again"
echo "work_ms: 4" >"$T_DIR/settings"
start w3 worker --bus "$bus" --name w-3 --settings "$T_DIR/settings"
w3=$started
until_has w3 started
echo "work_ms: 6" >"$T_DIR/settings"
kill -HUP "$w3"
until_has w3 "work_ms 6"

it "and keep the old ones when the new ones are wrong"
echo "work_ms: soon" >"$T_DIR/settings"
kill -HUP "$w3"
until_has w3 "expected one line"

it "what is left of old runs stops nobody in the next"
run coordinator --bus "$bus" --tasks 20 --remove
status_is 0
out_has "run 3 done: 20 of 20 tasks"
ended "$w3"
status_is 0
no_segment

# --------------------------------------------------------------------------- the small examples
it "recv prints what send sends"
start letter recv "$bus" letters
run send "$bus" letters "hello over there"
status_is 0
ended "$started"
status_is 0
until_has letter '^hello over there$'

it "the epoll loop prints what arrives and ends with 0 on SIGTERM"
start loop epoll "$bus" letters
for word in one two three; do run send "$bus" letters $word; done
until_has loop '^three$'
kill -TERM "$started"
ended "$started"
status_is 0

it "a stream is taken over from a killed receiver at the message it held"
run stream
status_is 0
out_has 'tick 8 .*(taken over)'

it "threads with handles of their own share the work"
run threads
status_is 0
