/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: moody_rwq
 * about: moodycamel::ReaderWriterQueue (blocking: BlockingReaderWriterQueue)
 * packages: libreaderwriterqueue-dev
 * headers: readerwriterqueue/readerwriterqueue.h
 * workloads: stream pingpong asleep pushpop
 * sizes: 8-4096
 * scope: threads
 * crash-safe: no: dies with its process
 * total-order: yes
 * bounded: yes (try_enqueue)
 * copies: 2
 */
#include <readerwriterqueue/readerwriterqueue.h>

#define PEER_WAIT
#include "../harness/cpp.h"

/* MANY stands for "blocking" here: the blocking queue is a class of its own. */
template <size_t BYTES, bool MANY> struct ep {
    using item = element<BYTES>;
    using queue = std::conditional_t<MANY, moodycamel::BlockingReaderWriterQueue<item>,
                                     moodycamel::ReaderWriterQueue<item>>;
    static inline queue *queues[2];
    queue *q;
    item in;

    static int setup(struct bench *b)
    {
        for (unsigned i = 0; i < b->channels; i++)
            queues[i] = new queue(b->depth);
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
        return q->try_enqueue(*static_cast<const item *>(data));
    }

    const void *recv(size_t)
    {
        return q->try_dequeue(in) ? &in : nullptr;
    }

    bool send_wait(const void *data, size_t)
    {
        return q->enqueue(*static_cast<const item *>(data));
    }

    /* Returns now and then, so that the thread can be told to stop. */
    const void *recv_wait(size_t)
    {
        if constexpr (MANY)
            return q->wait_dequeue_timed(in, 500000) ? &in : nullptr;
        return nullptr;
    }

    void release()
    {
    }
};

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;
    bool good = b->asleep ? bench_pick_size<ep, true>(b, "moody_rwq", true, &peer)
                          : bench_pick_size<ep, false>(b, "moody_rwq", true, &peer);

    return good && !b->many ? &peer : nullptr;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "moody_rwq", pick);
}
