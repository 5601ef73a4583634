/*
 * Nobody sleeps longer than a slice, whatever was lost: a wake-up that a killed process owed, or
 * the death of the process we wait for. After each slice the process table is looked at; where the
 * watcher does that, now and then is enough.
 */
#include "wait.h"

#include <errno.h>

#include "block.h"
#include "clock.h"
#include "event.h"
#include "watcher.h"

#define SLICE_NS 100000000
#define SLICE_MIN_NS 1000000
#define SLICES_WATCHED 10u /* from one look to the next while a watcher runs */
#define BEAT_NS 10000000 /* from one heartbeat to the next while spinning */
#define SPIN_PAUSES 16u /* at most, between two attempts while spinning */

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

/* What ends a wait besides success and time. */
static int stopped(struct shmbus_channel *ch)
{
    if (sb_load32_relaxed(&ch->bus->interrupted) != 0) {
        return -EINTR;
    }
    if (sb_load_relaxed(&ch->bus->view.super->shutdown) != 0) {
        return -SHMBUS_ERR_SHUTDOWN;
    }
    return 0;
}

void sb_wait_slept(struct shmbus *bus, uint32_t *slices)
{
    if (++*slices >= (sb_watcher_runs(bus) ? SLICES_WATCHED : 1u)) {
        sb_bus_sweep(bus);
        *slices = 0;
    }
}

/* Who sleeps beats often enough to be called alive. */
static int64_t slice_ns(const struct sb_view *view)
{
    int64_t often = view->heartbeat_timeout_ns / 2 < view->heartbeat_interval_ns
                        ? view->heartbeat_timeout_ns / 2
                        : view->heartbeat_interval_ns;

    often = often < SLICE_MIN_NS ? SLICE_MIN_NS : often;
    return often < SLICE_NS ? often : SLICE_NS;
}

/* Sleeps, and says meanwhile that it stands in a call and for what. True: a handler ran. */
static bool sleep_for(struct shmbus_channel *ch, struct sb_event *event, uint32_t announced,
                      int64_t ns)
{
    enum sb_waits what = event == ch->bus->view.blocks.freed    ? SB_WAITS_BLOCK
                         : event == &ch->view->shared->writable ? SB_WAITS_ROOM
                                                                : SB_WAITS_MESSAGE;
    bool handled;

    sb_process_beat(&ch->bus->view, &ch->bus->member);
    sb_store_relaxed(&ch->row->waits, what);
    handled = sb_event_sleep(event, announced, ns);
    sb_store_relaxed(&ch->row->waits, SB_WAITS_NOT);
    return handled;
}

/* @slices: whole ones slept through since the table was looked at last. */
static int sleep_once(struct shmbus_channel *ch, struct sb_event *event, int64_t deadline_ns,
                      uint32_t *slices, sb_attempt_fn attempt, void *job)
{
    uint32_t announced = sb_event_announce(event);
    int64_t now;
    int64_t slice = slice_ns(&ch->bus->view);
    int64_t whole = slice;
    bool handled;
    int r = attempt(ch, job);

    if (is_over(r) || (r == -SHMBUS_ERR_NO_BLOCKS) != (event == ch->bus->view.blocks.freed)) {
        return r;
    }
    if (stopped(ch) != 0) {
        return stopped(ch);
    }
    now = sb_now_ns();
    if (deadline_ns - now < slice) {
        slice = deadline_ns - now;
    }
    handled = sleep_for(ch, event, announced, slice);
    r = attempt(ch, job);
    if (is_over(r)) {
        return r; /* somebody waits for the answer: all else can wait */
    }
    if (handled && ch->bus->minds_signals) {
        return -EINTR;
    }
    if (sb_now_ns() - now >= whole) {
        sb_wait_slept(ch->bus, slices);
        sb_stock_doubt_hints(&ch->stock);
        r = attempt(ch, job);
    }
    return r;
}

int sb_wait(struct shmbus_channel *ch, struct sb_event *event, int64_t timeout_ns,
            sb_attempt_fn attempt, void *job)
{
    int64_t deadline_ns, signals_ns;
    uint32_t slices = 0;
    int r = attempt(ch, job);

    if (is_over(r) || timeout_ns == 0) {
        return r;
    }
    deadline_ns = sb_deadline_ns(timeout_ns);
    signals_ns = sb_deadline_ns(ch->bus->minds_signals ? SB_SIGNALS_NS : SHMBUS_WAIT_FOREVER);
    if (ch->bus->spin_ns > 0) {
        r = spin(ch, deadline_ns < signals_ns ? deadline_ns : signals_ns, attempt, job);
        if (is_over(r)) {
            return r;
        }
    }
    /* While asleep we need no stock; others may. */
    sb_stock_flush(&ch->bus->view.blocks, &ch->stock);
    sb_count(ch, SHMBUS_COUNT_sleeps, 1);
    sb_watcher_start(ch->bus);
    while (!is_over(r)) {
        int64_t now_ns;
        int s = stopped(ch);
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
                       deadline_ns, &slices, attempt, job);
    }
    return r;
}
