#!/bin/sh
# SPDX-License-Identifier: MIT
# start-stop-daemon --notify-await: the start has failed, the daemon runs on, and the second start is a success
#
# With:     dpkg 1.21.23 (Debian 12), start-stop-daemon with --notify-await, --notify-timeout, --oknodo.
# Expected: a daemon that says ERRNO=, or does not say READY=1 in time, is a failed start: as with systemd, what was started
#           is stopped again. What is started next is waited for in the same way.
# Seen:     the exit status is 2, "timed out" or "failed to initialize", and the process goes on, its pid file is there.
#           Asked to start it once more, it sees the pid file and says "already running": exit status 0 with
#           --oknodo, as init scripts have it, at once and without waiting for anything.
# Why:      a supervisor or a configuration tool that tries again gets "started" for a daemon that never became
#           ready and has said why. Or it starts a spare one beside the first. Who gets 2 has to stop it himself.
. "$(dirname "$0")/common.inc"

debs dpkg=1.21.23
unset LD_LIBRARY_PATH
cat >"$tmp/daemon.py" <<'P'
import os
import signal
import socket
import sys

address = os.environ.get("NOTIFY_SOCKET", "")
if sys.argv[1] != "silent" and address:
    text = {"ready": b"READY=1", "error": b"STATUS=no room\nERRNO=28"}[sys.argv[1]]
    address = "\0" + address[1:] if address[0] == "@" else address
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text, address)
signal.alarm(80)
signal.pause()
P
start() {
    code=0
    timeout 30 "$root/sbin/start-stop-daemon" --start --oknodo --background --make-pidfile --pidfile "$tmp/$1.pid" \
        --notify-await --notify-timeout "$2" --startas /usr/bin/python3 -- "$tmp/daemon.py" "$1" \
        >"$tmp/text" 2>&1 </dev/null || code=$?
    pids="$pids $(cat "$tmp/$1.pid")"
    saw "$1: exit status $code, $(sed 's/.*: //' "$tmp/text")"
}
runs() { kill -0 "$(cat "$tmp/$1.pid")" 2>/dev/null; }
start ready 30
expect "ready: started" test "$code" = 0
for which in error silent; do
    limit=30
    [ "$which" = error ] || limit=3
    start "$which" "$limit"
    expect "$which: failed" test "$code" = 2
    sleep 1
    expect "$which: it runs" runs "$which"
    first=$(cat "$tmp/$which.pid")
    start "$which" 30
    expect "$which, once more: success" test "$code" = 0
    expect "$which: it is the one that failed" test "$(cat "$tmp/$which.pid")" = "$first"
done
