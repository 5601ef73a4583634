#!/bin/sh
# SPDX-License-Identifier: MIT
# glibc: getloadavg() and sysconf() look past mounts over /proc, a container has two loads and two memories
#
# With:     glibc 2.36 (Debian 12), Python 3.11, Node.js 20, uptime and free of procps 4.0.2. Needs root (for mounts
#           of its own).
# Expected: with files mounted over /proc/loadavg and /proc/meminfo, as lxcfs does for containers, every program in
#           the container sees the container's load and memory; getloadavg() is a reader of /proc/loadavg.
# Seen:     uptime, free and Node.js read the files. getloadavg() and sysconf(_SC_PHYS_PAGES) of glibc, and with
#           them Python, ask sysinfo(2), which knows the whole machine.
# Why:      in one container the Node.js worker sizes its cache by 4 MiB, the Python worker by all of the machine and
#           is ended by the kernel; "take no work above a load of N" holds for the one and not for the other.
#           A test of it with a file mounted there tests nothing. Read /proc or the cgroup yourself.
. "$(dirname "$0")/common.inc"

build "$tmp/ask" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    double load = -1;

    getloadavg(&load, 1);
    printf("C %.2f %ld\n", load, sysconf(_SC_PHYS_PAGES) * (sysconf(_SC_PAGESIZE) / 1024));
    return 0;
}
C
cat >"$tmp/ask.py" <<'P'
import os

print("Python", "%.2f" % os.getloadavg()[0], os.sysconf("SC_PHYS_PAGES") * (os.sysconf("SC_PAGE_SIZE") // 1024))
P
cat >"$tmp/ask.mjs" <<'J'
import os from 'node:os';

console.log('Node.js', os.loadavg()[0].toFixed(2), os.totalmem() / 1024);
J
cat >"$tmp/ask.sh" <<'S'
set -e
mount --bind "$1/loadavg" /proc/loadavg
mount --bind "$1/meminfo" /proc/meminfo
echo "tools $(LC_ALL=C uptime | sed 's/.*average: \([0-9.]*\),.*/\1/') $(free -k | awk '/^Mem:/ { print $2 }')"
node "$1/ask.mjs"
python3 "$1/ask.py"
"$1/ask"
S
echo '70000.00 70000.00 70000.00 1/2 3' >"$tmp/loadavg"
sed 's/^MemTotal:.*/MemTotal: 4096 kB/' /proc/meminfo >"$tmp/meminfo"
total=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
unshare --mount sh "$tmp/ask.sh" "$tmp" >"$tmp/out" || { cat "$tmp/out" && echo "needs root" && exit 2; }
cat "$tmp/out"
# Prints the memory if the load is less than ours, a text if not.
real() { awk -v who="$1" '$1 == who { print ($2 >= 0 && $2 < 60000) ? $3 : "mounted" }' "$tmp/out"; }
expect "uptime and free read the files" grep -qx 'tools 70000.00 4096' "$tmp/out"
expect "Node.js does" grep -qx 'Node.js 70000.00 4096' "$tmp/out"
expect "Python sees the machine" test "$(real Python)" = "$total"
expect "glibc sees the machine" test "$(real C)" = "$total"
