/* SPDX-License-Identifier: MIT */
/* The one line of JSON a contestant prints. */
#include "bench.h"

#define DISTURBED "disturbed by others too much to tell"
#define FEW_SAMPLES 1000 /* of polled round trips, if others had the cores in between */

static void head(const struct bench *b)
{
    printf("{\"contestant\":\"%s\",\"workload\":\"%s\",\"size\":%zu,\"batch\":%u,"
           "\"producers\":%u,\"consumers\":%u",
           b->name, b->workload, b->size_bytes, b->batch, b->producers, b->consumers);
}

static int compare(const void *a, const void *b)
{
    double x = ((const struct bench_window *)a)->rate, y = ((const struct bench_window *)b)->rate;

    return (x > y) - (x < y);
}

static double mean(const struct bench_windows *w)
{
    double sum = 0;

    for (unsigned i = 0; i < w->count; i++)
        sum += w->windows[i].rate;
    return sum / w->count;
}

static void windows(const struct bench_windows *w)
{
    printf(",\"messages\":%llu,\"cpu_share\":%.3f,\"disturbed\":%u",
           (unsigned long long)w->messages, w->cpu_share, w->disturbed);
    if (w->reordered > 0)
        printf(",\"reordered\":%llu", (unsigned long long)w->reordered);
}

/* Windows that nobody disturbed, if there were enough: their median, or the mean for a contestant
 * that pauses for whole windows. Else, for a contestant that polls, the median chunk or nothing;
 * with more loops than cores the rate per core time had. What was done is said in "from". */
static double rate_of(const struct bench_windows *w, const char **ret_from)
{
    if (!w->clean && !w->sleeps && w->chunk_rate > 0) {
        *ret_from = "chunks";
        return w->chunk_rate;
    }
    if (!w->clean && !w->sleeps && !w->crowded)
        return 0;
    if (!w->clean && !w->sleeps && w->ran > 0.1) {
        *ret_from = "core time";
        return mean(w) / w->ran;
    }
    *ret_from = w->clean ? "windows" : "disturbed windows";
    if (w->count == 0)
        return 0;
    return w->windows[0].rate <= 0 ? mean(w) : w->windows[w->count / 2].rate;
}

/* Where a process works alone: nanoseconds of its time an operation. */
void bench_report_rate(const struct bench *b, struct bench_windows *w)
{
    bool alone = strncmp(b->workload, "pushpop", 7) == 0 || strncmp(b->workload, "alloc", 5) == 0;
    const char *from = "";
    double rate;

    for (unsigned i = 0; i < w->count && strcmp(b->workload, "fanout") == 0; i++)
        w->windows[i].rate /= b->consumers; /* published ones, not each reader's */
    qsort(w->windows, w->count, sizeof(*w->windows), compare);
    rate = rate_of(w, &from);
    if (rate <= 0) {
        bench_report_none(b, w->clean || w->messages == 0 ? "nothing moved" : DISTURBED);
        return;
    }
    head(b);
    if (alone)
        printf(",\"unit\":\"ns\",\"value\":%.3f",
               (strcmp(b->workload, "alloc_two") == 0 ? 2e9 : 1e9) / rate);
    else
        printf(",\"unit\":\"msgs_per_s\",\"value\":%.1f", rate);
    printf(",\"from\":\"%s\",\"window_min\":%.1f,\"window_max\":%.1f,\"windows\":%u", from,
           w->windows[0].rate, w->windows[w->count - 1].rate, w->count);
    windows(w);
    printf("}\n");
}

void bench_report_hist(const struct bench *b, const struct bench_windows *w)
{
    const struct bench_hist *h = b->hist;

    if (bench_hist_count(h) == 0) {
        bench_report_none(b, "no round trip was finished");
        return;
    }
    if (!w->clean && !w->sleeps && bench_hist_count(h) < FEW_SAMPLES) {
        bench_report_none(b, DISTURBED);
        return;
    }
    head(b);
    printf(",\"unit\":\"ns\",\"value\":%llu,\"p99\":%llu,\"p999\":%llu,\"samples\":%llu",
           (unsigned long long)bench_hist_at(h, 0.5), (unsigned long long)bench_hist_at(h, 0.99),
           (unsigned long long)bench_hist_at(h, 0.999), (unsigned long long)bench_hist_count(h));
    windows(w);
    printf("}\n");
}

void bench_report_value(const struct bench *b, double value, const char *unit, const char *extra)
{
    head(b);
    printf(",\"unit\":\"%s\",\"value\":%.3f%s}\n", unit, value, extra);
}

void bench_report_none(const struct bench *b, const char *why)
{
    head(b);
    printf(",\"value\":null,\"note\":\"%s\"}\n", why);
}
