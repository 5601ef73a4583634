#!/bin/sh
# SPDX-License-Identifier: MIT
# MSG_PEEK at a Unix message with a descriptor opens the descriptor, each time, with what it holds
#
# With:     Linux 6.18, AF_UNIX, SCM_RIGHTS, a lock by flock().
# Expected: to peek is to look: who peeks at the size and the kind of the next message has nothing of it. The descriptor
#           comes with recvmsg(), once. Who has no room for it, because only the bytes are asked for, has none.
# Seen:     each recvmsg() with MSG_PEEK and room for control data installs one more descriptor: three looks and one read
#           make four, all open until somebody closes them. A lock that came with it lives in each of them: after the
#           message was read and its descriptor closed, the file is still locked by the looks. recv() with MSG_PEEK, without
#           room for control data, installs none, and a plain read() of the message closes the descriptor for good.
# Why:      "peek at the header, then read with the right buffer" leaks one descriptor per message, or one per turn of
#           the loop, until EMFILE; a pipe whose write end was passed has no end of file. Look with recv(), or
#           close what was looked at.
. "$(dirname "$0")/common.inc"

build "$tmp/look" <<'C'
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *path;

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -1;

    while (dir != NULL && readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void send_locked(int to)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct iovec bytes = { "job", 3 };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    int fd = open(path, O_RDWR | O_CREAT, 0600);

    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        exit(2);
    }
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (sendmsg(to, &message, 0) != 3) {
        exit(2);
    }
    close(fd);
}

/* Returns the descriptor that came along, or -1. */
static int receive(int from, int flags)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char text[3];
    struct iovec bytes = { text, sizeof text };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    int fd = -1;

    if (recvmsg(from, &message, flags) == 3 && message.msg_controllen >= CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
    }
    return fd;
}

static const char *lock(void)
{
    int fd = open(path, O_RDWR), r = flock(fd, LOCK_EX | LOCK_NB);

    close(fd);
    return r == 0 ? "free" : "held";
}

int main(int argc, char **argv)
{
    int ends[2], before, looks[3];
    char text[3];

    path = argv[argc - 1];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) {
        return 2;
    }
    before = descriptors();
    send_locked(ends[0]);
    for (int i = 0; i < 3; i++) {
        looks[i] = receive(ends[1], MSG_PEEK);
    }
    printf("three looks: %d more\n", descriptors() - before);
    close(receive(ends[1], 0));
    printf("read and closed: %d more, %s\n", descriptors() - before, lock());
    for (int i = 0; i < 3; i++) {
        close(looks[i]);
    }
    printf("looks closed: %d more, %s\n", descriptors() - before, lock());
    send_locked(ends[0]);
    if (recv(ends[1], text, sizeof text, MSG_PEEK) != 3) {
        return 2;
    }
    printf("looked with recv: %d more, %s\n", descriptors() - before, lock());
    if (read(ends[1], text, sizeof text) != 3) {
        return 2;
    }
    printf("read with read: %d more, %s\n", descriptors() - before, lock());
    return 0;
}
C
timeout 30 "$tmp/look" "$tmp/lock" >"$tmp/out"
cat "$tmp/out"
cat >"$tmp/seen" <<'S'
three looks: 3 more
read and closed: 3 more, held
looks closed: 0 more, free
looked with recv: 0 more, held
read with read: 0 more, free
S
expect "each look is a descriptor" cmp -s "$tmp/out" "$tmp/seen"
