#!/bin/sh
# SPDX-License-Identifier: MIT
# A supervisor dies, its running workers live on, and a paused one is killed by it, with all beside it
#
# With:     Linux 6.18.
# Expected: children do not die with their parent (without PR_SET_PDEATHSIG), and a stopped process stays
#           stopped until somebody continues it. So, after a supervisor was killed, all its workers are
#           there as they were, the one that somebody looks at in a debugger too.
# Seen:     workers in a process group of their own, in the session of their supervisor, are an orphaned
#           group when it is gone. If ONE process of the group is stopped at that moment, the kernel sends
#           SIGHUP and SIGCONT to ALL of it: they die, or run their SIGHUP handler (reload), and the
#           paused one runs again. With nobody stopped, or with the group of the supervisor, or a session
#           of their own (setsid), nothing happens.
# Why:      "adopt the workers of my dead predecessor" works in every test and finds them dead just when
#           one was paused. Give a worker a session, not only a process group.
. "$(dirname "$0")/common.inc"

build "$tmp/orphans" <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two workers, with a group or a session of their own or that of their parent. */
static void supervise(const char *own, int tell)
{
    pid_t worker[2];

    setsid();
    for (int i = 0; i < 2; i++) {
        worker[i] = fork();
        if (worker[i] == 0) {
            if (strcmp(own, "session") == 0) {
                setsid();
            }
            for (;;) {
                pause();
            }
        }
        if (strcmp(own, "group") == 0) {
            setpgid(worker[i], worker[0]);
        }
    }
    if (write(tell, worker, sizeof worker) != sizeof worker) {
        exit(1);
    }
    for (;;) {
        pause();
    }
}

static void run(const char *own, int pauses)
{
    pid_t worker[2];
    pid_t supervisor;
    int tell[2];
    int died_of[2] = { 0 };

    if (pipe(tell) != 0) {
        exit(1);
    }
    supervisor = fork();
    if (supervisor == 0) {
        supervise(own, tell[1]);
    }
    if (read(tell[0], worker, sizeof worker) != sizeof worker) {
        exit(1);
    }
    usleep(100000);
    if (pauses) {
        kill(worker[0], SIGSTOP);
        usleep(200000);
    }
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    usleep(500000);
    for (int i = 0; i < 2; i++) {
        int status = 0;
        if (waitpid(worker[i], &status, WNOHANG) == worker[i]) {
            died_of[i] = WTERMSIG(status);
        } else {
            kill(worker[i], SIGKILL);
            waitpid(worker[i], NULL, 0);
        }
    }
    printf("own %s, first %s: %s %s\n", own, pauses ? "paused" : "running",
           died_of[0] ? strsignal(died_of[0]) : "alive", died_of[1] ? strsignal(died_of[1]) : "alive");
    close(tell[0]);
    close(tell[1]);
}

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the workers become children of this one */
    for (int pauses = 0; pauses < 2; pauses++) {
        run("nothing", pauses);
        run("group", pauses);
        run("session", pauses);
    }
    return 0;
}
C
"$tmp/orphans" | tee "$tmp/out"
expect "nobody dies with all running" test "$(grep -c 'running: alive alive' "$tmp/out")" = 3
expect "with one paused, the whole group dies" grep -qx 'own group, first paused: Hangup Hangup' "$tmp/out"
expect "in the supervisor's group nobody" grep -qx 'own nothing, first paused: alive alive' "$tmp/out"
expect "nor in a session of their own" grep -qx 'own session, first paused: alive alive' "$tmp/out"
