#!/bin/sh
# SPDX-License-Identifier: MIT
# poll() calls a datagram socket writable whose every send says EAGAIN
#
# With:     Linux 6.18, AF_UNIX datagram sockets.
# Expected: EAGAIN from sendto() means: wait for POLLOUT, then try again. So every event loop does it.
# Seen:     POLLOUT of a socket that is not connected looks at its own send buffer only. The receiver
#           that is slow or stopped takes eleven messages (max_dgram_qlen) and no more; sendto() says
#           EAGAIN and poll() says "writable" at once, again and again. Connected to the same receiver,
#           poll() waits for it.
# Why:      this is how notices go to a supervisor, a log or a metrics daemon. While that one stands still,
#           senders that follow the rule use a processor each and wait for nothing. connect() first, or
#           wait by time.
. "$(dirname "$0")/common.inc"

build "$tmp/sender" <<'C'
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* How often poll() says "writable" and send then says EAGAIN, in a thousand tries. */
static int vain_tries(int fd, const struct sockaddr_un *to)
{
    struct pollfd wait = { fd, POLLOUT, 0 };
    int vain = 0;

    for (int i = 0; i < 1000 && poll(&wait, 1, 200) == 1; i++) {
        if (sendto(fd, "x", 1, 0, (const struct sockaddr *)to, to ? sizeof *to : 0) != 1 &&
            errno == EAGAIN) {
            vain++;
        }
    }
    return vain;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int taken = 0;

    strncpy(address.sun_path, argc > 1 ? argv[1] : "", sizeof address.sun_path - 1);
    if (bind(receiver, (struct sockaddr *)&address, sizeof address) != 0) {
        return 1;
    }
    while (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof address) == 1) {
        taken++;
    }
    printf("taken: %d\n", taken);
    printf("not connected: %d vain tries\n", vain_tries(sender, &address));
    if (connect(sender, (struct sockaddr *)&address, sizeof address) != 0) {
        return 1;
    }
    printf("connected: %d vain tries\n", vain_tries(sender, NULL));
    return 0;
}
C
"$tmp/sender" "$tmp/socket" | tee "$tmp/out"
expect "a receiver that does not read takes few messages" test "$(sed -n 's/^taken: //p' "$tmp/out")" = "$(($(cat /proc/sys/net/unix/max_dgram_qlen) + 1))"
expect "poll() says writable a thousand times" grep -qx 'not connected: 1000 vain tries' "$tmp/out"
expect "connected, it waits" grep -qx 'connected: 0 vain tries' "$tmp/out"
