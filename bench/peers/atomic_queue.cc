/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: atomic_queue
 * about: atomic_queue::AtomicQueue2 (its SPSC mode one to one), placed in shared memory
 * packages: libatomic-queue-dev
 * headers: atomic_queue/atomic_queue.h
 * workloads: stream pingpong queue pushpop pushpop_queue
 * depth: fixed
 * sizes: 8-4096
 * scope: processes
 * crash-safe: no: half a push stops whoever meets the slot
 * total-order: no: with more processes than cores even one producer's messages overtake each other
 * bounded: yes
 * copies: 2
 */
#include <atomic_queue/atomic_queue.h>
#include <new>

#include "../harness/cpp.h"

template <size_t BYTES, bool MANY> struct ep {
    using item = element<BYTES>;
    using queue = atomic_queue::AtomicQueue2<item, bench_fixed_depth(BYTES), true, true, false, !MANY>;
    static inline queue *queues[2];
    queue *q;
    item in;

    static int setup(struct bench *b)
    {
        b->loose_order = MANY;
        for (unsigned i = 0; i < b->channels; i++)
            queues[i] = new (bench_shared_memory(sizeof(queue))) queue;
        return 0;
    }

    static void teardown(struct bench *)
    {
    }

    void open(struct bench *, unsigned channel, unsigned, unsigned)
    {
        q = queues[channel];
    }

    bool send(const void *data, size_t)
    {
        return q->try_push(*static_cast<const item *>(data));
    }

    const void *recv(size_t)
    {
        return q->try_pop(in) ? &in : nullptr;
    }

    void release()
    {
    }
};

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;
    bool good = b->many ? bench_pick_size<ep, true>(b, "atomic_queue", false, &peer)
                        : bench_pick_size<ep, false>(b, "atomic_queue", false, &peer);

    return good ? &peer : nullptr;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "atomic_queue", pick);
}
