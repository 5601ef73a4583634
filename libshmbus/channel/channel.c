/* SPDX-License-Identifier: MIT */
/*
 * What every open channel does beside moving messages: the heartbeat, and to know when there is
 * nobody left to move them.
 */
#include "channel/channel.h"

#include "base/clock.h"
#include "base/here.h"
#include "bus/reach.h"
#include "bus/watcher.h"
#include "inspect/inspect.h"

#define CENSUS_NS 100000000
#define BEAT_SHORT_NS 10000000
#define BEAT_LONG_NS 100000000
#ifdef SB_DEBUG /* sanitizers: children of a program with threads may hang or not start any */
#define WATCHED_PERIOD 0u /* never */
#else
#define WATCHED_PERIOD 8u /* who is that fast may be slow next, and have no beat for long */
#endif

/* ---------------------------------------------------------------- a bus whose name is gone */

/* Its members go on, and may be meant to: who makes a bus, lets its workers attach and removes the
 * name has one that nobody else can enter and that goes with its users. So a missing name alone
 * ends no wait. It ends one that nobody who is there can end:
 *
 *   removed    nobody else is attached, and no other handle of this process could end it
 *   replaced   no handle of anybody alive could end it: who came in the meantime, came to the other
 *              one, and who only opens the channel later would have come there, too
 *
 * All is read from the rows of the endpoints. They may change while we look: whoever opens or
 * closes one now is seen by the next look, a second later. */
static bool is_anybody_else(const struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;

    for (uint32_t i = 0; i < view->process_count; i++) {
        if (i != ch->slot &&
            sb_proc_state(sb_load_acquire(&view->processes[i].w)) == SB_PROC_ACTIVE) {
            return true;
        }
    }
    return false;
}

/* Whether who has the row has messages in hand: received, and neither released nor passed on. */
static bool holds_any(const struct sb_endpoint *row)
{
    static const enum shmbus_counter done[] = {SHMBUS_COUNT_acknowledged, SHMBUS_COUNT_requeued,
                                               SHMBUS_COUNT_forwarded};
    uint64_t held = sb_load_relaxed(&row->counters[SHMBUS_COUNT_received]) -
                    sb_load_relaxed(&row->at_open[SHMBUS_COUNT_received]);

    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        held -= sb_load_relaxed(&row->counters[done[i]]) - sb_load_relaxed(&row->at_open[done[i]]);
    }
    return held != 0;
}

/* Whether a handle of @channel, other than @ch, is open with one of @modes. @held: or has a message
 * in hand, to be given back. */
static bool has_handle(const struct shmbus_channel *ch, const struct sb_channel_view *channel,
                       unsigned modes, bool held)
{
    for (uint32_t i = 0; i < channel->endpoint_count; i++) {
        const struct sb_endpoint *row = &channel->endpoints[i];
        uint64_t owner64 = row == ch->row ? 0 : sb_load_acquire(&row->w);
        if (owner64 == 0 || !sb_owner64_is_listed(&ch->bus->view, owner64)) {
            continue;
        }
        if ((sb_load_relaxed(&row->mode) & modes) != 0 || (held && holds_any(row))) {
            return true;
        }
    }
    return false;
}

/* A message comes from a sender, from who gives one back, or sets one aside for this queue. */
static bool may_get_message(const struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;

    if (has_handle(ch, ch->view, SHMBUS_OPEN_SEND, true)) {
        return true;
    }
    for (uint32_t c = 0; c < view->channel_count; c++) {
        if (view->channels[c].dead_letter == ch->index &&
            has_handle(ch, &view->channels[c], SHMBUS_OPEN_RECV, false)) {
            return true;
        }
    }
    return false;
}

/* A block may come from anybody who has a handle. */
static bool may_get_block(const struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;

    for (uint32_t c = 0; c < view->channel_count; c++) {
        if (has_handle(ch, &view->channels[c], SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, false)) {
            return true;
        }
    }
    return false;
}

SB_COLD static bool is_in_vain(const struct shmbus_channel *ch, enum sb_waits what)
{
    if (sb_reach(ch->bus) == SB_REACH_REMOVED && is_anybody_else(ch)) {
        return false;
    }
    switch (what) {
    case SB_WAITS_MESSAGE:
        return !may_get_message(ch);
    case SB_WAITS_ROOM:
        return !has_handle(ch, ch->view, SHMBUS_OPEN_RECV, false);
    case SB_WAITS_BLOCK:
        return !may_get_block(ch);
    case SB_WAITS_NOT:
        break;
    }
    return false;
}

bool sb_hope_is_gone(const struct shmbus_channel *ch, enum sb_waits what)
{
    return sb_reach(ch->bus) != SB_REACH_FOUND && is_in_vain(ch, what);
}

/* A handle for both ways may use the other one next. Who sends without waiting is told only of a
 * bus that was replaced: into one that was removed it may send before it opens the other end. */
int sb_hope_tell(struct shmbus_channel *ch)
{
    bool sends = (ch->mode & SHMBUS_OPEN_SEND) != 0, receives = (ch->mode & SHMBUS_OPEN_RECV) != 0;
    bool gone = sends != receives && (receives || sb_reach(ch->bus) == SB_REACH_REPLACED) &&
                sb_hope_is_gone(ch, receives ? SB_WAITS_MESSAGE : SB_WAITS_ROOM);

    ch->shutdown = gone ? &ch->bus->no_hope : &ch->bus->view.super->shutdown;
    return gone ? -SHMBUS_ERR_REMOVED : 0;
}

/* ------------------------------------------------------------------------------ the heartbeat */

/* The clock is too dear to be read with every message. So it is read every ops_period operations,
 * and that number follows the pace: the heartbeat is then at most a fraction of a second old as
 * long as the loop turns, whether it does ten operations a second or ten million. */
SB_NOINLINE void sb_channel_beat(struct shmbus_channel *ch)
{
    struct sb_proc *proc = &ch->bus->view.processes[ch->bus->member.slot];
    int64_t now = sb_now_ns();
    int64_t passed = now - ch->beat_ns;

    sb_store_relaxed(&proc->heartbeat_ns, (uint64_t)now);
    sb_own_add(&proc->progress, ch->ops_period);
    if (passed > BEAT_LONG_NS) {
        ch->ops_period = 1;
    } else if (passed < BEAT_SHORT_NS && ch->ops_period < SB_BEAT_PERIOD_MAX) {
        ch->ops_period *= 2;
        if (ch->ops_period == WATCHED_PERIOD) {
            sb_watcher_start(ch->bus);
        }
    }
    ch->ops_left = ch->ops_period;
    ch->beat_ns = now;
    if (now - ch->thread_ns > BEAT_LONG_NS) { /* it may have been handed on */
        ch->thread_ns = now;
        sb_store_relaxed(&ch->row->thread, sb_own_thread());
    }
    sb_bus_look(ch->bus, now); /* who never sleeps looks here */
    if (sb_reach(ch->bus) != SB_REACH_FOUND) {
        sb_hope_tell(ch);
    }
    if (ch->ops->beat != NULL) {
        ch->ops->beat(ch);
    }
}

bool sb_census_is_due(struct shmbus_channel *ch)
{
    int64_t now = sb_now_ns();
    bool due = ch->census[0] == '\0' || now - ch->census_ns >= CENSUS_NS;

    ch->census_ns = due ? now : ch->census_ns;
    return due;
}
