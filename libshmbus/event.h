/*
 * Sleeping and waking on a word of the segment. The protocol is at the top of event.c.
 */
#ifndef SB_EVENT_H
#define SB_EVENT_H

#include "layout.h"

/* Says "somebody sleeps" and returns the value to sleep on. Look for work once more afterwards. */
uint32_t sb_event_announce(struct sb_event *event);

/* Sleeps until woken, @timeout_ns passed, or a signal came. Spurious returns are fine. */
void sb_event_sleep(struct sb_event *event, uint32_t announced, int64_t timeout_ns);

bool sb_event_armed(const struct sb_event *event);

/* Once per process, before the first use. */
void sb_event_setup(void);

/* Wakes everybody who sleeps; true if there was anybody to wake. The caller has just made work
 * visible by a locked operation. */
bool sb_event_wake(struct sb_event *event);

/* The same after a plain store: no fence on the usual path, see event.c. */
bool sb_event_wake_after_store(struct sb_event *event);

/* The same without testing first whether somebody sleeps: after a recovery. */
void sb_event_wake_all(struct sb_event *event);

#endif
