#!/bin/sh
# SPDX-License-Identifier: MIT
# nng: a request that kills its server is sent to the next one at once, until no server is left
#
# With:     libnng 1.5.2-2 (Debian 12), REQ and REP over ipc, default options.
# Expected: if a server dies before it replies, the client gets an error, or the request is repeated
#           after the documented resend time of a minute.
# Seen:     when the connection closes, the request goes to the next server within the same millisecond,
#           and so on. One bad request ends all four servers; the client sees nothing but its time-out.
#           Neither side is told that this is the second, third, fourth attempt, and there is no limit.
# Why:      redelivery without a delivery count turns one poisonous message into an outage. A server
#           cannot tell a repeated request from a new one, so it cannot refuse it either.
. "$(dirname "$0")/common.inc"

debs libnng1=1.5.2-2 libnng-dev=1.5.2-2 libmbedtls14=2.28.3-1 libmbedcrypto7=2.28.3-1 libmbedx509-1=2.28.3-1
build "$tmp/poison" -I"$root/usr/include" -L"$libs" -l:libnng.so.1 -Wl,--allow-shlib-undefined <<'C'
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVERS 4

/* Dies of the first request, as a server does that has a bug. */
static pid_t start_server(const char *address, int ready)
{
    pid_t pid = fork();
    nng_socket socket;
    size_t bytes;
    void *text;

    if (pid != 0) {
        return pid;
    }
    nng_rep0_open(&socket);
    nng_listen(socket, address, NULL, 0);
    if (write(ready, "x", 1) != 1) {
        _exit(1);
    }
    nng_recv(socket, &text, &bytes, NNG_FLAG_ALLOC);
    kill(getpid(), SIGKILL);
    return 0;
}

int main(int argc, char **argv)
{
    char address[SERVERS][128];
    pid_t servers[SERVERS];
    int ready[2];
    int dead = 0;
    nng_socket client;
    size_t bytes;
    void *text;
    char c;
    int r;

    if (argc < 2 || pipe(ready) != 0) {
        return 1;
    }
    for (int i = 0; i < SERVERS; i++) {
        snprintf(address[i], sizeof address[i], "ipc://%s/%d", argv[1], i);
        servers[i] = start_server(address[i], ready[1]);
    }
    for (int i = 0; i < SERVERS; i++) {
        if (read(ready[0], &c, 1) != 1) {
            return 1;
        }
    }
    nng_req0_open(&client);
    nng_setopt_ms(client, NNG_OPT_RECVTIMEO, 5000);
    for (int i = 0; i < SERVERS; i++) {
        nng_dial(client, address[i], NULL, 0);
    }
    nng_send(client, "request", 7, 0);
    r = nng_recv(client, &text, &bytes, NNG_FLAG_ALLOC);
    for (int i = 0; i < SERVERS; i++) {
        if (waitpid(servers[i], NULL, WNOHANG) == servers[i]) {
            dead++;
        } else {
            kill(servers[i], SIGKILL);
        }
    }
    printf("client: %s; %d of %d servers ended by one request\n", nng_strerror(r), dead, SERVERS);
    return 0;
}
C
result=$("$tmp/poison" "$tmp")
saw "$result"
expect "one request ends all four, the client is told of none" \
    test "$result" = "client: Timed out; 4 of 4 servers ended by one request"
