#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise as a service of the real systemd: Type=notify, reload, watchdog, descriptors that
# it keeps, socket activation. The manager is a private one (systemd --user), with a /run of its own.
name=supervise-systemd
manager=/lib/systemd/systemd
cannot() { echo "skip - a service of the real systemd: $1"; exit 0; }
if [ -z "${T_INSIDE:-}" ]; then
    [ -x $manager ] && command -v systemctl >/dev/null || cannot "no systemd"
    [ "$(id -u)" = 0 ] || cannot "not root"
    T_INSIDE=yes
    export T_INSIDE
    unshare --mount mount -t tmpfs tmpfs /run 2>/dev/null || cannot "no mount namespace"
    exec unshare --mount sh "$0"
fi
. "$(dirname "$0")/supervise.inc"
command -v curl >/dev/null || { skip "a service of the real systemd" "no curl"; exit 0; }
port=$((20000 + $$ % 20000))
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$dir/run/systemd/user" "$dir/home"
XDG_RUNTIME_DIR=$dir/run HOME=$dir/home
export XDG_RUNTIME_DIR HOME
unset DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET

# A cgroup of its own in each tree, so that nothing is left in those of others.
trees() { find /sys/fs/cgroup -maxdepth 2 -type d -name "$bus"; }
for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e $tree/cgroup.procs ] && mkdir "$tree/$bus" 2>/dev/null && echo 0 >"$tree/$bus/cgroup.procs" 2>/dev/null
done
leave() {
    kill -9 "$manager_pid" 2>/dev/null
    for tree in $(trees); do
        xargs -r -n 1 kill -9 <"$tree/cgroup.procs" 2>/dev/null
        up=${tree%/*}
        echo $$ >"$up/cgroup.procs" 2>/dev/null
        find "$tree" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    finish_supervise
}

sc() { timeout 60 systemctl --user --no-pager "$@" >"$out" 2>"$err"; }
shown() { systemctl --user show -p "$1" --value w.service; }
shows() { [ "$(shown "$1")" = "$2" ]; }
shows_at_least() { [ "$(shown "$1")" -ge "$2" ]; }
answers() { curl -sf --max-time "${2:-5}" "http://127.0.0.1:$1/" >/dev/null; }
user=$dir/run/systemd/user
cat >"$user/w.service" <<END
[Service]
Type=notify
ExecStart=$ctl supervise $file
ExecReload=kill -HUP \$MAINPID
WatchdogSec=6s
FileDescriptorStoreMax=8
Restart=on-failure
RestartSec=2s
StartLimitBurst=0
StandardError=append:$log
END
cat >"$file" <<END
bus: $bus
sockets: { http: { tcp: "127.0.0.1:$port" } }
programs:
  web: { command: [$bin/test-httpd], count: 2, sockets: [http], ready: { by: notify, deadline: 60s } }
END
"$manager" --user >"$dir/manager.log" 2>&1 </dev/null &
manager_pid=$!
trap leave EXIT
running() { systemctl --user is-system-running 2>/dev/null | grep -q -e running -e degraded; }
manager_dead() { ! kill -0 "$manager_pid" 2>/dev/null; }
eventually eval 'running || manager_dead'
if ! running; then
    skip "a service of the real systemd" "its manager does not run here: $(tail -n 1 "$dir/manager.log")"
    exit 0
fi

sc start w
check "started when all are up: Type=notify" eval 'shows ActiveState active && rows_are "^web .* ready" 2'
check "it answers" answers "$port"
check "its status is shown" eval 'shown StatusText | grep -q .'
check "systemd keeps its socket" eventually shows NFileDescriptorStore 1
supervisor=$(shown MainPID)
sc reload w
check "systemctl reload: a new generation" eventually rows_are '^web  *2 .* ready' 2
check "by the same supervisor" shows MainPID "$supervisor"

# Killed, and all its workers with it, by systemd: the socket lives on in its store.
kill -9 "$supervisor"
check "its death is seen" eventually shows MainPID 0
check "who connects meanwhile waits, and is answered" answers "$port" 60
check "by a new supervisor" eventually eval 'shows NRestarts 1 && [ "$(shown MainPID)" != "$supervisor" ] && rows_are "^web .* ready" 2'
check "the socket is in the store still, once" eventually shows NFileDescriptorStore 1

# One that hangs is ended by the watchdog of systemd.
supervisor=$(shown MainPID)
kill -STOP "$supervisor"
check "stopped, it is ended by the watchdog" eventually eval '[ "$(shown MainPID)" != "$supervisor" ]'
check "and started again" eventually eval 'shows ActiveState active && shows_at_least NRestarts 2 && answers $port'

sc stop w
check "stopped in good order" eval 'shows ActiveState inactive && shows Result success'
check "nothing is left of it" eventually eval '! supervisor_left && nobody_is_left'
check "nor in the store" shows NFileDescriptorStore 0

# Socket activation.
cat >"$user/w.socket" <<END
[Socket]
ListenStream=127.0.0.1:$port
FileDescriptorName=http
END
sc daemon-reload
sc start w.socket
check "the socket is there, nobody runs" shows ActiveState inactive
check "the first request starts the supervisor, and is answered" answers "$port" 60
check "by its workers" eventually rows_are '^web .* ready' 2
sc stop w.socket w.service
sc exit
eventually manager_dead
check "nothing is left" eventually eval '! supervisor_left && nobody_is_left'
rm -f "/dev/shm/shmbus.$bus"
end
