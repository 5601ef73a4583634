/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: boost_mq
 * about: boost::interprocess::message_queue
 * packages: libboost-dev
 * headers: boost/interprocess/ipc/message_queue.hpp
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: a process that dies inside stops everybody
 * total-order: yes, by priority
 * bounded: yes
 * copies: 2
 */
#include <boost/interprocess/ipc/message_queue.hpp>

#include "../harness/bench.h"

using boost::interprocess::message_queue;

struct ep {
    static int setup(struct bench *b);
    static void teardown(struct bench *b);
    message_queue *q;
    unsigned char *in;
    size_t bytes;
};

static char names[2][64];

int ep::setup(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++) {
        snprintf(names[i], sizeof(names[i]), "shmbus-bench.%d.%u", (int)getpid(), i);
        message_queue q(boost::interprocess::create_only, names[i], b->depth, b->size_bytes);
    }
    return 0;
}

void ep::teardown(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++)
        message_queue::remove(names[i]);
}

static void peer_open(struct bench *b, unsigned channel, unsigned, unsigned, ep *e)
{
    e->q = new message_queue(boost::interprocess::open_only, names[channel]);
    e->bytes = b->size_bytes;
    e->in = new unsigned char[b->size_bytes];
}

static void peer_close(ep *e)
{
    delete e->q;
}

static inline int peer_send(ep *e, const void *data, size_t size)
{
    return e->q->try_send(data, size, 0);
}

static inline const void *peer_recv(ep *e, size_t size)
{
    message_queue::size_type got;
    unsigned priority;

    return e->q->try_receive(e->in, size, got, priority) ? e->in : nullptr;
}

static inline void peer_release(ep *)
{
}

#define PEER_WAIT
static inline int peer_send_wait(ep *e, const void *data, size_t size)
{
    e->q->send(data, size, 0);
    return 1;
}

static inline const void *peer_recv_wait(ep *e, size_t size)
{
    message_queue::size_type got;
    unsigned priority;

    e->q->receive(e->in, size, got, priority);
    return e->in;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *)
{
    static struct bench_peer peer;

    peer = bench_peer_of<ep>("boost_mq", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "boost_mq", pick);
}
