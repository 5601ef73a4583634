/* SPDX-License-Identifier: MIT */
/*
 * Nobody sleeps longer than a slice, whatever was lost: a wake-up that a stopped process owes (what
 * a killed one owes recovery makes up for), or the death of the process we wait for. After every
 * sleep, short or long, the clock says whether it is time to see to it that deaths are noticed:
 * traffic that ends each sleep early must not put that off. Slices are long where a watcher runs: a
 * process that waits costs one look a second then, however many there are.
 */
#include "channel/wait.h"

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "bus/watcher.h"
#include "protocol/block.h"
#include "protocol/event.h"

#define SLICE_NS 100000000
#define SLICE_MIN_NS 1000000
#define SLICE_WATCHED_NS 1000000000
#define BEAT_NS 10000000 /* from one heartbeat to the next while spinning */
#define SPIN_PAUSES 16u  /* at most, between two attempts while spinning */

static bool is_over(int result)
{
    return result != -EAGAIN && result != -SHMBUS_ERR_NO_BLOCKS;
}

static int spin(struct shmbus_channel *ch, int64_t deadline_ns, sb_attempt_fn attempt, void *job)
{
    int64_t now = sb_now_ns();
    int64_t end = ch->bus->spin_ns > INT64_MAX - now ? INT64_MAX : now + ch->bus->spin_ns;
    int64_t beat_ns = now + BEAT_NS;
    uint32_t pauses = 1; /* twice as many each time: quick answers come at once */
    int r = -EAGAIN;

    if (end > deadline_ns) {
        end = deadline_ns;
    }
    for (; now < end; now = sb_now_ns()) {
        if (now >= beat_ns) {
            beat_ns = now + BEAT_NS;
            sb_process_beat(&ch->bus->view, &ch->bus->member);
            sb_bus_look(ch->bus, now);
        }
        for (uint32_t n = 0; n < pauses; n++) {
            sb_pause();
        }
        pauses = pauses < SPIN_PAUSES ? 2 * pauses : SPIN_PAUSES;
        r = attempt(ch, job);
        if (is_over(r)) {
            break;
        }
    }
    return r;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum sb_waits what_for(const struct shmbus_channel *ch, const struct sb_event *event)
{
    return event == ch->bus->view.blocks.freed    ? SB_WAITS_BLOCK
           : event == &ch->view->shared->writable ? SB_WAITS_ROOM
                                                  : SB_WAITS_MESSAGE;
}

/* What ends a wait besides success and time. */
static int stopped(struct shmbus_channel *ch, const struct sb_event *event)
{
    if (sb_load32_relaxed(&ch->bus->interrupted) != 0) {
        return -EINTR;
    }
    if (sb_ends_waiting(ch->asked)) {
        return -EINTR; /* shmbus_stop_recv() says what it is */
    }
    if (sb_load_relaxed(&ch->bus->view.super->shutdown) != 0) {
        return -SHMBUS_ERR_SHUTDOWN;
    }
    if (sb_hope_is_gone(ch, what_for(ch, event))) {
        return -SHMBUS_ERR_REMOVED;
    }
    return 0;
}

int64_t sb_wait_slice_ns(struct shmbus *bus)
{
    int64_t slice_ns = sb_watcher_runs(bus) ? SLICE_WATCHED_NS : SLICE_NS;

    slice_ns = least(slice_ns, bus->view.heartbeat_interval_ns);
    slice_ns = least(slice_ns, bus->view.heartbeat_timeout_ns / 2);
    return slice_ns < SLICE_MIN_NS ? SLICE_MIN_NS : slice_ns;
}

/* Sleeps, and says meanwhile that it stands in a call and for what. True: a handler ran. */
static bool sleep_for(struct shmbus_channel *ch, struct sb_event *event, uint32_t announced,
                      int64_t ns)
{
    bool handled;

    sb_process_beat(&ch->bus->view, &ch->bus->member);
    sb_store_relaxed(&ch->row->waits, what_for(ch, event));
    handled = sb_event_sleep(event, announced, ns);
    sb_store_relaxed(&ch->row->waits, SB_WAITS_NOT);
    return handled;
}

static int sleep_once(struct shmbus_channel *ch, struct sb_event *event, int64_t deadline_ns,
                      int64_t slice_ns, sb_attempt_fn attempt, void *job)
{
    uint32_t announced = sb_event_announce(event);
    int64_t before;
    int64_t now;
    bool handled;
    int r = attempt(ch, job);

    if (is_over(r) || (r == -SHMBUS_ERR_NO_BLOCKS) != (event == ch->bus->view.blocks.freed)) {
        return r;
    }
    r = stopped(ch, event);
    if (r != 0) {
        return r;
    }
    before = sb_now_ns();
    handled = sleep_for(ch, event, announced, least(deadline_ns - before, slice_ns));
    r = attempt(ch, job); /* somebody waits for the answer: all else can wait */
    now = sb_now_ns();
    sb_bus_look(ch->bus, now);
    if (!is_over(r) && handled && ch->bus->minds_signals) {
        return -EINTR;
    }
    if (!is_over(r) && now - before >= slice_ns) {
        if (ch->ops->doubts != NULL) {
            ch->ops->doubts(ch);
        }
        r = attempt(ch, job);
    }
    return r;
}

int sb_wait(struct shmbus_channel *ch, struct sb_event *event, int64_t timeout_ns,
            sb_attempt_fn attempt, void *job)
{
    int64_t deadline_ns, signals_ns;
    int64_t slice_ns;
    int r = attempt(ch, job);

    if (is_over(r) || timeout_ns == 0) {
        return r;
    }
    if (timeout_ns < 0 && timeout_ns != SHMBUS_WAIT_FOREVER) {
        return sb_fail(-EINVAL, "\"%s\": %lld ns is no timeout: 0, more, or SHMBUS_WAIT_FOREVER",
                       ch->name, (long long)timeout_ns);
    }
    deadline_ns = sb_deadline_ns(timeout_ns);
    signals_ns = sb_deadline_ns(ch->bus->minds_signals ? SB_SIGNALS_NS : SHMBUS_WAIT_FOREVER);
    if (ch->bus->spin_ns > 0) {
        r = spin(ch, deadline_ns < signals_ns ? deadline_ns : signals_ns, attempt, job);
        if (is_over(r)) {
            return r;
        }
    }
    if (ch->ops->sleeps != NULL) {
        ch->ops->sleeps(ch);
    }
    sb_count(ch, SHMBUS_COUNT_sleeps, 1);
    sb_watcher_start(ch->bus);
    slice_ns = sb_wait_slice_ns(ch->bus);
    while (!is_over(r)) {
        int64_t now_ns;
        int s = stopped(ch, r == -SHMBUS_ERR_NO_BLOCKS ? ch->bus->view.blocks.freed : event);
        if (s != 0) {
            return s;
        }
        now_ns = sb_now_ns();
        if (now_ns >= deadline_ns) {
            return -ETIMEDOUT;
        }
        if (now_ns >= signals_ns) {
            return -EINTR;
        }
        r = sleep_once(ch, r == -SHMBUS_ERR_NO_BLOCKS ? ch->bus->view.blocks.freed : event,
                       least(deadline_ns, signals_ns), slice_ns, attempt, job);
    }
    return r;
}
