#!/bin/sh
# SPDX-License-Identifier: MIT
# ru_maxrss of a freshly started program is the size of the process that started it
#
# With:     Linux 6.18, Python 3.11 and /usr/bin/python3 (Debian 12); fork() with exec, posix_spawn().
# Expected: exec() replaces the memory, so the peak that wait4() reports for a small program is small, and so is
#           what the program asks of itself with getrusage().
# Seen:     a supervisor that has 200 MiB in use starts a program of 2 MiB: wait4() says 200 MiB, with fork()
#           and with posix_spawn(), and getrusage(RUSAGE_SELF) in the new program says it too. exec() keeps
#           the peak of the memory it throws away. VmHWM in /proc/PID/status begins anew and is right. If a
#           small shell starts the same program, the same call says 2 MiB or so.
# Why:      "peak memory of each job" in accounting, in job limits made from it, in "time -v", is at least the
#           size of the supervisor, the same for all jobs, and grows with its leaks. A memory limit that is
#           learned from it never fits.
. "$(dirname "$0")/common.inc"

build "$tmp/small" <<'C'
#include <stdio.h>
#include <sys/resource.h>

/* Prints its own peak as getrusage() and as /proc has it, in KiB. */
int main(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    struct rusage own;
    char line[256];
    long peak = 0;

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmHWM: %ld", &peak);
    }
    getrusage(RUSAGE_SELF, &own);
    printf("self %ld\nproc %ld\n", own.ru_maxrss, peak);
    return 0;
}
C
cat >"$tmp/start.py" <<'P'
import os
import sys

program, ballast = sys.argv[1], bytearray(int(sys.argv[2]) << 20)
for i in range(0, len(ballast), 4096):
    ballast[i] = 1
with open("/proc/self/statm") as f:
    size = int(f.read().split()[1]) * 4


def started(how):
    out = os.open(how, os.O_WRONLY | os.O_CREAT, 0o600)
    if how == "spawn":
        pid = os.posix_spawn(program, [program], {}, file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
    else:
        pid = os.fork()
        if pid == 0:
            os.dup2(out, 1)
            os.execv(program, [program])
    peak = os.wait4(pid, 0)[2].ru_maxrss
    with open(how) as f:
        seen = dict(line.split() for line in f)
    print(how, "supervisor", size, "wait4", peak, "self", seen["self"], "proc", seen["proc"])
    os.unlink(how)


started("fork")
started("spawn")
P
cd "$tmp"
/usr/bin/python3 start.py "$tmp/small" 200 | tee large
/usr/bin/python3 start.py "$tmp/small" 0 | tee little
# All lines of FILE: wait4 and self are within 20 MiB of the supervisor's size, proc is below 10 MiB.
of_the_parent() { awk '$5 < $3 - 20480 || $7 < $3 - 20480 || $9 > 10240 { bad = 1 } END { exit bad || NR != 2 }' "$1"; }
small() { awk '$5 > 40960 { bad = 1 } END { exit bad || NR != 2 }' "$1"; }
expect "wait4() and getrusage() tell of the supervisor, /proc of the program" of_the_parent large
expect "the same program, started by a small one" small little
cd /
