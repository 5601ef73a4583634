#!/bin/sh
# SPDX-License-Identifier: MIT
# SO_PEERCRED of a client names whoever called listen() last, not who serves it
#
# With:     Linux 6.18.
# Expected: a client that asks its connected Unix socket for the peer's credentials gets the process
#           that accepted the connection, or the one that made the socket.
# Seen:     it gets the pid (and user) that called listen() last. With a listening socket handed down by
#           a supervisor that is the supervisor, also when it died long ago; a worker that calls listen()
#           again, to change the backlog, puts its own name there for all, and leaves it when it dies.
# Why:      clients that log, signal or trust "the server" by this pid mean another process as soon as
#           sockets are inherited. The name of a dead process may belong to somebody else by now.
. "$(dirname "$0")/common.inc"

build "$tmp/peer" <<'C'
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t peer_at(const struct sockaddr_un *address)
{
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    struct ucred peer = { 0 };
    socklen_t bytes = sizeof peer;

    if (connect(client, (const struct sockaddr *)address, sizeof *address) != 0) {
        return -1;
    }
    getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &bytes);
    close(client);
    return peer.pid;
}

static pid_t lister(int socket)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(listen(socket, 8));
    }
    waitpid(pid, NULL, 0);
    return pid;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t first;
    pid_t second;
    pid_t worker;

    strncpy(address.sun_path, argc > 1 ? argv[1] : "", sizeof address.sun_path - 1);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0) {
        return 1;
    }
    first = lister(listening);
    worker = fork();
    if (worker == 0) {
        for (;;) {
            close(accept(listening, NULL, NULL));
        }
    }
    puts(peer_at(&address) == first ? "the dead one that called listen()" : "another");
    second = lister(listening);
    puts(peer_at(&address) == second ? "the dead one that called it again" : "another");
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    return 0;
}
C
"$tmp/peer" "$tmp/socket" | tee "$tmp/out"
expect "the client sees the dead process that called listen()" grep -qx 'the dead one that called listen()' "$tmp/out"
expect "and then the dead one that called it again" grep -qx 'the dead one that called it again' "$tmp/out"
