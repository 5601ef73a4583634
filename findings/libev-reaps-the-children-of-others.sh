#!/bin/sh
# SPDX-License-Identifier: MIT
# libev: a program that uses it for timers only finds that its children were never there
#
# With:     libev4 and libev-dev 1:4.33-1 (Debian 12).
# Expected: an event loop reaps the processes that it was asked to watch. waitpid() of a child that somebody else in
#           the same program started, by name and in the usual way, gives its status.
# Seen:     the default loop waits for all children as soon as it exists, whether there is a watcher or not. waitpid()
#           gives ECHILD, and the status is lost: exit 7 looks like "no such child". With ev_loop_new()
#           instead of ev_default_loop() nothing is taken away.
# Why:      the loop comes with a client library, the supervisor is another part of the program. ECHILD is
#           read as "somebody has dealt with it" or as success, the failed worker is not started again; and
#           its pid is free for another process while the program still means to signal it.
. "$(dirname "$0")/common.inc"

debs libev4=1:4.33-1 libev-dev=1:4.33-1
build "$tmp/parent" "-I$root/usr/include" -fno-strict-aliasing "-L$libs" -l:libev.so.4 <<'C'
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void done(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

/* A loop of the kind asked for, with one timer; a child that exits with 7; the timer runs out after it. */
int main(int argc, char **argv)
{
    struct ev_loop *loop = argc > 1 ? ev_loop_new(0) : ev_default_loop(0);
    ev_timer timer;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        _exit(7);
    }
    ev_timer_init(&timer, done, 1., 0.);
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    if (waitpid(child, &status, 0) == child) {
        printf("%s: exit %d\n", argv[argc - 1], WEXITSTATUS(status));
    } else {
        printf("%s: %s\n", argc > 1 ? argv[1] : "default", errno == ECHILD ? "ECHILD" : "?");
    }
    return 0;
}
C
timeout 20 "$tmp/parent" >"$tmp/out"
timeout 20 "$tmp/parent" new >>"$tmp/out"
cat "$tmp/out"
expect "the default loop has taken the child" grep -qx 'default: ECHILD' "$tmp/out"
expect "another loop has not" grep -qx 'new: exit 7' "$tmp/out"
