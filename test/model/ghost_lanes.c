/* SPDX-License-Identifier: MIT */
/*
 * The ghost of queues with order per producer. Watched: who fills a cell and that it was free, the
 * order of each lane, that only what is held is passed over and is said to be so first, who takes a
 * message, and its fate from there.
 */
#include "world.h"

#include <inttypes.h>
#include <stddef.h>

bool w_has_lanes(uint32_t channel)
{
    return w_plan->channels[channel].lanes > 0;
}

static uint32_t shift_of(uint32_t channel)
{
    return w_plan->channels[channel].depth_shift;
}

/* As @process sees it: what it has stored lately it sees before the others. */
static uint64_t word_of(uint32_t process, uint32_t channel, uint32_t lane, uint64_t ticket)
{
    uint32_t shift = shift_of(channel);
    uint64_t cell = (lane << shift) | (ticket & ((1u << shift) - 1u));
    return x_view(process, &w_segment.cells[channel][cell].header.w);
}

static uint32_t waiting_in(uint32_t channel, uint32_t lane)
{
    const struct w_lane *l = &w_ghost.lanes[channel][lane];
    return l->committed - l->taken;
}

uint32_t w_waiting_in_lanes(uint32_t channel)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w_plan->channels[channel].lanes; i++) {
        n += waiting_in(channel, i);
    }
    return n;
}

/* Whether a full lane drops its dead letters. */
static bool letters_give_way(uint32_t channel)
{
    uint32_t to = w_plan->channels[channel].dead_letter;
    return to > 0 && w_plan->channels[to - 1u].on_full == SHMBUS_FULL_DROP_OLDEST;
}

/* The producer finds no place: a message waits in front of it, or all cells are held. One that
 * drops the oldest is refused only in the second case. */
static bool is_full(uint32_t process, uint32_t channel, uint32_t lane)
{
    uint64_t skip = x_view(process, &w_segment.lanes[channel][lane].skip);
    uint64_t t = sb_lanes_of(w_handle(process, channel))->lane.next;
    bool drops = w_plan->channels[channel].on_full == SHMBUS_FULL_DROP_OLDEST;

    t = (int64_t)(skip - t) > 0 ? skip : t;
    for (uint32_t n = 0; n < 1u << shift_of(channel); n++, t++) {
        switch (sb_hdr_state(word_of(process, channel, lane, t))) {
        case SB_BLOCK_FREE:
            return false;
        case SB_BLOCK_QUEUED:
            return !drops;
        case SB_BLOCK_DEAD_LETTER:
            if (letters_give_way(channel)) {
                return false;
            }
            break;
        default:
            break;
        }
    }
    return true;
}

/* The number of the lane that the process sends to; W_LANES: none. */
static uint32_t lane_of(uint32_t process, uint32_t channel)
{
    const struct shmbus_channel *ch = w_handle(process, channel);
    const struct sb_lane *lane = sb_lanes_of(ch)->lane.lane;

    return lane != NULL && lane->owner.v == ch->bus->member.owner64
               ? (uint32_t)(lane - w_segment.lanes[channel])
               : W_LANES;
}

bool w_lane_has_room(uint32_t process, uint32_t channel)
{
    uint32_t lane = lane_of(process, channel);
    return lane < W_LANES && !is_full(process, channel, lane);
}

/* FULL is right if it was so at some instant of the call; EMPTY if each lane was, at some instant
 * of its own. */
void w_note_lanes(uint32_t channel)
{
    uint32_t all = (1u << w_plan->channels[channel].lanes) - 1u;
    uint32_t empty = 0;

    for (uint32_t i = 0; i < w_plan->channels[channel].lanes; i++) {
        empty |= waiting_in(channel, i) == 0 ? 1u << i : 0;
    }
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        struct w_process *process = &w_processes[p];
        if (process->op_channel != channel || !process->used) {
            continue;
        }
        process->lanes_empty |= empty;
        process->empty_seen |= process->lanes_empty == all;
        if (process->op == W_SEND) {
            process->full_seen |= !w_lane_has_room(p, channel);
        }
    }
}

/* --------------------------------------------------------------------------------------- cells */

/* Tickets are used one after the other; what lies between belongs to cells that others hold, and
 * that has been said before. */
static bool is_next(uint32_t c, uint32_t lane, uint64_t ticket)
{
    const struct w_lane *l = &w_ghost.lanes[c][lane];
    uint64_t skip = w_segment.lanes[c][lane].skip.v;

    if ((int64_t)(ticket - l->next) < 0) {
        x_fail("lane %u: ticket %" PRIu64 " is published, %" PRIu64 " was next", lane, ticket,
               l->next);
        return false;
    }
    if (ticket != l->next && (int64_t)(skip - ticket) < 0) {
        x_fail("lane %u: ticket %" PRIu64 " is published before %" PRIu64 " is said to be settled",
               lane, ticket, l->next);
        return false;
    }
    return true;
}

static void published(uint32_t c, uint32_t cell, uint64_t old, uint64_t now)
{
    uint32_t lane = cell >> shift_of(c);
    const struct w_cell *at = &w_segment.cells[c][cell];
    struct w_lane *l = &w_ghost.lanes[c][lane];
    uint64_t id = at->payload[0].v, ticket = sb_lane_ticket(now, cell, l->next, shift_of(c));
    uint32_t me = w_me();

    if (sb_hdr_state(old) != SB_BLOCK_FREE || w_ghost.cell_message[c][cell] != 0) {
        x_fail("lane %u: a cell is filled that is not free", lane);
        return;
    }
    if (me >= W_PROCESSES || lane_of(me, c) != lane) {
        x_fail("lane %u is filled by somebody who does not have it", lane);
        return;
    }
    if (id == 0 || id >= W_MESSAGES || w_ghost.messages[id].state != W_NEW) {
        x_fail("lane %u: a cell without a new message is published", lane);
        return;
    }
    if (!is_next(c, lane, ticket)) {
        return;
    }
    if (now != sb_lane_published(sb_lane_lap(ticket, shift_of(c)))) {
        x_fail("lane %u: a word with more than the lap of ticket %" PRIu64, lane, ticket);
        return;
    }
    w_ghost.messages[id] =
        (struct w_message){.state = W_QUEUED, .block = cell, .channel = c, .ticket = ticket};
    w_ghost.cell_message[c][cell] = (uint32_t)id;
    l->fifo[l->committed++ % 64] = (uint32_t)id;
    l->next = ticket + 1u;
    w_ghost.commits++;
}

/* A message leaves the lane's order: it is received or dropped. */
static bool is_oldest(uint32_t c, uint32_t lane, uint32_t id)
{
    struct w_lane *l = &w_ghost.lanes[c][lane];

    if (w_ghost.messages[id].state != W_QUEUED) {
        x_fail("message %u is taken, but it is %s", id, w_state_names[w_ghost.messages[id].state]);
        return false;
    }
    if (l->fifo[l->taken % 64] != id) {
        x_fail("order: message %u is taken, %u of that lane is older", id, l->fifo[l->taken % 64]);
        return false;
    }
    l->taken++;
    w_ghost.takes++;
    return true;
}

static void received(uint32_t c, uint32_t cell, uint64_t old, uint64_t now)
{
    struct w_message *m = &w_ghost.messages[w_ghost.cell_message[c][cell]];
    uint32_t me = w_me();

    if (me >= W_PROCESSES || sb_hdr_owner(now) != w_processes[me].owner) {
        x_fail("a cell is received in somebody else's name");
    } else if (sb_hdr_state(old) == SB_BLOCK_ORPHAN || sb_hdr_state(old) == SB_BLOCK_DEAD_LETTER) {
        w_redelivered(m, old, now);
    } else if (sb_hdr_state(old) != SB_BLOCK_QUEUED) {
        x_fail("a cell is received that is in state %u", sb_hdr_state(old));
    } else if (w_processes[me].op_channel != c || w_processes[me].op != W_RECV) {
        x_fail("a message of channel %u is received from channel %u", c,
               w_processes[me].op_channel);
    } else if (is_oldest(c, cell >> shift_of(c), w_ghost.cell_message[c][cell])) {
        w_check_older(m, false);
        m->state = W_TAKEN;
        m->holder = me;
        m->deliveries = 1;
        if (sb_hdr_deliveries(now) != 1) {
            x_fail("a first delivery is counted as %u", sb_hdr_deliveries(now));
        }
    }
}

/* Acknowledged by its holder, or thrown away by the producer. */
static void freed(uint32_t c, uint32_t cell, uint64_t old)
{
    uint32_t id = w_ghost.cell_message[c][cell];
    struct w_message *m = &w_ghost.messages[id];
    uint32_t me = w_me();
    enum w_op op = me < W_PROCESSES ? w_processes[me].op : W_IDLE;

    if (sb_hdr_state(old) == SB_BLOCK_QUEUED && op == W_SEND &&
        lane_of(me, c) == cell >> shift_of(c) &&
        w_plan->channels[c].on_full == SHMBUS_FULL_DROP_OLDEST) {
        if (!is_oldest(c, cell >> shift_of(c), id)) {
            return;
        }
        m->state = W_DROPPED;
    } else if (sb_hdr_state(old) == SB_BLOCK_DEAD_LETTER && op == W_SEND &&
               lane_of(me, c) == cell >> shift_of(c) && letters_give_way(c) &&
               m->state == W_DEADL) {
        m->state = W_DROPPED;
        w_ghost.takes++;
    } else if (sb_hdr_state(old) == SB_BLOCK_RECEIVED && op == W_RELEASE && m->state == W_TAKEN &&
               m->holder == me) {
        m->state = W_ACKED;
        w_ghost.acks++;
    } else {
        x_fail("lost: the cell of message %u, which is %s, becomes free", id,
               w_state_names[m->state]);
        return;
    }
    w_ghost.cell_message[c][cell] = 0;
}

static void given_back(uint32_t c, uint32_t cell, uint64_t now)
{
    struct w_message *m = &w_ghost.messages[w_ghost.cell_message[c][cell]];

    if (m->state != W_TAKEN && m->state != W_ORPHAN) {
        x_fail("a cell becomes an orphan, but its message is %s", w_state_names[m->state]);
        return;
    }
    w_given_back(m, now);
}

static void cell_changed(uint32_t c, uint32_t cell, uint64_t old, uint64_t now)
{
    uint32_t owner = w_living_owner(old);

    if (owner != W_NOBODY && owner != w_me()) {
        x_fail("robbed: a cell of lane %u is taken from a living process", cell >> shift_of(c));
        return;
    }
    if (sb_hdr_state(now) != SB_BLOCK_QUEUED && sb_hdr_gen(now) != sb_hdr_gen(old)) {
        x_fail("the lap of a cell changes without a message");
        return;
    }
    switch (sb_hdr_state(now)) {
    case SB_BLOCK_QUEUED:
        published(c, cell, old, now);
        break;
    case SB_BLOCK_RECEIVED:
        received(c, cell, old, now);
        break;
    case SB_BLOCK_FREE:
        freed(c, cell, old);
        break;
    case SB_BLOCK_ORPHAN:
    case SB_BLOCK_DEAD_LETTER:
        given_back(c, cell, now);
        break;
    default:
        x_fail("a cell comes to state %u", sb_hdr_state(now));
    }
}

/* --------------------------------------------------------------------------------------- lanes */

static void owner_changed(uint64_t old)
{
    uint32_t slot = sb_owner64_slot(old);

    if (slot < W_PROCESSES && slot != w_me() && w_is_living(slot)) {
        x_fail("a lane is taken from a living process");
        return;
    }
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (w_sleeps[i].what == W_WAIT_END) {
            x_wake(i);
        }
    }
}

static void lane_changed(uint32_t c, const struct sb_lane *lane, const void *address, uint64_t old,
                         uint64_t now)
{
    const struct w_lane *l = &w_ghost.lanes[c][lane - w_segment.lanes[c]];

    if (address == &lane->owner) {
        owner_changed(old);
    } else if (address == &lane->next && (int64_t)(now - l->next) > 0 &&
               (int64_t)(now - lane->skip.v) > 0) {
        x_fail("a lane's next leads");
    } else if (address == &lane->skip && (int64_t)(now - old) < 0) {
        x_fail("a lane's skip goes back");
    }
}

void w_lane_access(const void *address, uint64_t old, uint64_t now)
{
    size_t at;
    uint32_t c;

    if (IS_IN(address, w_segment.lanes)) {
        at = OFFSET_IN(address, w_segment.lanes) / sizeof(struct sb_lane);
        c = (uint32_t)(at / W_LANES);
        lane_changed(c, &w_segment.lanes[c][at % W_LANES], address, old, now);
    } else {
        at = OFFSET_IN(address, w_segment.cells) / sizeof(struct w_cell);
        c = (uint32_t)(at / W_CELLS);
        if (address != &w_segment.cells[c][at % W_CELLS].header.w) {
            return;
        }
        cell_changed(c, (uint32_t)(at % W_CELLS), old, now);
    }
    if (!x_failed()) {
        w_note_lanes(c);
    }
}

/* A lane's owner is alive. */
static void check_owner(const struct sb_lane *lane)
{
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &w_processes[p];
        if (process->dead && lane->owner.v == sb_owner64_make(process->slot, process->epoch)) {
            x_fail("the lane of a dead process was not given up");
        }
    }
}

void w_check_cells(void)
{
    for (uint32_t c = 0; c < w_plan->channel_count && !x_failed(); c++) {
        for (uint32_t i = 0; i < w_plan->channels[c].lanes; i++) {
            check_owner(&w_segment.lanes[c][i]);
        }
        for (uint32_t i = 0; i < w_plan->channels[c].lanes << shift_of(c); i++) {
            uint64_t w = w_segment.cells[c][i].header.w.v;
            if (sb_hdr_state(w) != SB_BLOCK_FREE || sb_hdr_owner(w) != 0 ||
                sb_hdr_deliveries(w) != 0) {
                x_fail("leak: cell %u is not free at the end (state %u)", i, sb_hdr_state(w));
                return;
            }
        }
    }
}
