/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: ref
 * about: the hand-written reference: SPSC byte ring (cached indexes, head given back every 1/8) and
 *  Vyukov's MPMC ring, in shared memory, with nothing but speed in mind
 * kind: reference
 * packages: -
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint
 * batches: stream 8 32; queue 8 32
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: half a send in the queue stops everybody
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../harness/bench.h"
#include "futex.h"

#define HEADER_BYTES 8

struct ring {
    uint64_t tail; /* bytes written; written by the producer */
    uint64_t pad0_[15];
    uint64_t head; /* bytes given back; written by the consumer */
    uint64_t pad1_[15];
    uint32_t sleeping; /* the consumer sleeps on this word */
    uint32_t pad2_[31];
    uint64_t bytes; /* constant from here on */
    unsigned char *at;
    uint64_t pad3_[14];
};

struct cell {
    uint64_t turn;
    unsigned char data[];
};

struct queue {
    uint64_t tail;
    uint64_t pad0_[15];
    uint64_t head;
    uint64_t pad1_[15];
    size_t stride;
    uint64_t cells;
    unsigned char *at;
};

struct ep {
    struct queue *queue; /* NULL: the byte ring */
    struct ring *ring;
    uint64_t mine;    /* producer: tail; consumer: head */
    uint64_t given;   /* consumer: head as published */
    uint64_t others;  /* the other side's index as last seen */
    uint64_t claimed; /* queue: ticket of the first cell being read */
    uint64_t step;    /* bytes of the messages being read */
};

static struct ring *rings[2];
static struct queue *queue;

static uint64_t power_of_two(uint64_t n)
{
    uint64_t p = 1;

    while (p < n)
        p <<= 1;
    return p;
}

static int setup_queue(const struct bench *b)
{
    queue = bench_shared_memory(sizeof(*queue));
    queue->cells = power_of_two(b->depth);
    queue->stride = (sizeof(struct cell) + b->size_bytes + 63) & ~(size_t)63;
    queue->at = bench_shared_memory(queue->stride * queue->cells);
    for (uint64_t i = 0; i < queue->cells; i++)
        ((struct cell *)(void *)(queue->at + i * queue->stride))->turn = i;
    return 0;
}

static int peer_setup(struct bench *b)
{
    if (b->many)
        return setup_queue(b);
    for (unsigned i = 0; i < b->channels; i++) {
        rings[i] = bench_shared_memory(sizeof(*rings[i]));
        rings[i]->bytes = power_of_two((uint64_t)b->depth * (b->size_bytes + HEADER_BYTES));
        rings[i]->at = bench_shared_memory(rings[i]->bytes);
    }
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)roles;
    (void)index;
    memset(e, 0, sizeof(*e));
    e->queue = b->many ? queue : NULL;
    e->ring = rings[channel];
}

static void peer_close(struct ep *e)
{
    (void)e;
}

/* ----------------------------------------------------------------------------------- byte ring */

static inline uint64_t ring_step(size_t size)
{
    return (HEADER_BYTES + size + 7) & ~(uint64_t)7;
}

/* Room for one record that does not wrap; what is skipped at the end carries the header 0. */
static inline unsigned char *ring_room(struct ep *e, uint64_t step)
{
    struct ring *r = e->ring;
    uint64_t at = e->mine & (r->bytes - 1);
    uint64_t skip = at + step > r->bytes ? r->bytes - at : 0;

    if (e->mine + skip + step - e->others > r->bytes) {
        e->others = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
        if (e->mine + skip + step - e->others > r->bytes)
            return NULL;
    }
    if (skip != 0) {
        memset(r->at + at, 0, HEADER_BYTES);
        e->mine += skip;
        at = 0;
    }
    e->mine += step;
    return r->at + at;
}

static inline int ring_write(struct ep *e, const void *data, size_t size)
{
    uint64_t header = size;
    unsigned char *to = ring_room(e, ring_step(size));

    if (to == NULL)
        return 0;
    memcpy(to, &header, sizeof(header));
    bench_copy(to + HEADER_BYTES, data, size);
    return 1;
}

static inline void ring_publish(struct ep *e)
{
    __atomic_store_n(&e->ring->tail, e->mine, __ATOMIC_RELEASE);
}

/* The record at @*at, or NULL; steps over it and over a skipped end. */
static inline const void *ring_next(struct ep *e, uint64_t *at)
{
    struct ring *r = e->ring;
    uint64_t header;
    unsigned char *from;

    for (;;) {
        if (*at == e->others) {
            e->others = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
            if (*at == e->others)
                return NULL;
        }
        from = r->at + (*at & (r->bytes - 1));
        memcpy(&header, from, sizeof(header));
        if (header != 0)
            break;
        *at += r->bytes - (*at & (r->bytes - 1));
    }
    *at += ring_step(header);
    return from + HEADER_BYTES;
}

static inline void ring_give_back(struct ep *e)
{
    if (e->mine - e->given >= e->ring->bytes / 8) {
        e->given = e->mine;
        __atomic_store_n(&e->ring->head, e->mine, __ATOMIC_RELEASE);
    }
}

/* --------------------------------------------------------------------------------------- queue */

static inline struct cell *cell_at(const struct queue *q, uint64_t ticket)
{
    return (struct cell *)(void *)(q->at + (ticket & (q->cells - 1)) * q->stride);
}

static inline int queue_send(struct queue *q, const void *data, size_t size)
{
    uint64_t ticket = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);
    struct cell *c;

    for (;;) {
        int64_t lag;

        c = cell_at(q, ticket);
        lag = (int64_t)(__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) - ticket);
        if (lag < 0)
            return 0;
        if (lag > 0)
            ticket = __atomic_load_n(&q->tail, __ATOMIC_RELAXED);
        else if (__atomic_compare_exchange_n(&q->tail, &ticket, ticket + 1, true, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED))
            break;
    }
    bench_copy(c->data, data, size);
    __atomic_store_n(&c->turn, ticket + 1, __ATOMIC_RELEASE);
    return 1;
}

static inline const void *queue_recv(struct ep *e)
{
    struct queue *q = e->queue;
    uint64_t ticket = __atomic_load_n(&q->head, __ATOMIC_RELAXED);

    for (;;) {
        struct cell *c = cell_at(q, ticket);
        int64_t lag = (int64_t)(__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) - (ticket + 1));

        if (lag < 0)
            return NULL;
        if (lag > 0)
            ticket = __atomic_load_n(&q->head, __ATOMIC_RELAXED);
        else if (__atomic_compare_exchange_n(&q->head, &ticket, ticket + 1, true, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED)) {
            e->claimed = ticket;
            return c->data;
        }
    }
}

static inline void queue_release(struct ep *e, unsigned count)
{
    for (uint64_t ticket = e->claimed; ticket < e->claimed + count; ticket++)
        __atomic_store_n(&cell_at(e->queue, ticket)->turn, ticket + e->queue->cells,
                         __ATOMIC_RELEASE);
}

/* Claims up to @max cells in a row that are free (@step 0) or filled (@step 1) with one exchange of
 * @end; the others' turns cannot come before. Returns how many, the first's ticket in *@ret_first. */
static inline unsigned queue_claim(struct queue *q, uint64_t *end, uint64_t step, unsigned max,
                                   uint64_t *ret_first)
{
    uint64_t first = __atomic_load_n(end, __ATOMIC_RELAXED);

    for (;;) {
        int64_t lag = 0;
        unsigned n = 0;

        while (n < max) {
            uint64_t turn = __atomic_load_n(&cell_at(q, first + n)->turn, __ATOMIC_ACQUIRE);

            lag = (int64_t)(turn - (first + n + step));
            if (lag != 0)
                break;
            n++;
        }
        if (n == 0 && lag < 0)
            return 0;
        if (n == 0)
            first = __atomic_load_n(end, __ATOMIC_RELAXED);
        else if (__atomic_compare_exchange_n(end, &first, first + n, true, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED)) {
            *ret_first = first;
            return n;
        }
    }
}

static inline int queue_send_batch(struct queue *q, const struct iovec *items, unsigned count)
{
    uint64_t first = 0;
    unsigned n = queue_claim(q, &q->tail, 0, count, &first);

    for (unsigned i = 0; i < n; i++) {
        struct cell *c = cell_at(q, first + i);

        bench_copy(c->data, items[i].iov_base, items[i].iov_len);
        __atomic_store_n(&c->turn, first + i + 1, __ATOMIC_RELEASE);
    }
    return (int)n;
}

static inline int queue_recv_batch(struct ep *e, const void **views, unsigned count)
{
    struct queue *q = e->queue;
    unsigned n = queue_claim(q, &q->head, 1, count, &e->claimed);

    for (unsigned i = 0; i < n; i++)
        views[i] = cell_at(q, e->claimed + i)->data;
    return (int)n;
}

/* ------------------------------------------------------------------------------------ contract */

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    if (e->queue != NULL)
        return queue_send(e->queue, data, size);
    if (!ring_write(e, data, size))
        return 0;
    ring_publish(e);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    if (e->queue != NULL)
        return queue_recv(e);
    e->step = e->mine;
    return ring_next(e, &e->step);
}

static inline void peer_release(struct ep *e)
{
    if (e->queue != NULL) {
        queue_release(e, 1);
        return;
    }
    e->mine = e->step;
    ring_give_back(e);
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    unsigned n = 0;

    if (e->queue != NULL)
        return queue_send_batch(e->queue, items, count);
    while (n < count && ring_write(e, items[n].iov_base, items[n].iov_len))
        n++;
    if (n > 0)
        ring_publish(e);
    return (int)n;
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    unsigned n = 0;

    (void)size;
    if (e->queue != NULL)
        return queue_recv_batch(e, views, count);
    e->step = e->mine;
    while (n < count && (views[n] = ring_next(e, &e->step)) != NULL)
        n++;
    return (int)n;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    if (e->queue != NULL)
        queue_release(e, count);
    else
        peer_release(e);
}

#define PEER_WAIT
static inline int peer_send_wait(struct ep *e, const void *data, size_t size)
{
    uint32_t *sleeping = &e->ring->sleeping;

    while (!peer_send(e, data, size))
        bench_pause();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(sleeping, __ATOMIC_RELAXED)) {
        __atomic_store_n(sleeping, 0, __ATOMIC_RELAXED);
        bench_futex_wake(sleeping);
    }
    return 1;
}

static inline const void *peer_recv_wait(struct ep *e, size_t size)
{
    const void *data;

    while ((data = peer_recv(e, size)) == NULL) {
        __atomic_store_n(&e->ring->sleeping, 1, __ATOMIC_SEQ_CST);
        if ((data = peer_recv(e, size)) != NULL)
            break;
        bench_futex_wait(&e->ring->sleeping, 1);
    }
    return data;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("ref", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "ref", pick);
}
