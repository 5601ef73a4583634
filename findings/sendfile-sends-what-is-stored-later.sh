#!/bin/sh
# SPDX-License-Identifier: MIT
# sendfile() has returned, the buffer is reused, and the receiver reads the new contents
#
# With:     Linux 6.18, tmpfs, TCP over loopback and a Unix socket.
# Expected: when sendfile() says that so many bytes were sent, they are: what the receiver reads are the
#           bytes of that moment, as after write(). Only MSG_ZEROCOPY and vmsplice() are known to want
#           the buffer left alone, and the first of them says when it is done with it.
# Seen:     sendfile() and splice() put the pages of the file into the socket, not their contents. A
#           store through a mapping after the call is what the receiver reads. There is no notice of
#           when the pages are free to be written again; with a slow receiver that is any time later.
# Why:      sendfile() looks made for a bridge from shared memory to the network. With a ring or a
#           pool whose slots are used again the other side gets a later message in place of the one
#           that was sent, whole or in part, and no checksum of the transport notices.
. "$(dirname "$0")/common.inc"

mkdir "$tmp/shm"
mount -t tmpfs tmpfs "$tmp/shm" || { echo "needs root" && exit 2; }
undo() { umount "$tmp/shm"; }
build "$tmp/send" <<'C'
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static int tcp_pair(int *ends)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listening, (struct sockaddr *)&address, bytes) != 0 || listen(listening, 1) != 0 ||
        getsockname(listening, (struct sockaddr *)&address, &bytes) != 0) {
        return -1;
    }
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (struct sockaddr *)&address, bytes) != 0) {
        return -1;
    }
    ends[1] = accept(listening, NULL, NULL);
    close(listening);
    return ends[1] < 0 ? -1 : 0;
}

static int send_slot(const char *how, int fd, const char *slot, int socket)
{
    off_t from = 0;
    int ends[2];

    if (strcmp(how, "write") == 0) {
        return write(socket, slot, 3) == 3 ? 0 : -1;
    }
    if (strcmp(how, "sendfile") == 0) {
        return sendfile(socket, fd, &from, 3) == 3 ? 0 : -1;
    }
    return pipe(ends) == 0 && splice(fd, &from, ends[1], NULL, 3, 0) == 3 &&
                   splice(ends[0], NULL, socket, NULL, 3, 0) == 3
               ? 0
               : -1;
}

int main(int argc, char **argv)
{
    static const char *const how[] = { "write", "sendfile", "splice" };
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    char *slot;

    if (fd < 0 || ftruncate(fd, 4096) != 0) {
        return 1;
    }
    slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 6; i++) {
        int ends[2];
        char got[4] = { 0 };
        int r = i < 3 ? tcp_pair(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);

        memcpy(slot, "old", 3);
        if (r != 0 || send_slot(how[i % 3], fd, slot, ends[0]) != 0) {
            return 1;
        }
        memcpy(slot, "new", 3); /* the call has returned: the slot is used again */
        if (read(ends[1], got, 3) != 3) {
            return 1;
        }
        printf("%s %s: %s\n", i < 3 ? "tcp" : "unix", how[i % 3], got);
        close(ends[0]);
        close(ends[1]);
    }
    return 0;
}
C
"$tmp/send" "$tmp/shm/file" | tee "$tmp/out"
for socket in tcp unix; do
    expect "$socket: write() sends what was there" grep -qx "$socket write: old" "$tmp/out"
    expect "$socket: sendfile() what comes later" grep -qx "$socket sendfile: new" "$tmp/out"
    expect "$socket: splice() too" grep -qx "$socket splice: new" "$tmp/out"
done
