/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: boost_spsc
 * about: boost::lockfree::spsc_queue, capacity at compile time, placed in shared memory
 * packages: libboost-dev
 * headers: boost/lockfree/spsc_queue.hpp
 * workloads: stream pingpong pushpop footprint
 * batches: stream 8 32
 * depth: fixed
 * sizes: 8-4096
 * scope: processes
 * crash-safe: no recovery; a dead side is not noticed
 * total-order: yes
 * bounded: yes
 * copies: 2
 */
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

#define PEER_BATCH
#include "../harness/cpp.h"

template <size_t BYTES, bool MANY> struct ep {
    using item = element<BYTES>;
    using queue = boost::lockfree::spsc_queue<item, boost::lockfree::capacity<bench_fixed_depth(BYTES)>>;
    static inline queue *queues[2];
    queue *q;
    item in[BENCH_BATCH_MAX];

    static int setup(struct bench *b)
    {
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
        return q->push(*static_cast<const item *>(data));
    }

    const void *recv(size_t)
    {
        return q->pop(in[0]) ? &in[0] : nullptr;
    }

    void release()
    {
    }

    int send_batch(const struct iovec *items, unsigned count)
    {
        return static_cast<int>(q->push(static_cast<const item *>(items[0].iov_base), count));
    }

    int recv_batch(const void **views, size_t, unsigned count)
    {
        size_t got = q->pop(in, count);

        for (size_t i = 0; i < got; i++)
            views[i] = &in[i];
        return static_cast<int>(got);
    }
};

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    if (b->many)
        return nullptr;
    return bench_pick_size<ep, false>(b, "boost_spsc", false, &peer) ? &peer : nullptr;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "boost_spsc", pick);
}
