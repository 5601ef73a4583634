#!/bin/sh
# SPDX-License-Identifier: MIT
# posix_spawn(): the caller sleeps in state D, deaf to SIGTERM, until somebody reads the new worker's log
#
# With:     Linux 6.18, glibc 2.36 (Debian 12), posix_spawn() with a file action that opens a FIFO for writing.
# Expected: the file actions are done in the child; if its open() has to wait for the reader of the FIFO, the child
#           waits, and posix_spawn() has returned its pid, as fork() would. At worst the caller waits in a sleep that
#           a signal handler ends.
# Seen:     the call does not return. The calling thread is in an uninterruptible sleep (D, as if a disk had failed) until
#           the child has come to its exec(). A handler of SIGTERM is not run in that time, its default
#           action would be. It runs when a reader opens the FIFO. With fork() the parent goes on at once.
# Why:      a log FIFO or a file on a slow mount, opened for the worker, stops the supervisor: no more
#           reaping, no stop, and those who look at it see a process that waits for hardware. So does each
#           library that starts programs by posix_spawn() or vfork() because it is faster.
. "$(dirname "$0")/common.inc"

build "$tmp/parent" <<'C'
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *command[] = { "true", NULL };

static void terminate(int sig)
{
    (void)sig;
    if (write(STDOUT_FILENO, "handler\n", 8) != 8) {
        _exit(2);
    }
}

static pid_t forked(const char *fifo)
{
    pid_t child = fork();

    if (child == 0) {
        dup2(open(fifo, O_WRONLY), STDOUT_FILENO);
        execv("/bin/true", command);
        _exit(127);
    }
    return child;
}

static pid_t spawned(const char *fifo)
{
    posix_spawn_file_actions_t actions;
    pid_t child = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, fifo, O_WRONLY, 0);
    return posix_spawn(&child, "/bin/true", &actions, NULL, command, environ) == 0 ? child : -1;
}

int main(int argc, char **argv)
{
    pid_t child;

    if (argc < 3) {
        return 2;
    }
    signal(SIGTERM, terminate);
    puts("starts");
    fflush(stdout);
    child = strcmp(argv[1], "fork") == 0 ? forked(argv[2]) : spawned(argv[2]);
    puts("started");
    fflush(stdout);
    return child > 0 && waitpid(child, NULL, 0) == child ? 0 : 2;
}
C
state() { sed -n 's/^State:[[:space:]]*\([A-Z]\).*/\1/p' "/proc/$1/status"; }
child_of() { tr -d ' ' <"/proc/$1/task/$1/children"; }
has_child() { [ -n "$(child_of "$1")" ]; }
child_waits() { grep -q wait_for_partner "/proc/$(child_of "$1")/wchan"; }
try() {
    mkfifo "$tmp/$1"
    "$tmp/parent" "$1" "$tmp/$1" >"$tmp/$1.out" &
    pid=$!
    until_true has_child "$pid"
    pids="$pids $pid $(child_of "$pid")"
    until_true child_waits "$pid"
    kill -TERM "$pid"
    sleep 1
    seen="$(paste -sd' ' "$tmp/$1.out"), state $(state "$pid")"
    cat "$tmp/$1"
    wait "$pid"
    saw "$1: $seen; with a reader: $(paste -sd' ' "$tmp/$1.out")"
}
try fork
expect "fork(): returned, the handler has run" test "${seen%, state *}" = "starts started handler"
try spawn
expect "posix_spawn(): neither, in state D" test "$seen" = "starts, state D"
expect "both when there is a reader" test "$(sort "$tmp/spawn.out" | paste -sd' ')" = "handler started starts"
