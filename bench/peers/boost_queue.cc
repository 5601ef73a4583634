/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: boost_queue
 * about: boost::lockfree::queue, capacity at compile time, placed in shared memory
 * packages: libboost-dev
 * headers: boost/lockfree/queue.hpp
 * workloads: stream pingpong queue pushpop pushpop_queue
 * depth: fixed
 * sizes: 8-4096
 * scope: processes
 * crash-safe: no: a node taken by a dead process is lost
 * total-order: yes
 * bounded: yes
 * copies: 2
 */
#include <boost/lockfree/queue.hpp>
#include <new>

#include "../harness/cpp.h"

template <size_t BYTES, bool MANY> struct ep {
    using item = element<BYTES>;
    using queue = boost::lockfree::queue<item, boost::lockfree::capacity<bench_fixed_depth(BYTES)>>;
    static inline queue *queues[2];
    queue *q;
    item in;

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
        return q->pop(in) ? &in : nullptr;
    }

    void release()
    {
    }
};

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    return bench_pick_size<ep, true>(b, "boost_queue", false, &peer) ? &peer : nullptr;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "boost_queue", pick);
}
