/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: unix_seqpacket
 * about: a seqpacket socket pair
 * packages: -
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint
 * depth: fixed
 * sizes: 8-65536
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
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
}

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("unix_seqpacket", false);
    return b->size_bytes <= 65536 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "unix_seqpacket", pick);
}
