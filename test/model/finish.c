/* SPDX-License-Identifier: MIT */
/*
 * When nobody can go on, and at the end: lost wake-ups, recovery of what is left, a drain, and two
 * more laps on every ring.
 */
#include "world.h"

#include <errno.h>

#include "protocol/event.h"
#include "protocol/reclaim.h"
#include "protocol/stream_end.h"

#define LAPS 2u

static bool is_queue(uint32_t channel)
{
    return w_plan->channels[channel].kind == SHMBUS_KIND_QUEUE;
}

static uint32_t depth_of(uint32_t channel)
{
    return 1u << w_plan->channels[channel].depth_shift;
}

/* Those that the channel may use. */
static uint32_t free_blocks(uint32_t channel)
{
    const struct sb_share *own = &w_view.channels[channel].share;
    uint32_t n = 0;
    for (uint32_t b = 0; b < w_plan->blocks; b++) {
        bool may = b < w_view.blocks.classes[0].common_end || b - own->first < own->count;
        n += may && sb_hdr_state(w_segment.blocks[b].hdr.v) == SB_BLOCK_FREE;
    }
    return n;
}

static void recover_all(void)
{
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        struct w_process *process = &w_processes[p];
        uint64_t w = sb_proc_word(process->epoch, SB_PROC_ACTIVE);
        if (process->dead && w_segment.processes[process->slot].w.v == w) {
            sb_reclaim_slot(&w_view, process->slot, w);
            x_end_of_call();
        }
    }
}

/* -------------------------------------------------------------------------------- lost wake-ups */

/* Whether what a sleeper waits for is there. */
static bool could_go_on(uint32_t actor)
{
    const void *address = w_sleeps[actor].address;
    uint32_t process = x_process_of(actor);

    if (address == &w_segment.super.blocks_freed) {
        return free_blocks(w_processes[process].op_channel) > 0;
    }
    if (address == &w_segment.region.unlocked) {
        uint32_t slot = sb_owner64_slot(w_segment.region.lock.v);
        return slot >= W_SLOTS || !w_is_living(slot);
    }
    if (address == &w_segment.bell) {
        return w_segment.rung.v >= w_processes[process].need;
    }
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        const struct sb_channel *ch = &w_segment.channels[c];
        if (w_is_plain(c)) {
            if (w_plain_could_go_on(c, address)) {
                return true;
            }
        } else if (!is_queue(c)) {
            const struct w_stream *s = &w_ghost.stream;
            if (address == &ch->readable) {
                return s->committed > s->released + w_processes[process].held_count;
            }
            if (address == &ch->writable) {
                return w_stream_room(w_processes[process].need);
            }
        } else if (address == &ch->readable) {
            return w_has_for_receiver(c);
        } else if (address == &ch->writable) {
            return w_has_lanes(c) ? w_lane_has_room(process, c) : w_waiting(c) < depth_of(c);
        }
    }
    return false;
}

static bool waits_for_orphan(uint32_t actor)
{
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        if (!w_is_plain(c) && w_sleeps[actor].address == &w_segment.channels[c].readable) {
            return w_waiting(c) == 0;
        }
    }
    return false;
}

/* A sleeper with work: an error, unless the one who owes the wake-up is stopped; then it is the
 * slice that ends the sleep. True if somebody goes on. */
static bool check_sleepers(bool somebody_stopped)
{
    bool any = false;
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (w_sleeps[i].what != W_WAIT_FUTEX || !x_is_blocked(i) || !could_go_on(i)) {
            continue;
        }
        if (!somebody_stopped) {
            x_fail("lost wake-up: process %u sleeps although it could go on", x_process_of(i));
            return false;
        }
        if (++w_ghost.expired[i] > 3) {
            if (waits_for_orphan(i)) {
                continue; /* given back, but not announced: its holder is stopped in between */
            }
            x_fail("process %u cannot go on after its slice, although it should", x_process_of(i));
            return false;
        }
        w_pass_time();
        x_wake(i);
        any = true;
    }
    return any;
}

static bool anybody_stopped(void)
{
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (x_is_stopped(i)) {
            return true;
        }
    }
    return false;
}

/* As shmbus_shutdown(): whoever still waits, and rightly so, gives up. */
static bool shut_down(void)
{
    bool any = false;
    if (w_ghost.shut_down) {
        return false;
    }
    w_ghost.shut_down = true;
    w_segment.super.shutdown.v = 1;
    for (uint32_t i = 0; i < x_actors(); i++) {
        enum w_wait what = w_sleeps[i].what;
        if (x_is_blocked(i) &&
            (what == W_WAIT_FUTEX || what == W_WAIT_END || what == W_WAIT_REST)) {
            x_wake(i);
            any = true;
        }
    }
    return any;
}

static bool anybody_ready(void)
{
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (!x_is_blocked(i) && !x_is_stopped(i) && !x_was_killed(i) && !x_is_done(i)) {
            return true;
        }
    }
    return false;
}

bool w_quiescent(void)
{
    bool stopped = anybody_stopped();

    x_end_of_call();
    if (w_plan->sweepers_from > 0) {
        w_sweeps_settle();
        if (x_failed()) {
            return false;
        }
    }
    if (!stopped) {
        recover_all();
        if (x_failed() || anybody_ready()) {
            return !x_failed();
        }
    }
    if (check_sleepers(stopped)) {
        return true;
    }
    if (x_failed()) {
        return false;
    }
    if (stopped) {
        w_probe();
        if (x_failed()) {
            return false;
        }
        x_thaw();
        return true;
    }
    return shut_down();
}

/* ---------------------------------------------------------------------------------------- laps */

/* Receives and acknowledges everything; false if a call did not work. */
static bool drain(uint32_t channel)
{
    uint32_t bound = w_ghost.commits + w_plan->blocks + 8u;
    while (!x_failed()) {
        if (w_recv(W_DRIVER, channel, 0) != 0) {
            return !x_failed();
        }
        w_release(W_DRIVER, 0);
        if (bound-- == 0) {
            x_fail("there is no end of messages in channel %u", channel);
        }
    }
    return false;
}

/* A free block may be hidden by somebody who is stopped; it is found every so many attempts. */
static int send_surely(uint32_t channel)
{
    int r = -1;
    for (uint32_t n = 0; n < 130 && !x_failed(); n++) {
        r = w_send(W_DRIVER, channel, 0);
        if (r != -SHMBUS_ERR_NO_BLOCKS || free_blocks(channel) == 0 || !anybody_stopped()) {
            break;
        }
    }
    return r;
}

/* As full as ring and blocks allow, then one more, then all of it in order. */
static void fill_and_drain(uint32_t channel)
{
    uint32_t room = free_blocks(channel);
    uint32_t count = depth_of(channel) < room ? depth_of(channel) : room;

    for (uint32_t i = 0; i < count && !x_failed(); i++) {
        int r = send_surely(channel);
        if (r != 0) {
            x_fail("channel %u takes only %u of %u messages (%d)", channel, i, count, r);
        }
    }
    if (!x_failed() && room > depth_of(channel) && send_surely(channel) != -EAGAIN) {
        x_fail("channel %u takes more than its depth", channel);
    }
    drain(channel);
}

/* The same for a lane, which needs no blocks; its cells are all free. */
static void fill_lane(uint32_t channel)
{
    uint32_t count = depth_of(channel);

    for (uint32_t i = 0; i < count && !x_failed(); i++) {
        if (w_send(W_DRIVER, channel, 0) != 0) {
            x_fail("a lane of channel %u takes only %u of %u messages", channel, i, count);
        }
    }
    if (!x_failed() && w_plan->channels[channel].on_full != SHMBUS_FULL_DROP_OLDEST &&
        w_send(W_DRIVER, channel, 0) != -EAGAIN) {
        x_fail("a lane of channel %u takes more than its depth", channel);
    }
    drain(channel);
}

/* In the lane that the driver has: as often around it. @alone: nobody holds a cell of it. */
static void lane_laps(uint32_t channel, bool alone)
{
    for (uint32_t i = 0; i < LAPS * depth_of(channel) && !x_failed(); i++) {
        int r = w_send(W_DRIVER, channel, 0);
        if (r == -EAGAIN && !alone) {
            return;
        }
        if (r != 0) {
            x_fail("a lane of channel %u does not take a message (%d)", channel, r);
            return;
        }
        drain(channel);
    }
    if (alone && !x_failed()) {
        fill_lane(channel);
    }
}

/* Everybody is gone: through every lane. */
static void all_lanes(uint32_t channel)
{
    for (uint32_t i = 0; i < w_plan->channels[channel].lanes; i++) {
        w_segment.lanes[channel][i].owner.v = 0;
    }
    for (uint32_t i = 0; i < w_plan->channels[channel].lanes && !x_failed(); i++) {
        /* the owner word of the one before stays set, so this is the next one */
        if (!w_take_lane(W_DRIVER, channel)) {
            x_fail("the lanes of channel %u cannot all be taken", channel);
            return;
        }
        lane_laps(channel, true);
    }
    for (uint32_t i = 0; i < w_plan->channels[channel].lanes; i++) {
        w_segment.lanes[channel][i].owner.v = 0;
    }
    w_handle(W_DRIVER, channel)->mode = SHMBUS_OPEN_RECV;
}

/* @laps times around the ring, one message at a time, then full. */
static void laps(uint32_t channel, uint32_t count)
{
    if (w_plan->channels[channel].on_full == SHMBUS_FULL_DROP_OLDEST) {
        count = 1;
    }
    for (uint32_t i = 0; i < count * depth_of(channel) && !x_failed(); i++) {
        int r = send_surely(channel);
        if (r != 0) {
            x_fail("channel %u does not take a message (%d)", channel, r);
            return;
        }
        drain(channel);
    }
    if (!x_failed() && w_plan->channels[channel].on_full != SHMBUS_FULL_DROP_OLDEST) {
        fill_and_drain(channel);
    }
}

/* Somebody is stopped in the middle of something: all of the others can do everything. */
void w_probe(void)
{
    for (uint32_t c = 0; c < w_plan->channel_count && !x_failed(); c++) {
        if (w_is_plain(c)) {
            w_plain_probe(c);
        }
        if (!is_queue(c)) {
            continue;
        }
        if (w_has_lanes(c)) {
            if (drain(c) && w_take_lane(W_DRIVER, c)) {
                lane_laps(c, false);
                w_leave_lane(W_DRIVER, c);
            }
            continue;
        }
        if (drain(c) && free_blocks(c) > 0) {
            laps(c, LAPS);
        }
        w_flush(W_DRIVER, c);
        x_end_of_call();
    }
}

/* ------------------------------------------------------------------------------------- the end */

/* What the living still hold when their script is over. */
static void settle(uint32_t process)
{
    w_acting = process;
    while (w_processes[process].held_count > 0 && (is_queue(0) || w_is_plain(0)) && !x_failed()) {
        w_release(process, 0);
    }
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        if (is_queue(c)) {
            w_flush(process, c);
            x_end_of_call();
        }
    }
    w_acting = W_DRIVER;
}

static bool has_actor(uint32_t process)
{
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (x_process_of(i) == process) {
            return true;
        }
    }
    return false;
}

static void check_slots(void)
{
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &w_processes[p];
        if (!process->dead) {
            continue;
        }
        if (w_segment.processes[process->slot].w.v ==
            sb_proc_word(process->epoch, SB_PROC_ACTIVE)) {
            x_fail("the slot of a dead process was not freed");
        }
        for (uint32_t c = 0; c < w_plan->channel_count; c++) {
            if (w_segment.endpoints[c][p].w.v != 0) {
                x_fail("the handle of a dead process was not closed");
            }
        }
    }
}

static void finish_stream(void)
{
    static const uint32_t sizes[] = {1, 5, 2, 9, 3, 1, 7, 8};
    struct sb_channel *ch = &w_segment.channels[0];
    struct w_stream *s = &w_ghost.stream;

    w_segment.super.shutdown.v = 0;
    ch->sender.v = ch->receiver.v = w_handle(W_DRIVER, 0)->bus->member.owner64;
    w_open_stream(W_DRIVER, 0, false);
    s->receiver_changed = true;
    w_processes[W_DRIVER].held_count = 0;
    while (s->released < s->committed && !x_failed()) {
        w_stream_driver(false, 0);
    }
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0] && !x_failed(); i++) {
        if (sizes[i] * 8u > shmbus_channel_size_max(w_handle(W_DRIVER, 0))) {
            continue;
        }
        w_open_stream(W_DRIVER, 0, true);
        w_stream_driver(true, sizes[i]);
        w_handle(W_DRIVER, 0)->mode = SHMBUS_OPEN_RECV;
        w_stream_driver(false, 0);
    }
}

void w_finish(void)
{
    w_segment.super.shutdown.v = 0;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        if (p != W_DRIVER && has_actor(p) && w_is_living(p)) {
            settle(p);
        }
    }
    if (w_plan->channels[0].kind == SHMBUS_KIND_STREAM) {
        finish_stream();
    }
    for (uint32_t c = 0; c < w_plan->channel_count && !x_failed(); c++) {
        if (w_is_plain(c)) {
            w_plain_finish(c);
        }
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t c = 0; c < w_plan->channel_count && !x_failed(); c++) {
            if (is_queue(c)) {
                drain(c);
            }
        }
    }
    if (!x_failed()) {
        settle(W_DRIVER);
        w_ghost_finish(); /* before the laps, which would find what is hidden */
    }
    for (uint32_t c = 0; c < w_plan->channel_count && !x_failed(); c++) {
        if (w_has_lanes(c)) {
            all_lanes(c);
        } else if (is_queue(c)) {
            laps(c, LAPS);
        }
    }
    settle(W_DRIVER);
    if (!x_failed()) {
        check_slots();
    }
    if (!x_failed()) {
        w_ghost_finish();
    }
    if (!x_failed() && w_plan->region) {
        w_region_finish();
    }
    x_end_of_call();
}
