/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: nanomsg
 * about: nanomsg, PUSH to PULL over ipc://, a worker thread in each process
 * packages: libnanomsg-dev
 * headers: nanomsg/pipeline.h
 * libs: -lnanomsg
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * depth: fixed
 * sizes: 8-1048576
 * polls: no: polling would keep its thread off the core, so it sleeps in every workload
 * scope: processes
 * crash-safe: no: messages in a dead process are lost
 * total-order: per producer
 * bounded: yes
 * copies: 4, through the kernel
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include "../harness/bench.h"

struct ep {
    int socket;
    void *in;
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

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    bool sends = roles == BENCH_SEND;
    int any = -1, patience_ms = 100;
    char url[128];

    e->in = NULL;
    e->socket = nn_socket(AF_SP, sends ? NN_PUSH : NN_PULL);
    nn_setsockopt(e->socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &any, sizeof(any));
    if (!b->asleep) {
        nn_setsockopt(e->socket, NN_SOL_SOCKET, NN_SNDTIMEO, &patience_ms, sizeof(patience_ms));
        nn_setsockopt(e->socket, NN_SOL_SOCKET, NN_RCVTIMEO, &patience_ms, sizeof(patience_ms));
    }
    for (unsigned i = 0; i < b->consumers; i++) {
        snprintf(url, sizeof(url), "ipc://%s/%u.%u", b->dir, channel, i);
        if (sends && nn_connect(e->socket, url) < 0)
            bench_fail(b, "nn_connect: %s", nn_strerror(nn_errno()));
        if (!sends && i == index && nn_bind(e->socket, url) < 0)
            bench_fail(b, "nn_bind: %s", nn_strerror(nn_errno()));
    }
}

static void peer_release(struct ep *e);

static void peer_close(struct ep *e)
{
    peer_release(e);
    nn_close(e->socket);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return nn_send(e->socket, data, size, 0) >= 0;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    return nn_recv(e->socket, &e->in, NN_MSG, 0) >= 0 ? e->in : NULL;
}

static inline void peer_release(struct ep *e)
{
    if (e->in != NULL)
        nn_freemsg(e->in);
    e->in = NULL;
}

#define PEER_WAIT
#define peer_send_wait peer_send
#define peer_recv_wait peer_recv

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("nanomsg", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "nanomsg", pick);
}
