/*
 * Sleeping
 *
 *   sleeper                                     waker (has just made work visible)
 *   W1 cas   word: set the sleeping bit         V0 fence
 *   W2 fence                                    V1 load word: bit clear -> done, no system call
 *   W3 look for work again                      V2 cas  word: seq + 1, bit clear
 *   W4 futex_wait(word as left by W1)           V3 futex_wake(all)
 *
 * W2 and V0 make the classic pair: either V1 sees the bit or W3 sees the work. If V2 comes between
 * W3 and W4, the word differs and W4 does not sleep.
 * V0 costs nothing after a locked operation on x86. After the plain store of a stream it would
 * cost more than the message, so there the sleeper pays instead: W2 is then
 * membarrier(GLOBAL_EXPEDITED), a fence on every processor that runs a registered process, and V0
 * only keeps the compiler from reordering. A process that could not register fences for itself;
 * a sleeper that may not call membarrier sleeps in short slices.
 *
 * A flag and not a count: a dead sleeper leaves at most one useless wake-up behind.
 * Killed before V2: the bit stays, the next waker sees it. V2-V3: sleepers stay asleep until their
 * slice ends (wait.c) or the recovery of the killed process wakes them. Stopped there: the slice.
 * Checked by: test/unit/test_event.c, test/model
 */
#include "event.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHORT_SLICE_NS 1000000

/* Registered for GLOBAL_EXPEDITED. */
bool sb_event_asymmetric;

/* Whether this thread's last announcement lacks its fence: a filter for system calls may come after
 * sb_event_setup(). */
static _Thread_local bool is_unfenced;

static void register_membarrier(void)
{
    sb_event_asymmetric =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

void sb_event_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_membarrier);
}

static void futex_wake_all(struct sb_event *event)
{
    syscall(SYS_futex, &event->word.v, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint32_t sb_event_announce(struct sb_event *event)
{
    uint32_t v = sb_load32_relaxed(&event->word);
    while ((v & SB_EVENT_SLEEPING) == 0 &&
           !sb_cas32(&event->word, v, v | SB_EVENT_SLEEPING)) { /* W1 */
        v = sb_load32_relaxed(&event->word);
    }
    sb_fence(); /* W2, also when somebody else had set the bit */
    if (sb_event_asymmetric) {
        is_unfenced = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0;
    }
    return v | SB_EVENT_SLEEPING;
}

void sb_event_sleep(struct sb_event *event, uint32_t announced, int64_t timeout_ns)
{
    struct timespec t;
    if ((!sb_event_asymmetric || is_unfenced) && timeout_ns > SHORT_SLICE_NS) {
        timeout_ns = SHORT_SLICE_NS;
    }
    if (timeout_ns <= 0) {
        return;
    }
    t.tv_sec = timeout_ns / 1000000000;
    t.tv_nsec = timeout_ns % 1000000000;
    syscall(SYS_futex, &event->word.v, FUTEX_WAIT, announced, &t, NULL, 0); /* W4 */
}

void sb_event_fence(void)
{
    sb_fence(); /* V0 where membarrier may not be called */
}

bool sb_event_wake_sleepers(struct sb_event *event)
{
    uint32_t v = sb_load32_relaxed(&event->word);
    while ((v & SB_EVENT_SLEEPING) != 0) {
        if (sb_cas32(&event->word, v, (v + 2u) & ~SB_EVENT_SLEEPING)) { /* V2 */
            futex_wake_all(event);                            /* V3 */
            return true;
        }
        v = sb_load32_relaxed(&event->word);
    }
    return false;
}

void sb_event_wake_all(struct sb_event *event)
{
    uint32_t v;
    do {
        v = sb_load32_relaxed(&event->word);
    } while (!sb_cas32(&event->word, v, (v + 2u) & ~SB_EVENT_SLEEPING));
    futex_wake_all(event);
}
