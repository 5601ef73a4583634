/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a stream: who has them. One word each, owner64 or how the last one left.
 *
 *   me    CAS (nobody, closed or dead) -> owner64                  at open
 *   me    CAS owner64 -> the same, closed                          at close
 *   all   CAS owner64 -> the same, dead                            recovery, after a proven death
 *
 * A departure says who left, slot and epoch, so that it is told from that of anybody else. A
 * process dies once, so "dead" comes once, forever; it may close, open and close again, which
 * leaves one word twice: see departure() in stream.c.
 */
#ifndef SB_STREAM_END_H
#define SB_STREAM_END_H

#include "layout/layout.h"

/* False: a process holds it; *ret_holder says which. */
static inline bool sb_end_take(sb_word *role, uint64_t owner64, uint64_t *ret_holder)
{
    for (;;) {
        uint64_t now = sb_load_acquire(role);
        if (sb_end_is_held(now)) {
            *ret_holder = now;
            return false;
        }
        if (sb_cas(role, now, owner64)) {
            return true;
        }
    }
}

/* Nothing happens if somebody else has it. */
static inline void sb_end_leave(sb_word *role, uint64_t owner64, enum sb_end_how how)
{
    if (sb_load_relaxed(role) == owner64) {
        sb_cas(role, owner64, sb_end_left(owner64, how));
    }
}

#endif
