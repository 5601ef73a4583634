/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: spsc_cached
 * about: a ring of one sender and one receiver with slots of one size, nothing but an index for each
 *  side, and each side's own copy of the other's index, which it reads again only when the ring
 *  seems full or empty. Variant lazy: the receiver tells its index only after an eighth of the ring,
 *  and when it finds nothing. Written for this comparison after: L. Lamport, Specifying Concurrent
 *  Program Modules, ACM TOPLAS 5(2), 1983 (the ring); P. Lee, T. Bu, G. Chandranmenon, A Lock-Free,
 *  Cache-Efficient Multi-Core Synchronization Mechanism for Line-Rate Network Traffic Monitoring,
 *  IEEE IPDPS 2010 (MCRingBuffer: copies of indexes, told in batches); E. Rigtorp, Optimizing a
 *  Ring Buffer for Throughput, 2021 (the copies without the batches)
 * packages: -
 * variants: lazy
 * workloads: stream pingpong pushpop footprint
 * batches: stream 8 32
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: no end of a process is noticed
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../harness/bench.h"

struct ring {
    uint64_t tail; /* messages sent; written by the sender */
    uint64_t pad0_[15];
    uint64_t head; /* messages given back; written by the receiver */
    uint64_t pad1_[15];
    unsigned char slots[];
};

/* All that one side needs is its own but for two words. */
struct ep {
    struct ring *ring;
    uint64_t mine;   /* sender: messages sent; receiver: messages given back */
    uint64_t theirs; /* the other side's index as last seen */
    uint64_t told;   /* receiver: its index as the sender can see it */
    uint64_t owed;   /* receiver: so many messages may stay untold */
    uint64_t slots;
    size_t stride;
};

static struct ring *rings[2];
static uint64_t slots;

static int peer_setup(struct bench *b)
{
    size_t stride = (b->size_bytes + 7) & ~(size_t)7;

    for (slots = 1; slots < b->depth;)
        slots *= 2;
    for (unsigned i = 0; i < b->channels; i++)
        rings[i] = bench_shared_memory(sizeof(struct ring) + slots * stride);
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
    e->ring = rings[channel];
    e->slots = slots;
    e->stride = (b->size_bytes + 7) & ~(size_t)7;
    e->owed = strcmp(b->variant, "lazy") == 0 ? slots / 8 : 0;
}

static void peer_close(struct ep *e)
{
    (void)e;
}

static inline unsigned char *slot(const struct ep *e, uint64_t number)
{
    return e->ring->slots + (number & (e->slots - 1)) * e->stride;
}

/* How many slots may be filled; looks at the receiver's index only if they seem to be fewer than
 * @want. */
static inline uint64_t room(struct ep *e, uint64_t want)
{
    if (e->slots - (e->mine - e->theirs) < want)
        e->theirs = __atomic_load_n(&e->ring->head, __ATOMIC_ACQUIRE);
    return e->slots - (e->mine - e->theirs);
}

static inline void tell(struct ep *e)
{
    e->told = e->mine;
    __atomic_store_n(&e->ring->head, e->mine, __ATOMIC_RELEASE);
}

/* How many messages are there, likewise. */
static inline uint64_t there(struct ep *e, uint64_t want)
{
    if (e->theirs - e->mine < want) {
        e->theirs = __atomic_load_n(&e->ring->tail, __ATOMIC_ACQUIRE);
        if (e->theirs == e->mine && e->told != e->mine)
            tell(e); /* the sender may be waiting for these */
    }
    return e->theirs - e->mine;
}

static inline void publish(struct ep *e, uint64_t count)
{
    e->mine += count;
    __atomic_store_n(&e->ring->tail, e->mine, __ATOMIC_RELEASE);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    if (room(e, 1) == 0)
        return 0;
    bench_copy(slot(e, e->mine), data, size);
    publish(e, 1);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    return there(e, 1) == 0 ? NULL : slot(e, e->mine);
}

static inline void give_back(struct ep *e, uint64_t count)
{
    e->mine += count;
    if (e->mine - e->told > e->owed)
        tell(e);
}

#include "index_calls.h"
#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    if (b->many)
        return NULL;
    peer = bench_peer_of("spsc_cached", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "spsc_cached", pick);
}
