#!/bin/sh
# SPDX-License-Identifier: MIT
# A pipe counts pages: of one page it is not writable with one byte in it, of 16 pages it is full with 61441
#
# With:     Linux 6.18, F_SETPIPE_SZ, poll().
# Expected: a pipe of 4096 bytes with one byte in it has room for 4095 more, and poll() reports it as writable
#           to who has a byte to write; a reader that takes 4095 of 4096 makes room.
# Seen:     POLLOUT means "a page is unused". Of a pipe of one page it says "not writable" after the first
#           byte, though write() takes the next 4095. What is read from a page makes no room until its last
#           byte is read: with a single byte left in it write() says EAGAIN, and so it does in a pipe of the usual
#           64 KiB that has been full, after 4095 bytes were read.
# Why:      a small pipe is asked for to bound what lies in it. A sender that waits for POLLOUT sends one
#           message at a time, however small, and waits for ever for a reader that collects eight bytes
#           before it reads. FIONREAD and F_GETPIPE_SZ together do not tell what there is room for.
. "$(dirname "$0")/common.inc"

build "$tmp/pipe" <<'C'
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char bytes[65536];

static void show(int fd, const char *what)
{
    struct pollfd out = { .fd = fd, .events = POLLOUT };
    int writable = poll(&out, 1, 0), unread = 0;

    ioctl(fd, FIONREAD, &unread);
    printf("%s: %d of %d, %swritable\n", what, unread, fcntl(fd, F_GETPIPE_SZ),
           writable == 1 ? "" : "not ");
}

static void put(int fd, size_t size)
{
    ssize_t n = write(fd, bytes, size);

    printf("write %zu: %zd%s\n", size, n, n < 0 && errno == EAGAIN ? " EAGAIN" : "");
}

static void make(int ends[2], int size)
{
    if (pipe2(ends, O_NONBLOCK) != 0 || fcntl(ends[1], F_SETPIPE_SZ, size) != size) {
        exit(2);
    }
}

static void take(int fd, size_t size)
{
    if (read(fd, bytes, size) != (ssize_t)size) {
        exit(2);
    }
}

int main(void)
{
    int ends[2];

    make(ends, 4096);
    show(ends[1], "new");
    put(ends[1], 1);
    show(ends[1], "one byte");
    put(ends[1], 4095);
    take(ends[0], 4095);
    show(ends[1], "one byte left");
    put(ends[1], 1);
    take(ends[0], 1);
    show(ends[1], "empty");
    make(ends, 65536);
    put(ends[1], 65536);
    take(ends[0], 4095);
    show(ends[1], "large");
    put(ends[1], 1);
    take(ends[0], 1);
    show(ends[1], "large, a page read");
    return 0;
}
C
"$tmp/pipe" >"$tmp/out"
cat "$tmp/out"
cat >"$tmp/seen" <<'S'
new: 0 of 4096, writable
write 1: 1
one byte: 1 of 4096, not writable
write 4095: 4095
one byte left: 1 of 4096, not writable
write 1: -1 EAGAIN
empty: 0 of 4096, writable
write 65536: 65536
large: 61441 of 65536, not writable
write 1: -1 EAGAIN
large, a page read: 61440 of 65536, writable
S
expect "room comes by the page" cmp -s "$tmp/out" "$tmp/seen"
