#!/bin/sh
# SPDX-License-Identifier: MIT
# A file lock lives on in a message that nobody has read
#
# With:     Linux 6.18.
# Expected: an open-file-description lock is dropped when the last process that has the open file is
#           gone. Nobody has it any more: neither in /proc/PID/fd nor in /proc/PID/maps.
# Seen:     a descriptor sent over a Unix socket (SCM_RIGHTS) keeps the open file, and so the lock, in
#           the socket's queue. Its owner is dead, no process has the file, and the lock is held as long
#           as the other end leaves the message unread. Reading it without room for descriptors frees it.
# Why:      such locks are a common proof of life. One descriptor handed to a paused peer makes a dead
#           process live on, and no tool that lists open files shows why.
. "$(dirname "$0")/common.inc"

build "$tmp/message" <<'C'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *state(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK ? "free" : "held";
}

static void lock_and_send(const char *path, int socket)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    char room[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec io = { "x", 1 };
    struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1,
                              .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    int fd = open(path, O_RDWR);

    fcntl(fd, F_OFD_SETLK, &lock);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    sendmsg(socket, &message, 0);
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv)
{
    int ends[2];
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    pid_t owner;
    char c;

    if (fd < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) {
        return 1;
    }
    owner = fork();
    if (owner == 0) {
        lock_and_send(argv[1], ends[0]);
    }
    waitpid(owner, NULL, 0);
    printf("owner dead, message unread: %s\n", state(fd));
    if (recv(ends[1], &c, 1, 0) != 1) {
        return 1;
    }
    printf("message read without its descriptor: %s\n", state(fd));
    return 0;
}
C
"$tmp/message" "$tmp/file" | tee "$tmp/out"
expect "the dead process's lock is held" grep -qx 'owner dead, message unread: held' "$tmp/out"
expect "until somebody reads" grep -qx 'message read without its descriptor: free' "$tmp/out"
