/* SPDX-License-Identifier: MIT */
/* Time: the TSC where there is one, calibrated once against the monotonic clock. */
#include <time.h>

#include "bench.h"

static double ns_per_tick = 1.0;

uint64_t bench_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void bench_ticks_calibrate(void)
{
    uint64_t ns = bench_now_ns(), ticks = bench_ticks(), ns_end;

    do
        ns_end = bench_now_ns();
    while (ns_end - ns < 5000000);
    ns_per_tick = (double)(ns_end - ns) / (double)(bench_ticks() - ticks);
}

double bench_ticks_to_ns(uint64_t ticks)
{
    return (double)ticks * ns_per_tick;
}

uint64_t bench_ns_to_ticks(double ns)
{
    return (uint64_t)(ns / ns_per_tick);
}

/* The quickest of some runs: an interrupted one says nothing. */
unsigned bench_pauses(double ns)
{
    const unsigned count = 200;
    double least = 1e9, pauses;

    for (int run = 0; run < 20; run++) {
        uint64_t begin = bench_ticks();
        double each;

        for (unsigned i = 0; i < count; i++)
            bench_pause();
        each = bench_ticks_to_ns(bench_ticks() - begin) / count;
        least = each < least ? each : least;
    }
    pauses = ns / (least > 0.1 ? least : 0.1);
    return pauses < 1.5 ? 1 : pauses > 1000 ? 1000 : (unsigned)(pauses + 0.5);
}
