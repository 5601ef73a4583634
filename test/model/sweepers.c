/*
 * Watchers: each makes some rounds of sweep.c by a clock of its own. Whenever nobody can go on,
 * those who are neither dead nor stopped make enough rounds more, one after the other; then every
 * death must have been noticed, and one of them must be the sweeper, whatever was interrupted
 * where.
 */
#include "protocol/sweep.h"
#include "world.h"

static struct sb_sweep sweeps[W_PROCESSES];
static int64_t clocks_ns[W_PROCESSES];

void w_sweeps_begin(uint32_t process, const struct sb_member *member)
{
    sb_sweep_init(&sweeps[process], &w_view, member);
    clocks_ns[process] = 2000000000ll * (process + 1u);
}

void w_sweep_rounds(uint32_t process, uint32_t count)
{
    for (uint32_t n = 0; n < count && !x_failed(); n++) {
        clocks_ns[process] += SB_SWEEP_TICK_NS;
        sb_sweep_round(&sweeps[process], NULL, clocks_ns[process], SB_SWEEP_BY_CLOCK);
        x_end_of_call();
    }
}

/* A watcher that could make a round. */
static bool is_awake(uint32_t process)
{
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (x_process_of(i) == process) {
            return x_is_done(i) && !w_processes[process].dead;
        }
    }
    return false;
}

static void check(void)
{
    uint64_t sweeper = w_segment.super.sweepers[0].v;
    bool is_there = false;

    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &w_processes[p];
        if (process->dead && w_segment.processes[process->slot].w.v ==
                                 sb_proc_word(process->epoch, SB_PROC_ACTIVE)) {
            x_fail("the death of process %u is not noticed", p);
        }
        is_there = is_there ||
                   (p >= w_plan->sweepers_from && is_awake(p) && sweeper == sweeps[p].me);
    }
    if (!is_there) {
        x_fail("nobody who could is the sweeper");
    }
}

void w_sweeps_settle(void)
{
    bool anybody = false;

    for (uint32_t n = 0; n < 2 && !x_failed(); n++) {
        for (uint32_t p = w_plan->sweepers_from; p < W_DRIVER; p++) {
            if (is_awake(p)) {
                w_acting = p;
                w_sweep_rounds(p, SB_SWEEP_LATE + 1u);
                anybody = true;
            }
        }
    }
    w_acting = W_DRIVER;
    if (anybody && !x_failed()) {
        check();
    }
}
