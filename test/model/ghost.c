/* SPDX-License-Identifier: MIT */
/*
 * The ghost: for every change of a control word it knows whether that may be, and it keeps the
 * books that the end of a schedule is held against. A message is a payload word with its number.
 *
 * Watched: who changes a header (nothing is taken from the living), the order in which slots are
 * filled and cleared, hints that lead, the location that goes with an orphan, that what was given
 * back comes first and in order, the fate of every message from commit to acknowledgement.
 */
#include "world.h"

#include "protocol/exchange.h"

#include <inttypes.h>
#include <stddef.h>

const char *const w_state_names[] = {"not sent",    "queued", "received", "orphaned",
                                     "dead letter", "acked",  "dropped"};

static bool is_queued_hdr(uint64_t hdr)
{
    return sb_hdr_state(hdr) == SB_BLOCK_QUEUED || sb_hdr_state(hdr) == SB_BLOCK_FORWARDED;
}

/* Whether a message is on its way: committed, not acknowledged. */
static bool is_alive(const struct w_message *m)
{
    return m->state != W_NEW && m->state != W_ACKED && m->state != W_DROPPED;
}

bool w_is_living(uint32_t process)
{
    return process < W_PROCESSES && w_processes[process].used && !w_processes[process].dead;
}

/* A successor lives from the moment its word is ACTIVE. */
static bool has_joined(uint32_t process)
{
    const struct w_process *p = &w_processes[process];
    return w_plan->incarnation_of[process] == 0 ||
           w_segment.processes[p->slot].w.v == sb_proc_word(p->epoch, SB_PROC_ACTIVE);
}

/* The living process that a header names; W_NOBODY if there is none. */
uint32_t w_living_owner(uint64_t hdr)
{
    uint32_t owner = sb_hdr_owner(hdr);
    for (uint32_t p = 0; owner != 0 && p < W_PROCESSES; p++) {
        if (w_processes[p].owner == owner && w_is_living(p) && has_joined(p)) {
            return p;
        }
    }
    return W_NOBODY;
}

static struct w_message *message_in(uint32_t block)
{
    return &w_ghost.messages[w_ghost.block_message[block]];
}

static uint32_t number_of(const struct w_message *m)
{
    return (uint32_t)(m - w_ghost.messages);
}

uint32_t w_waiting(uint32_t channel)
{
    if (w_has_lanes(channel)) {
        return w_waiting_in_lanes(channel);
    }
    return w_ghost.committed[channel] - w_ghost.taken[channel];
}

/* FULL and EMPTY are right if they were so at some instant of the call. */
static void note_level(uint32_t channel)
{
    uint32_t depth = 1u << w_plan->channels[channel].depth_shift;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        struct w_process *process = &w_processes[p];
        if (process->op_channel == channel) {
            process->full_seen |= w_waiting(channel) >= depth;
            process->empty_seen |= w_waiting(channel) == 0;
        }
    }
}

void w_begin(uint32_t process, enum w_op op, uint32_t channel)
{
    struct w_process *p = &w_processes[process];
    p->op = op;
    p->op_channel = channel;
    p->full_seen = p->empty_seen = false;
    p->began = ++w_ghost.now;
    p->lanes_empty = 0;
    if (w_has_lanes(channel)) {
        w_note_lanes(channel);
    } else {
        note_level(channel);
    }
}

void w_end(uint32_t process)
{
    x_end_of_call();
    w_processes[process].op = W_IDLE;
}

/* ---------------------------------------------------------------------------------- ring slots */

/* Whether what is filled into a slot of channel @c is set aside, not sent by the application. */
static bool is_letter(const struct w_message *m, uint32_t c)
{
    enum w_op op = w_processes[w_me()].op;

    return m->state == W_TAKEN && op != W_FORWARD && w_is_address(m->channel, c, true);
}

static void letter_moved(struct w_message *m, const struct w_message *before)
{
    uint32_t max = w_plan->channels[before->channel].max_deliveries;
    uint32_t deliveries = before->deliveries - before->moving;

    if (deliveries < max) {
        x_fail("a message is set aside after %u deliveries, %u are allowed", deliveries, max);
    } else if (sb_meta_aside(w_segment.blocks[m->block].meta.v) != deliveries) {
        x_fail("a dead letter was delivered %u times and says %u", deliveries,
               sb_meta_aside(w_segment.blocks[m->block].meta.v));
    }
    w_ghost.dead_letters += !before->buried;
    m->buried = true;
    m->aside = deliveries;
}

/* Whether the message in @from is being exchanged for the copy in @to. */
static bool goes_on_in(uint32_t from, uint32_t to)
{
    const struct sb_block *b = &w_segment.blocks[from];
    return sb_hdr_state(b->hdr.v) == SB_BLOCK_EXCHANGED && sb_twin_block(b->twin.v) == to;
}

static void slot_filled(uint32_t c, uint32_t index, uint64_t now)
{
    uint32_t block = sb_slot_block(now);
    uint32_t shift = w_plan->channels[c].depth_shift;
    uint64_t ticket = w_ghost.base[c] + w_ghost.committed[c];
    struct w_message *m;
    struct w_message before;
    uint64_t id;
    uint64_t hdr;

    if (block >= w_plan->blocks) {
        x_fail("a slot names block %u, which does not exist", block);
        return;
    }
    id = w_segment.payloads[block][0].v;
    hdr = w_segment.blocks[block].hdr.v;
    if (index != (ticket & ((1u << shift) - 1u)) || sb_slot_lap(now) != sb_lap_of(ticket, shift)) {
        x_fail("slot %u is filled, but ticket %" PRIu64 " is next", index, ticket);
        return;
    }
    if (id == 0 || id >= W_MESSAGES) {
        x_fail("a block without a message is sent");
        return;
    }
    m = &w_ghost.messages[id];
    before = *m;
    if (m->state != W_NEW && (m->state != W_TAKEN || m->holder != w_me() ||
                              (m->block != block && !goes_on_in(m->block, block)))) {
        x_fail("message %" PRIu64 " is sent while it is %s", id, w_state_names[m->state]);
        return;
    }
    if (!is_queued_hdr(hdr)) {
        x_fail("a slot is filled before the header of its block says so");
        return;
    }
    if (w_segment.blocks[block].loc[sb_hdr_gen(hdr) & 1u].v != sb_loc_make(c, ticket)) {
        x_fail("a slot is filled before the location of its block says so");
        return;
    }
    if (m->state == W_TAKEN) {
        w_ghost.block_message[m->block] = 0;
    }
    *m = (struct w_message){.state = W_QUEUED, .block = block, .channel = c, .ticket = ticket};
    w_ghost.block_message[block] = (uint32_t)id;
    w_ghost.fifo[c][w_ghost.committed[c] % 64] = (uint32_t)id;
    w_ghost.committed[c]++;
    if (is_letter(&before, c)) {
        letter_moved(m, &before);
    } else {
        w_ghost.commits++;
    }
    note_level(c);
}

static void slot_cleared(uint32_t c, uint32_t index, uint64_t old, uint64_t now)
{
    uint32_t shift = w_plan->channels[c].depth_shift;
    uint64_t ticket = w_ghost.base[c] + w_ghost.cleared[c];
    const struct w_message *m = message_in(sb_slot_block(old));

    if (index != (ticket & ((1u << shift) - 1u)) ||
        sb_slot_lap(now) != sb_lap_next(sb_slot_lap(old), shift)) {
        x_fail("slot %u is cleared, but ticket %" PRIu64 " is next", index, ticket);
        return;
    }
    if (m->state == W_QUEUED && m->channel == c && m->ticket == ticket) {
        x_fail("message %u is thrown out of its slot", number_of(m));
        return;
    }
    w_ghost.cleared[c]++;
}

static void slot_changed(uint32_t c, uint32_t index, uint64_t old, uint64_t now)
{
    bool was_empty = sb_slot_block(old) == SB_SLOT_EMPTY;
    bool is_empty = sb_slot_block(now) == SB_SLOT_EMPTY;
    if (was_empty && !is_empty) {
        slot_filled(c, index, now);
    } else if (!was_empty && is_empty) {
        slot_cleared(c, index, old, now);
    } else {
        x_fail("a slot changes from one message or lap to another");
    }
}

/* ------------------------------------------------------------------------------------- headers */

/* Who may receive a message of channel @from that is an orphan (or a dead letter) from @to. */
bool w_is_address(uint32_t from, uint32_t to, bool dead_letter)
{
    return dead_letter ? w_plan->channels[from].dead_letter == to + 1u : from == to;
}

/* Whether @k comes before @m in a queue, or lane, of the same message order. */
static bool is_older(const struct w_message *k, const struct w_message *m)
{
    uint32_t shift = w_plan->channels[m->channel].depth_shift;
    bool same_lane = !w_has_lanes(m->channel) || k->block >> shift == m->block >> shift;
    return k != m && k->channel == m->channel && same_lane && (int64_t)(k->ticket - m->ticket) < 0;
}

/* To be delivered again, and not to come behind others. */
static bool may_come_again(const struct w_message *k)
{
    uint32_t max = w_plan->channels[k->channel].max_deliveries;
    return k->state == W_ORPHAN && (max == 0 || k->deliveries < max) && k->deaths < 3;
}

/* One whose last three holders died with it comes behind what waited when the third received it. */
static void check_yields(const struct w_message *m)
{
    const struct w_process *p = &w_processes[w_me()];
    if (p->op == W_RECV && m->deaths == m->deaths_known && m->deaths >= 3 && !p->empty_seen &&
        !w_has_lanes(m->channel) && w_ghost.taken[m->channel] < m->behind) {
        x_fail("message %u, with which three died, is received before others that waited",
               number_of(m));
    }
}

/* What was given back, and announced, before the call began comes before all that waits and, if it
 * is older, before what was given back besides. What one process gives back comes in order even if
 * it is still about it. */
void w_check_older(const struct w_message *m, bool again)
{
    const struct w_process *p = &w_processes[w_me()];

    for (uint32_t id = 1; id < W_MESSAGES && p->op == W_RECV; id++) {
        const struct w_message *k = &w_ghost.messages[id];
        bool before = again ? is_older(k, m) : k->channel == m->channel;
        if (!before || !may_come_again(k)) {
            continue;
        }
        if (k->told != 0 && k->told < p->began) {
            x_fail("order: message %u is received %s, but %u was given back before", number_of(m),
                   again ? "again" : "first", id);
        } else if (again && k->giver == m->giver && k->given < m->given) {
            x_fail("order: message %u is received again, but %u was given back by the same before",
                   number_of(m), id);
        }
    }
}

/* orphan_seq of a channel goes up: whatever has come back to it is known now. */
static void announced(uint32_t c)
{
    uint32_t now = ++w_ghost.now;
    for (uint32_t id = 1; id < W_MESSAGES; id++) {
        struct w_message *m = &w_ghost.messages[id];
        if (m->state == W_ORPHAN && m->channel == c && m->told == 0) {
            m->told = now;
        }
    }
}

/* Whether @p may throw away what waits in channel @c: for a dead letter that takes its place. */
static bool drops_letter(const struct w_process *p, uint32_t c)
{
    return p->op != W_IDLE && w_is_address(p->op_channel, c, true) &&
           w_plan->channels[c].on_full == SHMBUS_FULL_DROP_OLDEST;
}

static void taken_from_slot(uint32_t block, uint64_t now)
{
    struct w_message *m = message_in(block);
    uint32_t me = w_me();
    uint32_t c = m->channel;
    const struct w_process *p = &w_processes[me];

    if (m->state != W_QUEUED || m->block != block) {
        x_fail("b%u is received, but its message is %s", block, w_state_names[m->state]);
        return;
    }
    if (w_ghost.fifo[c][w_ghost.taken[c] % 64] != number_of(m)) {
        x_fail("order: message %u is received, %u is older", number_of(m),
               w_ghost.fifo[c][w_ghost.taken[c] % 64]);
        return;
    }
    if (!drops_letter(p, c) && (p->op_channel != c || (p->op != W_RECV && p->op != W_SEND))) {
        x_fail("message %u of channel %u is received from channel %u", number_of(m), c,
               p->op_channel);
        return;
    }
    w_check_older(m, false);
    w_ghost.taken[c]++;
    w_ghost.takes++;
    m->state = W_TAKEN;
    m->holder = me;
    m->deliveries = 1;
    if (sb_hdr_deliveries(now) != 1) {
        x_fail("a first delivery is counted as %u", sb_hdr_deliveries(now));
        return;
    }
    note_level(c);
}

/* O1 by a receiver of its own queue: to be moved. */
static void taken_to_be_moved(struct w_message *m, uint64_t now)
{
    if (m->deliveries < w_plan->channels[m->channel].max_deliveries) {
        x_fail("a message is set aside after %u deliveries", m->deliveries);
        return;
    }
    m->moving = true;
    m->deliveries++;
    m->state = W_TAKEN;
    m->holder = w_me();
    if (sb_hdr_deliveries(now) != m->deliveries) {
        x_fail("moving after delivery %u is counted as %u", m->deliveries, sb_hdr_deliveries(now));
    }
}

/* O1: an orphan or a dead letter is taken. */
void w_redelivered(struct w_message *m, uint64_t old, uint64_t now)
{
    uint32_t me = w_me();
    const struct w_process *p = &w_processes[me];
    uint32_t max = w_plan->channels[m->channel].max_deliveries;
    bool dead_letter = sb_hdr_state(old) == SB_BLOCK_DEAD_LETTER;

    if (m->state != (dead_letter ? W_DEADL : W_ORPHAN)) {
        x_fail("an orphan is taken whose message is %s", w_state_names[m->state]);
        return;
    }
    if (!w_has_lanes(m->channel) && (p->op == W_RECV || p->op == W_SEND) &&
        p->op_channel == m->channel && (dead_letter || (max > 0 && m->deliveries >= max))) {
        taken_to_be_moved(m, now);
        return;
    }
    if ((p->op != W_RECV && p->op != W_SEND) ||
        !w_is_address(m->channel, p->op_channel, dead_letter)) {
        x_fail("a message of channel %u is redelivered by channel %u", m->channel, p->op_channel);
        return;
    }
    if (!dead_letter) {
        w_check_older(m, true);
        check_yields(m);
        m->behind = w_ghost.committed[m->channel];
    }
    m->deliveries = sb_deliveries_next(m->deliveries);
    m->moving = false;
    m->state = W_TAKEN;
    m->holder = me;
    w_ghost.takes++;
    if (sb_hdr_deliveries(now) != m->deliveries) {
        x_fail("delivery %u is counted as %u", m->deliveries, sb_hdr_deliveries(now));
    } else if (!dead_letter && max > 0 && w_plan->channels[m->channel].dead_letter > 0 &&
               m->deliveries > max) {
        x_fail("a message is delivered %u times, %u are allowed", m->deliveries, max);
    }
}

/* Recovery gives back what a dead process held, the older ones first. */
static void check_recovered(const struct w_message *m)
{
    for (uint32_t id = 1; id < W_MESSAGES; id++) {
        const struct w_message *k = &w_ghost.messages[id];
        if (k->state == W_TAKEN && k->holder == m->holder && is_older(k, m)) {
            x_fail("order: message %u is given back after a death, but not the older %u",
                   number_of(m), id);
        }
    }
}

/* A received message becomes an orphan or a dead letter, by its holder or by recovery. */
void w_given_back(struct w_message *m, uint64_t now)
{
    bool undone = w_processes[w_me() < W_PROCESSES ? w_me() : W_DRIVER].op == W_UNDO;
    bool dead_letter = sb_hdr_state(now) == SB_BLOCK_DEAD_LETTER;
    const struct w_channel_plan *channel = &w_plan->channels[m->channel];

    if (dead_letter && (channel->dead_letter == 0 || m->deliveries < channel->max_deliveries)) {
        x_fail("a message becomes a dead letter after %u deliveries", m->deliveries);
        return;
    }
    if (m->moving && m->holder == w_me()) {
        m->deliveries--; /* no place: back to where it was */
    }
    if (undone && (!dead_letter || m->deliveries > channel->max_deliveries)) {
        m->deliveries--;
    }
    m->moving = false;
    w_ghost.undone += undone;
    if (sb_hdr_deliveries(now) != m->deliveries) {
        x_fail("delivery %u is kept as %u", m->deliveries, sb_hdr_deliveries(now));
        return;
    }
    w_ghost.dead_letters += dead_letter && !m->buried;
    m->buried |= dead_letter;
    if (m->holder != w_me()) {
        enum w_op op = w_processes[m->holder].op;
        check_recovered(m);
        m->deaths++;
        m->deaths_known += m->handed && (op == W_RECV || op == W_IDLE);
    } else {
        m->deaths = m->deaths_known = 0;
    }
    m->handed = false;
    m->giver = w_me();
    m->given = ++w_ghost.now;
    m->told = 0;
    m->state = dead_letter ? W_DEADL : W_ORPHAN;
}

static void given_back(uint32_t block, uint64_t now)
{
    struct w_message *m = message_in(block);
    uint64_t loc = w_segment.blocks[block].loc[sb_hdr_gen(now) & 1u].v;

    if (m->state != W_TAKEN && m->state != W_ORPHAN) {
        x_fail("b%u becomes an orphan, but its message is %s", block, w_state_names[m->state]);
    } else if (loc != sb_loc_make(m->channel, m->ticket)) {
        x_fail("an orphan of c%u#%" PRIu64 " says it is of c%u#%" PRIu64, m->channel, m->ticket,
               sb_loc_channel(loc), sb_loc_ticket(loc));
    } else {
        w_given_back(m, now);
    }
}

/* The block leaves its message behind: only an acknowledgement or a drop may do that. */
static void let_go(uint32_t block)
{
    struct w_message *m = message_in(block);
    uint32_t me = w_me();
    enum w_op op = me < W_PROCESSES ? w_processes[me].op : W_IDLE;

    if (w_ghost.block_message[block] == 0 || !is_alive(m)) {
        return;
    }
    if (m->state == W_TAKEN && m->holder == me &&
        (op == W_RELEASE || op == W_SEND ||
         (me < W_PROCESSES && drops_letter(&w_processes[me], m->channel)))) {
        m->state = op == W_RELEASE ? W_ACKED : W_DROPPED;
        w_ghost.acks += op == W_RELEASE;
        w_ghost.block_message[block] = 0;
        return;
    }
    x_fail("lost: the block of message %u, which is %s, becomes free", number_of(m),
           w_state_names[m->state]);
}

/* I2: when a taken block moves on, no slot names it any more. */
static void check_cleared(uint32_t block)
{
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        for (uint32_t i = 0; i < 1u << w_plan->channels[c].depth_shift; i++) {
            uint64_t s = w_segment.slots[c][i].v;
            if (w_plan->channels[c].kind == SHMBUS_KIND_QUEUE && sb_slot_block(s) == block) {
                x_fail("b%u moves on while slot %u of channel %u still names it", block, i, c);
                return;
            }
        }
    }
}

static void received(uint32_t block, uint64_t old, uint64_t now)
{
    uint32_t me = w_me();
    if (me >= W_PROCESSES || sb_hdr_owner(now) != w_processes[me].owner) {
        x_fail("b%u is received in somebody else's name", block);
        return;
    }
    if (sb_hdr_state(old) == SB_BLOCK_ORPHAN || sb_hdr_state(old) == SB_BLOCK_DEAD_LETTER) {
        w_redelivered(message_in(block), old, now);
    } else if (sb_hdr_state(old) == SB_BLOCK_FORWARDED && message_in(block)->state == W_TAKEN) {
        if (message_in(block)->holder != me) {
            x_fail("a forward that was not committed is received by somebody else");
        }
    } else if (is_queued_hdr(old)) {
        taken_from_slot(block, now);
    } else if (sb_hdr_state(old) != SB_BLOCK_RECEIVED && sb_hdr_state(old) != SB_BLOCK_EXCHANGED) {
        x_fail("b%u is received although it was never sent", block);
    }
}

static void header_changed(uint32_t block, uint64_t old, uint64_t now)
{
    uint32_t owner = w_living_owner(old);
    enum sb_block_state before = sb_hdr_state(old);
    enum sb_block_state after = sb_hdr_state(now);

    if (owner != W_NOBODY && owner != w_me() &&
        !(after == SB_BLOCK_RECEIVED && is_queued_hdr(old))) {
        x_fail("robbed: b%u is taken from a living process", block);
        return;
    }
    if (before == SB_BLOCK_RECEIVED && after != SB_BLOCK_RECEIVED) {
        check_cleared(block);
    }
    switch (after) {
    case SB_BLOCK_FREE:
    case SB_BLOCK_FILLING:
        let_go(block);
        break;
    case SB_BLOCK_RECEIVED:
        received(block, old, now);
        break;
    case SB_BLOCK_ORPHAN:
    case SB_BLOCK_DEAD_LETTER:
        given_back(block, now);
        break;
    default:
        if (before != SB_BLOCK_FILLING && before != SB_BLOCK_RECEIVED) {
            x_fail("b%u is sent although nobody held it", block);
        }
    }
}

/* ---------------------------------------------------------------------------------- all of them */

static void hint_changed(const struct sb_channel *ch, const void *address, uint64_t now)
{
    uint32_t c = (uint32_t)(ch - w_segment.channels);
    if (address == &ch->orphan_seq) {
        announced(c);
    }
    if (w_plan->channels[c].kind != SHMBUS_KIND_QUEUE || w_has_lanes(c)) {
        return;
    }
    if (address == &ch->tail && (int64_t)(now - w_ghost.base[c] - w_ghost.committed[c]) > 0) {
        x_fail("the tail hint leads");
    } else if (address == &ch->head && (int64_t)(now - w_ghost.base[c] - w_ghost.cleared[c]) > 0) {
        x_fail("the head hint leads");
    }
}

static void region_locked(uint64_t old)
{
    uint32_t slot = sb_owner64_slot(old);
    if (slot < W_PROCESSES && slot != w_me() && w_is_living(slot)) {
        x_fail("region: a lock is taken from a living process");
    }
}

/* A write is finished or undone: what the region holds now everybody may see from now on. */
static void region_changed(const void *address, uint64_t old, uint64_t now)
{
    uint64_t value = w_segment.data[0].v;
    uint32_t me = w_me();

    if (address == &w_segment.region.lock) {
        region_locked(old);
    }
    if (address != &w_segment.region.version || now % 2 != 0) {
        return;
    }
    for (uint32_t i = 1; i < W_REGION_WORDS; i++) {
        if (w_segment.data[i].v != value) {
            x_fail("region: a finished write left different words");
            return;
        }
    }
    if (value != w_ghost.region_now && value != w_processes[me].region_value) {
        x_fail("region: value %" PRIu64 " was never written", value);
        return;
    }
    w_ghost.region_now = value;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        w_processes[p].region_seen |= 1ull << (value % 64);
    }
}

void w_ghost_access(uint32_t actor, const void *address, uint64_t old, uint64_t now)
{
    (void)actor;
    if (IS_IN(address, w_segment.blocks)) {
        size_t at = OFFSET_IN(address, w_segment.blocks);
        if (at % sizeof(struct sb_block) == 0) {
            header_changed((uint32_t)(at / sizeof(struct sb_block)), old, now);
        }
    } else if (IS_IN(address, w_segment.cells) || IS_IN(address, w_segment.lanes)) {
        w_lane_access(address, old, now);
    } else if (IS_IN(address, w_segment.slots)) {
        size_t i = OFFSET_IN(address, w_segment.slots) / sizeof(sb_word);
        slot_changed((uint32_t)(i / W_DEPTH_MAX), (uint32_t)(i % W_DEPTH_MAX), old, now);
    } else if (IS_IN(address, w_segment.channels)) {
        const struct sb_channel *ch =
            &w_segment.channels[OFFSET_IN(address, w_segment.channels) / sizeof *ch];
        hint_changed(ch, address, now);
        w_stream_access(address, old, now);
    } else if (IS_IN(address, w_segment.ring)) {
        w_stream_access(address, old, now);
    } else {
        region_changed(address, old, now);
    }
}

bool w_has_for_receiver(uint32_t channel)
{
    if (w_waiting(channel) > 0) {
        return true;
    }
    for (uint32_t id = 1; id < W_MESSAGES; id++) {
        const struct w_message *m = &w_ghost.messages[id];
        if ((m->state == W_ORPHAN || m->state == W_DEADL) &&
            w_is_address(m->channel, channel, m->state == W_DEADL)) {
            return true;
        }
    }
    return false;
}

/* The delivery count that a receiver of @channel is told: being set aside is no delivery. */
static uint32_t called(const struct w_message *m, uint32_t channel)
{
    if (m->channel != channel) {
        return m->deliveries - (m->deliveries > 1 ? 1u : 0);
    }
    return m->deliveries + (m->aside > 0 ? m->aside - 1u : 0);
}

void w_check_received(uint32_t process, const struct shmbus_msg *msg)
{
    uint64_t id = *(const uint64_t *)msg->data;
    struct w_message *m = &w_ghost.messages[id % W_MESSAGES];

    if (id >= W_MESSAGES || m->state != W_TAKEN || m->holder != process) {
        x_fail("message %" PRIu64 " is handed out although it is %s", id, w_state_names[m->state]);
    } else if (msg->size_bytes != 8) {
        x_fail("message %" PRIu64 " has %zu bytes", id, msg->size_bytes);
    } else if (msg->delivery_count != called(m, msg->channel->index)) {
        x_fail("delivery %u of message %" PRIu64 " is called %u", called(m, msg->channel->index),
               id, msg->delivery_count);
    } else if (msg->sequence != m->ticket + 1u) {
        x_fail("message %" PRIu64 " has sequence %" PRIu64 ", not %" PRIu64, id, msg->sequence,
               m->ticket + 1u);
    }
    m->handed = true;
}

static void check_blocks(void)
{
    uint64_t all = (1ull << w_plan->blocks) - 1u;
    for (uint32_t b = 0; b < w_plan->blocks; b++) {
        uint64_t hdr = w_segment.blocks[b].hdr.v;
        if (sb_hdr_state(hdr) != SB_BLOCK_FREE || sb_hdr_owner(hdr) != 0) {
            x_fail("leak: b%u is not free at the end (state %u)", b, sb_hdr_state(hdr));
            return;
        }
    }
    /* A hint that was lost before nobody must find again. */
    if ((w_segment.bitmap.v | w_plan->hidden) != all) {
        x_fail("hidden: hints %#" PRIx64 " at the end, not %#" PRIx64, (uint64_t)w_segment.bitmap.v,
               all);
    }
}

static uint64_t sum(enum shmbus_counter counter)
{
    uint64_t n = 0;
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        for (uint32_t p = 0; p < W_PROCESSES && w_plan->channels[c].kind == SHMBUS_KIND_QUEUE;
             p++) {
            n += w_segment.endpoints[c][p].counters[counter].v;
        }
    }
    return n;
}

/* Counters are exact but for what a killed process could not count any more. */
static void check_count(const char *what, uint64_t counted, uint32_t true_count)
{
    int64_t difference = (int64_t)(counted - true_count);
    if (difference > (int64_t)w_ghost.crashes || -difference > (int64_t)w_ghost.crashes) {
        x_fail("%s: %" PRIu64 " counted, %u happened, %u killed", what, counted, true_count,
               w_ghost.crashes);
    }
}

static void check_counts(void)
{
    uint64_t buried = 0;
    uint64_t dropped = sum(SHMBUS_COUNT_dropped);
    for (uint32_t c = 0; c < w_plan->channel_count; c++) {
        buried += w_segment.channels[c].dead_lettered.v;
        dropped += w_segment.channels[c].letters_dropped.v;
    }
    check_count("sent", sum(SHMBUS_COUNT_sent), w_ghost.commits);
    check_count("received", sum(SHMBUS_COUNT_received) + dropped, w_ghost.takes - w_ghost.undone);
    check_count("acknowledged", sum(SHMBUS_COUNT_acknowledged), w_ghost.acks);
    check_count("dead letters", buried, w_ghost.dead_letters);
    if (sum(SHMBUS_COUNT_errors) != 0) {
        x_fail("a call ended in an error");
    }
}

void w_ghost_finish(void)
{
    for (uint32_t id = 1; id < W_MESSAGES && !x_failed(); id++) {
        if (w_ghost.promised[id] && w_ghost.messages[id].state == W_NEW) {
            x_fail("message %u: send said yes, but it was never sent", id);
        } else if (is_alive(&w_ghost.messages[id])) {
            x_fail("lost: message %u is %s at the end", id,
                   w_state_names[w_ghost.messages[id].state]);
        }
    }
    if (!x_failed()) {
        check_blocks();
    }
    if (!x_failed()) {
        w_check_cells();
    }
    if (!x_failed()) {
        check_counts();
    }
}
