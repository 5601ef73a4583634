#!/bin/sh
# SPDX-License-Identifier: MIT
# syslog() blocks when the log daemon is paused, with the twelfth line, though it sends datagrams
#
# With:     glibc 2.36 (Debian 12), Python 3.11 (logging.handlers.SysLogHandler), Linux 6.18. Needs root (for a
#           mount namespace with a /dev of its own).
# Expected: /dev/log is a datagram socket and syslog() returns no error: a line that nobody can take now is dropped,
#           as with UDP, and the program goes on.
# Seen:     Unix datagrams are not dropped. The socket is a blocking one, so syslog() sleeps when the queue
#           (net.unix.max_dgram_qlen, 10) is full, without a limit of time, until the daemon reads on, with the lock that
#           all threads need for their next line. Python's handler does the same with the lock of its own.
#           If the daemon is killed instead, nothing blocks: the lines are lost, and no error is seen.
# Why:      a log daemon that is stopped, frozen or waits for a full disk stops each program that logs, in the middle
#           of whatever it held. A dead one does not. Who must not wait logs through a socket of his own
#           with MSG_DONTWAIT.
. "$(dirname "$0")/common.inc"

[ "$(id -u)" = 0 ] || { echo "needs root" && exit 2; }
build "$tmp/c" <<'C'
#include <stdio.h>
#include <syslog.h>

int main(void)
{
    for (int i = 1; i <= 30; i++) {
        syslog(LOG_INFO, "line %d", i);
        printf("%d\n", i);
        fflush(stdout);
    }
    return 0;
}
C
cat >"$tmp/python" <<'P'
import logging
import logging.handlers

log = logging.getLogger()
log.addHandler(logging.handlers.SysLogHandler("/dev/log"))
for i in range(1, 31):
    log.error("line %d", i)
    print(i, flush=True)
P
cat >"$tmp/daemon.py" <<'P'
import os
import signal
import socket
import subprocess
import sys
import time


def daemon(ready):
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.write(ready, b"x")
    while True:
        log.recv(1000)


def lines(name):
    with open(name) as f:
        return len(f.read().splitlines())


def asleep(process):
    try:
        with open("/proc/%d/wchan" % process.pid) as f:
            return f.read() == "unix_wait_for_peer"
    except FileNotFoundError:
        return False


# The daemon is paused or killed, then a program writes thirty lines.
def run(what, program, sig):
    ends = os.pipe()
    pid = os.fork()
    if pid == 0:
        daemon(ends[1])
    os.read(ends[0], 1)
    os.kill(pid, sig)
    os.waitpid(pid, os.WUNTRACED)
    with open(what, "w") as out:
        process = subprocess.Popen(program, stdout=out, stderr=subprocess.DEVNULL)
    for i in range(100):
        if asleep(process) or process.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(1)
    print(what, signal.Signals(sig).name, lines(what), "blocked" if asleep(process) else "over", end=" ")
    if sig == signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
    process.wait(20)
    print("later", lines(what))
    if sig == signal.SIGSTOP:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.unlink("/dev/log")


for sig in (signal.SIGSTOP, signal.SIGKILL):
    run("c", [sys.argv[1] + "/c"], sig)
    run("python", ["/usr/bin/python3", sys.argv[1] + "/python"], sig)
P
cat >"$tmp/world.sh" <<'W'
set -eu
mkdir "$1/dev" "$1/work"
cp -a /dev/null "$1/dev/"
mount --bind "$1/dev" /dev
cd "$1/work"
exec timeout 70 /usr/bin/python3 "$1/daemon.py" "$1"
W
echo "max_dgram_qlen: $(cat /proc/sys/net/unix/max_dgram_qlen)"
unshare --mount sh "$tmp/world.sh" "$tmp" >"$tmp/out" </dev/null || { cat "$tmp/out" && exit 1; }
cat "$tmp/out"
room=$(($(cat /proc/sys/net/unix/max_dgram_qlen) + 1))
for program in c python; do
    expect "$program: paused daemon, blocked" grep -qx "$program SIGSTOP $room blocked later 30" "$tmp/out"
    expect "$program: killed daemon, not blocked" grep -qx "$program SIGKILL 30 over later 30" "$tmp/out"
done
