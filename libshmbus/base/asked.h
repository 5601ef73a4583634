/* SPDX-License-Identifier: MIT */
/*
 * Who is to stop: a chain of requests, one below the other; who is asked asks all below. Private
 * memory of one process, written by signal handlers as well. stop.c has all else about it.
 */
#ifndef SB_ASKED_H
#define SB_ASKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"

struct sb_asked {
    const struct sb_asked *above; /* or NULL */
    sb_word since_ns;             /* CLOCK_MONOTONIC; 0: not asked */
    sb_word deadline_ns;          /* written first; who sees that it was asked finds it */
    sb_word hook_due;             /* of this very one: something is to be done first */
};

/* It, or one above it. */
static inline bool sb_is_asked(const struct sb_asked *asked)
{
    for (; asked != NULL; asked = asked->above) {
        if (sb_load_acquire(&asked->since_ns) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether a receive for it is to wait no longer. */
static inline bool sb_ends_waiting(const struct sb_asked *asked)
{
    return asked != NULL && (sb_load_acquire(&asked->hook_due) != 0 || sb_is_asked(asked));
}

#endif
