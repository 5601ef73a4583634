#!/bin/sh
# SPDX-License-Identifier: MIT
# A child that was killed is hidden from its parent's waitpid() while a paused debugger traces it
#
# With:     Linux 6.18.
# Expected: SIGKILL ends a process whatever else goes on; its parent's waitpid() returns it at once.
# Seen:     if some other process traces the child (strace, gdb, a profiler) and is itself stopped, the
#           child is a zombie and its pidfd readable, but for the parent waitpid(), waitid() and a pidfd
#           given to waitid() answer "nothing yet", until the tracer has waited or died.
# Why:      a supervisor that learns of deaths by SIGCHLD and waitpid() alone believes a dead worker to
#           be up for as long as a developer's debugger stands still. A pidfd in poll() tells the truth.
. "$(dirname "$0")/common.inc"

build "$tmp/traced" <<'C'
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    siginfo_t info = { 0 };
    struct pollfd dead;
    int ready[2];
    pid_t tracer;
    pid_t child;
    char c;

    if (pipe(ready) != 0) {
        return 1;
    }
    child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    tracer = fork();
    if (tracer == 0) {
        c = ptrace(PTRACE_SEIZE, child, 0, 0) == 0 ? 'y' : 'n';
        if (write(ready[1], &c, 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    if (read(ready[0], &c, 1) != 1 || c != 'y') {
        puts("cannot trace here");
        return 2;
    }
    dead = (struct pollfd){ (int)syscall(SYS_pidfd_open, child, 0), POLLIN, 0 };
    kill(tracer, SIGSTOP);
    waitpid(tracer, NULL, WUNTRACED);
    kill(child, SIGKILL);
    printf("pidfd readable: %d\n", poll(&dead, 1, 5000));
    printf("waitpid: %d\n", (int)waitpid(child, NULL, WNOHANG));
    sleep(1);
    printf("waitpid a second later: %d\n", (int)waitpid(child, NULL, WNOHANG));
    waitid(P_PIDFD, (id_t)dead.fd, &info, WEXITED | WNOHANG);
    printf("waitid by pidfd: %d\n", (int)info.si_pid);
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    printf("tracer gone: %s\n", waitpid(child, NULL, 0) == child ? "reported" : "lost");
    return 0;
}
C
"$tmp/traced" | tee "$tmp/out"
expect "the pidfd tells of the death" grep -qx 'pidfd readable: 1' "$tmp/out"
expect "waitpid() does not" grep -qx 'waitpid: 0' "$tmp/out"
expect "not a second later either" grep -qx 'waitpid a second later: 0' "$tmp/out"
expect "nor does waitid() of the pidfd" grep -qx 'waitid by pidfd: 0' "$tmp/out"
expect "it does once the tracer is gone" grep -qx 'tracer gone: reported' "$tmp/out"
