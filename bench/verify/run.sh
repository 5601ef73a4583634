#!/bin/sh
# SPDX-License-Identifier: MIT
# Each contestant that was written for the comparison moves COUNT messages, which must all come, once,
# in order and whole.
# usage: bench/verify/run.sh DIRECTORY COUNT
set -u
dir=${1:?usage: bench/verify/run.sh DIRECTORY COUNT}
count=$2
[ "$count" -lt 100000 ] && sizes=72 || sizes='8 72 4096'
passed=0 failed=0

# verify CONTESTANT WORKLOAD ARGUMENT...: as processes and as threads, single messages and, unless the
# contestant has none, batches
verify() {
    peer=$1 workload=$2
    shift 2
    for size in $sizes; do
        one "$peer-address" "$workload" $size "$@"
        one "$peer-thread" "$workload" $size --threads "$@"
    done
}
one() {
    program=$1 workload=$2 size=$3
    shift 3
    what="$program $workload $size bytes $*"
    said=$("$dir/$program" "$workload" "$size" "$count" --ms=120000 --warm-ms=1 "$@" 2>&1)
    if [ $? = 0 ] && case $said in '{'*'"unit":"messages"'*) true ;; *) false ;; esac then
        passed=$((passed + 1))
        echo "ok - $what"
    else
        failed=$((failed + 1))
        echo "not ok - $what"
        echo "$said" | head -n 30 | sed 's/^/#   /'
    fi
}

for batch in 1 32; do
    for peer in ref spsc_cached mpmc_turns; do
        verify $peer verify --batch=$batch
    done
    verify spsc_cached verify --batch=$batch --variant=lazy
    for peer in ref mpmc_turns; do
        verify $peer verify_queue --batch=$batch --producers=3 --consumers=3
    done
    verify ref_fanout verify_fanout --batch=$batch --consumers=4
done
verify spsc_flags verify

echo "$passed passed, $failed failed"
[ -z "${T_RESULTS:-}" ] || echo "$passed $failed 0 bench/verify" >>"$T_RESULTS"
[ $failed = 0 ] && [ $passed -gt 0 ]
