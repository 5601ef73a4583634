/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: nng
 * about: nng, push to pull over ipc://, threads of its own in each process
 * packages: libnng-dev
 * headers: nng/protocol/pipeline0/push.h
 * libs: -lnng
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * sizes: 8-1048576
 * polls: no: polling would keep its threads off the core, so it sleeps in every workload
 * scope: processes
 * crash-safe: no: messages in a dead process are lost
 * total-order: per producer
 * bounded: yes
 * copies: 4, through the kernel
 */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "../harness/bench.h"

struct ep {
    nng_socket socket;
    unsigned char *in;
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

static void dial(struct bench *b, nng_socket socket, const char *url)
{
    for (int tries = 0; nng_dial(socket, url, NULL, 0) != 0; tries++) {
        if (tries == 2000)
            bench_fail(b, "nng_dial: nobody listens");
        usleep(1000);
    }
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    bool sends = roles == BENCH_SEND;
    char url[128];
    int error = sends ? nng_push0_open(&e->socket) : nng_pull0_open(&e->socket);

    nng_setopt_int(e->socket, sends ? NNG_OPT_SENDBUF : NNG_OPT_RECVBUF, (int)b->depth);
    nng_setopt_size(e->socket, NNG_OPT_RECVMAXSZ, 0);
    if (!b->asleep) {
        nng_setopt_ms(e->socket, NNG_OPT_SENDTIMEO, 100);
        nng_setopt_ms(e->socket, NNG_OPT_RECVTIMEO, 100);
    }
    e->in = malloc(b->size_bytes);
    if (error != 0 || e->in == NULL)
        bench_fail(b, "nng: %s", nng_strerror(error));
    for (unsigned i = 0; i < b->consumers; i++) {
        snprintf(url, sizeof(url), "ipc://%s/%u.%u", b->dir, channel, i);
        if (sends)
            dial(b, e->socket, url);
        else if (i == index && nng_listen(e->socket, url, NULL, 0) != 0)
            bench_fail(b, "nng_listen failed");
    }
}

static void peer_close(struct ep *e)
{
    nng_close(e->socket);
    free(e->in);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return nng_send(e->socket, (void *)(uintptr_t)data, size, 0) == 0;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    return nng_recv(e->socket, e->in, &size, 0) == 0 ? e->in : NULL;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#define PEER_WAIT
#define peer_send_wait peer_send
#define peer_recv_wait peer_recv

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("nng", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "nng", pick);
}
