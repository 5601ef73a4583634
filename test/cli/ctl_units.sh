#!/bin/sh
# SPDX-License-Identifier: MIT
# Sizes, durations and counts are written in one way: what an option takes YAML takes, and what the
# one refuses the other does.
name=units
. "$(dirname "$0")/ctl.inc"

# yaml takes: durations by heartbeat.timeout, sizes by a stream's bytes, counts by processes
yaml() {
    printf '%s\n' "$1" >"$dir/plan.yaml"
    run create "$bus" -c "$dir/plan.yaml" --dry-run
    [ $status = 0 ]
}
option() { # a bus that is not there is 3, a bad value 2
    run "$@"
    [ $status != 2 ]
}
agree() { # WHAT VALUE YAML OPTION...
    what=$1 value=$2 text=$3
    shift 3
    yaml "$text" && in_yaml=yes || in_yaml=no
    option "$@" && in_option=yes || in_option=no
    check "$what '$value': YAML and options agree ($in_yaml)" same "$in_option" "$in_yaml"
}

for d in 5s 250ms 10000us 1m30s 2m 1.5s '5 s' 3min 20sec 30 30.5 1e1 2h 1d 0x10s 5S 5secs soon 1s1m -5s '' s 5s5s 007s; do
    agree duration "$d" "heartbeat: { interval: 1ms, timeout: \"$d\" }" recv "$bus-none" q --timeout="$d"
    run stats "$bus-none" --interval="$d"
    [ $status != 2 ] && in_option=yes || in_option=no
    check "--interval takes '$d' as --timeout does ($in_yaml)" same "$in_option" "$in_yaml"
    run stats "$bus-none" --watch="$d"
    [ $status != 2 ] && in_option=yes || in_option=no
    check "so does --watch" same "$in_option" "$in_yaml"
    run stop "$bus-none" --wait --timeout="$d"
    [ $status != 2 ] && in_option=yes || in_option=no
    check "and the verbs of the supervisor" same "$in_option" "$in_yaml"
done
for s in 65536 64KiB 64K 64Ki 1MiB '1 MiB' 128kB 1MB 0.5MiB 1e6 0x10000 64k 64kib 64KB 64mb -1 '' KiB 064KiB; do
    agree size "$s" "channels: { s: { kind: stream, bytes: \"$s\" } }" create "$bus" --stream="s:bytes=$s" --dry-run
    agree size "$s" "blocks: [ { size: \"$s\", count: 8 } ]" create "$bus" --blocks="$s:8" --dry-run
done
for n in 8 0x10 0o20 1_0 8.0 1e1 008 -8 8.5 eight '' 8K; do
    agree count "$n" "channels: { q: { depth: \"$n\" } }" create "$bus" --queue="q:depth=$n" --dry-run
    agree count "$n" "processes: \"$n\"" create "$bus" --processes="$n" --dry-run
done
end
