/* SPDX-License-Identifier: MIT */
/*
 * Numbers rounded.
 */
#ifndef SB_BITS_H
#define SB_BITS_H

#include <stdint.h>

/* To a multiple of @unit. */
static inline uint64_t sb_round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The least power of two that is not below; 1 for 0. There is none above 2^63. */
static inline uint64_t sb_power_of_two(uint64_t value)
{
    if (value > 1ull << 63) {
        return 1ull << 63;
    }
    return value <= 1 ? 1 : 1ull << (64 - __builtin_clzll(value - 1));
}

#endif
