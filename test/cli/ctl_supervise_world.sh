#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise and the world around it: probes, systemd, PID 1, users, logs, the bus, alerts.
name=supervise-world
. "$(dirname "$0")/supervise.inc"
port=$((20000 + $$ % 20000))
ready_alive='ready: { by: alive, after: 10ms }'

# ------------------------------------------------------------------------------------ HTTP probe
cat >"$file" <<END
bus: $bus
sockets: { good: { tcp: "127.0.0.1:$port" }, silent: { tcp: "127.0.0.1:$((port + 1))" } }
programs:
  good:
    command: [$bin/test-httpd]
    sockets: [good]
    ready: { by: http, url: "http://127.0.0.1:$port/{instance}", interval: 5s, deadline: 60s }
  bad:
    command: [sleep, "1001"]
    ready: { by: http, url: "http://127.0.0.1:$port/bad", interval: 20ms, deadline: 300ms }
    restart: { policy: never }
  silent:
    command: [sleep, "1002"]
    sockets: [silent]
    ready: { by: http, url: "http://127.0.0.1:$((port + 1))/", interval: 20ms, deadline: 300ms }
    restart: { policy: never }
  nobody:
    command: [sleep, "1003"]
    ready: { by: http, url: "http://127.0.0.1:1/", interval: 20ms, deadline: 300ms }
    restart: { policy: never }
END
begin
check "an answer of 200 says ready" eventually rows_are '^good .* ready' 1
for program in bad silent nobody; do
    check "$program: not ready within its deadline" eventually logged "not-ready  *$program pid"
done
check "and never was" eval '! logged " ready  *\(bad\|silent\|nobody\) "'
ended
check "no probe is left" eventually nobody_is_left

# ------------------------------------------------------------------------------------ all-for-one
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  first: { command: [sleep, "1001"], $ready_alive }
  second: { command: [sleep, "1002"], $ready_alive }
  third: { command: [sleep, "1003"], $ready_alive }
  other: { command: [sleep, "1004"], $ready_alive }
groups: { g: { programs: [first, second, third], strategy: all-for-one } }
END
begin
up
four=$(worker_pid other)
: >"$log"
kill -9 "$(worker_pid second)"
order() { grep "Z $1  *" "$log" | sed 's/.*\(first\|second\|third\|other\).*/\1/' | tr '\n' ' '; }
starts_are() { [ "$(order start)" = "$1" ]; }
check "one died: all of its group are started again, in order" eventually starts_are "first second third "
check "after they were stopped, the last one first" same "$(order stop)" "third first "
check "the one outside was left alone" same "$four" "$(worker_pid other)"
check "the reason is shown" eventually rows_are '\(first\|second\|third\) .* ready .*group:1' 3
ended

# ------------------------------------------------------------- one of a group that is given up
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  first: { command: [sleep, "1001"], $ready_alive }
  bad: { command: [sh, -c, 'until [ -e $dir/fail ]; do sleep 0.02; done; exit 78'], $ready_alive, restart: { permanent_failure_codes: [78] } }
  last: { command: [sleep, "1003"], $ready_alive }
  head: { command: [sleep, "1004"], $ready_alive }
  worse: { command: [sh, -c, 'until [ -e $dir/fail ]; do sleep 0.02; done; exit 78'], $ready_alive, restart: { permanent_failure_codes: [78] } }
  tail: { command: [sleep, "1006"], $ready_alive }
  alone: { command: [sleep, "1007"], $ready_alive }
groups:
  all: { programs: [first, bad, last], strategy: all-for-one }
  rest: { programs: [head, worse, tail], strategy: rest-for-one }
END
begin
up
kept="$(worker_pid head) $(worker_pid alone)"
touch "$dir/fail"
check "one is given up: all of its group are stopped" eventually eval \
    'rows_are "^bad .* given-up" 1 && rows_are "^\(first\|last\) .* ready" 0'
check "or those that come after it" eventually eval 'rows_are "^worse .* given-up" 1 && rows_are "^tail .* ready" 0'
check "the others stay" same "$kept" "$(worker_pid head) $(worker_pid alone)"
rm "$dir/fail"
works "started again, the group is whole" start "$bus" --wait --timeout=60s
check "all of it" eventually rows_are ' ready ' 7
ended

# -------------------------------------------------------------------------------- sd_notify upwards
: >"$log"
hear() {
    "$bin/test-notify" hear "$dir/up" >"$dir/heard" 2>&1 &
    ear=$!
    eventually [ -S "$dir/up" ]
}
heard() { grep -q -x -e "$1" "$dir/heard"; }
count_is() { [ "$(grep -c -x -e "$1" "$dir/heard")" -ge "$2" ]; }
cat >"$file" <<END
bus: $bus
programs: { a: { command: [sleep, "1001"], count: 2, $ready_alive } }
END
hear
NOTIFY_SOCKET=$dir/up WATCHDOG_USEC=200000
export NOTIFY_SOCKET WATCHDOG_USEC
begin
unset NOTIFY_SOCKET WATCHDOG_USEC
check "READY=1 when all programs are up" eventually heard 'READY=1'
check "STATUS=" eventually heard 'STATUS=2 of 2 workers ready'
check "READY=1 came when the workers were ready, not before" eval \
    '[ "$(grep -n -e "2 of 2" -e "^READY=1" "$dir/heard" | head -1 | cut -d: -f2)" = "READY=1" ] && [ "$(grep -c " ready  " "$log")" = 2 ]'
check "WATCHDOG=1, again and again" eventually count_is 'WATCHDOG=1' 3
kill -HUP "$supervisor"
check "RELOADING=1 with the time" eventually heard 'RELOADING=1|MONOTONIC_USEC=[0-9]*'
check "READY=1 when that is over" eventually count_is 'READY=1' 2
now_us=$(sed 's/\([0-9]*\)\.\([0-9]*\) .*/\1\20000/' /proc/uptime)
said_us=$(sed -n 's/RELOADING=1|MONOTONIC_USEC=//p' "$dir/heard")
check "the time is that of CLOCK_MONOTONIC in microseconds" eval \
    '[ "$said_us" -le $((now_us + 10000)) ] && [ "$said_us" -gt $((now_us - 60000000)) ]'
works "all programs are stopped" stop "$bus" --wait --timeout=60s
kill -HUP "$supervisor"
check "a reload with nothing to do is over as well" eventually count_is 'READY=1' 3
kill -TERM "$supervisor"
check "STOPPING=1" eventually heard 'STOPPING=1|STATUS=stopping'
wait "$supervisor" 2>/dev/null
kill -9 "$ear"
WATCHDOG_USEC=200000 WATCHDOG_PID=1 NOTIFY_SOCKET=$dir/up2
rm -f "$dir/up"
hear
NOTIFY_SOCKET=$dir/up
export NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID
begin
unset NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID
check "READY=1 again" eventually heard 'READY=1'
check "a watchdog that is another process's is not served" eval '! heard WATCHDOG=1'
ended
kill -9 "$ear"

# ------------------------------------------------- sockets that outlive everybody, kept by systemd
: >"$log"
cat >"$file" <<END
bus: $bus
sockets: { http: { tcp: "127.0.0.1:$port" }, u: { unix: $dir/u.sock } }
programs: { web: { command: [$bin/test-httpd], sockets: [http, u], ready: { by: notify, deadline: 60s } } }
END
rm -f "$dir/up"
"$bin/test-notify" keep "$dir/up" "$ctl" supervise "$file" >"$dir/heard" 2>>"$log" &
keeper=$!
pids="$pids $keeper"
check "the sockets are given to who started the supervisor" eventually eval \
    'heard "FDSTORE=1|FDNAME=http" && heard "FDSTORE=1|FDNAME=u"'
check "it is up" eventually rows_are '^web .* ready' 1
supervisor=$("$ctl" status "$bus" --json | sed 's/.*"supervisor":{"pid":\([0-9]*\),.*/\1/')
kill -STOP "$keeper"
kill -9 "$supervisor" "$(worker_pid web)"
check "the supervisor and all its workers are killed" eventually eval 'gone "$(users | cut -d/ -f3 | head -1)"'
"$bin/test-load" "$port" "$dir/one" 1 2>"$dir/one.err" &
client=$!
kill -CONT "$keeper"
status=0
wait "$client" || status=$?
check "a request of that moment is answered by the next ones" status_is 0
check "both sockets are the ones that were kept" eval '[ "$(grep -c "FDSTORE=1" "$dir/heard")" = 2 ]'
supervisor=$("$ctl" status "$bus" --json | sed 's/.*"supervisor":{"pid":\([0-9]*\),.*/\1/')
kill -TERM "$supervisor"
status=0
wait "$keeper" || status=$?
check "stopped: exit code 0" status_is 0
check "what was kept is given back then" eval 'heard "FDSTOREREMOVE=1|FDNAME=http" && heard "FDSTOREREMOVE=1|FDNAME=u"'
pids=

# ------------------------------------------------------------------------- sd_notify from workers
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [sh, -c, '$bin/test-notify tell "ERRNO=2" "STATUS=loading tables
      READY=0" "READY=1" >$dir/told 2>&1; exec sleep 1001']
    ready: { by: notify, deadline: 60s }
  b: { command: [sh, -c, 'systemd-notify --ready --status=hello >$dir/told2 2>&1; echo "\$?" >>$dir/told2; exec sleep 1002'], $ready_alive }
END
begin
check "READY=1 makes it ready" eventually rows_are '^a .* ready' 1
check "BARRIER=1: the pipe is closed at once" eventually grep -qx barrier "$dir/told"
check "ERRNO= is shown" logged 'errno  *a pid .* says ERRNO=2 (No such file or directory)'
check "and no failure" eval '! logged "exit  *a pid"'
run status "$bus" a --json
check "STATUS= as well" says '"status":"loading tables'
if command -v systemd-notify >/dev/null; then
    check "systemd-notify itself is satisfied" eventually grep -qx 0 "$dir/told2"
else
    skip "systemd-notify itself" "not installed"
fi
ended

# ------------------------------------------------- WATCHDOG=1, of a program that knows no bus
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  beats:
    command: [$bin/test-notify, beat, "50", "1000000"]
    ready: { by: notify, deadline: 60s }
    watchdog: { after: 1s, abort: true }
  hangs:
    command: [$bin/test-notify, beat, "50", "5"]
    ready: { by: notify, deadline: 60s }
    watchdog: { after: 1s, abort: true }
  silent: { command: [sleep, "1001"], $ready_alive, watchdog: { after: 1s, abort: true } }
END
begin
check "they are up" up
check "WATCHDOG_USEC says how often" grep -qzx WATCHDOG_USEC=1000000 "/proc/$(worker_pid beats)/environ"
check "a worker that stops saying WATCHDOG=1 is ended" eventually logged \
    'exit  *hangs pid .* ended as told, watchdog: killed by SIGABRT'
check "after its time" eval 'awk "BEGIN { exit !($(sed -n "s/.*hangs pid .* not moved for \([0-9.]*\) s.*/\1/p" "$log" | head -1) < 1.9) }"'
check "one that goes on saying it is not, nor one that never did" eval '! logged "stalled  *\(beats\|silent\)"'
ended

# ------------------------------------------------------------- user, group, CPUs, nice, directory
if [ "$(id -u)" = 0 ]; then
    : >"$log"
    chmod 0711 "$dir"
    mkdir -m 0777 "$dir/open"
    cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
    cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [sh, -c, 'id -un; id -gn; id -Gn; nice; grep Cpus_allowed_list /proc/self/status; pwd; exec sleep 1001']
    user: nobody
    group: daemon
    nice: 4
    cpus: "$cpu"
    directory: $dir/open
    $ready_alive
  b: { command: [sleep, "1002"], $ready_alive }
END
    as_root_of_many='setpriv --groups 0,4'
    command -v setpriv >/dev/null || as_root_of_many=
    $as_root_of_many "$ctl" supervise "$file" >"$dir/stdout" 2>>"$log" &
    supervisor=$!
    pids="$pids $supervisor"
    line() { sed -n "$1p" "$dir/stdout"; }
    eventually eval '[ -n "$(line 6)" ]'
    check "it runs as its user" same nobody "$(line 1)"
    check "in its group" same daemon "$(line 2)"
    check "and not in those of the supervisor" eval '! line 3 | grep -qw -e root -e adm'
    check "with its niceness" same $((4 + $(nice))) "$(line 4)"
    check "on its CPUs" same "Cpus_allowed_list:	$cpu" "$(line 5)"
    check "in its directory" same "$dir/open" "$(line 6)"
    check "another one has nothing of that" eval 'grep -q "^Uid:.0" /proc/$(worker_pid b)/status'
    ended
else
    skip "user, group, CPUs" "not root"
fi

# -------------------------------------------------------------- log: reopened, logrotate, JSON; bus
cat >"$file" <<END
bus: $bus
log: { file: $dir/rotated.log, format: json }
programs: { a: { command: [sleep, "1001"], $ready_alive } }
END
begin
in_file() { grep -q -e "$2" "$dir/$1" 2>/dev/null; }
check "the log is a file" eventually in_file rotated.log '"event":"up"'
if [ -n "$python" ]; then
    check "each line is JSON, with time, event, bus and text" "$python" -c '
import json, sys
for line in open(sys.argv[1]):
    e = json.loads(line)
    assert {"schema", "time", "event", "bus", "text"} <= set(e), e
    assert e["event"] not in ("start", "ready") or {"program", "pid", "generation", "instance", "reason"} <= set(e), e
' "$dir/rotated.log"
else
    skip "each line is JSON" "no python3"
fi
if command -v logrotate >/dev/null; then
    sed -e "s|/var/log/shmbus/\*.log|$dir/rotated.log|" -e "s|systemctl kill.*|kill -USR1 $supervisor|" \
        -e '/delaycompress/d; /compress/d' "$root/config/supervise/logrotate" >"$dir/rotate"
    chmod 0644 "$dir/rotate"
    run list
    logrotate --force --state "$dir/rotate.state" "$dir/rotate" >"$out" 2>"$err"
    check "logrotate takes the configuration" [ -e "$dir/rotated.log.1" ]
    check "and says nothing" quiet
else
    mv "$dir/rotated.log" "$dir/rotated.log.1"
    kill -USR1 "$supervisor"
    skip "logrotate" "not installed"
fi
check "SIGUSR1: a new file is begun" eventually in_file rotated.log '"event":"log"'
kill -9 "$(worker_pid a)"
check "what comes now goes there" eventually in_file rotated.log '"event":"exit".*"signal":9'
check "and not into the old one" eval '! in_file rotated.log.1 "\"event\":\"exit\""'
"$ctl" recv "$bus" supervisor.events --follow >"$dir/events" 2>/dev/null &
reader=$!
check "all of it went to the channel of the bus as well" eventually eval \
    'in_file events "\"event\":\"up\"" && in_file events "\"event\":\"exit\".*\"signal\":9"'
ended
check "the events of the end too" eventually in_file events '"event":"end"'
kill -9 "$reader"
wait "$reader" 2>/dev/null

# ---------------------------------------------------------------------------------------- alerts
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  a: { command: [sh, -c, 'exit 78'], restart: { permanent_failure_codes: [78] } }
  b: { command: [sleep, "1001"], $ready_alive }
alert: { command: [sh, -c, 'cat >>$dir/alert; echo \$\$ >>$dir/hooks; (sleep 1002 & wait)'], timeout: 200ms }
END
begin
check "a hook that does not end holds up nobody" eventually rows_are '^b .* ready' 1
check "it has the event" eventually grep -q '"event":"given-up".*"program":"a"' "$dir/alert"
check "and is killed when its time is over, with its children" eventually eval \
    'gone "$(head -1 "$dir/hooks")" && [ "$(users | grep -cv "/$supervisor/")" = 1 ]'
cat >"$dir/slow.yaml" <<END
bus: $bus
programs:
  a: { command: [sh, -c, 'exit 78'], restart: { permanent_failure_codes: [78] } }
alert: { command: [sh, -c, 'cat >/dev/null; read -r line <$dir/word; echo "\$line" >$dir/finished'] }
END
ended
mkfifo "$dir/word"
: >"$log"
"$ctl" supervise "$dir/slow.yaml" >/dev/null 2>>"$log" &
supervisor=$!
pids="$pids $supervisor"
check "another hook waits for a word" eventually logged 'given-up'
kill -TERM "$supervisor"
check "the supervisor ends" eventually logged ' end  '
timeout 20 sh -c "echo late >$dir/word"
status=0
wait "$supervisor" || status=$?
check "the hook was left the time to finish" eval 'status_is 0 && [ "$(cat "$dir/finished")" = late ]'
begin
eventually rows_are '^b .* ready' 1 # a signal to one that has only just been started would end it
sed -i 's/timeout: 200ms/timeout: 10m/; s/a: { command.*/a: { command: [sleep, "1001"], ready: { by: notify, deadline: 10ms }, restart: { starts: 1 } }/' "$file"
kill -HUP "$supervisor"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    run start "$bus" a --wait --timeout=60s
done
"$ctl" status "$bus" --json >"$out"
check "more than eight at once are counted, not started" says '"alerts_lost":[1-9]'
check "no more than eight run" eval '[ "$(users | wc -l)" -le $((8 * 3 + 4)) ]'
ended
check "no hook is left" eventually nobody_is_left

# ------------------------------------------------------- the example configuration, and its hooks
: >"$log"
mkdir "$dir/hook"
printf '#!/bin/sh\ncat >"%s/mail.part"; mv "%s/mail.part" "%s/mail"\n' "$dir" "$dir" "$dir" >"$dir/hook/sendmail"
printf '#!/bin/sh\necho "$*" >"%s/chat.url"; cat >"%s/chat"\n' "$dir" "$dir" >"$dir/hook/curl"
chmod +x "$dir/hook/sendmail" "$dir/hook/curl"
sed -e "s|/usr/local/bin/graceful|$bin/graceful|; s|\(bus:*,* \)demo|\1$bus|; s|/var/log/shmbus|$dir|; s|grace: 1s|grace: 20s|" \
    -e "s|/usr/local/lib/shmbus|$root/config/supervise|" "$root/config/supervise/workers.yaml" >"$file"
works "workers.yaml is accepted" supervise --check "$file"
PATH=$dir/hook:$PATH "$ctl" supervise "$file" >/dev/null 2>>"$log" &
supervisor=$!
pids="$pids $supervisor"
check "its four workers are up" eventually rows_are '^worker .* ready' 4
by_usr2() { [ "$(grep -c 'SIGUSR2 to pid' "$dir/supervisor.log")" = 4 ] && ! grep -q 'SIGTERM to pid' "$dir/supervisor.log"; }
# The thread sanitizer keeps signals from threads that sleep in a futex.
if grep -q __tsan_init "$bin/graceful"; then
    skip "and replaced one at a time, by SIGUSR2 alone" "built with the thread sanitizer"
    by_usr2() { true; }
else
    works "and replaced one at a time" restart "$bus" --wait --timeout=60s
    check "by SIGUSR2 alone" by_usr2
fi
echo 'programs: {' >"$file"
kill -HUP "$supervisor"
check "SIGHUP with a bad file: a mail is sent" eventually [ -s "$dir/mail" ]
check "to whom it should be" grep -qx 'To: root' "$dir/mail"
check "with the event" grep -q '"event":"reload-refused".*nothing has changed' "$dir/mail"
check "one line says what is wrong" eval '[ "$(grep -c "file.yaml:[0-9]*:[0-9]*: " "$log")" = 1 ]'
check "and nothing has changed" eval 'by_usr2 && rows_are "^worker .* ready" 4'
ended
check "stopped" status_is 0
if [ -n "$python" ]; then
    sed -n '/^{/p' "$dir/mail" | PATH=$dir/hook:$PATH "$root/config/supervise/alert-chat.sh" https://chat.example/hook
    check "the hook of a chat gets the text" "$python" -c '
import json, sys
sys.exit("nothing has changed" not in json.load(open(sys.argv[1]))["text"])' "$dir/chat"
    check "at its address" grep -q 'https://chat.example/hook$' "$dir/chat.url"
else
    skip "the hook of a chat" "no python3"
fi

# ------------------------------------------------------------------------------------------ PID 1
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  a:
    command: [sh, -c, 'trap "echo stopped >$dir/stopped; exit 0" TERM; (setsid sleep 0.01 &); while :; do sleep 0.05; (sleep 0.01 &); done']
    $ready_alive
END
if unshare --pid --fork --mount-proc true 2>/dev/null; then
    unshare --pid --fork --mount-proc "$ctl" supervise "$file" >/dev/null 2>>"$log" &
    outer=$!
    pids="$pids $outer"
    check "it runs as PID 1" eventually logged 'supervisor pid 1 of bus'
    up
    inner=$(tr -d ' ' <"/proc/$outer/task/$outer/children")
    zombies() { for child in $(cat "/proc/$inner/task/$inner/children"); do
        sed -n 's/.*) Z.*/Z/p' "/proc/$child/stat" 2>/dev/null; done | wc -l; }
    no_zombies() { [ "$(zombies)" = 0 ]; }
    check "it has reaped orphans" eventually no_zombies
    kill -HUP "$inner"
    check "SIGHUP arrives" eventually logged 'reloaded  *a:'
    kill -TERM "$inner"
    status=0
    wait "$outer" || status=$?
    check "SIGTERM arrives, exit code 0" status_is 0
    check "and was passed on" [ -e "$dir/stopped" ]
    pids=
else
    skip "as PID 1" "unshare --pid is not allowed"
fi

# ------------------------------------------------------------------------------------ systemd unit
if command -v systemd-analyze >/dev/null; then
    sed "s|/usr/local/bin/shmbusctl|$ctl|" "$root/config/supervise/shmbus-supervisor.service" >"$dir/t.service"
    systemd-analyze --man=no verify "$dir/t.service" >"$out" 2>&1
    status=$?
    check "systemd accepts the unit" eval 'status_is 0 && ! grep -q t.service "$out"'
    sed 's/^KillMode=.*/KillMode=nonsense/' "$dir/t.service" >"$dir/u.service"
    systemd-analyze --man=no verify "$dir/u.service" >"$out" 2>&1
    check "and would say what is wrong with it" says 'u.service'
else
    skip "systemd accepts the unit" "no systemd-analyze"
fi
end_supervise
