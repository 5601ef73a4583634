#!/bin/sh
# SPDX-License-Identifier: MIT
# /proc/self/fd/N and /dev/fd/N open another file than descriptor N of the calling thread
#
# With:     Linux 6.18.
# Expected: "self" is whoever asks; opening /proc/self/fd/N gives the file that N stands for here.
# Seen:     "self" is the process, and its table is that of the main thread. A thread with a table of its
#           own (unshare(CLONE_FILES), close_range() with CLOSE_RANGE_UNSHARE, as I/O threads and
#           sandboxes do to hold many descriptors) gets the main thread's file of that number, without an
#           error, or ENOENT. If the main thread has ended, nothing can be opened there.
#           /proc/thread-self/fd/N is right in all cases.
# Why:      reopening by /proc/self/fd is the usual way to make a memfd read-only, to get an own lock owner
#           for a shared file, or to link an unnamed one. A library that is called in such a thread maps,
#           locks and writes the wrong file.
. "$(dirname "$0")/common.inc"

build "$tmp/threads" -pthread <<'C'
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number;
static pthread_t main_thread;

static void show(const char *folder)
{
    char path[64];
    char text[6] = { 0 };
    int fd;

    snprintf(path, sizeof path, "%s/%d", folder, number);
    fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, 5) < 0) {
        snprintf(text, sizeof text, "none");
    }
    printf(" %s", text);
    close(fd);
}

static void *thread(void *path)
{
    if (unshare(CLONE_FILES) != 0) {
        exit(1);
    }
    close(number);
    if (open(path, O_RDONLY) != number) {
        exit(1);
    }
    for (int i = 0; i < 2; i++) {
        printf("main thread %s:", i == 0 ? "there" : "gone");
        show("/proc/self/fd");
        show("/dev/fd");
        show("/proc/thread-self/fd");
        printf("\n");
        if (i == 0) {
            pthread_cancel(main_thread);
            pthread_join(main_thread, NULL);
        }
    }
    exit(0);
}

int main(int argc, char **argv)
{
    pthread_t id;

    if (argc < 3) {
        return 1;
    }
    main_thread = pthread_self();
    number = open(argv[1], O_RDONLY);
    pthread_create(&id, NULL, thread, argv[2]);
    for (;;) {
        pause();
    }
}
C
echo first >"$tmp/first"
echo later >"$tmp/later"
"$tmp/threads" "$tmp/first" "$tmp/later" | tee "$tmp/out"
expect "self is the main thread" grep -qx 'main thread there: first first later' "$tmp/out"
expect "and nobody when that one has ended" grep -qx 'main thread gone: none none later' "$tmp/out"
