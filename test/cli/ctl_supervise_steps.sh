#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise dies at each of its steps, one after the other: right before each fork, signal,
# word to a child and write of its state. The next one ends what was under way: the configured
# workers run, once, and what was acknowledged is done.
name=supervise-steps
. "$(dirname "$0")/supervise.inc"
steps=$bin/test-die_at.so
[ -e "$steps" ] || { skip "a supervisor dies at each step" "no $steps"; exit 0; }
! grep -q -e __tsan_init -e __asan_init "$ctl" || { skip "a supervisor dies at each step" "built with a sanitizer"; exit 0; }
every=${T_EVERY:-1} # so many steps at a time

dies_at() { # dies_at N: a supervisor of $file that does
    T_DIE_AT=$1 T_DIE_ARMED=$dir/armed LD_PRELOAD=$steps "$ctl" supervise "$file" >/dev/null 2>>"$log" &
    supervisor=$!
    pids="$pids $supervisor"
}
lives() { [ -e "/proc/$supervisor" ] && ! grep -q "^State:.*Z" "/proc/$supervisor/status"; }
dead_or() { ! lives || "$@"; } # dead_or CONDITION
count() { "$ctl" status "$bus" --no-headings 2>/dev/null | grep -c -e "$1"; }
ready() { [ "$(count ' ready ')" = "$1" ] && [ "$(count .)" = "$1" ]; } # N workers, all ready, and no row else
processes_are() { [ "$(users | grep -cv -e "/$supervisor/")" = "$1" ]; }

# each_step NAME ACTION DONE WORKERS [AGAIN]: for N = 1, 2, ...: a supervisor that is up is told to ACTION,
# dies at step N of it, and has a successor; afterwards DONE must hold if the action was acknowledged,
# or if it says so. AGAIN is what an operator does whose command was not acknowledged. Ends when the
# action is through before step N.
acknowledged=no at=0
each_step() {
    n=0 died=1 wrong=
    while [ "$died" = 1 ] && [ $n -lt 200 ] && [ -z "$wrong" ]; do
        n=$((n + every)) died=0 acknowledged=no
        : >"$log"
        rm -f "$dir/armed"
        [ "$1" != start ] || : >"$dir/armed"
        dies_at $n
        if [ "$1" != start ]; then
            eventually up_is 1 || wrong="it did not come up"
            before
            : >"$dir/armed"
            ! $2 >/dev/null 2>&1 || acknowledged=yes
        fi
        eventually dead_or is_through "$3" "$4" || wrong="it came to no end by itself"
        if ! lives; then
            died=1
            wait "$supervisor" 2>/dev/null
            pids=
            begin
            [ $acknowledged = yes ] || [ $# -lt 5 ] || eventually "$5" >/dev/null 2>&1
            eventually is_through "$3" "$4" || wrong="its successor came to no end"
        fi
        eventually processes_are "$4" || wrong="processes: $(users | grep -cv -e "/$supervisor/"), not $4"
        at=$n
        kill -9 "$supervisor"
        wait "$supervisor" 2>/dev/null
        pids=
        clear
    done
    check "$1: dies at each of $((n - 1)) steps, and its successor ends it${wrong:+; at $at (acknowledged: $acknowledged): $wrong}" eval '[ -z "$wrong" ] && [ $n -gt 3 ]'
    [ -z "$wrong" ] || tail -n 20 "$log" | sed 's/^/# /'
}
is_through() { ready "$2" && $1; }
clear() {
    users | cut -d/ -f3 | while read -r left; do kill -9 "$left" 2>/dev/null; done
    eventually nobody_is_left
    rm -rf "/dev/shm/supervise.$bus" "/dev/shm/shmbus.$bus"
}
before() { old=$(users | cut -d/ -f3 | grep -vx "$supervisor" | sort); }
now() { users | cut -d/ -f3 | grep -vx "$supervisor" | sort; }
all_new() { ! now | grep -qxF "$old"; }
nothing() { :; }

cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sleep, "1000"], count: 2, ready: { by: alive, after: 5ms } }
  b: { command: [sleep, "1000"], ready: { by: alive, after: 5ms }, reload: { max_unavailable: 1 } }
END
each_step start nothing nothing 3

new_if_told() { [ $acknowledged = no ] || all_new; }
reload() { "$ctl" reload "$bus"; }
each_step reload reload new_if_told 3

restart_b() { "$ctl" restart "$bus" b; }
some_kept() { [ $acknowledged = no ] || [ "$(now | grep -cxF "$old")" = 2 ]; }
each_step restart restart_b some_kept 3

up_and_down() { "$ctl" scale "$bus" a=4 && "$ctl" scale "$bus" a=2; }
each_step scale up_and_down nothing 3 up_and_down

off_and_on() { "$ctl" stop "$bus" a && "$ctl" start "$bus" a; }
each_step stop-start off_and_on nothing 3 off_and_on

new_binary() { kill -USR2 "$supervisor"; }
has_begun_anew() { [ "$(grep -c ' begin ' "$log")" -ge 2 ]; }
each_step new-binary new_binary has_begun_anew 3

cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
  b: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
  c: { command: [sleep, "1000"], ready: { by: alive, after: 5ms } }
groups:
  all: { programs: [a, b, c], strategy: all-for-one }
END
kill_b() { kill -9 "$("$ctl" status "$bus" b --json | sed 's/.*"pid":\([0-9]*\),"state".*/\1/')"; }
all_new_now() { all_new; }
each_step group kill_b all_new_now 3
rm -f "/dev/shm/shmbus.$bus"
end
