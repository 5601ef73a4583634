/* SPDX-License-Identifier: MIT */
/*
 * Whether newcomers can still find the segment that this process has.
 */
#ifndef SB_REACH_H
#define SB_REACH_H

#include "bus/bus.h"

enum sb_reach {
    SB_REACH_FOUND = 0,   /* its name leads to it, or nobody can tell */
    SB_REACH_REMOVED = 1, /* no name leads to it any more */
    SB_REACH_REPLACED = 2 /* its name leads to another segment */
};

/* When attached, by the path: what to compare with later. */
void sb_reach_begin(struct shmbus *bus);

/* Looks, and writes down what it finds. Some microseconds; any thread. */
void sb_reach_look(struct shmbus *bus);

/* What the last look found: a load from private memory. */
static inline enum sb_reach sb_reach(const struct shmbus *bus)
{
    return (enum sb_reach)sb_load32_relaxed(&bus->reach);
}

#endif
