/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_boost_msm
 * about: boost::interprocess::managed_shared_memory, allocate() and deallocate()
 * packages: libboost-dev
 * headers: boost/interprocess/managed_shared_memory.hpp
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-1048576
 * scope: processes
 * crash-safe: no: a process that dies inside stops everybody
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include <boost/interprocess/managed_shared_memory.hpp>

#include "../harness/bench.h"

using boost::interprocess::managed_shared_memory;

struct ep {
    managed_shared_memory *memory;
    size_t bytes;
};

static managed_shared_memory *memory;
static char name[64];

static int peer_setup(struct bench *b)
{
    snprintf(name, sizeof(name), "shmbus-bench.%d", (int)getpid());
    memory = new managed_shared_memory(boost::interprocess::create_only, name,
                                       b->size_bytes * 4096 + (1 << 20));
    return 0;
}

static void peer_teardown(struct bench *)
{
    boost::interprocess::shared_memory_object::remove(name);
}

static void peer_open(struct bench *b, unsigned, struct ep *e)
{
    e->memory = memory; /* mapped before the fork, at the same address everywhere */
    e->bytes = b->size_bytes;
}

static inline void *peer_take(struct ep *e)
{
    return e->memory->allocate(e->bytes, std::nothrow);
}

static inline void peer_give(struct ep *e, void *block)
{
    e->memory->deallocate(block);
}

#include "../harness/loops_alloc.h"

static const struct bench_peer *pick(const struct bench *)
{
    static struct bench_peer peer;

    peer = bench_alloc_peer_of("a_boost_msm", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_boost_msm", pick);
}
