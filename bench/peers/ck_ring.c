/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: ck_ring
 * about: Concurrency Kit's ring, elements by value, in shared memory; spsc one to one, mpmc for
 *  queues
 * packages: libck-dev
 * headers: ck_ring.h
 * libs: -lck
 * workloads: stream pingpong queue pushpop pushpop_queue
 * sizes: 8-4096
 * scope: processes
 * crash-safe: no: half a send stops everybody
 * total-order: yes
 * bounded: yes
 * copies: 2
 */
#include <ck_ring.h>

#include "../harness/bench.h"

struct ep {
    ck_ring_t *ring;
    unsigned char *at;
    unsigned char *in;
    bool many;
};

static ck_ring_t *rings[2];
static unsigned char *buffers[2];

static int peer_setup(struct bench *b)
{
    unsigned slots = 4;

    while (slots <= b->depth)
        slots <<= 1;
    for (unsigned i = 0; i < b->channels; i++) {
        rings[i] = bench_shared_memory(sizeof(ck_ring_t));
        buffers[i] = bench_shared_memory(b->size_bytes * slots);
        ck_ring_init(rings[i], slots);
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
    e->at = buffers[channel];
    e->many = b->many;
    e->in = aligned_alloc(64, (b->size_bytes + 63) & ~(size_t)63);
    if (e->in == NULL)
        bench_fail(b, "out of memory");
}

static void peer_close(struct ep *e)
{
    free(e->in);
}

/* What CK_RING_PROTOTYPE() generates for a type of @size bytes. */
static inline __attribute__((always_inline)) int put(struct ep *e, const void *data, unsigned size)
{
    return e->many ? _ck_ring_enqueue_mp(e->ring, e->at, data, size, NULL)
                   : _ck_ring_enqueue_sp(e->ring, e->at, data, size, NULL);
}

static inline __attribute__((always_inline)) int get(struct ep *e, unsigned size)
{
    return e->many ? _ck_ring_dequeue_mc(e->ring, e->at, e->in, size)
                   : _ck_ring_dequeue_sc(e->ring, e->at, e->in, size);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return size == 8    ? put(e, data, 8)
           : size == 64 ? put(e, data, 64)
                        : put(e, data, (unsigned)size);
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    bool got = size == 8 ? get(e, 8) : size == 64 ? get(e, 64) : get(e, (unsigned)size);

    return got ? e->in : NULL;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("ck_ring", false);
    return b->size_bytes <= 4096 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "ck_ring", pick);
}
