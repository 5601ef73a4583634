/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: spsc_flags
 * about: a ring of one sender and one receiver without a shared index: a word in each slot says
 *  whether it is full, in the line where the message begins, so that a small message and what
 *  announces it travel together. Written for this comparison after J. Giacomoni, T. Moseley,
 *  M. Vachharajani, FastForward for Efficient Pipeline Parallelism: A Cache-Optimized Concurrent
 *  Lock-Free Queue, ACM PPoPP 2008
 * packages: -
 * workloads: stream pingpong pushpop footprint
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: no end of a process is noticed
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../harness/bench.h"

struct slot {
    uint64_t full;
    unsigned char data[];
};

struct ep {
    unsigned char *slots;
    struct slot *held; /* receiver: what peer_recv() gave */
    size_t at, stride, bytes;
};

static unsigned char *rings[2];

static size_t stride_for(const struct bench *b)
{
    return (sizeof(struct slot) + b->size_bytes + 7) & ~(size_t)7;
}

static int peer_setup(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++)
        rings[i] = bench_shared_memory(stride_for(b) * b->depth);
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)roles;
    (void)index;
    memset(e, 0, sizeof(*e));
    e->slots = rings[channel];
    e->stride = stride_for(b);
    e->bytes = e->stride * b->depth;
}

static void peer_close(struct ep *e)
{
    (void)e;
}

static inline struct slot *slot_here(const struct ep *e)
{
    return (struct slot *)(void *)(e->slots + e->at);
}

static inline void step(struct ep *e)
{
    e->at = e->at + e->stride == e->bytes ? 0 : e->at + e->stride;
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    struct slot *s = slot_here(e);

    if (__atomic_load_n(&s->full, __ATOMIC_ACQUIRE) != 0)
        return 0;
    bench_copy(s->data, data, size);
    __atomic_store_n(&s->full, 1, __ATOMIC_RELEASE);
    step(e);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    e->held = slot_here(e);
    return __atomic_load_n(&e->held->full, __ATOMIC_ACQUIRE) != 0 ? e->held->data : NULL;
}

static inline void peer_release(struct ep *e)
{
    __atomic_store_n(&e->held->full, 0, __ATOMIC_RELEASE);
    step(e);
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    if (b->many)
        return NULL;
    peer = bench_peer_of("spsc_flags", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "spsc_flags", pick);
}
