/* SPDX-License-Identifier: MIT */
/*
 * For tests of sources of the library that are compiled once more with a hook in each access to
 * shared memory: an operation is stopped there, killed for good or interrupted by whatever else
 * goes on. To be included once, by the test itself; access_step() is the hook.
 */
#ifndef T_STEPS_H
#define T_STEPS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

static struct {
    bool armed;
    uint64_t step, stop_at;
    void (*at_stop)(void);
    jmp_buf death;
} t_steps;

/* Before each access: @stop is called before access number stop_at, and does not stop itself. */
static void access_step(void)
{
    if (t_steps.armed && t_steps.step++ == t_steps.stop_at) {
        t_steps.armed = false;
        t_steps.at_stop();
    }
}

/* A stop from which nothing comes back. */
static inline void die(void)
{
    longjmp(t_steps.death, 1);
}

/* True if @op came to its end before access @at, where @stop is called: die(), or something that
 * happens meanwhile. */
static inline bool run_until(void (*op)(void), uint64_t at, void (*stop)(void))
{
    t_steps.step = 0;
    t_steps.stop_at = at;
    t_steps.at_stop = stop;
    if (setjmp(t_steps.death) == 0) {
        t_steps.armed = true;
        op();
    }
    if (!t_steps.armed) {
        return false;
    }
    t_steps.armed = false;
    return true;
}

#endif
