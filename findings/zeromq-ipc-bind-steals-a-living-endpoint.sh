#!/bin/sh
# SPDX-License-Identifier: MIT
# ZeroMQ: a second bind() to an ipc:// address succeeds and cuts the first server off for ever
#
# With:     libzmq 4.3.4-6 (Debian 12).
# Expected: as with TCP, the second bind() fails with EADDRINUSE while the first server lives; a stale
#           file of a dead server is replaced.
# Seen:     the file is unlinked unasked and made anew. Both binds return 0. Old connections stay with
#           the first server, new ones go to the second; when the second one ends, the path is there
#           still, connect() says 0, and what is sent reaches nobody, although the first server lives.
# Why:      a service that is started twice by mistake splits its clients in silence, and ending the
#           mistake makes it worse. Who shares a path needs a lock beside it.
. "$(dirname "$0")/common.inc"

debs libzmq5=4.3.4-6 libzmq3-dev=4.3.4-6 libsodium23=1.0.18-1+deb12u1 libpgm-5.3-0=5.3.128~dfsg-2 libnorm1=1.5.9+dfsg-2
build "$tmp/steal" -I"$root/usr/include" -L"$libs" -l:libzmq.so.5 -Wl,--allow-shlib-undefined <<'C'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

static void *open_socket(void *context, int kind)
{
    void *socket = zmq_socket(context, kind);
    int timeout_ms = 1000;
    int linger_ms = 0;

    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    return socket;
}

static void ask(void *context, const char *address, const char *text, void *first, void *second)
{
    void *client = open_socket(context, ZMQ_PUSH);
    char got[16] = "";
    int connected = zmq_connect(client, address);

    zmq_send(client, text, strlen(text), 0);
    if (zmq_recv(first, got, sizeof got - 1, 0) > 0) {
        printf("%s: connect %d, reaches the first\n", text, connected);
    } else if (second != NULL && zmq_recv(second, got, sizeof got - 1, 0) > 0) {
        printf("%s: connect %d, reaches the second\n", text, connected);
    } else {
        printf("%s: connect %d, reaches nobody\n", text, connected);
    }
    zmq_close(client);
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "";
    void *context = zmq_ctx_new();
    void *other = zmq_ctx_new();
    void *first = open_socket(context, ZMQ_PULL);
    void *second = open_socket(other, ZMQ_PULL);

    printf("first bind: %d\n", zmq_bind(first, address));
    ask(context, address, "before", first, NULL);
    printf("second bind: %d\n", zmq_bind(second, address));
    ask(context, address, "beside", first, second);
    zmq_close(second);
    zmq_ctx_term(other);
    printf("path: %s\n", access(address + strlen("ipc://"), F_OK) == 0 ? "there" : "gone");
    ask(context, address, "after", first, NULL);
    zmq_close(first);
    zmq_ctx_term(context);
    return 0;
}
C
"$tmp/steal" "ipc://$tmp/service" | tee "$tmp/out"
expect "the first one is reached before" grep -qx 'before: connect 0, reaches the first' "$tmp/out"
expect "the second bind succeeds" grep -qx 'second bind: 0' "$tmp/out"
expect "and takes the clients" grep -qx 'beside: connect 0, reaches the second' "$tmp/out"
expect "the path stays behind" grep -qx 'path: there' "$tmp/out"
expect "and leads to nobody" grep -qx 'after: connect 0, reaches nobody' "$tmp/out"
