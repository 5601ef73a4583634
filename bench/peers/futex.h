/* SPDX-License-Identifier: MIT */
/* Sleeping for contestants that bring no blocking call of their own and are given one. */
#ifndef BENCH_FUTEX_H
#define BENCH_FUTEX_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void bench_futex_wait(uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static inline void bench_futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
#endif
