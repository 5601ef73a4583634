#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: workers replaced before it hurts, the watchdog, cron expressions.
name=supervise-recycle
. "$(dirname "$0")/supervise.inc"

# By the clock: a supervisor to whom it is just before half past four. Looked at when the rest is done.
faketime=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | head -n 1)
[ "${T_LIMIT_S:-180}" -le 180 ] || faketime= # sanitizers want to be the first library
if [ -n "$faketime" ]; then
    cat >"$dir/clock.yaml" <<END
bus: $bus-2
programs:
  nightly:
    command: [sleep, "100"]
    count: 2
    ready: { by: alive, after: 10ms }
    recycle: { cron: "30 4 * * *", timezone: UTC, spread: 2s }
  other-time:
    command: [sleep, "101"]
    ready: { by: alive, after: 10ms }
    recycle: { cron: "31 4 * * *", timezone: UTC }
END
    LD_PRELOAD=$faketime FAKETIME='@2026-01-01 04:29:50' FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC \
        "$ctl" supervise "$dir/clock.yaml" >/dev/null 2>"$dir/clock.log" &
    clock=$!
    pids="$pids $clock"
fi

cat >"$file" <<END
bus: $bus
programs:
  old: { command: [sleep, "1000"], count: 2, ready: { by: alive, after: 10ms }, recycle: { age: 600ms, jitter: 50 } }
  fat:
    command: [$bin/test-leak]
    ready: { by: alive, after: 10ms }
    recycle: { memory: 20MiB }
    reload: { max_unavailable: 1 }
  fat-pss:
    command: [$bin/test-leak]
    ready: { by: alive, after: 10ms }
    recycle: { memory: 20MiB, pss: true }
    reload: { max_unavailable: 1 }
  busy:
    command: [$bin/shmbusctl, recv, $bus, work, --follow]
    ready: { by: heartbeat }
    recycle: { messages: 10, jitter: 0 }
  long-queue:
    command: [sleep, "1001"]
    ready: { by: alive, after: 10ms }
    recycle: { age: 50ms, queue: waiting, queue_depth: 3, put_off: 1h }
  patient:
    command: [sleep, "1001"]
    ready: { by: alive, after: 10ms }
    recycle: { age: 50ms, queue: waiting, queue_depth: 3, put_off: 300ms }
  paused:
    command: [$bin/shmbusctl, recv, $bus, nothing, --follow]
    ready: { by: heartbeat }
    watchdog: { after: 2s, abort: true }
  hung:
    command: [$bin/shmbusctl, recv, $bus, nothing, --follow]
    ready: { by: heartbeat }
    watchdog: { after: 1s, abort: true, even_paused: true }
  waiting:
    command: [$bin/shmbusctl, recv, $bus, nothing, --follow]
    ready: { by: heartbeat }
    watchdog: { after: 1ms, abort: true, even_paused: true }
END
# Who waits beats every 200 ms.
printf 'channels: { work: { kind: queue }, waiting: { kind: queue }, nothing: { kind: queue } }\nheartbeat: { interval: 200ms, timeout: 10s }\n' >"$dir/plan.yaml"
works "--check prints what recycles" supervise --check "$file"
check "and the watchdog" eval 'says "recycle    above 20.0MiB of private memory" && says "watchdog   stalled after 1.0s, then SIGABRT"'
"$ctl" create "$bus" --config "$dir/plan.yaml" >/dev/null
for i in 1 2 3 4 5; do "$ctl" send "$bus" waiting "$i" >/dev/null; done
begin
check "all are up" up
one=$(worker_pid paused)
kill -STOP "$one"
kill -STOP "$(worker_pid hung)"
check "by age, one at a time" eventually eval '[ "$(grep -c "replaced  *old pid .* age" "$log")" -ge 4 ]'
check "the old one goes when its successor is ready" eval \
    '[ "$(grep -e "recycle  *old" -e "start  *old .*: age" "$log" | sed "s/.*Z \([a-z]*\) .*/\1/" | head -4 | tr "\n" " ")" = "recycle start recycle start " ]'
check "by private memory, the old one first" eventually logged 'replaced  *fat pid .*: memory; before: memory [0-9]\{5,\} KiB'
check "or by its share of all memory" eventually logged 'replaced  *fat-pss pid .*: memory;'
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "$ctl" send "$bus" work "$i" >/dev/null; done
check "by messages" eventually logged 'replaced  *busy pid .* messages;'
check "put off while a queue is long" eventually logged 'put-off  *long-queue'
check "put off for no longer than it may be" eventually logged 'replaced  *patient'
check "though it was put off" logged 'put-off  *patient'
check "the other one is not done" eval '! logged "replaced  *long-queue"'
"$ctl" recv "$bus" waiting -n 5 >/dev/null
check "done when it is short" eventually logged 'replaced  *long-queue'
run status "$bus"
check "each reason is counted apart" says '^fat .*memory:[1-9]'
check "a paused worker is shown as stalled" eventually logged "stalled  *paused pid $one .*it is paused"
check "and left alone" kill -0 "$one"
silent_s() { sed -n "s/.*stalled  *$1 pid .* moved for \([0-9.]*\) s.*/\1/p" "$log" | tail -1; }
check "after the time, and not after twice that" eval 'awk "BEGIN { exit !($(silent_s paused) >= 2 && $(silent_s paused) < 3.8) }"'
check "a time that is shorter than who waits may be silent counts as longer" logged 'watchdog  *waiting: .* counts as 1.4 s'
check "so who only waits is not ended" eval '! logged "stalled  *waiting"'
check "one is ended where that was asked for" eventually logged 'exit  *hung pid .* ended as told, watchdog: killed by SIGABRT'
check "and followed by another" eventually logged 'start  *hung .*: watchdog'
kill -CONT "$one"
check "when it goes on, that is said" eventually logged "recovered  *paused pid $one "

# The supervisor and a worker are stopped together, as in a container that is frozen.
age_ns() { "$ctl" ps "$bus" --json | tr -d ' \n' | tr '{' '\n' | sed -n "s/.*\"pid\":$1,.*\"heartbeat_age_ns\":\([0-9]*\).*/\1/p"; }
older() { [ "$(age_ns "$1" || echo 0)" -gt "$2" ] 2>/dev/null; }
: >"$log"
kill -STOP "$supervisor" "$one"
# Longer than a supervisor may be late, and a beat before the stop.
check "both are stopped for long" eventually older "$one" 6500000000
before=$(age_ns "$one")
kill -CONT "$supervisor"
check "what passed meanwhile is no fault of the worker" eventually logged "stalled  *paused pid $one "
check "its time begins anew" eval 'awk "BEGIN { exit !($(silent_s paused) >= $before / 1e9 + 1.5) }"'
kill -CONT "$one"
ended
check "stopped: exit code 0" status_is 0

# A load of our own making: the file that tells it, in a mount namespace of the supervisor.
echo '99.00 9.00 9.00 1/100 1' >"$dir/loadavg"
loaded='mount --bind "$1" /proc/loadavg && shift && exec "$@"'
if [ "$(id -u)" = 0 ] && unshare --mount sh -c "$loaded" sh "$dir/loadavg" true 2>/dev/null; then
    : >"$log"
    cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [sleep, "1000"]
    ready: { by: alive, after: 10ms }
    recycle: { age: 50ms, load: 90, put_off: 1h }
END
    unshare --mount sh -c "$loaded" sh "$dir/loadavg" "$ctl" supervise "$file" >/dev/null 2>>"$log" &
    supervisor=$!
    pids="$pids $supervisor"
    check "put off while the machine is loaded" eventually logged 'put-off  *a pid'
    check "and not done" eval '! logged "replaced  *a pid"'
    echo '0.99 9.00 9.00 1/100 1' >"$dir/loadavg"
    check "done when it is not" eventually logged 'replaced  *a pid'
    ended
else
    skip "put off while the machine is loaded" "not root, or no mount namespaces"
fi

if [ -n "$faketime" ]; then
    pids=$clock
    clocked() { grep -q -e "$1" "$dir/clock.log"; }
    check "by the clock, both workers" eventually eval \
        '[ "$(grep -c "Z replaced  *nightly pid [0-9]* by [0-9]*: cron; before" "$dir/clock.log")" = 2 ]'
    check "at that time, or as little later as it may be" eval \
        '[ "$(grep -c "T04:30:0[0-9].*Z recycle  *nightly" "$dir/clock.log")" = 2 ]'
    check "not at another time" eval '! clocked "recycle  *other-time"'
    kill -TERM "$clock"
    status=0
    wait "$clock" || status=$?
    pids=
    rm -f "/dev/shm/shmbus.$bus-2"
    check "stopped: exit code 0" status_is 0
else
    skip "by the clock" "no faketime, or sanitized"
fi

# -------------------------------------------------------- cron: Europe/Berlin, 2026-03-29 and 10-25
cron() { "$bin/test-cron" "$@" >"$out" 2>&1; status=$?; }
due() { # due "sentence" EXPRESSION FROM TO EXPECTED
    cron "$2" Europe/Berlin "$3" "$4"
    check "$1" same "$(tr '\n' ';' <"$out")" "$5"
}
if [ -e /usr/share/zoneinfo/Europe/Berlin ]; then
    spring=1774735200 autumn=1792875600 # 23:00 and 23:00 of the evening before, in Berlin
    due "a time that is leapt over is run right after it" '30 2 * * *' $spring $((spring + 21600)) '03-29 03:00 CEST;'
    due "the first minute of the leap as well" '0 2 * * *' $spring $((spring + 21600)) '03-29 03:00 CEST;'
    due "the one behind it once" '0 3 * * *' $spring $((spring + 21600)) '03-29 03:00 CEST;'
    due "a time that comes twice is run the first time" '30 2 * * *' $autumn $((autumn + 21600)) '10-25 02:30 CEST;'
    due "hourly is each hour of the clock that runs" '0 * * * *' $autumn $((autumn + 18000)) \
        '10-24 23:00 CEST;10-25 00:00 CEST;10-25 01:00 CEST;10-25 02:00 CEST;10-25 02:00 CET;'
else
    skip "both changes of the clock" "no time zones"
fi
day=1767225600 # 2026-01-01, a Thursday
due_utc() { cron "$2" UTC "$3" "$4"; check "$1" same "$(tr '\n' ';' <"$out")" "$5"; }
due_utc "steps and lists" '0,30 8-10/2 * * *' $day $((day + 86400)) '01-01 08:00 UTC;01-01 08:30 UTC;01-01 10:00 UTC;01-01 10:30 UTC;'
due_utc "either day counts when both are given" '0 0 3 * FRI' $day $((day + 432000)) '01-02 00:00 UTC;01-03 00:00 UTC;'
due_utc "both count when one is a star" '0 0 * * fri' $day $((day + 432000)) '01-02 00:00 UTC;'
due_utc "7 is Sunday" '0 12 * * 7' $day $((day + 604800)) '01-04 12:00 UTC;'
due_utc "@daily" '@daily' $day $((day + 90000)) '01-01 00:00 UTC;01-02 00:00 UTC;'
for wrong in '60 * * * *' '* 24 * * *' '* * 0 * *' '* * * 13 *' '* * * * 8' '5-1 * * * *' '*/0 * * * *' \
    '* * * *' '* * * * * *' '5/10 * * * *' 'x * * * *' '1, * * * *'; do
    cron "$wrong" UTC 0 60
    check "'$wrong' is no expression" eval 'status_is 1 && says "^no: "'
done
printf 'bus: %s\nprograms: { a: { command: [sleep, 1], recycle: { spread: 5m } } }\n' "$bus" >"$file"
fails "a spread of nothing is refused" 2 'needs a `cron`' supervise "$file"
printf 'bus: %s\nprograms: { a: { command: [sleep, 1], recycle: { cron: "61 * * * *" } } }\n' "$bus" >"$file"
fails "and FILE with one is refused" 2 '`cron: 61 \* \* \* \*`: the minute is not valid' supervise "$file"
end_supervise
