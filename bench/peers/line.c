/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: line
 * about: one cache line handed to and fro, nothing else: what the hardware allows
 * kind: limit
 * packages: -
 * workloads: pingpong
 * depth: fixed
 * sizes: 8-8
 * scope: processes
 * crash-safe: no
 * total-order: yes
 * bounded: yes
 * copies: 0
 */
#include "../harness/bench.h"

struct ep {
    uint64_t *word;
    uint64_t turn;
    uint64_t in;
};

static uint64_t *line;

static int peer_setup(struct bench *b)
{
    (void)b;
    line = bench_shared_memory(4096);
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)b;
    (void)roles;
    (void)index;
    e->word = line;
    e->turn = channel; /* even numbers go there, odd ones come back */
}

static void peer_close(struct ep *e)
{
    (void)e;
}

/* The word holds 2n + 1 once message n has gone there, 2n + 2 once it has come back. */
static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    (void)data;
    (void)size;
    e->turn += 2;
    __atomic_store_n(e->word, e->turn - 1, __ATOMIC_RELEASE);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    if (__atomic_load_n(e->word, __ATOMIC_ACQUIRE) != e->turn + 1)
        return NULL;
    e->in = e->turn / 2;
    e->turn += 2;
    return &e->in;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("line", false);
    peer.produce = peer.consume = peer.pushpop = NULL;
    return b->size_bytes == 8 && b->channels == 2 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "line", pick);
}
