#!/bin/sh
# SPDX-License-Identifier: MIT
# supervisord: the listening socket that it holds for a worker is closed when the worker crashes
#
# With:     supervisor 4.2.5-1 (Debian 12), a section [fcgi-program:x] with a socket= of the family AF_UNIX.
# Expected: supervisord listens, the workers inherit the socket, as with socket activation: when the only worker
#           dies, requests wait in the queue of the socket until the next one is up, nobody notices.
# Seen:     supervisord counts its workers and closes the socket, and removes its path, with the last of
#           them, though it is about to start a new one. Requests that waited in the queue fail with ECONNRESET,
#           new ones with ECONNREFUSED or ENOENT for about a second. With numprocs=2 and one of the two killed
#           nothing fails.
# Why:      "the supervisor has the socket, so a worker may crash" is true from the second worker on, and only
#           as long as they do not crash together. Run two at least, or let something else listen.
. "$(dirname "$0")/common.inc"

debs supervisor=4.2.5-1 python3-pkg-resources=66.1.1-1+deb12u2
export PYTHONPATH="$root/usr/lib/python3/dist-packages"
cat >"$tmp/worker.py" <<'P'
import os
import signal
import socket

signal.alarm(80)
listener = socket.socket(fileno=0)
while True:
    client, _ = listener.accept()
    task = client.recv(100)
    if task == b"crash":
        # In the middle of a task: the one who asked says when.
        client.sendall(b"%d" % os.getpid())
        client.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)
    client.sendall(b"done")
    client.close()
P
cat >"$tmp/client.py" <<'P'
import collections
import os
import signal
import socket
import sys
import time


def ask(task):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    s.sendall(task)
    return s


def answer(s):
    try:
        return s.recv(100).decode() or "nothing"
    except OSError as e:
        return type(e).__name__


def later():
    """New requests until two seconds after the crash."""
    seen = collections.Counter()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            seen[answer(ask(b"task"))] += 1
        except (ConnectionRefusedError, FileNotFoundError):
            seen["refused"] += 1
        time.sleep(0.01)
    return seen


others = [int(pid) for pid in sys.argv[2:]]
crash = ask(b"crash")
busy = int(crash.recv(100))
others.remove(busy)
for pid in others:
    os.kill(pid, signal.SIGSTOP)
queued = ask(b"task")
crash.sendall(b".")
answer(crash)
for pid in others:
    os.kill(pid, signal.SIGCONT)
print("queued:", answer(queued), end=", ")
print("later:", "some refused" if later()["refused"] else "all done")
P
run() {
    cat >"$tmp/conf" <<S
[supervisord]
nodaemon=true
logfile=$tmp/log.$1
pidfile=$tmp/pid
childlogdir=$tmp
[fcgi-program:worker]
command=/usr/bin/python3 -S $tmp/worker.py
socket=unix://$tmp/socket
process_name=%(process_num)d
numprocs=$1
autorestart=true
S
    /usr/bin/python3 "$root/usr/bin/supervisord" -c "$tmp/conf" >"$tmp/output" 2>&1 &
    supervisor=$!
    pids="$pids $supervisor"
    until_true sh -c "test \$(grep -c 'entered RUNNING' '$tmp/log.$1') = $1"
    workers=$(sed -n 's/.* with pid \([0-9]*\)$/\1/p' "$tmp/log.$1" | tail -n "$1")
    seen=$(/usr/bin/python3 -S "$tmp/client.py" "$tmp/socket" $workers)
    echo "$1 workers, one crashes: $seen" | tee -a "$tmp/out"
    kill -TERM "$supervisor"
    wait "$supervisor" || :
}
run 1
run 2
said() { grep -qxF "$1" "$tmp/out"; }
until_closed() { grep -q 'exited: .*SIGKILL' "$1" && grep -A1 'exited: ' "$1" | grep -q 'Closing socket'; }
expect "of one worker the socket is closed" said '1 workers, one crashes: queued: ConnectionResetError, later: some refused'
expect "as its log says" until_closed "$tmp/log.1"
expect "of two it is not" said '2 workers, one crashes: queued: done, later: all done'
