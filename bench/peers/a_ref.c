/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_ref
 * about: the reference allocator: a free list with a tagged head, in shared memory; variant cache:
 *  a private cache of 64 blocks in front of it
 * kind: reference
 * packages: -
 * variants: cache
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-1048576
 * scope: processes
 * crash-safe: no: a dead process's blocks are lost
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include "../harness/bench.h"

#define BLOCKS 4096u
#define CACHE 64u

struct pool {
    uint64_t head; /* tag << 32 | index + 1 of the first free block */
    uint64_t pad_[15];
    size_t stride;
};

struct ep {
    uint32_t cached[CACHE];
    unsigned count;
    bool cache;
};

static struct pool *pool;
static unsigned char *blocks;

static uint32_t *next_of(uint32_t index)
{
    return (uint32_t *)(void *)(blocks + (size_t)(index - 1) * pool->stride);
}

static int peer_setup(struct bench *b)
{
    pool = bench_shared_memory(sizeof(*pool));
    pool->stride = (b->size_bytes + 63) & ~(size_t)63;
    blocks = bench_shared_memory(pool->stride * BLOCKS);
    for (uint32_t i = 1; i <= BLOCKS; i++)
        *next_of(i) = i < BLOCKS ? i + 1 : 0;
    pool->head = 1;
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned index, struct ep *e)
{
    (void)index;
    e->count = 0;
    e->cache = strcmp(b->variant, "cache") == 0;
}

static inline uint32_t pop(void)
{
    uint64_t head = __atomic_load_n(&pool->head, __ATOMIC_ACQUIRE), next;

    do {
        if ((uint32_t)head == 0)
            return 0;
        next =
            ((head >> 32) + 1) << 32 | __atomic_load_n(next_of((uint32_t)head), __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(&pool->head, &head, next, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    return (uint32_t)head;
}

static inline void push(uint32_t index)
{
    uint64_t head = __atomic_load_n(&pool->head, __ATOMIC_RELAXED), next;

    do {
        __atomic_store_n(next_of(index), (uint32_t)head, __ATOMIC_RELAXED);
        next = ((head >> 32) + 1) << 32 | index;
    } while (!__atomic_compare_exchange_n(&pool->head, &head, next, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
}

static inline void *peer_take(struct ep *e)
{
    uint32_t index = e->count > 0 ? e->cached[--e->count] : pop();

    return index != 0 ? next_of(index) : NULL;
}

static inline void peer_give(struct ep *e, void *block)
{
    uint32_t index = (uint32_t)((size_t)((unsigned char *)block - blocks) / pool->stride) + 1;

    if (!e->cache) {
        push(index);
        return;
    }
    if (e->count == CACHE)
        while (e->count > CACHE / 2)
            push(e->cached[--e->count]);
    e->cached[e->count++] = index;
}

#include "../harness/loops_alloc.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_alloc_peer_of("a_ref", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_ref", pick);
}
