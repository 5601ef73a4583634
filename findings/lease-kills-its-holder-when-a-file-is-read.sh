#!/bin/sh
# SPDX-License-Identifier: MIT
# A file lease: who reads the file with cat kills the holder, or waits 45 seconds if the holder is paused
#
# With:     Linux 6.18, fcntl(F_SETLEASE, F_WRLCK).
# Expected: a lease asks "does anybody else have it open?" and is given back when it ends. It is no
#           lock: others open the file as ever, open() for reading does not wait on a local file, and one
#           that fails, with O_NONBLOCK, has had no effect.
# Seen:     the kernel sends SIGIO to the holder when somebody opens the file, and the default of SIGIO is to
#           end the process, without a core: cat is enough. An open() with O_NONBLOCK fails with EWOULDBLOCK
#           and has sent it all the same. If the holder is stopped, cat hangs before its first byte, for
#           /proc/sys/fs/lease-break-time seconds, 45; stat() does not.
# Why:      a write lease, taken and given back, is how to ask the kernel whether a file is open elsewhere. A
#           backup job that reads the file in that moment ends the process, and a process paused in it holds
#           up each reader. Block SIGIO, or name another signal with F_SETSIG, before the lease.
. "$(dirname "$0")/common.inc"

build "$tmp/lease" <<'C'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Takes the lease, prints a line, stays; "block" has SIGIO blocked. */
int main(int argc, char **argv)
{
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    sigset_t set;

    signal(SIGIO, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    if (strcmp(argv[argc - 1], "block") == 0) {
        sigprocmask(SIG_BLOCK, &set, NULL);
    }
    if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0) {
        return 1;
    }
    printf("leased\n");
    fflush(stdout);
    alarm(80);
    pause();
    return 0;
}
C
build "$tmp/open" <<'C'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int fd = open(argv[argc - 1], O_RDONLY | O_NONBLOCK);

    printf("%s\n", fd >= 0 ? "opened" : errno == EWOULDBLOCK ? "EWOULDBLOCK" : "another error");
    return 0;
}
C
hold() {
    rm -f "$tmp/out"
    "$tmp/lease" "$tmp/file" "$1" >"$tmp/out" &
    pid=$!
    pids="$pids $pid"
    until_true grep -q leased "$tmp/out"
}
# Sets $end to how the holder ended.
end_of() { end=0 && wait "$1" 2>/dev/null || end=$?; }
by_sigio=157 # 128 and SIGIO, 29

hold plainly
cat "$tmp/file"
end_of "$pid"
saw "holder after cat: $end"
expect "cat has killed the holder" test "$end" = "$by_sigio"

hold plainly
opened=$("$tmp/open" "$tmp/file")
end_of "$pid"
saw "O_NONBLOCK: $opened, holder $end"
expect "an open that fails has killed it as well" test "$opened $end" = "EWOULDBLOCK $by_sigio"

hold block
kill -STOP "$pid"
stat "$tmp/file" >/dev/null
rc=0
timeout 3 cat "$tmp/file" || rc=$?
saw "cat beside a paused holder: $rc after 3 s, limit $(cat /proc/sys/fs/lease-break-time) s"
expect "cat hangs" test "$rc" = 124
kill -CONT "$pid"
expect "with SIGIO blocked the holder lives" kill -0 "$pid"
expect "the usual limit is 45 seconds" test "$(cat /proc/sys/fs/lease-break-time)" = 45
