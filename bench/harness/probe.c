/* SPDX-License-Identifier: MIT */
/*
 * Looks at the machine before a measurement, at the two cores of --cpus=A,B or at the first two;
 * prints one JSON object:
 *   line_ns   round trip of one cache line between the two cores of a 1:1 run; 0: not known
 *   crowd     how many times as long the same sums take while the other core does them too: 1 on
 *             two cores; 2 on two threads of one core, which share what multiplies, and between
 *             which every ring looks several times better than it is; 0: not known
 *   busy      share of the time that one of these two loops was not running
 */
#include "bench.h"

#define GAP_NS 2000.0 /* longer between two looks at the clock: somebody else had the core */
#define ROUNDS 1500   /* of ten multiplications: some microseconds */
#define SUMS_ALONE 300
#define SUMS_BOTH 1024
#define SUMS_ENOUGH 8
#define TRIPS_EACH 32 /* round trips of the line between two sums */

struct sums {
    uint64_t alone; /* the quickest, in ticks */
    uint64_t count;
    uint64_t both[SUMS_BOTH];
    uint64_t result; /* so that they are not optimized away */
};

static uint64_t *line;
static double *lost;
static struct sums *sums;
static int told[2][2]; /* pipes: whoever waits for the other one to be alone does so asleep */

/* Ten chains side by side, so that the multiplier is the limit and not the chain. */
static uint64_t compute(struct sums *s)
{
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t c0 = 1, c1 = 3, c2 = 5, c3 = 7, c4 = 9, c5 = 11, c6 = 13, c7 = 15, c8 = 17, c9 = 19;
    uint64_t begin = bench_ticks();

    for (int n = 0; n < ROUNDS; n++) {
        c0 *= k, c1 *= k, c2 *= k, c3 *= k, c4 *= k;
        c5 *= k, c6 *= k, c7 *= k, c8 *= k, c9 *= k;
        __asm__("" : "+r"(c0), "+r"(c1), "+r"(c2), "+r"(c3), "+r"(c4)); /* not in vectors */
        __asm__("" : "+r"(c5), "+r"(c6), "+r"(c7), "+r"(c8), "+r"(c9));
    }
    s->result ^= c0 ^ c1 ^ c2 ^ c3 ^ c4 ^ c5 ^ c6 ^ c7 ^ c8 ^ c9;
    return bench_ticks() - begin;
}

/* First the even one while the odd one sleeps, then the other way round. */
static void compute_alone(struct bench_proc *p, int me)
{
    struct sums *s = &sums[me];
    char word = 'g';

    if (me == 1 && read(told[0][0], &word, 1) != 1)
        bench_fail(p->bench, "the even loop has ended");
    s->alone = UINT64_MAX;
    for (int i = 0; i < SUMS_ALONE; i++) {
        uint64_t took = compute(s);
        s->alone = took < s->alone ? took : s->alone;
    }
    if (write(told[me][1], &word, 1) != 1 || (me == 0 && read(told[1][0], &word, 1) != 1))
        bench_fail(p->bench, "the odd loop has ended");
}

/* While the line warms up. It was just handed over, so the other loop runs, and computes too. */
static void compute_both(struct bench_proc *p, struct sums *s)
{
    if (!__atomic_load_n(&p->bench->shared->warm, __ATOMIC_RELAXED) && s->count < SUMS_BOTH)
        s->both[s->count++] = compute(s);
}

static void bounce(struct bench_proc *p, int me)
{
    uint64_t turn = (uint64_t)me, last, begin, gap = bench_ns_to_ticks(GAP_NS), away = 0;

    compute_alone(p, me);
    bench_ready(p);
    begin = last = bench_ticks();
    while (!bench_stopped(p)) {
        uint64_t now;

        if (__atomic_load_n(line, __ATOMIC_ACQUIRE) == turn) {
            __atomic_store_n(line, turn + 1, __ATOMIC_RELEASE);
            turn += 2;
            bench_counted(p, turn / 2);
            if (turn / 2 % TRIPS_EACH == 0) {
                compute_both(p, &sums[me]);
                last = bench_ticks();
            }
        }
        now = bench_ticks();
        if (now - last > gap)
            away += now - last;
        last = now;
    }
    lost[me] = (double)away / (double)(last - begin);
}

static void body_even(struct bench_proc *p)
{
    bounce(p, 0);
}

static void body_odd(struct bench_proc *p)
{
    bounce(p, 1);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The lower quartile: what somebody else slowed down is above it. */
static double crowd_of(struct sums *s)
{
    uint64_t quartile;

    if (s->count < SUMS_ENOUGH)
        return 0;
    qsort(s->both, s->count, sizeof(*s->both), compare);
    quartile = s->both[s->count / 4];
    return (double)quartile / (double)s->alone;
}

int main(int argc, char **argv)
{
    struct bench b = {.name = "probe",
                      .workload = "probe",
                      .warm_ns = 5000000,
                      .run_ns = 12000000,
                      .window_ns = 1000000};
    static struct bench_windows w;
    const struct bench_job jobs[2] = {{body_even, 1}, {body_odd, 1}};
    double crowd[2];

    if (argc == 2 && sscanf(argv[1], "--cpus=%d,%d", &b.cpus[0], &b.cpus[1]) == 2)
        b.cpu_count = 2;
    bench_ticks_calibrate();
    b.shared = bench_shared_memory(sizeof(*b.shared));
    line = bench_shared_memory(4096);
    lost = (double *)(void *)(line + 256);
    sums = bench_shared_memory(2 * sizeof(*sums));
    if (pipe(told[0]) != 0 || pipe(told[1]) != 0) {
        fprintf(stderr, "bench-probe: no pipe: %s\n", strerror(errno));
        return BENCH_EXIT_FAILED;
    }
    if (!bench_procs_run(&b, false, jobs, 2, &w) && b.shared->error[0] != '\0') {
        fprintf(stderr, "bench-probe: %s\n", b.shared->error);
        return BENCH_EXIT_FAILED;
    }
    crowd[0] = crowd_of(&sums[0]);
    crowd[1] = crowd_of(&sums[1]);
    printf("{\"line_ns\":%.1f,\"crowd\":%.2f,\"busy\":%.4f}\n",
           w.chunk_rate > 0 ? 1e9 / w.chunk_rate : 0.0, crowd[0] > crowd[1] ? crowd[0] : crowd[1],
           lost[0] > lost[1] ? lost[0] : lost[1]);
    return BENCH_EXIT_OK;
}
