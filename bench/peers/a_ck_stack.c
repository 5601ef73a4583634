/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_ck_stack
 * about: Concurrency Kit's stack (16-byte compare and swap) as a free list, in shared memory
 * packages: libck-dev
 * headers: ck_stack.h
 * libs: -lck
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-1048576
 * scope: processes
 * crash-safe: no: a dead process's blocks are lost
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include <ck_stack.h>

#include "../harness/bench.h"

#define BLOCKS 4096u

struct ep {
    ck_stack_t *stack;
};

static ck_stack_t *stack;

static int peer_setup(struct bench *b)
{
    size_t stride = (b->size_bytes + 63) & ~(size_t)63;
    unsigned char *blocks = bench_shared_memory(stride * BLOCKS);

    stack = bench_shared_memory(sizeof(*stack));
    ck_stack_init(stack);
    for (size_t i = 0; i < BLOCKS; i++)
        ck_stack_push_upmc(stack, (ck_stack_entry_t *)(void *)(blocks + i * stride));
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned index, struct ep *e)
{
    (void)b;
    (void)index;
    e->stack = stack;
}

static inline void *peer_take(struct ep *e)
{
    return ck_stack_pop_mpmc(e->stack);
}

static inline void peer_give(struct ep *e, void *block)
{
    ck_stack_push_mpmc(e->stack, block);
}

#include "../harness/loops_alloc.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_alloc_peer_of("a_ck_stack", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_ck_stack", pick);
}
