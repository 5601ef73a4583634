/*
 * The two ends of a stream: who has them. One word each, owner64 or how the last one left.
 *
 *   me    CAS (nobody, closed or dead) -> owner64       at open
 *   me    CAS owner64 -> closed                         at close
 *   all   CAS owner64 -> dead                           recovery, after a proven death
 *
 * A departure carries the epoch of who left, so that it is told from the one before.
 */
#ifndef SB_ROLE_H
#define SB_ROLE_H

#include "layout.h"

#define SB_ROLE_CLOSED 0xfffeu
#define SB_ROLE_DEAD 0xffffu

static inline bool sb_role_is_held(uint64_t role)
{
    uint64_t who = role & 0xffffu;
    return who != 0 && who < SB_ROLE_CLOSED;
}

/* False: a process holds it; *ret_holder says which. */
static inline bool sb_role_take(sb_word *role, uint64_t owner64, uint64_t *ret_holder)
{
    for (;;) {
        uint64_t now = sb_load_acquire(role);
        if (sb_role_is_held(now)) {
            *ret_holder = now;
            return false;
        }
        if (sb_cas(role, now, owner64)) {
            return true;
        }
    }
}

/* @how is SB_ROLE_CLOSED or SB_ROLE_DEAD; nothing happens if somebody else has it. */
static inline void sb_role_leave(sb_word *role, uint64_t owner64, uint32_t how)
{
    if (sb_load_relaxed(role) == owner64) {
        sb_cas(role, owner64, (owner64 & ~0xffffull) | how);
    }
}

#endif
