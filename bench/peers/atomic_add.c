/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: atomic_add
 * about: a locked add to a word that nobody else wants: what a counter written by several costs
 *  at least; a plain add costs less but needs a word for each writer
 * packages: -
 * workloads: counter
 * sizes: 8-8
 * scope: processes
 * crash-safe: yes
 * total-order: -
 * bounded: yes
 * copies: 0
 */
#include "../harness/bench.h"

static inline void peer_count(uint64_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

#include "../harness/loops_counter.h"

static int setup(struct bench *b)
{
    (void)b;
    return 0;
}

static void teardown(struct bench *b)
{
    (void)b;
}

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer = {.name = "atomic_add"};

    (void)b;
    peer.setup = setup;
    peer.teardown = teardown;
    peer.counter = bench_body_counter;
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "atomic_add", pick);
}
