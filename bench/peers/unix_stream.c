/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: unix_stream
 * about: a stream socket pair
 * packages: -
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint
 * depth: fixed
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: what was taken by a dead reader is lost
 * total-order: yes
 * bounded: yes
 * copies: 2, through the kernel
 */
#include <sys/socket.h>
#include "stream_fd.h"

static int fd_setup(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("unix_stream", false);
    return !b->many || b->size_bytes <= 4096 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "unix_stream", pick);
}
