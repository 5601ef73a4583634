#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: what is to be seen while one generation hands over to the next, and workers
# that are killed then, or hang with a message in their hands.
name=supervise-handover
. "$(dirname "$0")/supervise.inc"
port=$((20000 + $$ % 20000))

# ------------------------------------------------------- batches, both generations, environment, UDP
write_file() { # write_file ENVIRONMENT
    cat >"$file" <<END
bus: $bus
environment: { $1 }
sockets: { u: { udp: "127.0.0.1:$port" } }
programs:
  a:
    command: [sh, -c, 'env >$dir/env.\$\$; readlink /proc/self/fd/3 >$dir/fd.\$\$; exec sleep 1001']
    count: 4
    sockets: [u]
    ready: { by: command, command: [test, -e, $dir/go], interval: 20ms, deadline: 60s }
    reload: { batch: 2 }
END
}
column() { "$ctl" status "$bus" a --no-headings | awk -v n="$1" '{ printf "%s ", $n }'; }
column_is() { [ "$(column "$1")" = "$2" ]; }
write_file 'GOES: "1"'
touch "$dir/go"
begin
check "four workers are up" up
# It is ready as soon as "go" is there, whatever it has written by then.
socket_of() { # socket_of PID: sets $socket
    eventually test -s "$dir/fd.$1"
    socket=$(sed 's/[^0-9]//g' "$dir/fd.$1")
}
socket_of "$(worker_pid a)"
before=$socket
check "a UDP socket is theirs as descriptor 3" grep -q " $socket " /proc/net/udp
rm "$dir/go"
write_file 'COMES: "1"'
works "a reload begins" reload "$bus"
check "a batch of two, beside all of the old ones: sorted by generation and number" eventually eval \
    'column_is 2 "1 1 1 1 2 2 " && column_is 3 "0 1 2 3 0 1 "'
run rollout status "$bus" --no-headings
check "rollout status says how far it is" says '^a .* running *0 of 4'
touch "$dir/go"
check "all four are replaced" eventually column_is 2 "2 2 2 2 "
check "the second batch began when the first one was ready" eval '[ "$(sed -n "s/.*Z \(start\|ready\) .*generation 2,.*/\1/p; \
    s/.*Z \(ready\) .*/\1/p" "$log" | sed 1,4d | tr "\n" " ")" = "start start ready ready start start ready ready " ]'
new=$dir/env.$(worker_pid a)
socket_of "$(worker_pid a)" # which it writes behind its environment
check "the environment was made afresh: what FILE has now, and not what it had" eval \
    'grep -qx COMES=1 "$new" && ! grep -q GOES "$new" && grep -qx SHMBUS_GENERATION=2 "$new"'
check "the socket is the same one" same "$socket" "$before"
ended

# ------------------------------------------------------------------------------ SIGTERM comes once
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [sh, -c, 'trap "echo TERM >>$dir/terms" TERM; until [ -e $dir/end ]; do sleep 0.05; done']
    ready: { by: alive, after: 100ms }
    stop: { grace: 10m }
END
begin
up
works "a worker is told to stop" stop "$bus"
works "and once more" stop "$bus" a
kill -TERM "$supervisor"
kill -TERM "$supervisor"
check "the supervisor as well, twice" eventually logged ' stopping '
touch "$dir/end"
status=0
wait "$supervisor" || status=$?
pids=
check "all is stopped" status_is 0
check "the worker has got one SIGTERM" same "$(cat "$dir/terms")" TERM

# ---------------------------------------------------------- workers killed at any moment of it
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [$ctl, recv, $bus, work, --create, --follow]
    count: 3
    ready: { by: heartbeat, deadline: 60s }
    restart: { backoff: 1ms, backoff_max: 2ms, starts: 0 }
END
"$ctl" supervise "$file" >>"$dir/got" 2>>"$log" &
supervisor=$!
pids="$pids $supervisor"
check "three workers are up" up
round=0 sent=0
while [ $round -lt 40 ]; do
    round=$((round + 1))
    kill -HUP "$supervisor"
    "$ctl" send "$bus" work "message $((sent += 1))" >/dev/null
    "$ctl" send "$bus" work "message $((sent += 1))" >/dev/null
    perl -e 'select undef, undef, undef, rand 0.04' # the moment is the test
    victims=$(users | grep -v "/$supervisor/" | cut -d/ -f3 | sort -R | head -n 2)
    [ -z "$victims" ] || kill -9 $victims 2>/dev/null
done
works "killed $round times two of them: a change of generations ends as ever" reload "$bus" --wait --timeout=60s
check "three workers run" eventually eval 'rows_are "^a .* ready" 3 && rows_are . 3'
check "and no other process" eventually eval '[ "$(users | grep -cv "/$supervisor/")" = 3 ]'
all_came() { [ "$(grep -c . "$dir/got")" -ge "$sent" ] && [ "$(sort -u "$dir/got" | wc -l)" = "$sent" ]; }
check "each message came out" eventually all_came
check "none is left, or in the hands of a dead worker" eventually eval \
    'field_is work depth 0 && field_is work held 0 && field_is work redeliverable 0'
zombies() { for child in $(cat "/proc/$supervisor/task/$supervisor/children"); do
    sed -n 's/.*) Z .*/Z/p' "/proc/$child/stat" 2>/dev/null; done | wc -l; }
check "there is no zombie" eval '[ "$(zombies)" = 0 ]'
ended

# -------------------------------------------------------- one hangs, and a thread of it goes on
: >"$log"
rm -f "/dev/shm/shmbus.$bus"
cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [$bin/test-hang, work]
    ready: { by: heartbeat }
    watchdog: { after: 1s, abort: true }
END
printf 'channels: { work: { kind: queue } }\nheartbeat: { interval: 200ms, timeout: 10s }\n' >"$dir/plan.yaml"
"$ctl" create "$bus" --config "$dir/plan.yaml" >/dev/null
begin
check "a worker with a second thread is up" up
one=$(worker_pid a)
"$ctl" send "$bus" work hangs >/dev/null
check "its first thread hangs: seen, though the second one goes on" eventually logged "stalled  *a pid $one "
check "and ended for that" eventually logged "a pid $one ended as told, watchdog: killed by SIGABRT"
check "its message goes to the next one" eventually eval \
    'field_is work depth 0 && field_is work held 0 && field_is work redeliverable 0'
check "who goes on" eventually rows_are '^a .* ready .*watchdog:' 1
ended
end_supervise
