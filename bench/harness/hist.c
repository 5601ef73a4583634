/* SPDX-License-Identifier: MIT */
/* Latency histogram: log-linear buckets, 1/128 of the value wide at worst (below 1 %). */
#include "bench.h"

#define SUB_BITS 7
#define SUB (1u << SUB_BITS)
#define BUCKETS (SUB * 34u) /* up to 2^40 ns */

struct bench_hist {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[BUCKETS];
};

struct bench_hist *bench_hist_new(void)
{
    return bench_shared_memory(sizeof(struct bench_hist));
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift, bucket;

    if (ns < SUB)
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    bucket = (shift + 1) * SUB + (unsigned)((ns >> shift) & (SUB - 1));
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    unsigned shift;

    if (bucket < SUB)
        return bucket;
    shift = bucket / SUB - 1;
    return ((uint64_t)(SUB + bucket % SUB) << shift) + ((1ull << shift) >> 1);
}

void bench_hist_add(struct bench_hist *h, uint64_t ns)
{
    h->count++;
    h->buckets[bucket_of(ns)]++;
    if (ns > h->max)
        h->max = ns;
}

uint64_t bench_hist_count(const struct bench_hist *h)
{
    return h->count;
}

uint64_t bench_hist_at(const struct bench_hist *h, double fraction)
{
    uint64_t want = (uint64_t)((double)h->count * fraction), seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > want)
            return value_of(i);
    }
    return h->max;
}

/* One "value count" line a bucket in use; the runner merges rounds and writes percentiles. */
int bench_hist_write(const struct bench_hist *h, const char *path)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        return -errno;
    for (unsigned i = 0; i < BUCKETS; i++)
        if (h->buckets[i] != 0)
            fprintf(f, "%llu %llu\n", (unsigned long long)value_of(i),
                    (unsigned long long)h->buckets[i]);
    return fclose(f) == 0 ? 0 : -errno;
}
