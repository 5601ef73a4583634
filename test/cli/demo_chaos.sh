#!/bin/sh
# SPDX-License-Identifier: MIT
# Coordinator and workers are killed at random moments, again and again. Whenever a coordinator
# says that a run is done, every task of it must have been counted once.
# T_CHAOS_RUNS runs (5), T_SEED for the same sequence of kills.
. "$(dirname "$0")/programs.inc"
runs_wanted=${T_CHAOS_RUNS:-5}
seed=${T_SEED:-$$}
workers=4
tasks=200
runs=0 kills=0 started=0
deadline_s=$(($(date +%s) + 100))

# Sets $random to 0 .. $1 - 1.
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    random=$((seed / 65536 % $1))
}
start_worker() {
    started=$((started + 1))
    worker --bus "$bus" --name "w-$started" --work-ms 2 >>"$T_DIR/workers" 2>&1 &
    eval "worker_$1=$!"
}
start_coordinator() {
    coordinator --bus "$bus" --tasks $tasks >>"$T_DIR/coordinator" 2>&1 &
    coordinator=$!
}
complaint=
# After a kill (137) or STOP (0) a new one takes the place.
replace_workers() {
    n=0
    while [ $n -lt $workers ]; do
        eval "pid=\$worker_$n"
        if has_ended "$pid"; then
            [ $status = 0 ] || [ $status = 137 ] ||
                complaint="a worker ended with status $status"
            start_worker $n
        fi
        n=$((n + 1))
    done
}
replace_coordinator() {
    has_ended "$coordinator" || return 0
    if [ $status = 0 ]; then
        runs=$((runs + 1))
    elif [ $status != 137 ]; then
        complaint="a coordinator ended with status $status: $(tail -n 3 "$T_DIR/coordinator")"
    fi
    start_coordinator
}
kill_somebody() {
    random 5
    if [ "$random" = 0 ]; then
        kill -9 "$coordinator" 2>/dev/null && kills=$((kills + 1))
    elif [ "$random" -lt 3 ]; then
        random $workers
        eval "kill -9 \$worker_$random" 2>/dev/null && kills=$((kills + 1))
    fi
}

start_coordinator
n=0
while [ $n -lt $workers ]; do
    start_worker $n
    n=$((n + 1))
done
while [ $runs -lt "$runs_wanted" ] && [ -z "$complaint" ]; do
    random 40
    sleep "0.0$((random + 10))"
    kill_somebody
    replace_workers
    replace_coordinator
    [ "$(date +%s)" -lt $deadline_s ] || complaint="only $runs runs were done in 100 s"
done
done_lines=$(grep -c ' done: ' "$T_DIR/coordinator")
good_lines=$(grep -c " done: $tasks of $tasks tasks, each counted once; .* 0 failed" "$T_DIR/coordinator")
echo "# $runs runs, $kills kills"
check "every run is done in time, and nobody ended but by a kill" same "$complaint" ""
check "whoever is killed when, every task of every run is counted once (seed $seed)" eval \
    'echo "$runs runs, $done_lines told, $good_lines as they should be"
     [ "$done_lines" -ge "$runs" ] && [ "$good_lines" = "$done_lines" ]'
check "and somebody was killed" test $kills -gt 0
exit $failed
