/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: mpmc_turns
 * about: a bounded ring of many senders and many receivers; each slot counts whose turn it is, so a
 *  slot is waited for only by who wants that slot. Written for this comparison after D. Vyukov,
 *  Bounded MPMC queue, 1024cores.net, 2010, and the slots on lines of their own of E. Rigtorp's
 *  MPMCQueue, 2014; batches, which neither has, claim a run of slots by one exchange
 * packages: -
 * workloads: stream pingpong queue pushpop pushpop_queue footprint
 * batches: stream 8 32; queue 8 32
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: half a send stops everybody at its slot
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#include "../harness/bench.h"

/* Even: free for the sender of lap turn / 2; odd: full, for the receiver of that lap. */
struct slot {
    uint64_t turn;
    unsigned char data[];
};

struct ring {
    uint64_t tail; /* tickets of senders */
    uint64_t pad0_[15];
    uint64_t head; /* tickets of receivers */
    uint64_t pad1_[15];
    unsigned char slots[];
};

struct ep {
    struct ring *ring;
    uint64_t mask, shift; /* ticket & mask: the slot; ticket >> shift: the lap */
    size_t stride;
    uint64_t held; /* ticket of the first message in hand */
};

static struct ring *rings[2];
static uint64_t shift;

static size_t stride_for(const struct bench *b)
{
    return (sizeof(struct slot) + b->size_bytes + BENCH_LINE_BYTES - 1) &
           ~(size_t)(BENCH_LINE_BYTES - 1);
}

static int peer_setup(struct bench *b)
{
    for (shift = 0; (1u << shift) < b->depth;)
        shift++;
    for (unsigned i = 0; i < b->channels; i++)
        rings[i] = bench_shared_memory(sizeof(struct ring) + (stride_for(b) << shift));
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
    e->ring = rings[channel];
    e->shift = shift;
    e->mask = ((uint64_t)1 << shift) - 1;
    e->stride = stride_for(b);
}

static void peer_close(struct ep *e)
{
    (void)e;
}

static inline struct slot *slot_of(const struct ep *e, uint64_t ticket)
{
    return (struct slot *)(void *)(e->ring->slots + (ticket & e->mask) * e->stride);
}

/* The turn at which a sender (@full 0) or a receiver (1) with that ticket may use its slot. */
static inline uint64_t turn_of(const struct ep *e, uint64_t ticket, uint64_t full)
{
    return 2 * (ticket >> e->shift) + full;
}

/* Takes up to @want tickets in a row whose turn it is; how many, 0: none just now. If another process
 * takes @tickets first, it is tried again with what is left by then. */
static inline unsigned claim(struct ep *e, uint64_t *tickets, uint64_t full, unsigned want,
                             uint64_t *ret_first)
{
    uint64_t first = __atomic_load_n(tickets, __ATOMIC_ACQUIRE), again;

    for (;;) {
        unsigned n = 0;

        while (n < want && __atomic_load_n(&slot_of(e, first + n)->turn, __ATOMIC_ACQUIRE) ==
                               turn_of(e, first + n, full))
            n++;
        if (n > 0) {
            if (__atomic_compare_exchange_n(tickets, &first, first + n, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE)) {
                *ret_first = first;
                return n;
            }
            continue;
        }
        again = __atomic_load_n(tickets, __ATOMIC_ACQUIRE);
        if (again == first) /* nobody was faster, so the slot is not ready */
            return 0;
        first = again;
    }
}

static inline void pass_on(struct ep *e, uint64_t ticket, uint64_t full)
{
    __atomic_store_n(&slot_of(e, ticket)->turn, turn_of(e, ticket, full) + 1, __ATOMIC_RELEASE);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    uint64_t ticket = 0;

    if (claim(e, &e->ring->tail, 0, 1, &ticket) == 0)
        return 0;
    bench_copy(slot_of(e, ticket)->data, data, size);
    pass_on(e, ticket, 0);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    if (claim(e, &e->ring->head, 1, 1, &e->held) == 0)
        return NULL;
    return slot_of(e, e->held)->data;
}

static inline void peer_release(struct ep *e)
{
    pass_on(e, e->held, 1);
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    uint64_t first = 0;
    unsigned n = claim(e, &e->ring->tail, 0, count, &first);

    for (unsigned i = 0; i < n; i++) {
        bench_copy(slot_of(e, first + i)->data, items[i].iov_base, items[i].iov_len);
        pass_on(e, first + i, 0);
    }
    return (int)n;
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    unsigned n = claim(e, &e->ring->head, 1, count, &e->held);

    (void)size;
    for (unsigned i = 0; i < n; i++)
        views[i] = slot_of(e, e->held + i)->data;
    return (int)n;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pass_on(e, e->held + i, 1);
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("mpmc_turns", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "mpmc_turns", pick);
}
