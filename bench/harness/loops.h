/* SPDX-License-Identifier: MIT */
/*
 * The measured loops. Include after defining, for C, `struct ep` (C++: any class, the loops are
 * templates) and these functions:
 *
 *   int  peer_setup(struct bench *b)           in the parent: make b->channels channels; 0 or -1
 *   void peer_teardown(struct bench *b)        in the parent, when all loops have ended
 *                                              (C++: static members setup and teardown of EP)
 *   void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index, EP *e)
 *                                              in the process of the loop; bench_fail() on failure
 *   void peer_close(EP *e)
 *   int  peer_send(EP *e, const void *data, size_t size)     1 sent, 0 full; never blocks
 *   const void *peer_recv(EP *e, size_t size)                NULL: empty; never blocks
 *   void peer_release(EP *e)                                 done with what peer_recv() gave
 * and, where the contestant has them, defining the macro before the inclusion:
 *   PEER_BATCH  peer_send_batch(e, iovec, n), peer_recv_batch(e, views, size, n),
 *               peer_release_batch(e, n); all return how many
 *   PEER_WAIT   peer_send_wait(e, data, size), peer_recv_wait(e, size): the same, but they sleep
 *
 * The payload is really written (sequence number first, the rest by the contestant's copy) and
 * really read (sequence number compared, one byte of every line and the last byte summed and
 * compared).
 */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include "bench.h"

#ifdef __cplusplus
#define BENCH_T template <class E>
#define BENCH_E E
#define BENCH_BODY(body) body<E>
#else
#define BENCH_T
#define BENCH_E struct ep
#define BENCH_BODY(body) body
#endif

/* What a producer sends: @count buffers in a row, hot in its own cache. */
struct bench_source {
    unsigned char *bytes;
    size_t stride;
    struct iovec items[BENCH_BATCH_MAX];
};

static inline uint64_t bench_sum(const unsigned char *bytes, size_t size)
{
    uint64_t sum = size > 8 ? bytes[size - 1] : 0;

    for (size_t at = BENCH_LINE_BYTES; at < size; at += BENCH_LINE_BYTES)
        sum += bytes[at];
    return sum;
}

static inline void bench_source_init(struct bench_source *s, const struct bench *b, unsigned count)
{
    s->stride = (b->size_bytes + 7) & ~(size_t)7; /* no gaps: some contestants take an array */
    s->bytes = (unsigned char *)aligned_alloc(64, (s->stride * count + 63) & ~(size_t)63);
    if (s->bytes == NULL)
        abort();
    for (unsigned i = 0; i < count; i++) {
        unsigned char *at = s->bytes + s->stride * i;

        for (size_t k = 0; k < b->size_bytes; k++)
            at[k] = (unsigned char)(k / BENCH_LINE_BYTES * 7 + k);
        s->items[i].iov_base = at;
        s->items[i].iov_len = b->size_bytes;
    }
}

static inline void bench_source_mark(struct bench_source *s, unsigned i, uint64_t mark)
{
    memcpy(s->items[i].iov_base, &mark, sizeof(mark));
}

/* What a consumer expects: numbers of each producer in order, all sums the same. */
struct bench_check {
    uint64_t sum;
    uint64_t next[BENCH_PROCS_MAX];
    bool gaps; /* other consumers take some */
};

static inline void bench_check_init(struct bench_check *c, const struct bench *b)
{
    struct bench_source s;

    memset(c, 0, sizeof(*c));
    bench_source_init(&s, b, 1);
    c->sum = bench_sum(s.bytes, b->size_bytes);
    c->gaps = b->many;
    free(s.bytes);
}

static inline uint64_t bench_mark(const struct bench_proc *p, uint64_t number)
{
    return (uint64_t)p->index << 56 | number;
}

static inline void bench_check_message(struct bench_proc *p, struct bench_check *c,
                                       const void *data)
{
    const unsigned char *bytes = (const unsigned char *)data;
    uint64_t mark, number;
    unsigned from;

    memcpy(&mark, bytes, sizeof(mark));
    from = (unsigned)(mark >> 56) & (BENCH_PROCS_MAX - 1);
    number = mark << 8 >> 8;
    if (__builtin_expect(c->gaps ? number < c->next[from] : number != c->next[from], 0)) {
        if (p->bench->loose_order) {
            p->slot->reordered++;
            return;
        }
        bench_fail(p->bench, "message %llu of producer %u came where %llu was due",
                   (unsigned long long)number, from, (unsigned long long)c->next[from]);
    }
    if (__builtin_expect(bench_sum(bytes, p->bench->size_bytes) != c->sum, 0))
        bench_fail(p->bench, "payload of message %llu is damaged", (unsigned long long)number);
    c->next[from] = number + 1;
}

/* ------------------------------------------------------------------------- one way and queues */

BENCH_T static void bench_body_produce(struct bench_proc *p)
{
    BENCH_E e;
    struct bench_source s;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    peer_open(p->bench, 0, BENCH_SEND, p->index, &e);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        bench_source_mark(&s, 0, bench_mark(p, n));
        while (!peer_send(&e, s.bytes, size))
            if (bench_relax(p))
                break;
    }
    bench_ended(p);
    peer_close(&e);
}

BENCH_T static void bench_body_consume(struct bench_proc *p)
{
    BENCH_E e;
    struct bench_check c;
    size_t size = p->bench->size_bytes;
    uint64_t n = 0;

    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, p->index, &e);
    bench_ready(p);
    while (!bench_stopped(p)) {
        const void *data = peer_recv(&e, size);

        if (data == NULL) {
            bench_relax(p);
            continue;
        }
        bench_check_message(p, &c, data);
        peer_release(&e);
        bench_counted(p, ++n);
    }
    bench_ended(p);
    peer_close(&e);
}

#ifdef PEER_BATCH
BENCH_T static void bench_body_produce_batch(struct bench_proc *p)
{
    BENCH_E e;
    struct bench_source s;
    unsigned batch = p->bench->batch;
    uint64_t n = 0;

    bench_source_init(&s, p->bench, batch);
    peer_open(p->bench, 0, BENCH_SEND, p->index, &e);
    bench_ready(p);
    while (!bench_stopped(p)) {
        unsigned sent = 0;

        for (unsigned i = 0; i < batch; i++)
            bench_source_mark(&s, i, bench_mark(p, n++));
        while (sent < batch) {
            unsigned now = (unsigned)peer_send_batch(&e, s.items + sent, batch - sent);

            sent += now;
            if (now == 0 && bench_relax(p))
                break;
        }
    }
    bench_ended(p);
    peer_close(&e);
}

BENCH_T static void bench_body_consume_batch(struct bench_proc *p)
{
    BENCH_E e;
    struct bench_check c;
    const void *views[BENCH_BATCH_MAX];
    size_t size = p->bench->size_bytes;
    uint64_t n = 0;

    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, p->index, &e);
    bench_ready(p);
    while (!bench_stopped(p)) {
        unsigned got = (unsigned)peer_recv_batch(&e, views, size, p->bench->batch);

        if (got == 0) {
            bench_relax(p);
            continue;
        }
        for (unsigned i = 0; i < got; i++)
            bench_check_message(p, &c, views[i]);
        peer_release_batch(&e, got);
        n += got;
        bench_counted(p, n);
    }
    bench_ended(p);
    peer_close(&e);
}
#endif

/* ------------------------------------------------------------------------------ verification */

BENCH_T static inline unsigned bench_verify_some(BENCH_E *e, const struct iovec *items,
                                                 unsigned count)
{
#ifdef PEER_BATCH
    if (count > 1)
        return (unsigned)peer_send_batch(e, items, count);
#endif
    (void)count;
    return (unsigned)peer_send(e, items->iov_base, items->iov_len);
}

/* Its share, then nothing until the end. */
BENCH_T static void bench_body_verify_send(struct bench_proc *p)
{
    uint64_t n = 0, share = p->bench->share;
    struct bench_source s;
    BENCH_E e;

    bench_source_init(&s, p->bench, p->bench->batch);
    peer_open(p->bench, 0, BENCH_SEND, p->index, &e);
    bench_ready(p);
    while (n < share && !bench_stopped(p)) {
        unsigned sent = 0, count = p->bench->batch;

        count = share - n < count ? (unsigned)(share - n) : count;
        for (unsigned i = 0; i < count; i++)
            bench_source_mark(&s, i, bench_mark(p, n++));
        while (sent < count) {
            unsigned now = bench_verify_some(&e, s.items + sent, count - sent);

            sent += now;
            if (now == 0 && bench_relax(p))
                break;
        }
    }
    while (!bench_stopped(p))
        bench_relax(p);
    bench_ended(p);
    peer_close(&e);
}

/* Each message of each producer once, by whichever consumer. */
static inline void bench_verify_once(struct bench_proc *p, const void *data)
{
    uint64_t mark, number, bit, before;
    unsigned from;

    memcpy(&mark, data, sizeof(mark));
    from = (unsigned)(mark >> 56) & (BENCH_PROCS_MAX - 1);
    number = mark << 8 >> 8;
    if (from >= p->bench->producers || number >= p->bench->share)
        bench_fail(p->bench, "message %llu of producer %u was never sent",
                   (unsigned long long)number, from);
    bit = from * p->bench->share + number;
    before =
        __atomic_fetch_or(&p->bench->seen[bit / 64], (uint64_t)1 << bit % 64, __ATOMIC_RELAXED);
    if (before >> bit % 64 & 1)
        bench_fail(p->bench, "message %llu of producer %u came twice", (unsigned long long)number,
                   from);
}

BENCH_T static inline unsigned bench_verify_got(BENCH_E *e, const void **views, size_t size,
                                                unsigned count)
{
#ifdef PEER_BATCH
    if (count > 1)
        return (unsigned)peer_recv_batch(e, views, size, count);
#endif
    (void)count;
    views[0] = peer_recv(e, size);
    return views[0] != NULL;
}

BENCH_T static inline void bench_verify_done(BENCH_E *e, unsigned batch, unsigned count)
{
#ifdef PEER_BATCH
    if (batch > 1) {
        peer_release_batch(e, count);
        return;
    }
#endif
    (void)batch;
    (void)count;
    peer_release(e);
}

BENCH_T static void bench_body_verify_recv(struct bench_proc *p)
{
    const void *views[BENCH_BATCH_MAX];
    unsigned batch = p->bench->batch;
    struct bench_check c;
    uint64_t n = 0;
    BENCH_E e;

    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, p->index, &e);
    bench_ready(p);
    while (!bench_stopped(p)) {
        unsigned got = bench_verify_got(&e, views, p->bench->size_bytes, batch);

        if (got == 0) {
            bench_relax(p);
            continue;
        }
        for (unsigned i = 0; i < got; i++) {
            bench_check_message(p, &c, views[i]);
            if (p->bench->seen != NULL)
                bench_verify_once(p, views[i]);
        }
        bench_verify_done(&e, batch, got);
        n += got;
        bench_counted(p, n);
    }
    bench_ended(p);
    peer_close(&e);
}

/* -------------------------------------------------------------------------------- round trips */

BENCH_T static void bench_body_ping(struct bench_proc *p)
{
    BENCH_E there, back;
    struct bench_source s;
    struct bench_check c;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_SEND, 0, &there);
    peer_open(p->bench, 1, BENCH_RECV, 0, &back);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        const void *data;
        uint64_t start = bench_ticks();

        bench_source_mark(&s, 0, n);
        while (!peer_send(&there, s.bytes, size))
            if (bench_relax(p))
                break;
        while ((data = peer_recv(&back, size)) == NULL)
            if (bench_relax(p))
                break;
        if (data == NULL)
            break;
        bench_check_message(p, &c, data);
        peer_release(&back);
        start = bench_ticks() - start;
        if (__atomic_load_n(&p->bench->shared->warm, __ATOMIC_RELAXED))
            bench_hist_add(p->bench->hist, (uint64_t)bench_ticks_to_ns(start));
        bench_counted(p, n + 1);
    }
    bench_ended(p);
    peer_close(&there);
    peer_close(&back);
}

BENCH_T static void bench_body_echo(struct bench_proc *p)
{
    BENCH_E there, back;
    struct bench_source s;
    struct bench_check c;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, 0, &there);
    peer_open(p->bench, 1, BENCH_SEND, 0, &back);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        const void *data;

        while ((data = peer_recv(&there, size)) == NULL)
            if (bench_relax(p))
                break;
        if (data == NULL)
            break;
        bench_check_message(p, &c, data);
        peer_release(&there);
        bench_source_mark(&s, 0, n);
        while (!peer_send(&back, s.bytes, size))
            if (bench_relax(p))
                break;
    }
    bench_ended(p);
    peer_close(&there);
    peer_close(&back);
}

#ifdef PEER_WAIT
/* Long enough for the other side to have gone to sleep. */
static inline void bench_let_sleep(void)
{
    uint64_t until = bench_ticks() + bench_ns_to_ticks(50e3);

    while (bench_ticks() < until)
        bench_pause();
}

BENCH_T static void bench_body_ping_wait(struct bench_proc *p)
{
    BENCH_E there, back;
    struct bench_source s;
    struct bench_check c;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_SEND, 0, &there);
    peer_open(p->bench, 1, BENCH_RECV, 0, &back);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        const void *data;
        uint64_t start;

        bench_let_sleep();
        start = bench_ticks();
        bench_source_mark(&s, 0, n);
        peer_send_wait(&there, s.bytes, size);
        data = peer_recv_wait(&back, size);
        if (data == NULL)
            break;
        bench_check_message(p, &c, data);
        peer_release(&back);
        start = bench_ticks() - start;
        if (__atomic_load_n(&p->bench->shared->warm, __ATOMIC_RELAXED))
            bench_hist_add(p->bench->hist, (uint64_t)bench_ticks_to_ns(start));
        bench_counted(p, n + 1);
    }
}

BENCH_T static void bench_body_echo_wait(struct bench_proc *p)
{
    BENCH_E there, back;
    struct bench_source s;
    struct bench_check c;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, 0, &there);
    peer_open(p->bench, 1, BENCH_SEND, 0, &back);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        const void *data = peer_recv_wait(&there, size);

        if (data == NULL)
            break;
        bench_check_message(p, &c, data);
        peer_release(&there);
        bench_source_mark(&s, 0, n);
        peer_send_wait(&back, s.bytes, size);
    }
}

/* Blocks for the whole run: what does waiting cost? */
BENCH_T static void bench_body_idle(struct bench_proc *p)
{
    BENCH_E e;

    peer_open(p->bench, 0, BENCH_RECV, p->index, &e);
    bench_ready(p);
    (void)peer_recv_wait(&e, p->bench->size_bytes);
}
#endif

/* ------------------------------------------------------------------------------------- alone */

BENCH_T static void bench_body_pushpop(struct bench_proc *p)
{
    BENCH_E in, out;
    struct bench_source s;
    struct bench_check c;
    size_t size = p->bench->size_bytes;

    bench_source_init(&s, p->bench, 1);
    bench_check_init(&c, p->bench);
    peer_open(p->bench, 0, BENCH_RECV, 0, &out);
    peer_open(p->bench, 0, BENCH_SEND, 0, &in);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        const void *data;

        bench_source_mark(&s, 0, n);
        while (!peer_send(&in, s.bytes, size))
            if (bench_relax(p))
                break;
        while ((data = peer_recv(&out, size)) == NULL)
            if (bench_relax(p))
                break;
        if (data == NULL)
            break;
        bench_check_message(p, &c, data);
        peer_release(&out);
        bench_counted(p, n + 1);
    }
    bench_ended(p);
    peer_close(&in);
    peer_close(&out);
}

/* From nothing to a handle that can receive, in a process of its own. */
BENCH_T static void bench_body_attach(struct bench_proc *p)
{
    BENCH_E e;
    uint64_t start = bench_ticks();

    peer_open(p->bench, 0, BENCH_RECV, 0, &e);
    p->bench->shared->value = bench_ticks_to_ns(bench_ticks() - start);
    bench_ended(p);
    peer_close(&e);
}

/* Opens a channel and leaves it open; the harness looks at the process from outside. */
BENCH_T static void bench_body_footprint(struct bench_proc *p)
{
    BENCH_E e;

    peer_open(p->bench, 0, BENCH_RECV, p->index, &e);
    bench_ready(p);
    while (!bench_stopped(p))
        usleep(1000);
    bench_ended(p);
    peer_close(&e);
}

#ifdef __cplusplus
/* C++: static members of the endpoint's class, so that each size may have a queue of its own. */
BENCH_T static int bench_setup_of(struct bench *b)
{
    return E::setup(b);
}
BENCH_T static void bench_teardown_of(struct bench *b)
{
    E::teardown(b);
}
#else
static int bench_setup_of(struct bench *b)
{
    return peer_setup(b);
}
static void bench_teardown_of(struct bench *b)
{
    peer_teardown(b);
}
#endif

BENCH_T static struct bench_peer bench_peer_of(const char *name, bool threads)
{
    struct bench_peer peer;

    memset(&peer, 0, sizeof(peer));
    peer.name = name;
    peer.threads = threads;
    peer.setup = BENCH_BODY(bench_setup_of);
    peer.teardown = BENCH_BODY(bench_teardown_of);
    peer.produce = BENCH_BODY(bench_body_produce);
    peer.consume = BENCH_BODY(bench_body_consume);
    peer.ping = BENCH_BODY(bench_body_ping);
    peer.echo = BENCH_BODY(bench_body_echo);
    peer.pushpop = BENCH_BODY(bench_body_pushpop);
    peer.verify_send = BENCH_BODY(bench_body_verify_send);
    peer.verify_recv = BENCH_BODY(bench_body_verify_recv);
    peer.attach = BENCH_BODY(bench_body_attach);
    peer.footprint = BENCH_BODY(bench_body_footprint);
#ifdef PEER_BATCH
    peer.produce_batch = BENCH_BODY(bench_body_produce_batch);
    peer.consume_batch = BENCH_BODY(bench_body_consume_batch);
#endif
#ifdef PEER_WAIT
    peer.ping_wait = BENCH_BODY(bench_body_ping_wait);
    peer.echo_wait = BENCH_BODY(bench_body_echo_wait);
    peer.idle = BENCH_BODY(bench_body_idle);
#endif
    return peer;
}
#endif
