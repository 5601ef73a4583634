/* SPDX-License-Identifier: MIT */
/*
 * Watchers: each makes some rounds of sweep.c by a clock of its own. Whenever nobody can go on,
 * those who are neither dead nor stopped make enough rounds more, one after the other; then every
 * death must have been noticed, and one of them must be the sweeper, whatever was interrupted
 * where.
 */
#include "protocol/reclaim.h"
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

static bool is_dead(uint32_t process)
{
    const struct w_process *p = &w_processes[process];
    return p->dead && w_segment.processes[p->slot].w.v == sb_proc_word(p->epoch, SB_PROC_ACTIVE);
}

static bool is_living(uint64_t owner64)
{
    for (uint32_t p = 0; p < W_DRIVER; p++) {
        if (owner64 != 0 && owner64 == sweeps[p].me && w_is_living(p)) {
            return true;
        }
    }
    return false;
}

/* As an attach does: if nobody looks, look. */
void w_newcomer_looks(void)
{
    uint64_t sweeper = w_segment.super.sweepers[0].v;
    bool nobody = !is_living(sweeper);
    bool dead[W_PROCESSES];

    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        dead[p] = is_dead(p);
    }
    if (!sb_sweep_is_kept(&w_view, NULL)) {
        sb_reclaim_dead(&w_view, NULL);
    }
    x_end_of_call();
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        if (nobody && w_segment.super.sweepers[0].v == sweeper && dead[p] && is_dead(p)) {
            x_fail("nobody looks for the dead, and who comes does not find process %u", p);
        }
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
        if (is_dead(p)) {
            x_fail("the death of process %u is not noticed", p);
        }
        is_there =
            is_there || (p >= w_plan->sweepers_from && is_awake(p) && sweeper == sweeps[p].me);
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
