/* SPDX-License-Identifier: MIT */
/* Lanes that a test drives by hand, for the tests of ring_lanes.c and lane_redelivery.c. */
#ifndef T_LANES_RIG_H
#define T_LANES_RIG_H

#include "lanes_fixture.h"
#include "protocol/lane_redelivery.h"
#include "protocol/ring_lanes.h"

/* Queues "q" (lanes, at most 2 deliveries, then "dead") and "dead"; one membership; the test drives
 * ends of its own on "q". */
struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    const struct sb_channel_view *ch, *dead;
    uint32_t index, dead_index;
    uint32_t owner;
    uint64_t depth;
    uint64_t openers; /* owner words handed out, none twice */
};

static inline void rig_make(struct rig *rig, uint32_t lanes, uint32_t depth)
{
    struct shmbus_plan *plan = t_plan(64, 64, 4);
    memset(rig, 0, sizeof *rig);
    t_plan_lanes(plan, "q", lanes, depth, SHMBUS_FULL_REJECT, 2, "dead");
    t_plan_queue(plan, "dead", 4, SHMBUS_FULL_REJECT, 0, NULL);
    rig->bus = t_bus_new(plan, rig->name);
    rig->index = t_index(rig->bus, "q");
    rig->dead_index = t_index(rig->bus, "dead");
    rig->ch = &rig->bus->view.channels[rig->index];
    rig->dead = &rig->bus->view.channels[rig->dead_index];
    rig->owner = rig->bus->member.owner;
    rig->depth = 1ull << rig->ch->depth_shift;
    rig->openers = 0x70001; /* some process that is not there */
    CU_ASSERT_EQUAL(rig->depth, depth);
    CU_ASSERT_EQUAL(rig->ch->lane_count, lanes);
}

static inline void rig_end(struct rig *rig)
{
    t_bus_end(rig->bus, rig->name);
}

struct tx {
    struct sb_lane_tx lane;
    uint64_t owner64;
};

static inline struct tx tx_of(struct rig *rig)
{
    struct tx tx = {.owner64 = rig->openers};
    rig->openers += 0x10000;
    CU_ASSERT_EQUAL_FATAL(sb_lane_open(&tx.lane, rig->ch, tx.owner64), SB_RING_OK);
    return tx;
}

/* The producer is killed, what it owned is given up by recovery, and another takes the lane. */
static inline struct tx next_tx(struct rig *rig, struct tx *dead)
{
    CU_ASSERT_TRUE(sb_cas(&dead->lane.lane->owner, dead->owner64, 0));
    return tx_of(rig);
}

static inline struct sb_lane_rx rx_of(const struct rig *rig)
{
    struct sb_lane_rx rx;
    sb_lane_rx_init(&rx, &rig->bus->view, rig->index, rig->owner);
    return rx;
}

static inline struct sb_cell *cell_of(const struct rig *rig, uint32_t lane, uint64_t ticket)
{
    return sb_cell_at(rig->ch, lane * rig->depth + (ticket & (rig->depth - 1u)));
}

static inline uint64_t *payload_of(struct sb_cell *cell)
{
    return sb_cell_payload(cell);
}

static inline uint64_t lap_of(const struct rig *rig, uint64_t ticket)
{
    return sb_lane_lap(ticket, rig->ch->depth_shift);
}

/* An empty lane that has come to @ticket: every cell is what its last receiver left. */
static inline void set_lane(const struct rig *rig, uint32_t lane, uint64_t ticket)
{
    for (uint64_t t = ticket; t < ticket + rig->depth; t++)
        sb_store_release(&cell_of(rig, lane, t)->w,
                         sb_hdr_make(sb_gen_prev(lap_of(rig, t)), 0, SB_BLOCK_FREE, 0));
    sb_store_release(&rig->ch->lanes[lane].next, ticket);
    sb_store_release(&rig->ch->lanes[lane].skip, ticket - 3);
}

static inline void fill(struct sb_cell *cell, uint64_t value)
{
    *payload_of(cell) = value;
    sb_store_relaxed(&cell->meta, sb_meta_make(sizeof value, 0, SHMBUS_TYPE_DATA));
    sb_store_relaxed(&cell->holder, 0);
}

static inline bool put(struct tx *tx, uint64_t value)
{
    struct sb_cell *cell = sb_lane_place(&tx->lane);
    if (cell == NULL)
        return false;
    fill(cell, value);
    sb_lane_publish(&tx->lane, cell);
    return true;
}

/* Receives and keeps: the value, UINT64_MAX for empty. */
static inline uint64_t take(struct sb_lane_rx *rx, struct sb_lane_msg *msg)
{
    enum sb_ring_result r = sb_lane_take(rx, msg);
    if (r == SB_RING_EMPTY)
        return UINT64_MAX;
    CU_ASSERT_EQUAL_FATAL(r, SB_RING_OK);
    CU_ASSERT_EQUAL(sb_load_acquire(&msg->cell->w), msg->hdr);
    CU_ASSERT_EQUAL(sb_hdr_owner(msg->hdr), rx->owner);
    CU_ASSERT_PTR_EQUAL(sb_lane_held(rx->scan.view, msg->channel, msg->number, msg->hdr, rx->owner),
                        msg->cell);
    const struct sb_channel_view *from = &rx->scan.view->channels[msg->channel];
    CU_ASSERT_EQUAL(sb_cell_ticket(from, msg->number, msg->hdr), msg->ticket);
    return *payload_of(msg->cell);
}

static inline void release(const struct sb_lane_msg *msg)
{
    sb_lane_release(msg->cell, msg->hdr);
}

static inline uint64_t get(struct sb_lane_rx *rx)
{
    struct sb_lane_msg msg;
    uint64_t value = take(rx, &msg);
    if (value != UINT64_MAX)
        release(&msg);
    return value;
}

/* A lane works at this place: fills up to the last cell, refuses the next, empties in order. */
static inline void fill_and_empty(struct rig *rig, struct tx *tx, struct sb_lane_rx *rx)
{
    for (uint64_t i = 0; i < rig->depth; i++)
        CU_ASSERT_TRUE(put(tx, i));
    CU_ASSERT_FALSE(put(tx, 999));
    CU_ASSERT_TRUE(sb_lane_readable(rx));
    CU_ASSERT_EQUAL(sb_lane_depth(rig->ch), rig->depth);
    for (uint64_t i = 0; i < rig->depth; i++)
        CU_ASSERT_EQUAL(get(rx), i);
    CU_ASSERT_EQUAL(get(rx), UINT64_MAX);
    CU_ASSERT_FALSE(sb_lane_readable(rx));
    CU_ASSERT_EQUAL(sb_lane_depth(rig->ch), 0);
}

#endif
