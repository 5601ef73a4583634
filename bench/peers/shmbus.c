/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: shmbus
 * about: this library: stream channel one to one, queue channel for the queues; send copies in,
 *  receive is in place; variant inplace: reserve, fill, commit; counter: no public call only
 *  counts, so the library's internal function does it
 * kind: shmbus
 * packages: -
 * variants: inplace
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle attach footprint snapshot
 *  counter
 * batches: stream 8 32; queue 8 32
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: yes
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../../libshmbus/base/atomic.h"
#ifndef SHMBUS_NAME /* shmbus_lanes.c is this file with another order */
#define SHMBUS_NAME "shmbus"
#define SHMBUS_ORDER SHMBUS_ORDER_TOTAL
#endif
#include "shmbus_segment.h"

struct ep {
    struct bench *bench;
    struct shmbus_channel *channel;
    bool in_place;
    bool pending; /* msgs[0] is reserved and filled, but the queue was full */
    struct shmbus_msg msgs[BENCH_BATCH_MAX];
};

static struct shmbus *bus; /* of this process */
static unsigned users;

static int peer_setup(struct bench *b)
{
    return segment_create(b);
}

static void peer_teardown(struct bench *b)
{
    (void)b;
    shmbus_unlink(segment_name);
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    char name[8];
    int error;

    (void)index;
    if (users++ == 0)
        bus = segment_attach(b);
    e->bench = b;
    e->pending = false;
    e->in_place = strcmp(b->variant, "inplace") == 0;
    snprintf(name, sizeof(name), "c%u", channel);
    error =
        shmbus_channel_open(bus, name, roles == BENCH_SEND ? SHMBUS_OPEN_SEND : SHMBUS_OPEN_RECV,
                            NULL, &e->channel);
    if (error < 0)
        bench_fail(b, "shmbus_channel_open: %s", shmbus_detail());
}

/* Nothing may be in the hands of a process that has released and closed everything. */
static void check_nothing_held(struct bench *b)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof(stat)};

    if (shmbus_process_stat(bus, (uint32_t)shmbus_slot(bus), &stat) < 0)
        bench_fail(b, "shmbus_process_stat: %s", shmbus_detail());
    if (stat.held_blocks != 0)
        bench_fail(b, "%llu blocks were left behind", (unsigned long long)stat.held_blocks);
}

static void peer_close(struct ep *e)
{
    if (e->pending && shmbus_abort(&e->msgs[0]) < 0)
        bench_fail(e->bench, "shmbus_abort: %s", shmbus_detail());
    if (users == 1) /* before close, which would give back what was forgotten */
        check_nothing_held(e->bench);
    shmbus_channel_close(e->channel);
    if (--users == 0)
        shmbus_detach(bus);
}

/* Full, empty and "the other side has left" mean: not now. */
static int not_now(struct ep *e, int error)
{
    if (!shmbus_error_is_retryable(error))
        bench_fail(e->bench, "shmbus: %s", shmbus_detail());
    return 0;
}

/* The loops try the same message again, so what could not be committed is only committed later. */
static inline int send_in_place(struct ep *e, const void *data, size_t size, int64_t timeout_ns)
{
    int error;

    if (!e->pending) {
        error = shmbus_reserve(e->channel, size, &e->msgs[0], timeout_ns);
        if (error < 0)
            return not_now(e, error);
        bench_copy(e->msgs[0].data, data, size);
    }
    error = shmbus_commit(&e->msgs[0], timeout_ns);
    e->pending = error < 0;
    return error < 0 ? not_now(e, error) : 1;
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    int error;

    if (e->in_place)
        return send_in_place(e, data, size, 0);
    error = shmbus_send(e->channel, data, size, 0);
    return error < 0 ? not_now(e, error) : 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    int error = shmbus_recv(e->channel, &e->msgs[0], 0);

    (void)size;
    if (error < 0) {
        not_now(e, error);
        return NULL;
    }
    return e->msgs[0].data;
}

static inline void peer_release(struct ep *e)
{
    if (shmbus_release(&e->msgs[0]) < 0)
        bench_fail(e->bench, "shmbus_release: %s", shmbus_detail());
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    int sent = shmbus_send_batch(e->channel, items, count, 0);

    return sent < 0 ? not_now(e, sent) : sent;
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    int got = shmbus_recv_batch(e->channel, e->msgs, count, 0);

    (void)size;
    if (got < 0)
        return not_now(e, got);
    for (int i = 0; i < got; i++)
        views[i] = e->msgs[i].data;
    return got;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    if (shmbus_release_batch(e->msgs, count) < 0)
        bench_fail(e->bench, "shmbus_release_batch: %s", shmbus_detail());
}

#define PEER_WAIT
static inline int peer_send_wait(struct ep *e, const void *data, size_t size)
{
    int error;

    if (e->in_place)
        return send_in_place(e, data, size, SHMBUS_WAIT_FOREVER);
    error = shmbus_send(e->channel, data, size, SHMBUS_WAIT_FOREVER);
    return error < 0 ? not_now(e, error) : 1;
}

static inline const void *peer_recv_wait(struct ep *e, size_t size)
{
    int error;

    (void)size;
    while ((error = shmbus_recv(e->channel, &e->msgs[0], SHMBUS_WAIT_FOREVER)) < 0) {
        not_now(e, error);
        if (__atomic_load_n(&e->bench->shared->stop, __ATOMIC_RELAXED))
            return NULL;
    }
    return e->msgs[0].data;
}

#include "../harness/loops.h"

#ifdef SHMBUS_SNAPSHOT_OWN /* shmbus_counters.c */
static int read_snapshot(struct ep *e)
{
    uint64_t counters[SHMBUS_COUNTER_COUNT];

    return shmbus_channel_counters(e->channel, counters, SHMBUS_COUNTER_COUNT);
}
#else /* what an observer pays for one row of statistics */
static int read_snapshot(struct ep *e)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof(stat)};

    (void)e;
    return shmbus_channel_stat(bus, 0, &stat);
}
#endif

static void body_snapshot(struct bench_proc *p)
{
    const unsigned count = 100000;
    uint64_t start;
    struct ep e;

    peer_open(p->bench, 0, BENCH_RECV, 0, &e);
    start = bench_ticks();
    for (unsigned i = 0; i < count; i++)
        if (read_snapshot(&e) < 0)
            bench_fail(p->bench, "snapshot: %s", shmbus_detail());
    p->bench->shared->value = bench_ticks_to_ns(bench_ticks() - start) / count;
    peer_close(&e);
}

/* What each send and receive does for each of its counters. */
static inline void peer_count(uint64_t *word)
{
    sb_own_add((sb_word *)word, 1);
}

#include "../harness/loops_counter.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of(SHMBUS_NAME, false);
    peer.snapshot = body_snapshot;
    peer.counter = bench_body_counter;
    if (strcmp(b->variant, "inplace") == 0) {
        peer.produce_batch = NULL;
        peer.counter = NULL;
    }
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, SHMBUS_NAME, pick);
}
