/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking on a word of the segment. The protocol is at the top of event.c.
 */
#ifndef SB_EVENT_H
#define SB_EVENT_H

#include "base/branch.h"
#include "layout/layout.h"

/* Whether this process is registered for membarrier; constant after sb_event_setup(). */
extern bool sb_event_asymmetric;

/* Says "somebody sleeps" and returns the value to sleep on. Look for work once more afterwards. */
uint32_t sb_event_announce(struct sb_event *event);

/* Sleeps until woken, @timeout_ns passed, or a signal's handler ran: true then. Spurious returns
 * are fine. */
bool sb_event_sleep(struct sb_event *event, uint32_t announced, int64_t timeout_ns);

static inline bool sb_event_armed(const struct sb_event *event)
{
    return (sb_load32_relaxed(&event->word) & SB_EVENT_SLEEPING) != 0;
}

/* Once per process, before the first use. */
void sb_event_setup(void);

/* V0 of a process that could not register. */
void sb_event_fence(void);

/* V2 and V3; true if there was anybody to wake. */
bool sb_event_wake_sleepers(struct sb_event *event);

/* V0 to V3 after a plain store, where the word asks for a fence. */
bool sb_event_wake_fenced(struct sb_event *event);

/* Wakes everybody who sleeps; true if there was anybody to wake. The caller has just made work
 * visible by a locked operation. */
static inline bool sb_event_wake(struct sb_event *event)
{
    sb_fence_after_rmw(); /* V0 */
    return sb_unlikely(sb_event_armed(event)) && sb_event_wake_sleepers(event);
}

/* The same after a plain store: no fence on the usual path, see event.c. */
static inline bool sb_event_wake_after_store(struct sb_event *event)
{
    if (sb_likely(sb_event_asymmetric)) {
        sb_compiler_fence(); /* V0, see event.c */
    } else {
        sb_event_fence();
    }
    return sb_unlikely((sb_load32_relaxed(&event->word) & (SB_EVENT_SLEEPING | SB_EVENT_FENCED)) !=
                       0) &&
           sb_event_wake_fenced(event);
}

/* The same without testing first whether somebody sleeps: after a recovery. */
void sb_event_wake_all(struct sb_event *event);

#endif
