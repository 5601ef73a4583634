#!/bin/sh
# SPDX-License-Identifier: MIT
# What a process registered with io_uring is released only after its parent has reaped it
#
# With:     Linux 6.18, liburing 2.3-3 (Debian 12).
# Expected: when waitpid() has returned a killed child, its files are closed: locks are free, ports too.
# Seen:     a file that was registered with a ring (IORING_REGISTER_FILES) goes with the ring, and the
#           ring is torn down later, by a worker of the kernel. After waitpid() the dead process's lock
#           is held and its port in use for milliseconds to tenths of a second, nearly every time.
# Why:      "reaped" is taken for "everything released". A supervisor that starts the next one at
#           once gets EADDRINUSE or a busy lock, but only with programs that use registered files.
. "$(dirname "$0")/common.inc"

debs liburing-dev=2.3-3 liburing2=2.3-3
build "$tmp/ring" -I"$root/usr/include" "$libs/liburing.a" <<'C'
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int is_locked(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* A child with the file locked; with a ring that has it registered, or without. */
static void child(const char *path, int registers, int ready)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    struct io_uring ring;
    int fd = open(path, O_RDWR);

    fcntl(fd, F_OFD_SETLK, &lock);
    if (registers) {
        if (io_uring_queue_init(8, &ring, 0) != 0 ||
            io_uring_register_files(&ring, &fd, 1) != 0) {
            _exit(2);
        }
        close(fd);
    }
    if (write(ready, "x", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        pause();
    }
}

static int held_rounds(const char *path, int fd, int registers, double *ret_worst_ms)
{
    int held = 0;

    for (int i = 0; i < 50; i++) {
        int ready[2];
        double begin;
        pid_t pid;
        char c;

        if (pipe(ready) != 0) {
            exit(1);
        }
        pid = fork();
        if (pid == 0) {
            close(ready[0]);
            child(path, registers, ready[1]);
        }
        close(ready[1]);
        if (read(ready[0], &c, 1) != 1) {
            puts("no io_uring here");
            exit(2);
        }
        close(ready[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        begin = now_ms();
        held += is_locked(fd);
        while (is_locked(fd)) {
        }
        if (now_ms() - begin > *ret_worst_ms) {
            *ret_worst_ms = now_ms() - begin;
        }
    }
    return held;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "";
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    double worst_ms = 0;
    int plain = held_rounds(path, fd, 0, &worst_ms);
    int ring;

    worst_ms = 0;
    ring = held_rounds(path, fd, 1, &worst_ms);
    printf("%d %d\n", plain, ring);
    fprintf(stderr, "worst with a ring: %.1f ms\n", worst_ms);
    return 0;
}
C
result=$("$tmp/ring" "$tmp/file")
plain=${result% *} ring=${result#* }
saw "held after waitpid(): $plain of 50 without a ring, $ring of 50 with the file registered"
expect "without a ring the lock is free" test "$plain" = 0
expect "with a ring it is held in most rounds" test "$ring" -gt 25
