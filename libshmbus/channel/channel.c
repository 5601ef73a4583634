/* SPDX-License-Identifier: MIT */
/*
 * What every open channel does beside moving messages: the heartbeat.
 */
#include "channel/channel.h"

#include "base/clock.h"
#include "base/here.h"
#include "bus/watcher.h"

#define CENSUS_NS 100000000
#define BEAT_SHORT_NS 10000000
#define BEAT_LONG_NS 100000000
#ifdef SB_DEBUG /* sanitizers: children of a program with threads may hang or not start any */
#define WATCHED_PERIOD 0u /* never */
#else
#define WATCHED_PERIOD 8u /* who is that fast may be slow next, and have no beat for long */
#endif

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
