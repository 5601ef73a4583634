#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: a new generation in the place of the old one; sockets; the real start_server.
name=supervise-reload
. "$(dirname "$0")/supervise.inc"

port=$((20000 + $$ % 20000))
generation() { "$ctl" status "$bus" "${1:-web}" --json | sed 's/.*"generation":\([0-9]*\),"r.*/\1/'; }
answers() { "$bin/test-load" "$port" "$dir/one" 1 2>/dev/null; }

web() { # web READY COMMAND...
    cat >"$file" <<END
bus: $bus
sockets: { http: { tcp: "127.0.0.1:$port" } }
programs:
  web:
    command: [$2]
    count: 2
    sockets: [http]
    ready: { by: $1, deadline: ${3:-60s} }
    stop: { grace: 20s }
END
}

# --------------------------------------------------------------- ten generations, no failed request
web notify "$bin/test-httpd"
begin
check "two HTTP workers are up" up
"$bin/test-load" "$port" "$dir/load1" 2>"$dir/load1.err" &
load1=$!
"$bin/test-load" "$port" "$dir/load2" 2>>"$dir/load1.err" &
load2=$!
pids="$pids $load1 $load2"
for i in 1 2 3 4 5 6 7 8 9 10; do
    works "reload $i, waited for" reload "$bus" --wait --timeout=60s
done
kill -TERM $load1 $load2
status=0
wait $load1 || status=$?
check "no request of the first client failed" status_is 0
status=0
wait $load2 || status=$?
check "nor of the second" status_is 0
check "they did ask" eval '[ "$(cut -d" " -f1 "$dir/load1")" -gt 100 ]'
check "it is the eleventh generation" same "$(generation)" 11
check "of two workers" rows_are '^web .* ready' 2

# ------------------------------------------------------------------------------------- roll back
old=$(users | sort)
web notify 'sleep, "1000"' 200ms
fails "a generation that does not become ready: exit code 1" 1 'rolled back' reload "$bus" --wait --timeout=60s
check "the old ones have stayed" eventually users_are "$old"
check "that is said, and loudly" logged 'rolled-back web: generation 12 is not used'
run rollout status "$bus" --no-headings
check "rollout status has it" says 'web .* rolled back'
web notify 'sh, -c, "exit 9"' 60s
fails "one that dies at once is not waited for" 1 'rolled back' reload "$bus" --wait --timeout=60s
check "the old ones have stayed again" eventually users_are "$old"

# a reload during a reload comes after it, and its readiness is checked in full
web notify 'sleep, "1000"' 300ms
kill -HUP "$supervisor"
eventually rows_are starting 2
kill -HUP "$supervisor"
check "two reloads that fail, one after the other" eventually \
    eval '[ "$(grep -c "rolled-back web" "$log")" = 4 ]'
check "and the old ones have stayed" eventually users_are "$old"
printf 'bus: %s\nprograms: {}\n' "$bus" >"$file"
fails "a bad file is refused, and says why" 2 'programs' reload "$bus"
check "and has changed nothing" eventually users_are "$old"
web notify "$bin/test-httpd"
works "the next good one takes over" reload "$bus" --wait --timeout=60s

# ---------------------------------------------------------------- a new binary, workers do not notice
old=$(users | sort)
kill -USR2 "$supervisor"
check "USR2 runs the binary anew" eventually logged 'taking over'
check "in the same process" eventually eval '"$ctl" status "$bus" --json | grep -q "\"pid\":$supervisor,"'
check "the workers are the same" eventually users_are "$old"
works "and can be replaced with their socket" reload "$bus" --wait --timeout=60s
ended
check "and stopped" status_is 0

# --------------------------------------------------------------------- a new binary that is no good
cp "$ctl" "$dir/ctl"
LD_LIBRARY_PATH=$(cd "$bin/../lib" && pwd) "$dir/ctl" supervise "$file" >/dev/null 2>"$log" &
supervisor=$!
pids="$pids $supervisor"
up
old=$(users | sort)
binary() { # binary "sentence" "pattern": the supervisor is told to take what lies at $dir/ctl
    kill -USR2 "$supervisor"
    check "$1" eventually logged "binary .*$2; this one goes on"
    check "the workers are the same, and known" eval 'users_are "$old" && rows_are "^web .* ready" 2'
}
echo 'no program' >"$dir/new"
chmod +x "$dir/new"
mv "$dir/new" "$dir/ctl"
binary "a new binary that is none is not taken" 'cannot be run'
printf '#!/bin/sh\nexit 2\n' >"$dir/ctl"
binary "nor one that does not accept FILE" 'does not accept FILE'
rm "$dir/ctl"
cp "$ctl" "$dir/ctl"
mkdir "/dev/shm/supervise.$bus/state.new"
binary "nor a good one that would not find the workers" 'the state cannot be written'
rmdir "/dev/shm/supervise.$bus/state.new"
kill -USR2 "$supervisor"
check "a good one is" eventually logged 'taking over'
check "the workers are the same" eventually users_are "$old"
ended
check "and are stopped by it" status_is 0

# -------------------------------------------------------------------- old ones first, and by signal
: >"$log"
cat >"$file" <<END
bus: $bus
programs:
  in-place:
    command: [sleep, "1000"]
    count: 3
    ready: { by: alive, after: 20ms }
    reload: { max_unavailable: 1 }
  by-signal:
    command: [sh, -c, 'trap "exit 0" USR2; while :; do sleep 0.05; done']
    ready: { by: alive, after: 20ms }
    reload_signal: USR2
    reload_grace: 20s
END
begin
up
works "replaced with one away at a time" restart "$bus" --wait --timeout=60s
check "each old one went before its successor came" eval '[ "$(grep -e "start .*in-place.*operator" \
    -e "exit .*in-place.*operator" "$log" | sed "s/.*Z \([a-z]*\) .*/\1/" | tr "\n" " ")" = "exit start exit start exit start " ]'
check "the reload signal was enough" eval 'logged "SIGUSR2 to pid .* of by-signal" && logged "by-signal pid .* ended as told, operator: exit code 0"'
ended

# ------------------------------------------------------------------------------------- sockets
: >"$log"
printf 'left over\n' >"$dir/no-socket"
cat >"$file" <<END
bus: $bus
sockets: { u: { unix: $dir/u.sock, mode: "0640" }, t: { tcp: "127.0.0.1:$port" } }
programs: { a: { command: [sh, -c, 'env >$dir/env; exec sleep 1000'], sockets: [t, u], ready: { by: alive, after: 20ms } } }
END
begin
up
check "Server::Starter's variable" eventually grep -qx "SERVER_STARTER_PORT=127.0.0.1:$port=3;$dir/u.sock=4" "$dir/env"
check "systemd's variables" eventually eval 'grep -qx LISTEN_FDS=2 "$dir/env" && grep -qx LISTEN_FDNAMES=t:u "$dir/env" &&
    grep -qx "LISTEN_PID=$(worker_pid a)" "$dir/env"'
check "plain variables" eventually eval 'grep -qx SHMBUS_SOCKET_T=3 "$dir/env" && grep -qx SHMBUS_SOCKET_U=4 "$dir/env"'
check "the mode of the socket is the one asked for" same "$(stat -c %a "$dir/u.sock")" 640
sed "s/^bus: .*/bus: $bus-2/" "$file" >"$dir/second.yaml"
run supervise "$dir/second.yaml"
check "a port in use is an error that says so" eval 'status_is 8 && complains "Address already in use"'
sed -i 's/t: { tcp.*}, /x: /; s/, t: { tcp: .*} }/ }/; s/sockets: \[t, u\]/sockets: [u]/' "$dir/second.yaml"
run supervise "$dir/second.yaml"
check "a socket that is answered is not stolen" eval 'status_is 8 && [ -S "$dir/u.sock" ]'
check "what was refused has left nothing" eval '! [ -e "/dev/shm/supervise.$bus-2" ]'
ended
check "its path is gone with it" eval '! [ -e "$dir/u.sock" ]'

# ------------------------------------------------------------------------------ the real start_server
if command -v start_server >/dev/null; then
    : >"$log"
    web alive "perl, $root/test/supervise/starter.pl"
    begin
    check "a worker made for start_server runs here" up
    check "and answers" answers
    works "and is replaced" reload "$bus" --wait --timeout=60s
    check "and answers again" answers
    ended
    start_server --port=127.0.0.1:$port --interval=1 -- "$bin/test-httpd" 2>"$dir/starter.log" &
    starter=$!
    pids="$pids $starter"
    check "the worker of ours runs under start_server" eventually answers
    kill -HUP $starter
    check "and is replaced there" eventually grep -q 'killing old workers' "$dir/starter.log"
    check "and answers there" answers
    kill -TERM $starter
    wait $starter 2>/dev/null
    pids=
else
    skip "workers of start_server and ours under each other" "no start_server"
fi
end_supervise
