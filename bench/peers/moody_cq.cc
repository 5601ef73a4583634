/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: moody_cq
 * about: moodycamel::ConcurrentQueue with tokens (a sub-queue per producer; may allocate)
 * packages: libconcurrentqueue-dev
 * headers: concurrentqueue/concurrentqueue.h
 * workloads: stream pingpong queue pushpop pushpop_queue
 * batches: stream 8 32; queue 8 32
 * sizes: 8-4096
 * scope: threads
 * crash-safe: no: dies with its process
 * total-order: no: per producer
 * bounded: no: the harness waits while 4 x depth are queued
 * copies: 2
 */
#include <concurrentqueue/concurrentqueue.h>

#define PEER_BATCH
#include "../harness/cpp.h"

template <size_t BYTES, bool MANY> struct ep {
    using item = element<BYTES>;
    using queue = moodycamel::ConcurrentQueue<item>;
    static inline queue *queues[2];
    queue *q;
    moodycamel::ProducerToken *to;
    moodycamel::ConsumerToken *from;
    size_t limit;
    unsigned credit;
    item in[BENCH_BATCH_MAX];

    static int setup(struct bench *b)
    {
        for (unsigned i = 0; i < b->channels; i++)
            queues[i] = new queue(b->depth * 8);
        return 0;
    }

    static void teardown(struct bench *)
    {
    }

    void open(struct bench *b, unsigned channel, unsigned, unsigned)
    {
        q = queues[channel];
        to = new moodycamel::ProducerToken(*q);
        from = new moodycamel::ConsumerToken(*q);
        limit = b->depth * 4;
        credit = 0;
    }

    /* Asks for the length once in depth / 4 messages: the queue has no bound of its own. */
    bool room(unsigned count)
    {
        if (credit < count) {
            if (q->size_approx() > limit)
                return false;
            credit = static_cast<unsigned>(limit / 16) + count;
        }
        credit -= count;
        return true;
    }

    bool send(const void *data, size_t)
    {
        return room(1) && q->enqueue(*to, *static_cast<const item *>(data));
    }

    const void *recv(size_t)
    {
        return q->try_dequeue(*from, in[0]) ? &in[0] : nullptr;
    }

    void release()
    {
    }

    int send_batch(const struct iovec *items, unsigned count)
    {
        if (!room(count))
            return 0;
        return q->enqueue_bulk(*to, static_cast<const item *>(items[0].iov_base), count)
                   ? static_cast<int>(count)
                   : 0;
    }

    int recv_batch(const void **views, size_t, unsigned count)
    {
        size_t got = q->try_dequeue_bulk(*from, in, count);

        for (size_t i = 0; i < got; i++)
            views[i] = &in[i];
        return static_cast<int>(got);
    }
};

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    return bench_pick_size<ep, true>(b, "moody_cq", true, &peer) ? &peer : nullptr;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "moody_cq", pick);
}
