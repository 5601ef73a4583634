/* SPDX-License-Identifier: MIT */
/*
 * Sleeping
 *
 *   sleeper                                     waker (has just made work visible)
 *   W1 cas   word: SLEEPING and FENCED          V0 fence
 *   W2 fence                                    V1 load word: nothing set -> done, no system call
 *   W3 look for work again                      V2 cas  word: seq + 1, SLEEPING clear
 *   W4 futex_wait(word as left by W1 or W2)     V3 futex_wake(all)
 *
 * W2 and V0 make the classic pair: either V1 sees the bit or W3 sees the work. If V2 comes between
 * W3 and W4, the word differs and W4 does not sleep.
 *
 * Who pays. V0 costs nothing after a locked operation on x86. After the plain store of a stream it
 * would cost more than the message; there the two sides agree by the word:
 *
 *   word       V0 after a plain store           W2
 *   -          none, but for the compiler       membarrier(GLOBAL_EXPEDITED): a fence on every
 *                                               processor that runs a registered process
 *   FENCED     V1 sees it: fence, V1 again      membarrier, then cas word: TRUSTED, if nothing
 *                                               else has changed since W1
 *   TRUSTED    likewise (FENCED is set, too)    its own fence
 *
 * So the first sleeper pays for the fence on all sides, and while sleeping goes on nobody calls
 * membarrier. A waker who has fenced in vain often enough takes both bits back (cas, only while
 * SLEEPING is clear): a busy stream is without a fence again.
 *
 * Why a sleeper may rely on TRUSTED. Its W1 finds TRUSTED in the word; let M be the membarrier in
 * front of the cas that set it, S the W1 that set FENCED. The bits are taken back only while
 * SLEEPING is clear, and M's caller keeps the word as it was, SLEEPING set, until it sets TRUSTED;
 * so S is before M, M before our W1, and from S on the word has FENCED until after our V2.
 *   V1 reads FENCED: the waker fences and looks again, the classic pair.
 *   V1 reads an older word, from before S: M put a fence into the waker. V1 was before it, else it
 *     would have read S. Hence the work was before it, too, and is visible since M: W3 sees it.
 *   V1 reads a word from after the bits were taken back: then a V2 came after our W1, and W4 does
 *     not sleep or was woken.
 * FENCED alone is not enough: its M may not have happened yet. Two sleepers therefore may call
 * membarrier at a time; one of the two sets TRUSTED, and W4 of the other compares again.
 *
 * A process that could not register fences for itself, whatever the word says. A sleeper that may
 * not call membarrier, and does not find TRUSTED, sleeps in short slices.
 *
 * A flag and not a count: a dead sleeper leaves at most one useless wake-up behind.
 * Killed before V2: the bit stays, the next waker sees it. V2-V3: sleepers stay asleep until their
 * slice ends (wait.c) or the recovery of the killed process wakes them. Stopped there: the slice.
 * Killed between W1 and the end of W2: FENCED without TRUSTED, which costs wakers some fences and
 * is completed by the next sleeper or taken back.
 * Checked by: test/unit/test_event.c, test/model (stream_sleep, event_*)
 */
#include "protocol/event.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHORT_SLICE_NS 1000000

/* Fences in vain of a thread, on any words, for which it takes back one word's. Together they cost
 * about what the membarrier of the next sleeper does. */
#ifdef SB_EXPLORE
#define VAIN_MAX 1u
#else
#define VAIN_MAX 64u
#endif

/* Registered for GLOBAL_EXPEDITED. */
bool sb_event_asymmetric;

static _Thread_local uint32_t fenced_in_vain;

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

/* The rest of W2. It fails where a filter for system calls came after sb_event_setup(). */
static uint32_t make_trusted(struct sb_event *event, uint32_t announced)
{
    uint32_t trusted = announced | SB_EVENT_TRUSTED;

    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0) {
        return announced;
    }
    if (sb_cas32(&event->word, announced, trusted) ||
        sb_load32_relaxed(&event->word) == trusted) { /* another sleeper was faster */
        return trusted;
    }
    return announced; /* woken already: W4 will not sleep */
}

uint32_t sb_event_announce(struct sb_event *event)
{
    uint32_t wanted = SB_EVENT_SLEEPING | (sb_event_asymmetric ? SB_EVENT_FENCED : 0);
    uint32_t v = sb_load32_relaxed(&event->word);

    while ((v & wanted) != wanted && !sb_cas32(&event->word, v, v | wanted)) { /* W1 */
        v = sb_load32_relaxed(&event->word);
    }
    v |= wanted;
    sb_fence(); /* W2, also when somebody else had set the bit */
    return (v & SB_EVENT_TRUSTED) != 0 || !sb_event_asymmetric ? v : make_trusted(event, v);
}

bool sb_event_sleep(struct sb_event *event, uint32_t announced, int64_t timeout_ns)
{
    struct timespec t;
    if ((announced & SB_EVENT_TRUSTED) == 0 && timeout_ns > SHORT_SLICE_NS) {
        timeout_ns = SHORT_SLICE_NS;
    }
    if (timeout_ns <= 0) {
        return false;
    }
    t.tv_sec = timeout_ns / 1000000000;
    t.tv_nsec = timeout_ns % 1000000000;
    /* With a timeout it is never restarted, not even for SA_RESTART. */
    return syscall(SYS_futex, &event->word.v, FUTEX_WAIT, announced, &t, NULL, 0) < 0 && /* W4 */
           errno == EINTR;
}

void sb_event_fence(void)
{
    sb_fence(); /* V0 where membarrier may not be called */
}

bool sb_event_wake_sleepers(struct sb_event *event)
{
    uint32_t v = sb_load32_relaxed(&event->word);
    while ((v & SB_EVENT_SLEEPING) != 0) {
        if (sb_cas32(&event->word, v, (v + SB_EVENT_SEQ) & ~SB_EVENT_SLEEPING)) { /* V2 */
            futex_wake_all(event);                                                /* V3 */
            return true;
        }
        v = sb_load32_relaxed(&event->word);
    }
    return false;
}

bool sb_event_wake_fenced(struct sb_event *event)
{
    uint32_t v;

    sb_fence();                          /* V0 */
    v = sb_load32_relaxed(&event->word); /* V1 */
    if ((v & SB_EVENT_SLEEPING) != 0) {
        return sb_event_wake_sleepers(event);
    }
    if ((v & SB_EVENT_FENCED) != 0 && ++fenced_in_vain >= VAIN_MAX) {
        fenced_in_vain = 0;
        sb_cas32(&event->word, v, v & ~(SB_EVENT_FENCED | SB_EVENT_TRUSTED));
    }
    return false;
}

void sb_event_wake_all(struct sb_event *event)
{
    uint32_t v;
    do {
        v = sb_load32_relaxed(&event->word);
    } while (!sb_cas32(&event->word, v, (v + SB_EVENT_SEQ) & ~SB_EVENT_SLEEPING));
    futex_wake_all(event);
}
