#!/bin/sh
# SPDX-License-Identifier: MIT
# Commands to a supervisor go over the bus, and over its socket where the bus cannot serve; whoever
# dies in the middle of one leaves nothing.
name=supervise-bus
. "$(dirname "$0")/supervise.inc"

by() { logged "command .*$1.*over the $2\$"; } # by COMMAND bus|socket
nothing_lies() { [ "$(field supervisor.commands depth)" = 0 ] && [ "$(field supervisor.commands held)" = 0 ]; }
clean() { # clean WHAT
    check "$1: no request is left" eventually nothing_lies
    check "$1: no sender is left" eventually eval '[ "$(field supervisor.commands senders)" = 0 ]'
    works "$1: the bus is sound" doctor "$bus"
}
rows_of() { "$ctl" ps "$bus" --no-headings 2>/dev/null | grep -c shmbusctl; }

printf 'processes: 3\nblocks: [{ size: 64, count: 64 }]\nchannels: { q: { depth: 128 } }\n' >"$dir/plan.yaml"
cat >"$file" <<END
bus: $bus
plan: $dir/plan.yaml
programs:
  a: { command: [sleep, "1000"], ready: { by: alive, after: 20ms } }
  stubborn:
    command: [sh, -c, 'trap "" TERM; while :; do sleep 1; done']
    ready: { by: alive, after: 20ms }
    stop: { grace: 60s }
END
begin
up

# ------------------------------------------------------------------------------------ over the bus
works "a command is obeyed" restart "$bus" a --wait --timeout=60s
check "it came over the bus" by "restart a" bus
check "and the replaced worker is up when the answer comes" rows_are '^a .* ready' 1
fails "a failure comes back with its code and sentence" 3 "no program .nope." restart "$bus" nope
fails "bad use, too" 2 "is not PROGRAM=N" scale "$bus" a
i=0
while [ $i -lt 12 ]; do
    "$ctl" status "$bus" --json >"$dir/status.$i" 2>&1 &
    set -- "$@" $!
    i=$((i + 1))
done
for asker; do wait "$asker" || echo "$asker" >>"$dir/lost"; done
check "twelve that ask at once, and do not all fit in, have each an answer" eval '! [ -e "$dir/lost" ] && [ "$(grep -l "\"name\":\"stubborn\"" "$dir"/status.* | wc -l)" = 12 ]'
i=0
while [ $i -lt 40 ]; do
    run restart "$bus" a
    i=$((i + 1))
done
works "an answer of several parts comes in one piece" logs "$bus" --json
check "which is longer than a part" eval '[ "$(wc -c <"$out")" -gt 8192 ] && ! grep -v -q "^{.*}\$" "$out"'
check "commands one after the other over the bus" eval '! logged "over the socket"'
works "until it is quiet" start "$bus" --wait --timeout=60s
clean "after all that"

# ------------------------------------------------------------------------------------- follow
"$ctl" logs "$bus" --follow >"$dir/follow" 2>&1 &
follower=$!
pids="$pids $follower"
check "logs --follow has what was" eventually grep -q ' begin ' "$dir/follow"
works "something happens" stop "$bus" a --wait --timeout=60s
check "and what comes" eventually grep -q 'command .*stop a,' "$dir/follow"
check "each line once" same "$(grep -c "command .*stop a," "$dir/follow") of $(grep -c "command .*stop a," "$log")" "1 of 1"
kill -TERM "$follower"
status=0
wait "$follower" || status=$?
check "until a signal" status_is 143
works "it is started again" start "$bus" a --wait --timeout=60s

# ------------------------------------------------------------------------------- a client is killed
"$ctl" stop "$bus" stubborn --wait >"$dir/answer" 2>&1 &
client=$!
pids="$pids $client"
check "a client waits" eventually by "stop stubborn" bus
kill -9 "$client"
wait "$client" 2>/dev/null
check "killed, it is out of the process table" eventually eval '[ "$(rows_of)" = 0 ]'
works "the supervisor serves others" status "$bus"
clean "a client was killed"
kill -9 "$(worker_pid stubborn)"
works "what it had asked for is done" stop "$bus" stubborn --wait --timeout=60s

# ------------------------------------------------------------- what is late is not obeyed
kill -STOP "$supervisor"
"$ctl" stop "$bus" a >"$dir/answer" 2>&1 &
client=$!
pids="$pids $client"
check "a request waits for a stopped supervisor" eventually eval '[ "$(field supervisor.commands depth)" = 1 ]'
kill -9 "$client"
wait "$client" 2>/dev/null
kill -CONT "$supervisor"
works "the supervisor goes on" status "$bus"
check "and has not done what nobody waits for" eval 'rows_are "^a .* ready" 1 && nothing_lies'

# ------------------------------------------------------------------------- the supervisor is killed
works "it runs once more" start "$bus" stubborn --wait --timeout=60s
"$ctl" stop "$bus" stubborn --wait >"$dir/answer" 2>&1 &
client=$!
pids="$pids $client"
check "a client waits" eventually eval '[ "$(grep -c "command .*stop stubborn,.*bus" "$log")" = 3 ]'
kill -9 "$supervisor"
status=0
wait "$client" || status=$?
check "its client hears of the death of the supervisor" eval 'status_is 1 && grep -q "ended without an answer" "$dir/answer"'
kill -9 $(users | cut -d/ -f3 | while read -r pid; do grep -qz 'SHMBUS_PROGRAM=stubborn' "/proc/$pid/environ" && echo "$pid"; done)
begin
check "the next one takes over" eventually logged 'taking over'
works "and obeys, over the same bus" restart "$bus" a --wait --timeout=60s
clean "the supervisor was killed"

# ---------------------------------------------------------------------------- the bus is full
run send "$bus" q x --count=128 --timeout=0
check "no block is free" complains 'no free block'
works "commands have room of their own" restart "$bus" a --wait --timeout=60s
check "none has gone over the socket so far" eval '! logged "over the socket"'

# -------------------------------------------------------------------- where the bus cannot serve
over_socket() { "$ctl" restart "$bus" a --wait --timeout=60s && logged "command .*restart a, asked over the socket\$"; }
: >"$log"
fill() { # fill N: so many that only wait are in the process table then
    "$ctl" recv "$bus" other --create --follow >/dev/null 2>&1 &
    pids="$pids $!"
    check "a place more is taken" eventually eval "[ \"\$(rows_of)\" = $1 ]"
}
check "nobody else is there" eventually eval '[ "$(rows_of)" = 0 ]'
fill 1
fill 2
check "a command comes over the socket" over_socket
for filler in $pids; do [ "$filler" = "$supervisor" ] || kill -9 "$filler" 2>/dev/null; done
: >"$log"
removed() { "$ctl" rm "$bus" --force && over_socket; } # it is made anew after some seconds
check "the bus is removed: a command comes over the socket" eventually removed
ended
check "the supervisor ends well" status_is 0
rm -f "/dev/shm/shmbus.$bus"
sed -i '/stubborn:/,$d' "$file"
works "a bus that somebody else made, without those queues" create "$bus" --queue q:depth=64
: >"$log"
begin
up
check "a command comes over the socket" over_socket
ended
end_supervise
