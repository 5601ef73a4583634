/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_malloc
 * about: malloc() and free() of the C library
 * packages: -
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-1048576
 * scope: threads
 * crash-safe: no: dies with its process
 * total-order: -
 * bounded: no
 * copies: 0
 */
#include "../harness/bench.h"

struct ep {
    unsigned index;
};

static size_t bytes;

static int peer_setup(struct bench *b)
{
    bytes = b->size_bytes;
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned index, struct ep *e)
{
    (void)b;
    e->index = index;
}

static inline void *peer_take(struct ep *e)
{
    (void)e;
    return malloc(bytes);
}

static inline void peer_give(struct ep *e, void *block)
{
    (void)e;
    free(block);
}

#include "../harness/loops_alloc.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_alloc_peer_of("a_malloc", true);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_malloc", pick);
}
