#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: its file, readiness, restart policies, groups, stopping.
name=supervise
. "$(dirname "$0")/supervise.inc"

# ------------------------------------------------------------------------------------- the file
printf 'bus: %s\nprograms:\n  a: { command: [sleep, "1000"], count: 2 }\n' "$bus" >"$file"
works "--check accepts the smallest file" supervise --check "$file"
check "and prints the plan" says '^program a, 2 workers$'
works "--dry-run is the same" supervise "$file" --dry-run
check "and starts nothing" eval '! supervisor_left'

bad() { # bad "sentence" CODE "pattern" LINES...
    sentence=$1 code=$2 pattern=$3
    shift 3
    printf '%s\n' "$@" >"$dir/bad.yaml"
    fails "$sentence" "$code" "$pattern" supervise "$dir/bad.yaml"
}
bad "an unknown key is named with its place and the nearest one" 2 \
    'bad.yaml:3:29: unknown key `cout`; did you mean `count`' \
    "bus: $bus" 'programs:' '  a: { command: [sleep, 1], cout: 2 }'
bad "a file without bus is refused" 2 '`bus: NAME` is missing' 'programs:' '  a: { command: [sleep, 1] }'
bad "a file without programs is refused" 2 '`programs:` is missing' "bus: $bus"
bad "a program without command is refused" 2 'has no `command`' "bus: $bus" 'programs: { a: { count: 1 } }'
bad "a command that is not there is refused" 2 'no command "/no/such"' "bus: $bus" \
    'programs: { a: { command: [/no/such] } }'
bad "an impossible count is refused" 2 'expected a number from 1 to 1000' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], count: 0 } }'
bad "a key given twice is refused" 2 'is there twice' "bus: $bus" "bus: $bus" \
    'programs: { a: { command: [sleep, 1] } }'
bad "an unreadable directory is refused" 2 'no directory' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], directory: /no/such } }'
bad "an unknown user is refused" 2 'no user "nobodyatall"' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], user: nobodyatall } }'
bad "an unknown time zone is refused" 2 'no time zone "Europe/Berln"' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], recycle: { cron: "0 4 * * *", timezone: Europe/Berln } } }'
bad "aliases are refused" 2 'aliases are not allowed' "bus: $bus" 'programs: { a: *x }'
bad "a socket that is not defined is refused" 2 'wants the socket "web"' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], sockets: [web] } }'
bad "a socket path that is a file is refused, and left alone" 2 'is no socket' "bus: $bus" \
    "sockets: { s: { unix: $dir/bad.yaml } }" 'programs: { a: { command: [sleep, 1], sockets: [s] } }'
bad "no deadline before the time to outlive" 2 'cannot be ready `after` its `deadline`' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], ready: { after: 5s, deadline: 2s } } }'
bad "a reload signal needs somebody to be away" 2 'set `max_unavailable`' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], reload_signal: USR2, reload: { max_unavailable: 0 } } }'
bad "a grace for a reload signal needs one" 2 '`reload_grace` needs a `reload_signal`' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], reload_grace: 1s } }'
printf 'bus: %s\nprograms: { a: { command: [sleep, "1"], reload_signal: USR2 } }\n' "$bus" >"$dir/signal.yaml"
works "a reload signal is enough" supervise --check "$dir/signal.yaml"
check "one may be away then, for a second" says "reload *all at once, at most 1 away; SIGUSR2 first, SIGTERM after 1[.0]*s"
bad "a duration has a unit, as in shmbus.yaml" 2 '`deadline: 5`: expected a duration with its unit' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], ready: { deadline: 5 } } }'
bad "and no fraction" 2 'expected a duration with its unit' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], ready: { deadline: 1.5s } } }'
bad "a size has the units of shmbus.yaml" 2 'memory: 64M. is not a size' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], recycle: { memory: 64M } } }'
per_cpu="bus: $bus
programs: { a: { command: [sleep, '1'], count: per-cpu, reload: { max_unavailable: 900 }"
echo "$per_cpu } }" >"$dir/cpus.yaml"
works "a worker per CPU" supervise --check "$dir/cpus.yaml"
check "is as many as the supervisor may use" says "^program a, $(env -u OMP_NUM_THREADS nproc) workers\{0,1\} (one a CPU)"
cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
echo "$per_cpu, cpus: \"$cpu\" } }" >"$dir/cpus.yaml"
works "and of those that it names" supervise --check "$dir/cpus.yaml"
check "as many as are left, and no more of them away" eval 'says "^program a, 1 worker (one a CPU)" && says "at most 1 away"'
bad "a pid file is of one process, not of one per CPU" 2 'names one process' "bus: $bus" \
    'programs: { a: { command: [sleep, 1], count: per-cpu, pid_file: /tmp/x } }'
fails "a file that is not there" 3 'no.yaml' supervise "$dir/no.yaml"
check "nothing of all this has begun" eval '! supervisor_left'

# ------------------------------------------------------------------- environment, readiness, stopping
cat >"$file" <<END
bus: $bus
environment: { COLOUR: red }
programs:
  beat:
    command: [$bin/shmbusctl, recv, $bus, work, --follow]
    ready: { by: heartbeat, deadline: 60s }
  notify:
    command: [sh, -c, 'env >$dir/env; sleep 1000']
    environment: { COLOUR: blue }
    nice: 3
    directory: $dir
    ready: { by: alive, after: 50ms }
  probe:
    command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 0.05; [ -e $dir/go ] && touch $dir/up; done']
    ready: { by: command, command: [test, -e, $dir/up], interval: 100ms, deadline: 60s }
END
"$ctl" create "$bus" --queue work >/dev/null
begin
check "the one with a row on the bus is ready" eventually rows_are 'beat .* ready' 1
check "the one whose time has come is ready" eventually rows_are 'notify .* ready' 1
check "the one whose probe fails is not" rows_are 'probe .* starting' 1
touch "$dir/go"
check "until its probe succeeds" eventually rows_are 'probe .* ready' 1
for pair in COLOUR=blue "SHMBUS_BUS=$bus" SHMBUS_PROGRAM=notify SHMBUS_INSTANCE=0 SHMBUS_GENERATION=1; do
    check "the environment has $pair" grep -qx "$pair" "$dir/env"
done
check "and not what is the supervisor's own" eval '! grep -q SHMBUS_SUPERVISE_ "$dir/env"'
run supervise "$file"
check "a second supervisor of the bus is refused, exit code 8, with the pid of the first" \
    eval 'status_is 8 && complains "pid $supervisor"'
check "and has touched nothing" rows_are ready 3
works "one program is stopped" stop "$bus" probe --wait --timeout=60s
check "and shown so" rows_are 'probe .* stopped' 1
works "and started" start "$bus" probe --wait --timeout=60s
works "scaled up" scale "$bus" notify=3 --wait --timeout=60s
check "to three" rows_are 'notify .* ready' 3
works "and down" scale "$bus" notify=1 --wait --timeout=60s
check "to one" rows_are notify 1
works "up again" scale "$bus" notify=2 --wait --timeout=60s
check "nobody was replaced by all of this" eval '! logged " replaced "'
works "a restart replaces" restart "$bus" notify --wait --timeout=60s
check "and says so" logged ' replaced  *notify pid .* by .*: operator'
works "down once more" scale "$bus" notify=1 --wait --timeout=60s
fails "an unknown program is named" 3 'no program "nope"' stop "$bus" nope
run status "$bus" --json
json "status has JSON" 'j["bus"] and [p["name"] for p in j["programs"]] == ["beat", "notify", "probe"]'
run logs "$bus" probe
check "logs has the events of one program" eval 'says "probe pid" && ! grep -q "beat pid" "$out"'
fails "logs of an unknown program" 3 "of a program .nope." logs "$bus" nope
ended
check "SIGTERM stops everything, exit code 0" status_is 0
check "in reverse order" eval '[ "$(grep "shutdown$" "$log" | sed "s/.* of \(.*\):.*/\1/" | tr "\n" " ")" = "probe notify beat " ]'
fails "no supervisor is an error of its own" 3 'has no supervisor' status "$bus"

# ------------------------------------------------------------------------------ policies, by misbehaviour
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  dies-at-once:
    command: [sh, -c, 'exit 3']
    restart: { backoff: 10ms, backoff_max: 20ms, starts: 4, within: 10m }
  dies-after-ready:
    command: [sh, -c, 'sleep 0.1; kill -9 \$\$']
    ready: { by: alive, after: 10ms }
    restart: { backoff: 10ms, backoff_max: 20ms, starts: 3, within: 10m }
  never-ready:
    command: [sleep, "1000"]
    ready: { by: notify, deadline: 100ms }
    restart: { backoff: 10ms, backoff_max: 20ms, starts: 2, within: 10m }
  ignores-term:
    command: [sh, -c, 'trap "" TERM; while :; do sleep 0.05; done']
    stop: { grace: 200ms }
    ready: { by: alive, after: 10ms }
  ends-well:
    command: [sh, -c, 'exit 0']
    restart: { policy: on-failure }
  permanent:
    command: [sh, -c, 'exit 78']
    restart: { permanent_failure_codes: [78] }
  once:
    command: [sh, -c, 'exit 1']
    restart: { policy: never }
  abnormal:
    command: [sh, -c, 'exit 1']
    restart: { policy: on-abnormal }
  by-signal:
    command: [sh, -c, 'kill -9 \$\$']
    restart: { policy: on-abnormal, backoff: 10ms, backoff_max: 20ms, starts: 2, within: 10m }
  success-code:
    command: [sh, -c, 'exit 3']
    restart: { policy: on-failure, success_codes: [0, 3] }
  stable:
    command: [sleep, "1000"]
    ready: { by: alive, after: 10ms }
    restart: { backoff: 10m, backoff_max: 10m, stable_after: 50ms, starts: 0 }
  unstable:
    command: [sleep, "1000"]
    ready: { by: alive, after: 10ms }
    restart: { backoff: 10m, backoff_max: 10m, stable_after: 10m, starts: 0 }
  children:
    command: [sh, -c, 'sleep 1000 & (setsid sleep 1000 &) ; trap "exit 0" TERM; while :; do sleep 0.05; done']
    ready: { by: alive, after: 10ms }
  gone: { command: [$dir/goes], ready: { by: alive, after: 10ms } , restart: { policy: never } }
  waits-long:
    command: [sh, -c, 'exit 5']
    restart: { backoff: 10m, backoff_max: 10m }
alert: { command: [sh, -c, 'cat >>$dir/alerts'] }
END
printf '#!/no/such/interpreter\n' >"$dir/goes"
chmod +x "$dir/goes"
begin
for program in dies-at-once dies-after-ready never-ready permanent by-signal; do
    check "$program is settled" eventually rows_are "^$program .* given-up" 1
done
check "dead at once: given up after 4 starts" eval \
    '[ "$(grep -c "Z start  *dies-at-once pid" "$log")" = 4 ] && logged "dies-at-once is given up: 4 starts"'
check "its end is told in words" logged 'dies-at-once pid .* ended: exit code 3'
check "dead after ready counts as well" eventually eval \
    '[ "$(grep -c "Z start  *dies-after-ready pid" "$log")" = 3 ] && logged "dies-after-ready is given up"'
check "its signal is told in words" logged 'dies-after-ready pid .* ended: killed by SIGKILL'
check "never ready: ended at its deadline, tried again, given up" eval \
    '[ "$(grep -c "never-ready pid .* was not ready" "$log")" = 2 ] && logged "never-ready is given up"'
check "ended well: not started again on-failure" eval '[ "$(grep -c "Z start  *ends-well pid" "$log")" = 1 ]'
check "the code of a permanent failure ends it" eval \
    'logged "permanent is given up: it ended with a code" && [ "$(grep -c "Z start  *permanent pid" "$log")" = 1 ]'
check "never is never" eval '[ "$(grep -c "Z start  *once pid" "$log")" = 1 ]'
check "a signal is abnormal" eval '[ "$(grep -c "Z start  *by-signal pid" "$log")" = 2 ]'
check "another success code is success" eventually rows_are '^success-code .* done' 1
check "and not followed by a start" eval '[ "$(grep -c "Z start  *success-code pid" "$log")" = 1 ]'
older_than_stable() { [ "$("$ctl" status "$bus" stable --json | sed -n 's/.*"state":"ready".*"age_ns":\([0-9]*\).*/\1/p')" -gt 1000000000 ] 2>/dev/null; }
for i in 1 2; do
    eventually older_than_stable
    kill -9 "$(worker_pid stable)"
    check "ready for long, it is started again at once, time $i" eventually rows_are "^stable .* ready .*crash:$i" 1
done
kill -9 "$(worker_pid unstable)"
eventually rows_are '^unstable .* ready .*crash:1' 1
kill -9 "$(worker_pid unstable)"
check "not ready for long, only the first time" eventually rows_are '^unstable .* back-off' 1
check "exit code 1 is not abnormal" eval '[ "$(grep -c "Z start  *abnormal pid" "$log")" = 1 ]'
check "what cannot be executed says so" logged 'gone pid .* ended: exit code 127, cannot run it: No such file'
check "the alert hook got the events that a person should know" eventually \
    eval 'grep -q "\"event\":\"given-up\".*never-ready" "$dir/alerts"'
check "who waits for another start is shown so, with the time left" eventually rows_are \
    'waits-long  *1  *0  *-  *back-off [1-9][0-9]*m[0-9][0-9]s .*crash' 1
run status "$bus" waits-long --json
json "in JSON as well" 'j["programs"][0]["state"] == "back-off" and j["programs"][0]["empty"][0]["reason"] == "crash"'
json "in nanoseconds" '0 < j["programs"][0]["empty"][0]["left_ns"] <= 6e11'
run status "$bus" dies-after-ready once --json
json "what metrics need is in JSON: restarts by reason" 'j["programs"][0]["restarts"] == {"crash": 2}'
json "how the last one ended" 'j["programs"][0]["last_exit_signal"] == 9 and j["programs"][1]["last_exit_code"] == 1'
run status "$bus" children --json
json "up, ready, generation, back-off, memory and CPU time" '(lambda p: (p["up"], p["ready"], p["generation"], p["backoff_seconds"]) == (1, 1, 1, 0) and p["memory_bytes"] > 0 and p["cpu_seconds"] >= 0)(j["programs"][0])'
run status "$bus"
check "the states are shown" says 'dies-at-once .* given-up .*crash:3'
left=$(tr '\0' '\n' <"/proc/$(worker_pid children)/environ" | grep '^SHMBUS_WORKER=')
kill -9 "$(worker_pid children)"
left_of_it() { grep -alxz -e "$left" /proc/[0-9]*/environ 2>/dev/null; }
check "what a dead worker left outside of its group is told to go, while the supervisor lives" eventually eval \
    '[ -n "$left" ] && ! left_of_it && logged "SIGTERM to pid .*which a worker of children has left behind"'
fails "start --wait of what fails again has an exit code" 1 'given up' start "$bus" dies-at-once --wait
works "who ignores SIGTERM is killed at its grace" stop "$bus" ignores-term --wait --timeout=60s
check "and that is told" logged 'ignores-term pid .* ended as told, operator: killed by SIGKILL'
ended
check "all ends well" status_is 0
check "children that a worker left are gone, too" eventually nobody_is_left

# ------------------------------------------------------------------------------------------ groups
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  first: { command: [sleep, "1001"], ready: { by: alive, after: 10ms } }
  second: { command: [sleep, "1002"], ready: { by: alive, after: 10ms } }
  third: { command: [sleep, "1003"], ready: { by: alive, after: 10ms } }
  other: { command: [sleep, "1004"], ready: { by: alive, after: 10ms } }
groups:
  g: { programs: [first, second, third], strategy: rest-for-one }
END
begin
check "the group is up" up
check "one program after the other" eval \
    '[ "$(grep -e " ready .*first" -e "Z start  *second pid" "$log" | sed "s/.*Z \([a-z]*\) .*/\1/" | tr "\n" " ")" = "ready start " ]'
one=$(worker_pid first) two=$(worker_pid second) three=$(worker_pid third) four=$(worker_pid other)
kill -9 "$two"
check "the second died: a successor is there" eventually rows_are 'second .* ready .*group:1' 1
check "and the third was started again after it" eventually rows_are 'third .* ready .*group:1' 1
check "the first and the one outside were left alone" same "$one $four" "$(worker_pid first) $(worker_pid other)"
check "the third is another process" eval '[ "$three" != "$(worker_pid third)" ]'
ended
end_supervise
