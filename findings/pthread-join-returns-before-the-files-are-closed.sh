#!/bin/sh
# SPDX-License-Identifier: MIT
# pthread_join() returns while the files of the thread, in a descriptor table of its own, are still open
#
# With:     Linux 6.18, glibc 2.36 (Debian 12), a thread that has called unshare(CLONE_FILES).
# Expected: a joined thread is over, and so is what was its own: its descriptors are closed, its locks are
#           free, as after waitpid() for a process.
# Seen:     the kernel wakes the joiner when the thread lets go of the memory, and closes its files after
#           that. In many of 2000 runs flock() fails right after pthread_join(), for a file that no descriptor
#           of the process refers to any more; after waitpid() it never fails. tgkill(pid, tid, 0) says
#           ESRCH when it is truly over: asked for as long as it takes, the lock is free each time.
# Why:      a table of its own keeps the descriptors of a worker thread apart, and should close them all when it
#           ends. "Join the worker, start the next one on the same file" fails now and then with
#           "in use" by nobody who could be named. Close what matters before the thread returns.
. "$(dirname "$0")/common.inc"

build "$tmp/join" -pthread <<'C'
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 2000 };

static const char *path;

static void take_lock(void)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);

    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        exit(2);
    }
}

static void *own_table(void *tid)
{
    *(pid_t *)tid = gettid();
    if (unshare(CLONE_FILES) != 0) {
        exit(2);
    }
    take_lock();
    return NULL;
}

/* 1 if somebody has the lock; returns when nobody has it any more. */
static int is_locked(void)
{
    int fd = open(path, O_RDWR);
    int held = flock(fd, LOCK_EX | LOCK_NB) != 0;

    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        exit(2);
    }
    close(fd);
    return held;
}

static int after_join(int until_gone)
{
    pthread_t thread;
    pid_t tid = 0;

    if (pthread_create(&thread, NULL, own_table, &tid) != 0 || pthread_join(thread, NULL) != 0) {
        exit(2);
    }
    while (until_gone && syscall(SYS_tgkill, getpid(), tid, 0) == 0) {
        sched_yield();
    }
    return is_locked();
}

static int after_waitpid(void)
{
    pid_t child = fork();

    if (child == 0) {
        take_lock();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return is_locked();
}

int main(int argc, char **argv)
{
    int joined = 0, gone = 0, reaped = 0;

    path = argv[argc - 1];
    alarm(80);
    for (int i = 0; i < RUNS; i++) {
        joined += after_join(0);
        gone += after_join(1);
        reaped += after_waitpid();
    }
    printf("still locked after pthread_join() %d of %d\n", joined, RUNS);
    printf("still locked after ESRCH %d\n", gone);
    printf("still locked after waitpid() %d\n", reaped);
    return joined == 0;
}
C
rc=0
"$tmp/join" "$tmp/file" >"$tmp/out" || rc=$?
cat "$tmp/out"
expect "pthread_join() does not wait for the files" test "$rc" = 0
expect "waitpid() does" grep -qx 'still locked after waitpid() 0' "$tmp/out"
expect "and so does ESRCH" grep -qx 'still locked after ESRCH 0' "$tmp/out"
