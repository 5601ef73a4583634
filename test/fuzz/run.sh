#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every fuzz target for some seconds: run.sh BIN WORK SECONDS [TARGET...]
# What they find goes to WORK/found; the last line on standard output is the sum as JSON.
set -u
bin=$1 work=$2 seconds=$3
shift 3
corpus=$(dirname "$0")/corpus
begin=$(date +%s)
execs=0 failures=0
mkdir -p "$work/found"
export UBSAN_OPTIONS=print_stacktrace=1

# A crash leaves the segment of its process behind.
pid=
clean() { [ -z "$pid" ] || rm -rf /dev/shm/shmbus.fuzz-*-"$pid" /dev/shm/fuzz-cli-"$pid"; }
trap 'kill "$pid" 2>/dev/null; clean; exit 130' INT TERM
run() {
    "$@" >"$log" 2>&1 &
    pid=$!
    wait $pid
    status=$?
    clean
}

count_execs() {
    n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$1" | tail -n 1)
    execs=$((execs + ${n:-0}))
    echo "fuzz: $2: ${n:-0} inputs, exit status $3" >&2
}

# Everything that was ever found comes first, then what the fuzzer thinks of.
run_target() {
    mkdir -p "$work/corpus/$1"
    log=$work/$1.log
    dictionary=
    length=1153
    if [ "$1" = yaml ]; then
        dictionary=-dict=$(dirname "$0")/yaml.dict
        length=4096
    fi
    # shellcheck disable=SC2086 # no dictionary: no argument
    run "$bin/$1" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -max_len=$length \
        -print_final_stats=1 -artifact_prefix="$work/found/$1-" $dictionary \
        "$work/corpus/$1" "$corpus/$1"
}

for target in "$@"; do
    if [ "$target" = cli ]; then
        log=$work/cli.log
        run "$bin/cli" "$bin/shmbusctl" "$corpus" "$work/found" "$seconds"
    else
        run_target "$target"
    fi
    count_execs "$log" "$target" $status
    if [ $status != 0 ]; then
        failures=$((failures + 1))
        grep -v -e '^#[0-9]' "$log" | tail -n 60 >&2
        echo "fuzz: $target FAILED; the log is $log" >&2
        sed -n 's/.*Test unit written to /fuzz: reproducer: /p' "$log" >&2
        [ "$target" = cli ] || echo "fuzz: again: $bin/$target REPRODUCER" >&2
    fi
done
printf '{"target":"fuzz","execs":%d,"failures":%d,"seconds":%d}\n' \
    $execs $failures $(($(date +%s) - begin))
[ $failures = 0 ]
