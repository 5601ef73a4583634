/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: a_shmbus
 * about: this library's blocks: reserve and abort; handed over by commit, receive and release, so
 *  that row has the queue's work in it
 * kind: shmbus
 * packages: -
 * workloads: alloc_alone alloc_two alloc_handover
 * sizes: 64-1048576
 * scope: processes
 * crash-safe: yes
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include "shmbus_segment.h"

static int peer_setup(struct bench *b)
{
    b->many = true;
    return segment_create(b);
}

static void peer_teardown(struct bench *b)
{
    (void)b;
    shmbus_unlink(segment_name);
}

static struct shmbus_channel *open_channel(struct bench *b, unsigned mode)
{
    struct shmbus_channel *channel = NULL;

    if (shmbus_channel_open(segment_attach(b), "c0", mode, NULL, &channel) < 0)
        bench_fail(b, "shmbus_channel_open: %s", shmbus_detail());
    return channel;
}

static void must(struct bench *b, int result)
{
    if (result < 0)
        bench_fail(b, "shmbus: %s", shmbus_detail());
}

static void body_alloc(struct bench_proc *p)
{
    struct bench *b = p->bench;
    struct shmbus_channel *channel = open_channel(b, SHMBUS_OPEN_SEND);

    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        struct shmbus_msg m;

        must(b, shmbus_reserve(channel, b->size_bytes, &m, 0));
        memcpy(m.data, &n, sizeof(n));
        must(b, shmbus_abort(&m));
        bench_counted(p, n + 1);
    }
    shmbus_detach(shmbus_channel_bus(channel));
}

static void body_take(struct bench_proc *p)
{
    struct bench *b = p->bench;
    struct shmbus_channel *channel = open_channel(b, SHMBUS_OPEN_SEND);

    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        struct shmbus_msg m;
        int result;

        while ((result = shmbus_reserve(channel, b->size_bytes, &m, 0)) < 0) {
            if (!shmbus_error_is_retryable(result))
                must(b, result);
            if (bench_relax(p))
                return;
        }
        memcpy(m.data, &n, sizeof(n));
        while ((result = shmbus_commit(&m, 0)) == -EAGAIN)
            if (bench_relax(p))
                return;
        must(b, result);
    }
    shmbus_detach(shmbus_channel_bus(channel));
}

static void body_give(struct bench_proc *p)
{
    struct bench *b = p->bench;
    struct shmbus_channel *channel = open_channel(b, SHMBUS_OPEN_RECV);
    uint64_t mark;

    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        struct shmbus_msg m;
        int result;

        while ((result = shmbus_recv(channel, &m, 0)) == -EAGAIN)
            if (bench_relax(p))
                return;
        must(b, result);
        memcpy(&mark, m.data, sizeof(mark));
        if (mark != n)
            bench_fail(b, "a block was handed out twice");
        must(b, shmbus_release(&m));
        bench_counted(p, n + 1);
    }
    shmbus_detach(shmbus_channel_bus(channel));
}

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer = {.name = "a_shmbus"};

    (void)b;
    peer.setup = peer_setup;
    peer.teardown = peer_teardown;
    peer.alloc = body_alloc;
    peer.alloc_take = body_take;
    peer.alloc_give = body_give;
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a_shmbus", pick);
}
