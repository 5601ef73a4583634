/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_mempool
 * about: DPDK's rte_mempool with its cache per core (without huge pages its memory is private)
 * packages: libdpdk-dev
 * pkg-config: libdpdk
 * libs: -lrte_mempool -lrte_mempool_ring -lrte_ring -lrte_eal
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-16384
 * scope: threads
 * crash-safe: no: dies with its process
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "../harness/bench.h"

#define BLOCKS 4096u
#define CACHE 256u

struct ep {
    struct rte_mempool_cache *cache;
};

static struct rte_mempool *pool;

static int peer_setup(struct bench *b)
{
    char *args[] = {"bench", "--no-huge",   "--no-pci", "--no-shconf",    "-m",
                    "64",    "--log-level", "1",        "--no-telemetry", NULL};

    if (rte_eal_init((int)(sizeof(args) / sizeof(*args)) - 1, args) < 0)
        return -1;
    pool = rte_mempool_create("bench", BLOCKS, (unsigned)b->size_bytes, 0, 0, NULL, NULL, NULL,
                              NULL, SOCKET_ID_ANY, 0);
    return pool != NULL ? 0 : -1;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

/* A cache of its own for each loop: its thread is not one of DPDK's. */
static void peer_open(struct bench *b, unsigned index, struct ep *e)
{
    (void)index;
    e->cache = rte_mempool_cache_create(CACHE, SOCKET_ID_ANY);
    if (e->cache == NULL)
        bench_fail(b, "rte_mempool_cache_create failed");
}

static inline void *peer_take(struct ep *e)
{
    void *block;

    return rte_mempool_generic_get(pool, &block, 1, e->cache) == 0 ? block : NULL;
}

static inline void peer_give(struct ep *e, void *block)
{
    rte_mempool_generic_put(pool, &block, 1, e->cache);
}

#include "../harness/loops_alloc.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_alloc_peer_of("a_mempool", true);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_mempool", pick);
}
