#!/bin/sh
# The coordinator/worker demo and the small examples, as a user runs them.
#   demo.sh [DIRECTORY]   of the programs; default: $BIN, else build/gcc-plain/bin
# Prints "ok - …" or "not ok - …" for each check; exit 1 if one failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${1:-${BIN:-build/gcc-plain/bin}}
bus=t-demo-$$
dir=$(mktemp -d) || exit 1
failed=0

finish() {
    jobs -p >"$dir/jobs"
    for pid in $(cat "$dir/jobs"); do kill -9 "$pid" 2>/dev/null; done
    rm -rf "$dir"
    rm -f /dev/shm/shmbus."$bus"*
}
trap finish EXIT
trap 'exit 1' INT TERM

# check "sentence" command …
check() {
    sentence=$1
    shift
    if "$@"; then
        echo "ok - $sentence"
    else
        echo "not ok - $sentence"
        failed=1
        [ -f "$dir/out" ] && sed 's/^/# /' "$dir/out"
    fi
}
status_is() { [ "$status" -eq "$1" ] || { echo "# status $status, not $1"; return 1; }; }
says() { grep -q -- "$1" "$dir/out"; }
says_not() { ! grep -q -- "$1" "$dir/out"; }
clean() { ! ls /dev/shm/shmbus."$bus"* >/dev/null 2>&1; }
run() {
    timeout 60 "$@" >"$dir/out" 2>&1
    status=$?
}
# until "command", at most 20 s
until_true() {
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 2000 ] || return 1
        sleep 0.01
    done
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# ------------------------------------------------------------------------------------ the demo
run "$bin/demo" --bus "$bus" --work-ms 20
check "the demo ends well when a worker is killed" status_is 0
check "every task is done and counted once" says "100 of 100 tasks done, each counted once"
check "the task of the killed worker comes again with delivery count 2" says "delivery count 2"
check "the demo leaves no segment behind" clean

run "$bin/demo" --bus "$bus" --config examples/demo.yaml --work-ms 20 --kill-coordinator
check "the demo ends well when the coordinator is killed, too" status_is 0
check "the second coordinator goes on where the first was" says "goes on: .* coordinator number 2"
check "every task is done and counted once then, too" says "100 of 100 tasks done, each counted once"
check "the demo leaves no segment behind then, either" clean

"$bin/demo" --bus "$bus" --work-ms 100 >"$dir/out" 2>&1 &
demo=$!
until_true 'grep -q "completed 10/" "$dir/out"'
workers=$(sed -n 's/.* started (pid \([0-9]*\))/\1/p' "$dir/out")
kill -9 "$demo"
wait "$demo" 2>/dev/null
children_gone() { for pid in $workers; do until_true "gone $pid" || return 1; done; [ -n "$workers" ]; }
check "the workers die with a killed demo" children_gone
run "$bin/demo" --bus "$bus" --work-ms 5
check "the next demo clears away what a killed one left" says "removed the bus that a killed demo had left"
check "and ends well" status_is 0

"$bin/demo" --bus "$bus" --work-ms 100 >"$dir/out" 2>&1 &
demo=$!
until_true 'grep -q "completed 10/" "$dir/out"'
kill -TERM "$demo"
wait "$demo"
status=$?
check "SIGTERM ends the demo with exit code 3" status_is 3
check "an interrupted demo leaves no segment behind" clean

run "$bin/demo" --tasks many
check "a wrong number is wrong usage" status_is 2
check "and is named" says "'many' is not a whole number"

# -------------------------------------------------------- coordinator and workers by themselves
worker() {
    "$bin/worker" --bus "$bus" --name "$1" --work-ms 5 >"$dir/$1" 2>&1 &
    last=$!
}
worker w-0
w0=$last
worker w-1
w1=$last
until_true 'grep -q started "$dir/w-0" && grep -q started "$dir/w-1"'
run "$bin/coordinator" --bus "$bus" --tasks 50
check "workers may be there before the coordinator" status_is 0
check "and do all tasks" says "50 of 50 tasks"
wait "$w0"
status=$?
check "a worker told to stop exits with 0" status_is 0
wait "$w1"

"$bin/coordinator" --bus "$bus" --tasks 40 >"$dir/first" 2>&1 &
first=$!
until_true 'grep -q "run 2" "$dir/first"'
run "$bin/coordinator" --bus "$bus"
check "a second coordinator is refused while the first lives" status_is 1
check "and is told why" says "has a coordinator already"
kill -TERM "$first"
wait "$first"
status=$?
check "an interrupted coordinator exits with 3" status_is 3

"$bin/coordinator" --bus "$bus" --tasks 40 >"$dir/out" 2>&1 &
first=$!
until_true 'grep -q "goes on" "$dir/out"'
check "the next one goes on with the run" says "run 2 goes on"
worker w-2
until_true 'grep -q "completed 20/40" "$dir/out"'
kill -9 "$first"
wait "$first" 2>/dev/null
run "$bin/coordinator" --bus "$bus" --tasks 40
check "and so does one after a kill" status_is 0
check "with no task lost or counted twice" says "40 of 40 tasks, each counted once"
wait "$last"

echo "work_ms: 4" >"$dir/settings"
"$bin/worker" --bus "$bus" --name w-3 --settings "$dir/settings" >"$dir/w-3" 2>&1 &
last=$!
until_true 'grep -q started "$dir/w-3"'
echo "work_ms: 6" >"$dir/settings"
kill -HUP "$last"
check "SIGHUP makes a worker read its settings again" until_true 'grep -q "work_ms 6" "$dir/w-3"'
echo "work_ms: soon" >"$dir/settings"
kill -HUP "$last"
check "and keep the old ones when they are wrong" until_true 'grep -q "expected one line" "$dir/w-3"'
run "$bin/coordinator" --bus "$bus" --tasks 20 --remove
check "what is left of old runs stops nobody in the next" says "run 3 done: 20 of 20 tasks"
wait "$last"
check "--remove removes the bus" clean

# --------------------------------------------------------------------------- the small examples
"$bin/recv" "$bus" letters >"$dir/out" 2>&1 &
receiver=$!
run_quietly() { timeout 20 "$@"; }
check "send sends" run_quietly "$bin/send" "$bus" letters "hello over there"
wait "$receiver"
check "recv prints what was sent" says "^hello over there$"

"$bin/epoll" "$bus" letters >"$dir/out" 2>&1 &
loop=$!
for word in one two three; do "$bin/send" "$bus" letters "$word"; done
check "the epoll loop prints what arrives" until_true 'grep -q "^three$" "$dir/out"'
kill -TERM "$loop"
wait "$loop"
status=$?
check "SIGTERM ends the epoll loop with 0" status_is 0

run "$bin/stream"
check "a stream is taken over from a killed receiver" status_is 0
check "at the message it held" says "tick 8 .*(taken over)"
run "$bin/threads"
check "every thread has its own handles and the sum is right" status_is 0

exit $failed
