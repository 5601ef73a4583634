/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: qb_rb
 * about: libqb's ring buffer, chunks filled and read in place; asleep with its semaphore
 * packages: libqb-dev
 * pkg-config: libqb
 * workloads: stream pingpong asleep pushpop idle footprint attach
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no recovery; a dead side is not noticed
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include <qb/qbrb.h>

#include "../harness/bench.h"

struct ep {
    qb_ringbuffer_t *ring;
    int timeout_ms;
};

static char names[2][64];
static qb_ringbuffer_t *rings[2];

static uint32_t flags_for(const struct bench *b)
{
    return QB_RB_FLAG_SHARED_PROCESS | (b->asleep ? 0 : QB_RB_FLAG_NO_SEMAPHORE);
}

static int peer_setup(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++) {
        snprintf(names[i], sizeof(names[i]), "shmbus-bench.%d.%u", (int)getpid(), i);
        rings[i] = qb_rb_open(names[i], b->depth * (b->size_bytes + 16),
                              QB_RB_FLAG_CREATE | flags_for(b), 0);
        if (rings[i] == NULL)
            return -1;
    }
    return 0;
}

static void peer_teardown(struct bench *b)
{
    char path[128];

    /* By hand: children that were killed never gave their references back. */
    for (unsigned i = 0; i < b->channels; i++) {
        snprintf(path, sizeof(path), "/dev/shm/qb-%s-header", names[i]);
        unlink(path);
        snprintf(path, sizeof(path), "/dev/shm/qb-%s-data", names[i]);
        unlink(path);
    }
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)roles;
    (void)index;
    e->timeout_ms = 0;
    e->ring = qb_rb_open(names[channel], b->depth * (b->size_bytes + 16), flags_for(b), 0);
    if (e->ring == NULL)
        bench_fail(b, "qb_rb_open %s: %s", names[channel], strerror(errno));
}

static void peer_close(struct ep *e)
{
    qb_rb_close(e->ring);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return qb_rb_chunk_write(e->ring, data, size) >= 0;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    void *data;

    (void)size;
    return qb_rb_chunk_peek(e->ring, &data, 0) > 0 ? data : NULL;
}

static inline void peer_release(struct ep *e)
{
    qb_rb_chunk_reclaim(e->ring);
}

#define PEER_WAIT
static inline int peer_send_wait(struct ep *e, const void *data, size_t size)
{
    while (!peer_send(e, data, size))
        bench_pause();
    return 1;
}

static inline const void *peer_recv_wait(struct ep *e, size_t size)
{
    void *data;

    (void)size;
    return qb_rb_chunk_peek(e->ring, &data, -1) > 0 ? data : NULL;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("qb_rb", false);
    return b->many ? NULL : &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "qb_rb", pick);
}
