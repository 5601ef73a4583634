/* SPDX-License-Identifier: MIT */
/*
 * What comes before the messages that wait in lanes: those that were given back, and are delivered
 * again. The steps N1 to N4 are at the top of returned.c, O1, Q1, Q2 and Y2 of ring_mpmc.c, those
 * of the words of a cell of ring_lanes.c.
 */
#include "protocol/lane_redelivery.h"

#include "protocol/event.h"
#include "protocol/returned.h"

#define LOOKS 8u /* at all cells, for orphans, while others give back without an end */

static bool at_last_delivery(const struct sb_channel_view *ch, uint64_t w)
{
    return ch->max_deliveries > 0 && sb_hdr_deliveries(w) >= ch->max_deliveries &&
           ch->dead_letter != SB_NONE;
}

/* ORPHAN at its last delivery: DEAD_LETTER. */
static void set_aside(const struct sb_view *view, const struct sb_channel_view *origin,
                      struct sb_cell *cell, uint64_t w)
{
    uint64_t dead = sb_hdr_make(sb_hdr_gen(w), sb_hdr_deliveries(w), SB_BLOCK_DEAD_LETTER, 0);
    struct sb_channel *to;

    if (origin->dead_letter >= view->channel_count || !sb_cas(&cell->w, w, dead)) {
        return;
    }
    to = view->channels[origin->dead_letter].shared;
    sb_fetch_add(&origin->shared->dead_lettered, 1);
    sb_fetch_add(&to->orphan_seq, 1);
    sb_event_wake(&to->readable);
    sb_event_wake(&origin->shared->writable); /* it may give way */
}

/* What is delivered again is sorted by queue and lane, the own ones first. Those that yield come
 * last, whatever their lane. */
#define GROUP_YIELDS UINT64_MAX

static uint32_t unit_shift(const struct sb_channel_view *ch)
{
    return ch->depth_shift > 6u ? ch->depth_shift - 6u : 0; /* and at most 2^8 lanes */
}

/* All that was ever sent, by the hints. */
static uint64_t all_sent(const struct sb_channel_view *ch)
{
    uint32_t used = sb_lane_used(ch);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < used; i++) {
        sum += sb_load_acquire(&ch->lanes[i].next);
    }
    return sum;
}

uint64_t sb_lane_holder(const struct sb_lane_rx *rx, uint64_t holder)
{
    return rx->scan.died_with == 0
               ? holder
               : sb_holder_after(holder, rx->scan.died_with, all_sent(rx->channel),
                                 unit_shift(rx->channel));
}

/* Y2: of a message whose last three holders died with it. */
static void yield(const struct sb_lane_scan *scan, uint64_t holder, struct sb_returned_item *item)
{
    const struct sb_channel_view *ch = &scan->view->channels[scan->channel];
    uint64_t received = all_sent(ch) - sb_lane_depth(ch);
    int64_t ahead = sb_holder_ahead(holder, received, unit_shift(ch));

    if (ahead > 0) {
        item->group = GROUP_YIELDS;
        item->place = scan->passed + (uint64_t)ahead;
    }
}

static uint64_t group_of(const struct sb_lane_scan *scan, uint32_t channel, uint64_t lane)
{
    return (channel == scan->channel ? 0 : (1ull + channel) << 32) | lane;
}

static uint32_t channel_of(const struct sb_lane_scan *scan, uint64_t group)
{
    return group >> 32 == 0 || group == GROUP_YIELDS ? scan->channel : (uint32_t)(group >> 32) - 1u;
}

/* Adds what lies in the cells of channel @from for this receiver. */
static void look_at_cells(struct sb_lane_scan *scan, uint32_t from)
{
    const struct sb_channel_view *ch = &scan->view->channels[from];
    uint64_t end = sb_cells_used(ch);

    for (uint64_t i = 0; i < end; i++) {
        const struct sb_cell *cell = sb_cell_at(ch, i);
        uint64_t w = sb_load_acquire(&cell->w);
        uint64_t holder = sb_load_relaxed(&cell->holder);
        if ((sb_hdr_state(w) == SB_BLOCK_ORPHAN && from == scan->channel) ||
            (sb_hdr_state(w) == SB_BLOCK_DEAD_LETTER && ch->dead_letter == scan->channel)) {
            struct sb_returned_item item = {group_of(scan, from, i >> ch->depth_shift),
                                            sb_cell_ticket(ch, i, w), w, (uint32_t)i};
            if (sb_hdr_state(w) == SB_BLOCK_ORPHAN && sb_holder_yields(holder)) {
                yield(scan, holder, &item);
            }
            sb_returned_add(&scan->returned, &item);
        }
    }
}

/* Whether cells of channel @from may hold something for this receiver. */
static bool is_source(const struct sb_lane_scan *scan, uint32_t from)
{
    const struct sb_channel_view *ch = &scan->view->channels[from];

    return ch->lane_count > 0 && (from == scan->channel || ch->dead_letter == scan->channel);
}

static void look_at_all(void *receiver)
{
    struct sb_lane_scan *scan = receiver;

    sb_returned_clear(&scan->returned);
    for (uint32_t c = 0; c < scan->view->channel_count; c++) {
        if (is_source(scan, c)) {
            look_at_cells(scan, c);
        }
    }
}

static void list_orphans(struct sb_lane_scan *scan, uint64_t seq)
{
    const struct sb_channel *shared = scan->view->channels[scan->channel].shared;

    sb_returned_find(&scan->returned, &shared->orphan_seq, seq, look_at_all, scan);
}

/* O1 on what a look has found. */
static bool take_back(struct sb_lane_scan *scan, const struct sb_returned_item *item,
                      struct sb_lane_msg *ret)
{
    uint32_t channel = channel_of(scan, item->group);
    const struct sb_channel_view *origin = &scan->view->channels[channel];
    struct sb_cell *cell = sb_cell_at(origin, item->number);
    uint64_t w = item->word;
    uint64_t mine = sb_hdr_make(sb_hdr_gen(w), sb_deliveries_next(sb_hdr_deliveries(w)),
                                SB_BLOCK_RECEIVED, scan->owner);

    if (sb_hdr_state(w) == SB_BLOCK_ORPHAN && at_last_delivery(origin, w)) {
        set_aside(scan->view, origin, cell, w);
        return false;
    }
    if (!sb_cas(&cell->w, w, mine)) { /* O1 */
        return false;
    }
    scan->died_with = sb_load_relaxed(&cell->holder);
    *ret = (struct sb_lane_msg){cell, mine, sb_cell_ticket(origin, item->number, w), channel,
                                item->number};
    return true;
}

/* Whether it comes before what waits in the lanes. */
static bool is_its_turn(const struct sb_lane_scan *scan, const struct sb_returned_item *item)
{
    return scan->late || item->group != GROUP_YIELDS || (int64_t)(scan->passed - item->place) >= 0;
}

SB_NOINLINE bool sb_lane_scan_recv(struct sb_lane_scan *scan, uint64_t seq,
                                   struct sb_lane_msg *ret_msg)
{
    for (uint32_t n = 0; n < LOOKS; n++) {
        const struct sb_returned_item *item;
        list_orphans(scan, seq);
        while ((item = sb_returned_next(&scan->returned)) != NULL) {
            if (!is_its_turn(scan, item)) {
                return false;
            }
            scan->returned.at++;
            if (take_back(scan, item, ret_msg)) {
                return true;
            }
        }
        if (!scan->returned.more) {
            scan->seen = scan->returned.want;
            return false;
        }
    }
    return false;
}

uint32_t sb_lane_requeue(const struct sb_view *view, uint32_t channel, struct sb_cell *cell,
                         uint64_t hdr, bool undo, uint32_t by)
{
    const struct sb_channel_view *origin = &view->channels[channel];
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    enum sb_block_state state = SB_BLOCK_ORPHAN;
    uint32_t where = channel;

    if (at_last_delivery(origin, hdr) && (!undo || by != channel)) {
        state = SB_BLOCK_DEAD_LETTER;
        where = origin->dead_letter;
        if (by == channel) { /* not one that was a dead letter already */
            sb_fetch_add(&origin->shared->dead_lettered, 1);
        } else if (undo && deliveries > origin->max_deliveries) {
            deliveries--; /* but not to where it would be none */
        }
    } else if (undo && deliveries > 0) {
        deliveries--;
    }
    sb_store_relaxed(&cell->holder, 0);
    sb_store_release(&cell->w, sb_hdr_make(sb_hdr_gen(hdr), deliveries, state, 0)); /* Q1 */
    sb_fetch_add(&view->channels[where].shared->orphan_seq, 1);                     /* Q2 */
    return where;
}

SB_NOINLINE enum sb_ring_result sb_lane_take_slow(struct sb_lane_rx *rx,
                                                  struct sb_lane_msg *ret_msg)
{
    uint64_t seq = sb_load_acquire(&rx->channel->shared->orphan_seq);
    enum sb_ring_result r;

    rx->scan.late = false;
    if (sb_unlikely(seq != rx->scan.seen) && sb_lane_scan_recv(&rx->scan, seq, ret_msg)) {
        return SB_RING_OK;
    }
    r = sb_lane_take_published(rx, ret_msg);
    rx->scan.passed += r == SB_RING_OK;
    rx->scan.late = true;
    if (r == SB_RING_EMPTY && seq != rx->scan.seen && sb_lane_scan_recv(&rx->scan, seq, ret_msg)) {
        r = SB_RING_OK;
    }
    return r;
}
