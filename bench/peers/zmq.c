/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: zmq
 * about: ZeroMQ, PUSH to PULL over ipc://, an I/O thread in each process
 * packages: libzmq3-dev
 * pkg-config: libzmq
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * sizes: 8-1048576
 * polls: no: polling would keep its I/O thread off the core, so it sleeps in every workload
 * scope: processes
 * crash-safe: no: messages in a dead process are lost
 * total-order: per producer
 * bounded: yes
 * copies: 4, through the kernel
 */
#include <zmq.h>

#include "../harness/bench.h"

struct ep {
    void *context;
    void *socket;
    zmq_msg_t in;
};

static int peer_setup(struct bench *b)
{
    (void)b;
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

/* Every consumer binds a name of its own; a producer connects to all. */
static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    int limit = (int)b->depth, linger = 0, patience_ms = 100;
    bool sends = roles == BENCH_SEND;
    char url[128];

    e->context = zmq_ctx_new();
    e->socket = zmq_socket(e->context, sends ? ZMQ_PUSH : ZMQ_PULL);
    zmq_setsockopt(e->socket, sends ? ZMQ_SNDHWM : ZMQ_RCVHWM, &limit, sizeof(limit));
    zmq_setsockopt(e->socket, ZMQ_LINGER, &linger, sizeof(linger));
    if (!b->asleep) {
        zmq_setsockopt(e->socket, ZMQ_SNDTIMEO, &patience_ms, sizeof(patience_ms));
        zmq_setsockopt(e->socket, ZMQ_RCVTIMEO, &patience_ms, sizeof(patience_ms));
    }
    zmq_msg_init(&e->in);
    for (unsigned i = 0; i < b->consumers; i++) {
        snprintf(url, sizeof(url), "ipc://%s/%u.%u", b->dir, channel, i);
        if (sends && zmq_connect(e->socket, url) != 0)
            bench_fail(b, "zmq_connect: %s", zmq_strerror(zmq_errno()));
        if (!sends && i == index && zmq_bind(e->socket, url) != 0)
            bench_fail(b, "zmq_bind: %s", zmq_strerror(zmq_errno()));
    }
}

static void peer_close(struct ep *e)
{
    zmq_close(e->socket);
    zmq_ctx_term(e->context);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return zmq_send(e->socket, data, size, 0) >= 0;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    return zmq_msg_recv(&e->in, e->socket, 0) >= 0 ? zmq_msg_data(&e->in) : NULL;
}

static inline void peer_release(struct ep *e)
{
    (void)e; /* the next receive does it */
}

#define PEER_WAIT
#define peer_send_wait peer_send
#define peer_recv_wait peer_recv

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("zmq", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "zmq", pick);
}
