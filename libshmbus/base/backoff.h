/* SPDX-License-Identifier: MIT */
/*
 * Keeping senders and receivers out of each other's cache lines, for calls that may not wait: who
 * polls a full or an empty channel is always at the very line that the other side is working on.
 * Each look takes that line away, and the two go on in step, each waiting for the other, at a third
 * of the speed. So a call that found nothing to do keeps away for a moment, microseconds at most,
 * or until the other side has got some way ahead; and less each time when nothing moves. Who may
 * wait keeps away in sb_wait().
 */
#ifndef SB_BACKOFF_H
#define SB_BACKOFF_H

#include "base/atomic.h"

#ifdef SB_EXPLORE
#define SB_BACKOFF_FULL_PAUSES 0u
#define SB_BACKOFF_EMPTY_PAUSES 0u
#else
#define SB_BACKOFF_FULL_PAUSES 192u /* some 8 us: a sender from a full channel */
#define SB_BACKOFF_EMPTY_PAUSES 64u /* some 3 us: a receiver from an empty one */
#endif
#define SB_BACKOFF_FULL_MESSAGES 128u /* let receivers get so far ahead */
#define SB_BACKOFF_EMPTY_MESSAGES 32u

/* An eighth of the depth, at most @most. */
static inline uint64_t sb_backoff_messages(uint64_t depth, uint64_t most)
{
    return depth / 8 < most ? depth / 8 : most;
}

/* Four pauses; returns how many. */
static inline uint32_t sb_backoff_pause(void)
{
    for (unsigned n = 0; n < 4; n++) {
        sb_pause();
    }
    return 4;
}

#endif
