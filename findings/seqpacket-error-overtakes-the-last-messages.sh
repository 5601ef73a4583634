#!/bin/sh
# SPDX-License-Identifier: MIT
# On a SOCK_SEQPACKET socket the error comes before the messages that the dead peer had sent
#
# With:     Linux 6.18, AF_UNIX.
# Expected: a peer sends three messages and is killed; the survivor reads the three messages, then the
#           end or ECONNRESET. A reliable, ordered socket keeps order to its end, as SOCK_STREAM does.
# Seen:     if the dead peer left anything unread, SOCK_SEQPACKET answers ECONNRESET FIRST, once, and then
#           gives out the three messages, then the end. SOCK_STREAM gives the data first; SOCK_DGRAM
#           gives the data and no error at all.
# Why:      who closes the connection on an error, as everybody does, loses answers that were sent, and
#           only if something was under way to the dead at that moment: not in a test, but under load.
#           Read on after ECONNRESET until the end is told.
. "$(dirname "$0")/common.inc"

build "$tmp/last" <<'C'
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void last_words(int type, const char *name)
{
    int ends[2];
    pid_t peer;

    if (socketpair(AF_UNIX, type, 0, ends) != 0 || send(ends[0], "ask", 3, 0) != 3) {
        return;
    }
    peer = fork();
    if (peer == 0) {
        close(ends[0]);
        for (int i = 1; i <= 3; i++) {
            char text[3] = { 'm', (char)('0' + i), 0 };
            send(ends[1], text, 2, 0);
        }
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    waitpid(peer, NULL, 0);
    printf("%s:", name);
    for (int i = 0; i < 5; i++) {
        char text[3] = { 0 };
        ssize_t bytes = recv(ends[0], text, 2, MSG_DONTWAIT);
        printf(" %s", bytes < 0 ? strerrorname_np(errno) : bytes == 0 ? "end" : text);
    }
    printf("\n");
    close(ends[0]);
}

int main(void)
{
    last_words(SOCK_STREAM, "stream");
    last_words(SOCK_SEQPACKET, "seqpacket");
    last_words(SOCK_DGRAM, "dgram");
    return 0;
}
C
"$tmp/last" | tee "$tmp/out"
expect "a stream gives the data first" grep -qx 'stream: m1 m2 m3 ECONNRESET end' "$tmp/out"
expect "seqpacket gives the error first" grep -qx 'seqpacket: ECONNRESET m1 m2 m3 end' "$tmp/out"
expect "dgram has no error" grep -qx 'dgram: m1 m2 m3 EAGAIN EAGAIN' "$tmp/out"
