/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: ref_fanout
 * about: the hand-written reference of one to all: one ring, one sender, each reader reads every
 *  message in place and has a cursor on a line of its own, which it tells after an eighth of the
 *  ring and when it finds nothing; the sender looks at the cursors only when the ring seems full.
 *  Written for this comparison after L. Lamport (ACM TOPLAS 5(2), 1983) and the gating sequences of
 *  M. Thompson, D. Farley, M. Barker, P. Gee, A. Stewart, Disruptor, LMAX 2011
 * kind: reference
 * packages: -
 * workloads: fanout
 * batches: fanout 32
 * sizes: 8-65536
 * scope: processes
 * crash-safe: no: a reader that is gone stops the sender
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../harness/bench.h"

struct cursor {
    uint64_t read; /* messages; written by its reader */
    uint64_t pad_[15];
};

struct ring {
    uint64_t tail; /* messages sent; written by the sender */
    uint64_t pad_[15];
    struct cursor cursors[BENCH_PROCS_MAX];
    unsigned char slots[];
};

struct ep {
    struct ring *ring;
    uint64_t *cursor; /* reader: its own */
    uint64_t mine;    /* messages sent, or read */
    uint64_t theirs;  /* sender: read by all, as last seen; reader: the tail as last seen */
    uint64_t told;    /* reader: its cursor as the sender can see it */
    uint64_t slots;
    size_t stride;
    unsigned readers;
};

static struct ring *ring;
static uint64_t slots;

static size_t stride_for(const struct bench *b)
{
    return (b->size_bytes + 7) & ~(size_t)7;
}

static int peer_setup(struct bench *b)
{
    for (slots = 8; slots < b->depth;)
        slots *= 2;
    ring = bench_shared_memory(sizeof(*ring) + slots * stride_for(b));
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)channel;
    memset(e, 0, sizeof(*e));
    e->ring = ring;
    e->cursor = roles == BENCH_RECV ? &ring->cursors[index].read : NULL;
    e->slots = slots;
    e->stride = stride_for(b);
    e->readers = b->consumers;
}

static void peer_close(struct ep *e)
{
    (void)e;
}

static inline unsigned char *slot(const struct ep *e, uint64_t number)
{
    return e->ring->slots + (number & (e->slots - 1)) * e->stride;
}

static inline uint64_t slowest(const struct ep *e)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < e->readers; i++) {
        uint64_t read = __atomic_load_n(&e->ring->cursors[i].read, __ATOMIC_ACQUIRE);

        least = read < least ? read : least;
    }
    return least;
}

static inline uint64_t room(struct ep *e, uint64_t want)
{
    if (e->slots - (e->mine - e->theirs) < want)
        e->theirs = slowest(e);
    return e->slots - (e->mine - e->theirs);
}

static inline void tell(struct ep *e)
{
    e->told = e->mine;
    __atomic_store_n(e->cursor, e->mine, __ATOMIC_RELEASE);
}

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
    if (e->mine - e->told >= e->slots / 8)
        tell(e);
}

#include "index_calls.h"
#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    if (b->many || b->channels != 1 || b->producers != 1)
        return NULL;
    peer = bench_peer_of("ref_fanout", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "ref_fanout", pick);
}
