/* SPDX-License-Identifier: MIT */
/* From a workload's name to the loops that make it up. */
#include <ftw.h>
#include <sys/stat.h>

#include "bench.h"

struct plan {
    struct bench_job jobs[2];
    unsigned job_count;
};

/* Unsupported workloads stay without a body. Counted are the loops of the last job: the consumers,
 * or the side that measures. */
static void plan_for(const struct bench *b, const struct bench_peer *peer, struct plan *plan)
{
    const char *w = b->workload;
    bool batch = b->batch > 1;

    memset(plan, 0, sizeof(*plan));
    plan->job_count = 2;
    if (strncmp(w, "verify", 6) == 0) {
        plan->jobs[0].body = batch && peer->produce_batch == NULL ? NULL : peer->verify_send;
        plan->jobs[1].body = peer->verify_recv;
        plan->jobs[0].count = b->producers;
        plan->jobs[1].count = b->consumers;
    } else if (strcmp(w, "stream") == 0 || strcmp(w, "queue") == 0 || strcmp(w, "fanout") == 0) {
        plan->jobs[0].body = batch ? peer->produce_batch : peer->produce;
        plan->jobs[1].body = batch ? peer->consume_batch : peer->consume;
        plan->jobs[0].count = b->producers;
        plan->jobs[1].count = b->consumers;
    } else if (strcmp(w, "pingpong") == 0 || strcmp(w, "asleep") == 0) {
        plan->jobs[0].body = b->asleep ? peer->echo_wait : peer->echo;
        plan->jobs[1].body = b->asleep ? peer->ping_wait : peer->ping;
        plan->jobs[0].count = plan->jobs[1].count = 1;
    } else if (strcmp(w, "alloc_handover") == 0) {
        plan->jobs[0].body = peer->alloc_take;
        plan->jobs[1].body = peer->alloc_give;
        plan->jobs[0].count = plan->jobs[1].count = 1;
    } else {
        plan->job_count = 1;
        plan->jobs[0].count = strcmp(w, "alloc_two") == 0 ? 2 : 1;
        if (strncmp(w, "pushpop", 7) == 0)
            plan->jobs[0].body = peer->pushpop;
        else if (strncmp(w, "alloc", 5) == 0)
            plan->jobs[0].body = peer->alloc;
    }
}

static void fill_in(struct bench *b)
{
    b->asleep = strcmp(b->workload, "asleep") == 0 || strcmp(b->workload, "idle") == 0;
    b->many = strcmp(b->workload, "queue") == 0 || strcmp(b->workload, "pushpop_queue") == 0 ||
              strcmp(b->workload, "verify_queue") == 0;
    b->channels =
        strcmp(b->workload, "pingpong") == 0 || strcmp(b->workload, "asleep") == 0 ? 2 : 1;
    b->shared = bench_shared_memory(sizeof(*b->shared));
    b->hist = bench_hist_new();
    if (strcmp(b->workload, "verify") == 0 || strcmp(b->workload, "verify_queue") == 0)
        b->seen = bench_shared_memory(b->count / 8 + 64);
    snprintf(b->dir, sizeof(b->dir), "/tmp/shmbus-bench.%d", (int)getpid());
    if (mkdir(b->dir, 0700) != 0 && errno != EEXIST) { /* left by a killed run of that pid */
        fprintf(stderr, "bench-%s: cannot make %s: %s\n", b->name, b->dir, strerror(errno));
        exit(BENCH_EXIT_FAILED);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int failed(const struct bench *b)
{
    bench_report_none(b, b->shared->error[0] != '\0' ? b->shared->error : "a loop ended early");
    return BENCH_EXIT_FAILED;
}

static int measure_loops(struct bench *b, const struct bench_peer *peer)
{
    static struct bench_windows w;
    struct plan plan;
    bool good;

    plan_for(b, peer, &plan);
    if (plan.jobs[0].body == NULL || (plan.job_count == 2 && plan.jobs[1].body == NULL)) {
        bench_report_none(b, "not supported");
        return BENCH_EXIT_UNSUPPORTED;
    }
    good = bench_procs_run(b, peer->threads || b->threads, plan.jobs, plan.job_count, &w);
    if (good && b->channels == 2)
        bench_report_hist(b, &w);
    else if (good)
        bench_report_rate(b, &w);
    if (good && b->hist_path != NULL && bench_hist_write(b->hist, b->hist_path) < 0)
        fprintf(stderr, "bench-%s: cannot write %s\n", b->name, b->hist_path);
    return good ? BENCH_EXIT_OK : failed(b);
}

/* All messages came, and none more: to one of the consumers, or to each of them. */
static int measure_verify(struct bench *b, const struct bench_peer *peer)
{
    uint64_t came = 0, want;
    static struct bench_windows w;
    struct plan plan;

    plan_for(b, peer, &plan);
    if (plan.jobs[0].body == NULL || plan.jobs[1].body == NULL || b->count == 0) {
        bench_report_none(b, "not supported");
        return BENCH_EXIT_UNSUPPORTED;
    }
    b->share = b->count / b->producers;
    want = b->share * b->producers * (b->seen != NULL ? 1 : b->consumers);
    b->count = want; /* ends the sampling */
    if (!bench_procs_run(b, peer->threads || b->threads, plan.jobs, plan.job_count, &w))
        return failed(b);
    for (unsigned n = b->producers; n < b->producers + b->consumers; n++)
        came += b->shared->slots[n].count;
    if (came != want) {
        snprintf(b->shared->error, sizeof(b->shared->error), "%llu messages came, not %llu",
                 (unsigned long long)came, (unsigned long long)want);
        return failed(b);
    }
    bench_report_value(b, (double)came, "messages", "");
    return BENCH_EXIT_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Each time a fresh process; the median. */
static int measure_self_timed(struct bench *b, bench_body_fn body, const char *unit)
{
    double values[21];
    unsigned n = 0, want = strcmp(b->workload, "attach") == 0 ? 21 : 3;

    for (; n < want; n++) {
        if (!bench_proc_alone(b, body))
            return failed(b);
        values[n] = b->shared->value;
    }
    qsort(values, n, sizeof(*values), compare);
    bench_report_value(b, values[n / 2], unit, "");
    return BENCH_EXIT_OK;
}

int bench_idle_measure(struct bench *b, const struct bench_peer *peer);
int bench_footprint_measure(struct bench *b, const struct bench_peer *peer);

static int measure(struct bench *b, const struct bench_peer *peer)
{
    const char *w = b->workload;

    if (strncmp(w, "verify", 6) == 0)
        return measure_verify(b, peer);
    if (strcmp(w, "idle") == 0 && peer->idle != NULL && !peer->threads)
        return bench_idle_measure(b, peer);
    if (strcmp(w, "footprint") == 0 && !peer->threads)
        return bench_footprint_measure(b, peer);
    if (strcmp(w, "attach") == 0 && !peer->threads)
        return measure_self_timed(b, peer->attach, "ns");
    if (strcmp(w, "snapshot") == 0 && peer->snapshot != NULL)
        return measure_self_timed(b, peer->snapshot, "ns");
    if (strcmp(w, "counter") == 0 && peer->counter != NULL)
        return measure_self_timed(b, peer->counter, "ns");
    return measure_loops(b, peer);
}

int bench_main(int argc, char **argv, const char *name,
               const struct bench_peer *(*pick)(const struct bench *b))
{
    struct bench b;
    const struct bench_peer *peer;
    int status;

    if (bench_opts_parse(&b, argc, argv, name) < 0)
        return BENCH_EXIT_USAGE;
    bench_ticks_calibrate();
    b.pauses = bench_pauses(BENCH_RELAX_NS);
    fill_in(&b);
    peer = pick(&b);
    if (peer == NULL) {
        bench_report_none(&b, "not supported");
        status = BENCH_EXIT_UNSUPPORTED;
    } else if (strcmp(b.workload, "footprint") != 0 && peer->setup(&b) != 0) {
        bench_report_none(&b, b.shared->error[0] != '\0' ? b.shared->error : "set-up failed");
        status = BENCH_EXIT_FAILED;
    } else {
        status = measure(&b, peer);
        peer->teardown(&b);
    }
    nftw(b.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    fflush(stdout);
    _exit(status);
}
