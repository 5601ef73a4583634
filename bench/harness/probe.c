/*
 * Looks at the machine before a measurement; prints one JSON object:
 *   line_ns   round trip of one cache line between the two cores of a 1:1 run: below 60 both are on
 *             one physical core, and every ring looks several times better than it is; 0: not known
 *   busy      share of the time that one of these two loops was not running
 */
#include "bench.h"

#define GAP_NS 2000.0 /* longer between two looks at the clock: somebody else had the core */

static uint64_t *line;
static double *lost;

static void bounce(struct bench_proc *p, uint64_t offset)
{
    uint64_t turn = offset, last, begin, gap = bench_ns_to_ticks(GAP_NS), away = 0;

    bench_ready(p);
    begin = last = bench_ticks();
    while (!bench_stopped(p)) {
        uint64_t now;

        if (__atomic_load_n(line, __ATOMIC_ACQUIRE) == turn) {
            __atomic_store_n(line, turn + 1, __ATOMIC_RELEASE);
            turn += 2;
            bench_counted(p, turn / 2);
        }
        now = bench_ticks();
        if (now - last > gap)
            away += now - last;
        last = now;
    }
    lost[offset] = (double)away / (double)(last - begin);
}

static void body_even(struct bench_proc *p)
{
    bounce(p, 0);
}

static void body_odd(struct bench_proc *p)
{
    bounce(p, 1);
}

int main(void)
{
    struct bench b = {.name = "probe",
                      .workload = "probe",
                      .warm_ns = 3000000,
                      .run_ns = 12000000,
                      .window_ns = 1000000};
    static struct bench_windows w;
    const struct bench_job jobs[2] = {{body_even, 1}, {body_odd, 1}};

    bench_ticks_calibrate();
    b.shared = bench_shared_memory(sizeof(*b.shared));
    line = bench_shared_memory(4096);
    lost = (double *)(void *)(line + 256);
    if (!bench_procs_run(&b, false, jobs, 2, &w) && b.shared->error[0] != '\0') {
        fprintf(stderr, "bench-probe: %s\n", b.shared->error);
        return BENCH_EXIT_FAILED;
    }
    printf("{\"line_ns\":%.1f,\"busy\":%.4f}\n", w.chunk_rate > 0 ? 1e9 / w.chunk_rate : 0.0,
           lost[0] > lost[1] ? lost[0] : lost[1]);
    return BENCH_EXIT_OK;
}
