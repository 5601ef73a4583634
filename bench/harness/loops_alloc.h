/* SPDX-License-Identifier: MIT */
/*
 * The loops of the block allocators. Include after defining `struct ep` and
 *     int  peer_setup(struct bench *b);  void peer_teardown(struct bench *b);
 *     void peer_open(struct bench *b, unsigned index, struct ep *e)
 *     void *peer_take(struct ep *e)                 NULL: none left
 *     void peer_give(struct ep *e, void *block)
 * One operation is: take, write the first word, give back. In the hand-over one process takes and
 * another gives back; the blocks travel in a ring of the harness.
 */
#ifndef BENCH_LOOPS_ALLOC_H
#define BENCH_LOOPS_ALLOC_H

#include "bench.h"

#define BENCH_HAND_OVER 256 /* blocks on their way */

struct bench_hand_over {
    uint64_t tail;
    uint64_t pad0_[15];
    uint64_t head;
    uint64_t pad1_[15];
    void *blocks[BENCH_HAND_OVER];
};

static struct bench_hand_over *bench_hand_over;

static void bench_body_alloc(struct bench_proc *p)
{
    struct ep e;

    peer_open(p->bench, p->index, &e);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        void *block = peer_take(&e);

        if (block == NULL)
            bench_fail(p->bench, "out of blocks");
        memcpy(block, &n, sizeof(n));
        peer_give(&e, block);
        bench_counted(p, n + 1);
    }
}

static void bench_body_alloc_take(struct bench_proc *p)
{
    struct bench_hand_over *h = bench_hand_over;
    uint64_t head = 0;
    struct ep e;

    peer_open(p->bench, 0, &e);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        void *block;

        while (n - head >= BENCH_HAND_OVER) {
            head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE);
            if (n - head >= BENCH_HAND_OVER && bench_relax(p))
                return;
        }
        while ((block = peer_take(&e)) == NULL)
            if (bench_relax(p))
                return;
        memcpy(block, &n, sizeof(n));
        h->blocks[n % BENCH_HAND_OVER] = block;
        __atomic_store_n(&h->tail, n + 1, __ATOMIC_RELEASE);
    }
}

static void bench_body_alloc_give(struct bench_proc *p)
{
    struct bench_hand_over *h = bench_hand_over;
    uint64_t tail = 0, mark;
    struct ep e;

    peer_open(p->bench, 1, &e);
    bench_ready(p);
    for (uint64_t n = 0; !bench_stopped(p); n++) {
        while (n == tail) {
            tail = __atomic_load_n(&h->tail, __ATOMIC_ACQUIRE);
            if (n == tail && bench_relax(p))
                return;
        }
        memcpy(&mark, h->blocks[n % BENCH_HAND_OVER], sizeof(mark));
        if (mark != n)
            bench_fail(p->bench, "a block was handed out twice");
        peer_give(&e, h->blocks[n % BENCH_HAND_OVER]);
        if (n % 16 == 15)
            __atomic_store_n(&h->head, n + 1, __ATOMIC_RELEASE);
        bench_counted(p, n + 1);
    }
}

static int bench_alloc_setup(struct bench *b)
{
    bench_hand_over = (struct bench_hand_over *)bench_shared_memory(sizeof(*bench_hand_over));
    return peer_setup(b);
}

static struct bench_peer bench_alloc_peer_of(const char *name, bool threads)
{
    struct bench_peer peer;

    memset(&peer, 0, sizeof(peer));
    peer.name = name;
    peer.threads = threads;
    peer.setup = bench_alloc_setup;
    peer.teardown = peer_teardown;
    peer.alloc = bench_body_alloc;
    peer.alloc_take = bench_body_alloc_take;
    peer.alloc_give = bench_body_alloc_give;
    return peer;
}
#endif
