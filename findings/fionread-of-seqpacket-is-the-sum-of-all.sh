#!/bin/sh
# SPDX-License-Identifier: MIT
# FIONREAD: of a datagram socket the next message, of a SOCK_SEQPACKET socket all of them together
#
# With:     Linux 6.18, AF_UNIX.
# Expected: a socket that keeps messages apart answers FIONREAD with the size of the next one, which is what the
#           buffer for it must have. SIOCOUTQ at the other end is what the receiver has not read, in bytes.
# Seen:     SOCK_DGRAM does so. SOCK_SEQPACKET adds up all that waits, like a byte stream: 60 for messages of 10, 20
#           and 30. SIOCOUTQ counts memory of the kernel: 2304 for these 60 bytes, on all three kinds of
#           socket, and for the datagram socket it is not what FIONREAD of the peer has. The exact
#           question is recv(fd, b, 1, MSG_PEEK | MSG_TRUNC).
# Why:      a reader that allocates by FIONREAD, or takes it for the length of the message, is right with one
#           message in the queue, in each test, and wrong under load. A gauge "bytes not yet read" made
#           from SIOCOUTQ is forty times too large for small messages.
. "$(dirname "$0")/common.inc"

build "$tmp/ask" <<'C'
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void ask(int kind, const char *name)
{
    int ends[2], in = 0, out = 0;
    char bytes[30] = "";

    if (socketpair(AF_UNIX, kind, 0, ends) != 0) {
        exit(2);
    }
    for (size_t size = 10; size <= 30; size += 10) {
        if (send(ends[0], bytes, size, 0) != (ssize_t)size) {
            exit(2);
        }
    }
    ioctl(ends[1], FIONREAD, &in);
    ioctl(ends[0], SIOCOUTQ, &out);
    printf("%s: FIONREAD %d, next %zd, SIOCOUTQ %s\n", name, in,
           recv(ends[1], bytes, 1, MSG_PEEK | MSG_TRUNC), out == 60 ? "60" : "more");
    fprintf(stderr, "%s: SIOCOUTQ %d\n", name, out);
}

int main(void)
{
    ask(SOCK_STREAM, "stream");
    ask(SOCK_DGRAM, "dgram");
    ask(SOCK_SEQPACKET, "seqpacket");
    return 0;
}
C
"$tmp/ask" >"$tmp/out"
cat "$tmp/out"
expect "datagram: the next message" grep -qx 'dgram: FIONREAD 10, next 10, SIOCOUTQ more' "$tmp/out"
expect "seqpacket: the sum" grep -qx 'seqpacket: FIONREAD 60, next 10, SIOCOUTQ more' "$tmp/out"
