#!/bin/sh
# SPDX-License-Identifier: MIT
# examples/graceful.c: three kinds of workers that stop within a limit, and lose nothing.
name=graceful
. "$(dirname "$0")/supervise.inc"
graceful=$bin/graceful
# It keeps a signal back until the thread makes a call that it knows; one that sleeps in a futex makes none.
! grep -q __tsan_init "$graceful" || { skip "workers stop within a limit" "built with the thread sanitizer"; exit 0; }

begin_it() { # begin_it OPTION...: $it is its pid, its output goes to $dir/said
    "$graceful" --bus "$bus" "$@" >"$dir/said" 2>"$dir/complained" &
    it=$!
    pids="$pids $it"
    check "it has started" eventually said ' started '
}
said() { grep -q -e "$1" "$dir/said" 2>/dev/null; }
end_it() { # end_it [SIGNAL]: $status is its exit code
    kill -"${1:-TERM}" "$it"
    status=0
    wait "$it" || status=$?
    pids=
}
total() { sed -n 's/.*total \([0-9]*\): data \([0-9]*\), request \([0-9]*\), job steps \([0-9]*\);.*/\'"$1"'/p' "$dir/said"; }
waiting() { echo $(($(field "$1" depth) + $(field "$1" redeliverable))); }
settings() { printf 'data_ms: %s\nrequest_ms: %s\nstep_ms: %s\n' "$1" "$2" "$3" >"$dir/settings"; }
run_is_at() { [ "$(field "$1" held)" = "$2" ]; }

# ------------------------------------------------------------- nothing is lost from run to run
settings 5 5 1
begin_it --settings "$dir/settings" --tasks 800
check "it works" eventually eval '[ "$(waiting data)" -lt 790 ]'
kill -TERM "$it"
end_it
check "told to stop twice: exit code 0" status_is 0
check "it took no more: tasks are left for the next run" eval '[ "$(waiting data)" -gt 0 ] && [ "$(waiting job)" -gt 0 ]'
check "nothing is in anybody's hands" eval 'run_is_at data 0 && run_is_at request 0 && run_is_at job 0'
check "the total is the sum" same "$(total 1)" $(($(total 2) + $(total 3) + $(total 4)))
check "each short task is done, or waits" eval '[ $(($(total 2) + $(waiting data))) = 800 ] && [ $(($(total 3) + $(waiting request))) = 800 ]'
first_data=$(total 2) first_request=$(total 3)
begin_it --settings "$dir/settings"
check "the next run does the rest" eventually eval '[ "$(waiting data)" = 0 ] && [ "$(waiting request)" = 0 ] && [ "$(waiting job)" = 0 ]'
check "and finishes it" eventually eval 'run_is_at data 0 && run_is_at request 0 && run_is_at job 0'
end_it INT
check "exit code 0" status_is 0
check "together that is each task once" same "$((first_data + $(total 2))) $((first_request + $(total 3)))" "800 800"

# ------------------------------------------------------------------ what is in hand when it is told
settings 3600000 3600000 3600000
begin_it --settings "$dir/settings" --tasks 1 --limit-ms 60000
check "each kind has one in hand" eventually eval 'run_is_at data 1 && run_is_at request 1 && run_is_at job 1'
settings 3600000 3600000 1
kill -HUP "$it"
check "SIGHUP: the settings are read again" eventually said 'settings: .*step_ms 1$'
printf 'data_ms: 1\nstep_ms: many\n' >"$dir/settings"
kill -HUP "$it"
check "bad ones: one line says why" eventually grep -q 'settings:2: expected data_ms, request_ms or step_ms' "$dir/complained"
check "one, and the old ones stay" eval '[ "$(wc -l <"$dir/complained")" = 1 ] && ! said "data_ms 1,"'
kill -9 "$it"
wait "$it" 2>/dev/null
pids=
# Short ones may be done before anybody looks; a step is long enough for the machine to look and tell.
settings 300 300 3000
begin_it --settings "$dir/settings" --limit-ms 60000
again() { [ "$(field "$1" redelivered)" = 1 ]; }
check "it has them again" eventually eval 'again data && again request && again job'
end_it USR2
check "what is short is finished, the long one is given back between two steps: exit code 0" eval \
    'status_is 0 && said "data 1, request 1, job steps [1-4]; given back 1, cut off 0"'
check "it waits for the next run" same "$(waiting data) $(waiting request) $(waiting job)" "0 0 1"
run peek "$bus" job --json
check "a stop is no failed delivery: only the death was counted" says '"delivery_count": *2'

# -------------------------------------------------------------------------------- over the limit
settings 3600000 1 1
begin_it --settings "$dir/settings" --tasks 1 --limit-ms 200
check "one will take an hour, the others are done" eventually eval \
    'run_is_at data 1 && [ "$(waiting request)$(waiting job)" = 00 ] && run_is_at request 0 && run_is_at job 0'
end_it
check "cut off at the limit, and counted: exit code 3" eval 'status_is 3 && said "given back 0, cut off 1$"'
check "it waits for the next run as well" same "$(waiting data)" 1
check "after no more than the limit and what a busy machine adds" eval \
    '[ "$(sed -n "s/.*ended \([0-9]*\)\.[0-9]* ms later/\1/p" "$dir/said")" -lt 5000 ]'

# ----------------------------------------------------------------------------------- how soon
rm -f "/dev/shm/shmbus.$bus"
"$bin/test-react" 21 "$graceful" --bus "$bus" --threads 2 >"$out" 2>"$err"
status=$?
check "SIGTERM to the end of idle workers: $(cat "$out")" status_is 0

# ------------------------------------------------------------------- a thread per CPU, supervised
sed -e "s|/usr/local/bin/graceful|$graceful|" -e "s|demo|$bus|; s|grace: 1s|grace: 20s|" "$root/config/supervise/threads.yaml" >"$file"
works "the example configuration is accepted" supervise --check "$file"
begin
check "two workers are up" eventually rows_are '^worker .* ready' 2
threads() { ls "/proc/$(worker_pid worker)/task" | wc -l; }
check "each with threads of each kind for every CPU" eventually eval '[ "$(threads)" -ge $(($(nproc) * 3 + 1)) ]'
works "and replaced, one at a time" restart "$bus" --wait --timeout=60s
check "by SIGUSR2 alone" eval 'logged "SIGUSR2 to pid" && ! logged "SIGTERM to pid" && [ "$(grep -c "ended as told, operator: exit code 0" "$log")" = 2 ]'
ended
check "and stopped" status_is 0
end_supervise
