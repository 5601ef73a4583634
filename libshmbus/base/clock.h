/* SPDX-License-Identifier: MIT */
/* Time. Monotonic everywhere; wall clock only for people. */
#ifndef SB_CLOCK_H
#define SB_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t sb_clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t sb_now_ns(void)
{
    return sb_clock_ns(CLOCK_MONOTONIC);
}

/* A timeout turned into a point in time; INT64_MAX: never. */
static inline int64_t sb_deadline_ns(int64_t timeout_ns)
{
    int64_t now;
    if (timeout_ns < 0) {
        return INT64_MAX;
    }
    now = sb_now_ns();
    return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

#endif
