/* SPDX-License-Identifier: MIT */
/*
 * One counter update. Include after defining
 *     void peer_count(uint64_t *word)       add one to a word in shared memory
 * Self-timed, back to back on one word that nobody else looks at: processors that keep such a word
 * in a register need one cycle, others wait four or five for the store before. An observer adds a
 * miss each time it looks. The median over chunks of a few microseconds hardly feels a neighbour.
 */
#ifndef BENCH_LOOPS_COUNTER_H
#define BENCH_LOOPS_COUNTER_H

#include "bench.h"

#define BENCH_UPDATES 4096u
#define BENCH_UPDATE_CHUNKS 2001u

static int bench_compare_ticks(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void bench_body_counter(struct bench_proc *p)
{
    uint64_t *word = (uint64_t *)bench_shared_memory(4096);
    static uint64_t ticks[BENCH_UPDATE_CHUNKS];

    for (unsigned c = 0; c < BENCH_UPDATE_CHUNKS; c++) {
        uint64_t start = bench_ticks();

        for (unsigned i = 0; i < BENCH_UPDATES; i++)
            peer_count(word);
        ticks[c] = bench_ticks() - start;
    }
    if (*word != (uint64_t)BENCH_UPDATES * BENCH_UPDATE_CHUNKS)
        bench_fail(p->bench, "%llu updates were counted", (unsigned long long)*word);
    qsort(ticks, BENCH_UPDATE_CHUNKS, sizeof(*ticks), bench_compare_ticks);
    p->bench->shared->value = bench_ticks_to_ns(ticks[BENCH_UPDATE_CHUNKS / 2]) / BENCH_UPDATES;
}
#endif
