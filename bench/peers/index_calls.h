/* SPDX-License-Identifier: MIT */
/*
 * What contestants with two indexes do alike: batches, and giving back one or many. Included behind
 * what differs: slot(), room(), there(), publish() and give_back() of their struct ep.
 */
#ifndef BENCH_INDEX_CALLS_H
#define BENCH_INDEX_CALLS_H

#include "../harness/bench.h"

static inline void peer_release(struct ep *e)
{
    give_back(e, 1);
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    uint64_t n = room(e, count);

    n = n < count ? n : count;
    for (uint64_t i = 0; i < n; i++)
        bench_copy(slot(e, e->mine + i), items[i].iov_base, items[i].iov_len);
    if (n > 0)
        publish(e, n);
    return (int)n;
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    uint64_t n = there(e, count);

    (void)size;
    n = n < count ? n : count;
    for (uint64_t i = 0; i < n; i++)
        views[i] = slot(e, e->mine + i);
    return (int)n;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    give_back(e, count);
}
#endif
