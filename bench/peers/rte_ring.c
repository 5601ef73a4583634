/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: rte_ring
 * about: DPDK's rte_ring, elements by value, in shared memory; single producer and consumer one to
 *  one, multi for queues; variants with its HTS and RTS modes
 * packages: libdpdk-dev
 * pkg-config: libdpdk
 * libs: -lrte_ring -lrte_eal
 * variants: hts rts
 * workloads: stream pingpong queue pushpop pushpop_queue
 * batches: stream 8 32; queue 8 32
 * sizes: 8-4096
 * scope: processes
 * crash-safe: no: half a send or receive stops everybody
 * total-order: yes
 * bounded: yes
 * copies: 2
 */
#include <rte_ring.h>

#include "../harness/bench.h"

struct ep {
    struct rte_ring *ring;
    unsigned char *in;
};

static struct rte_ring *rings[2];
static unsigned element_bytes;

static unsigned flags_for(const struct bench *b)
{
    if (strcmp(b->variant, "hts") == 0)
        return RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ;
    if (strcmp(b->variant, "rts") == 0)
        return RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ;
    return b->many ? 0 : RING_F_SP_ENQ | RING_F_SC_DEQ;
}

static int peer_setup(struct bench *b)
{
    unsigned slots = 2;

    while (slots <= b->depth)
        slots <<= 1;
    element_bytes = (unsigned)b->size_bytes;
    for (unsigned i = 0; i < b->channels; i++) {
        ssize_t bytes = rte_ring_get_memsize_elem(element_bytes, slots);

        if (bytes < 0)
            return -1;
        rings[i] = bench_shared_memory((size_t)bytes);
        if (rte_ring_init(rings[i], "bench", slots, flags_for(b)) != 0)
            return -1;
    }
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
    e->ring = rings[channel];
    e->in = aligned_alloc(64, (b->size_bytes * b->batch + 63) & ~(size_t)63);
    if (e->in == NULL)
        bench_fail(b, "out of memory");
}

static void peer_close(struct ep *e)
{
    free(e->in);
}

/* The size as a constant where the ring can profit from one. */
static inline unsigned enqueue(struct ep *e, const void *data, size_t size, unsigned count)
{
    if (size == 8)
        return rte_ring_enqueue_burst_elem(e->ring, data, 8, count, NULL);
    if (size == 64)
        return rte_ring_enqueue_burst_elem(e->ring, data, 64, count, NULL);
    return rte_ring_enqueue_burst_elem(e->ring, data, (unsigned)size, count, NULL);
}

static inline unsigned dequeue(struct ep *e, size_t size, unsigned count)
{
    if (size == 8)
        return rte_ring_dequeue_burst_elem(e->ring, e->in, 8, count, NULL);
    if (size == 64)
        return rte_ring_dequeue_burst_elem(e->ring, e->in, 64, count, NULL);
    return rte_ring_dequeue_burst_elem(e->ring, e->in, (unsigned)size, count, NULL);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return (int)enqueue(e, data, size, 1);
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    return dequeue(e, size, 1) ? e->in : NULL;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    return (int)enqueue(e, items[0].iov_base, items[0].iov_len, count);
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    unsigned got = dequeue(e, size, count);

    for (unsigned i = 0; i < got; i++)
        views[i] = e->in + i * size;
    return (int)got;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    (void)e;
    (void)count;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("rte_ring", false);
    return b->size_bytes % 4 == 0 && b->size_bytes <= 4096 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "rte_ring", pick);
}
