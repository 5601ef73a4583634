#!/bin/sh
# SPDX-License-Identifier: MIT
# What `shmbusctl supervise` does, in a minute: kill, respawn, reload, roll back, recycle, and its own
# death. Each step is checked. Leaves nothing behind.    usage: demo.sh DIRECTORY-OF-SHMBUSCTL [BUS]
set -u
PATH=$1:$PATH
bus=${2:-supervise-demo-$$}
dir=$(mktemp -d) || exit 1
file=$dir/workers.yaml log=$dir/log
supervisor=

finish() {
    if [ -n "$supervisor" ]; then
        kill -TERM "$supervisor" 2>/dev/null
        wait "$supervisor" 2>/dev/null
    fi
    rm -rf "$dir"
    shmbusctl rm "$bus" 2>/dev/null
}
trap finish EXIT
trap 'exit 1' INT TERM

title() { printf '\n== %s\n' "$1"; }
fail() {
    echo "demo: this did not happen: $1" >&2
    tail -n 20 "$log" >&2
    exit 1
}
# until PATTERN: in the log, within 30 s
until_logged() {
    tries=0
    until grep -q -e "$1" "$log"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "$1"
        sleep 0.05
    done
}
# say PATTERN: those lines of the log, without the date
say() { grep -e "$1" "$log" | sed 's/^[^T]*T/  /'; }

write_file() { # write_file COMMAND
    cat >"$file" <<END
bus: $bus
programs:
  worker:
    command: [$1]
    count: 3
    ready: { by: heartbeat, deadline: 2s }
    recycle: { messages: 20, jitter: 0 }
END
}
worker="shmbusctl, recv, $bus, tasks, --follow"
begin() {
    shmbusctl supervise "$file" >/dev/null 2>>"$log" &
    supervisor=$!
}

title "three workers, each up when its row is in the process table of the bus"
: >"$log"
write_file "$worker"
shmbusctl create "$bus" --queue tasks >/dev/null || exit 1
begin
until_logged ' up  '
shmbusctl status "$bus"

title "kill -9 one of them: another takes its place"
pid=$(shmbusctl status "$bus" --json | sed 's/.*"pid":\([0-9]*\),"state".*/\1/')
kill -9 "$pid"
until_logged 'start .*: crash'
pid_after=$(sed -n 's/.*start *worker pid \([0-9]*\).*: crash/\1/p' "$log")
until_logged "ready *worker pid $pid_after "
say "pid $pid ended" && say "pid $pid_after"

title "reload: a new generation beside the old one, which goes when the new one is ready"
shmbusctl reload "$bus" --wait --timeout=30s || fail "a reload"
say 'reloaded'
shmbusctl status "$bus"

title "reload of a worker that never becomes ready: rolled back, the old ones stay"
write_file 'sleep, "1000"'
shmbusctl reload "$bus" --wait --timeout=30s && fail "a roll back"
say 'rolled-back'
write_file "$worker"

title "recycle: a worker that has received 20 messages is replaced"
for i in $(seq 1 70); do
    shmbusctl send "$bus" tasks "task $i" >/dev/null || fail "a send"
done
until_logged 'replaced .*: messages;'
say 'replaced .*: messages;'

title "the supervisor itself is killed: the next one takes the workers over"
kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
begin
until_logged 'adopted '
until_logged 'taking over'
say 'adopted '
shmbusctl status "$bus"

title "stop: the last one first"
kill -TERM "$supervisor"
wait "$supervisor"
status=$?
supervisor=
[ $status = 0 ] || fail "a stop with exit code 0"
say 'all programs are stopped$'
[ ! -e "/dev/shm/supervise.$bus" ] || fail "a clean end"
echo
echo "demo-supervise: killed, respawned, reloaded, rolled back, recycled, taken over, stopped"
