/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: pipe
 * about: a pipe; several readers only up to PIPE_BUF
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
#include <limits.h>
#include "stream_fd.h"

static int fd_setup(int pair[2])
{
    return pipe(pair);
}

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("pipe", false);
    return !b->many || b->size_bytes <= PIPE_BUF ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "pipe", pick);
}
