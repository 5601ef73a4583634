#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: killed itself, at random moments of reloads; the workers are taken over.
# T_ROUNDS: how many times (200); 20 are enough for a quick look.
name=supervise-death
. "$(dirname "$0")/supervise.inc"
rounds=${T_ROUNDS:-200}
[ "${T_LIMIT_S:-180}" -le 180 ] || rounds=40 # sanitized: several times slower
port=$((20000 + $$ % 20000))

# Another supervisor, that is stopped and does not answer: asked now, looked at when the rest is done.
printf 'bus: %s-2\nprograms: { a: { command: [sleep, "200"] } }\n' "$bus" >"$dir/still.yaml"
"$ctl" supervise "$dir/still.yaml" >/dev/null 2>&1 &
still=$!
is_answered() { "$ctl" status "$bus-2" >/dev/null 2>&1; }
check "a supervisor answers" eventually is_answered
kill -STOP "$still"
(
    code=0
    "$ctl" status "$bus-2" >/dev/null 2>"$dir/asked" || code=$?
    echo "exit code $code" >>"$dir/asked"
) &

cat >"$file" <<END
bus: $bus
sockets: { http: { tcp: "127.0.0.1:$port" } }
programs:
  web:
    command: [$bin/test-httpd]
    count: 2
    sockets: [http]
    ready: { by: notify, deadline: 60s }
  plain:
    command: [sleep, "1000"]
    ready: { by: alive, after: 5ms }
    reload: { max_unavailable: 1 }
END
die() {
    kill -9 "$supervisor"
    wait "$supervisor" 2>/dev/null
    pids=
}
begun() { [ "$(grep -c ' begin  ' "$log")" -ge "$1" ]; }
begin
check "three workers are up" up
old=$(users | sort)
die
check "the supervisor is killed; they live" eventually users_are "$old"
: >"$log"
begin
check "the next one takes them over" eventually eval '[ "$(grep -c "adopted " "$log")" = 3 ]'
check "and starts no second set" eventually users_are "$old"
check "its socket came from a worker" eventually rows_are 'web .* ready' 2
one=$(worker_pid plain)
kill -9 "$one"
check "the death of one that is no child is seen" eventually logged "plain pid $one ended: end not known"
check "and answered" eventually rows_are 'plain .* ready .*unknown:1' 1
works "those taken over can be replaced" reload "$bus" --wait --timeout=60s

# A pid that was given to somebody else is nobody to take over.
die
sed 's/"start_ticks":[0-9]*/"start_ticks":1/g' "/dev/shm/supervise.$bus/state" >"$dir/state"
cp "$dir/state" "/dev/shm/supervise.$bus/state"
strangers=$(users | sort)
sleep 1000 &
stranger=$!
sed "s/\"pid\":[0-9]*,/\"pid\":$stranger,/" "$dir/state" >"/dev/shm/supervise.$bus/state"
for left in $(echo "$strangers" | cut -d/ -f3); do kill -9 "$left" 2>/dev/null; done
eventually nobody_is_left
begin
check "with pids that others have by now, all are started anew" eventually rows_are ready 3
check "and the others are left alone" kill -0 "$stranger"
kill -9 "$stranger"

# Killed the instant that its workers hear they may go: by themselves. Their successors stay.
cat >"$dir/avenger" <<'END'
trap 'kill -9 $PPID' TERM
while :; do sleep 1000 & wait; done
END
web=$file
file=$dir/avengers.yaml
cat >"$file" <<END
bus: $bus-3
programs:
  a:
    command: [sh, "$dir/avenger"]
    count: 2
    ready: { by: alive, after: 50ms }
    stop: { grace: 200ms }
END
die
avengers_are() { [ "$("$ctl" status "$bus-3" --no-headings 2>/dev/null | grep -c "$1")" = "$2" ]; }
: >"$log"
begin
check "two more are up" eventually avengers_are 'ready' 2
kill -HUP "$supervisor"
wait "$supervisor" 2>/dev/null
pids=
begin
check "a supervisor is killed by who it tells to go: the next one ends it" eventually avengers_are '^a .* 2 .*ready' 2
check "and takes nobody back" eval '! logged "SIGTERM.*roll.back"'
kill -9 $(grep -alxz "SHMBUS_BUS=$bus-3" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
die
rm -rf "/dev/shm/supervise.$bus-3" "/dev/shm/shmbus.$bus-3"

# What was decided, and who died, while nobody looked.
file=$dir/unseen.yaml
cat >"$file" <<END
bus: $bus-4
programs:
  once: { command: [sleep, "1000"], ready: { by: alive, after: 5ms }, restart: { policy: never } }
  spread: { command: [sleep, "1000"], ready: { by: alive, after: 5ms }, recycle: { cron: "0 0 29 2 *", spread: 24h } }
  loops: { command: [sh, -c, 'exit 3'], restart: { backoff: 5m, backoff_max: 5m } }
  one: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
  two: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
groups:
  both: { programs: [one, two], strategy: all-for-one }
END
unseen_are() { [ "$("$ctl" status "$bus-4" --no-headings 2>/dev/null | grep -c -e "$1")" = "$2" ]; }
unseen_pid() { "$ctl" status "$bus-4" "$1" --json | sed 's/.*"pid":\([0-9]*\),"state".*/\1/'; }
: >"$log"
begin
check "four are up, one waits for its back-off" eventually eval 'unseen_are " ready " 4 && unseen_are "^loops .*back-off" 1'
once=$(unseen_pid once) one=$(unseen_pid one) two=$(unseen_pid two) spread=$(unseen_pid spread)
die
kill -9 "$once" "$one"
soon=$(($(cut -d. -f1 /proc/uptime) * 1000000000)) # CLOCK_MONOTONIC, or before it
perl -pe "s/(\"pid\":$spread,.*?\"recycle_clock_ns\":)0/\${1}$soon/" "/dev/shm/supervise.$bus-4/state" >"$dir/state"
cp "$dir/state" "/dev/shm/supervise.$bus-4/state"
: >"$log"
begin
check "a job that ended unseen is done, and not run twice" eventually unseen_are '^once .*done' 1
check "a group is started again for one that died unseen" eventually eval 'unseen_are "^one .* ready .*unknown:1\|^one .* ready .*group:1" 1 && unseen_are "^two .* ready .*group:1" 1'
check "all of it" eval '[ "$(unseen_pid two)" != "$two" ]'
check "a recycling that was put off at random is done at its time" eventually unseen_are '^spread .* ready .*cron:1' 1
check "a back-off goes on" unseen_are '^loops .*back-off' 1
check "and nothing of it was started at once" eval '! logged "start .*loops"'
die
kill -9 $(grep -alxz "SHMBUS_BUS=$bus-4" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
rm -rf "/dev/shm/supervise.$bus-4" "/dev/shm/shmbus.$bus-4"
file=$web
begin
check "the workers of before are there still" eventually rows_are ready 3

# One in another time namespace knows them as well, and how old they are.
if unshare --time true 2>/dev/null; then
    die
    file=$dir/later.yaml
    printf 'bus: %s-5\nprograms: { a: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } } }\n' "$bus" >"$file"
    later_is() { "$ctl" status "$bus-5" --no-headings 2>/dev/null | grep -q -e "$1"; }
    : >"$log"
    unshare --time --boottime 100000 --monotonic 100000 "$ctl" supervise "$file" >/dev/null 2>>"$log" &
    supervisor=$!
    check "up in a time namespace" eventually later_is ' ready '
    die
    begin
    check "the next one, outside of it, takes over" eventually logged 'adopted .*a pid'
    check "and its worker is as old as it is" eventually later_is '^a .* ready  *[0-9.]*m*s '
    kill -9 $(grep -alxz "SHMBUS_BUS=$bus-5" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
    die
    rm -rf "/dev/shm/supervise.$bus-5" "/dev/shm/shmbus.$bus-5"
    file=$web
    begin
    eventually rows_are ready 3
else
    skip "a supervisor in another time namespace" "unshare --time is not possible"
fi

# Killed again and again, while generations change.
"$bin/test-load" "$port" "$dir/load" 2>"$dir/load.err" &
load=$!
round=0 begins=$(grep -c ' begin  ' "$log")
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    kill -HUP "$supervisor"
    perl -e 'select undef, undef, undef, rand 0.06' # the moment is the test
    die
    begin
    eventually begun $((begins + round))
done
pids="$supervisor $load"
works "killed $rounds times: the last one ends the change of generations" reload "$bus" --wait --timeout=60s
check "two and one workers run" eventually eval 'rows_are "^web .* ready" 2 && rows_are "^plain .* ready" 1 && rows_are . 3'
check "and no other process" eventually eval '[ "$(users | grep -cv "/$supervisor/")" = 3 ]'
kill -TERM $load
status=0
wait $load || status=$?
check "no request has failed through all of that" eval 'status_is 0 || ! sed 5q "$dir/load.err"'
ended
check "stopped: exit code 0" status_is 0
check "one that is stopped: said after 10 s, exit code 4" eventually eval \
    'grep -qx "exit code 4" "$dir/asked" && grep -q "does not answer; is it stopped" "$dir/asked"'
kill -CONT "$still"
kill -TERM "$still"
wait "$still"
rm -f "/dev/shm/shmbus.$bus-2"
end_supervise
