/* SPDX-License-Identifier: MIT */
/*
 * Lanes: order, laps, numbers near their end, held cells that are passed over, and every picture
 * that a process leaves when it is stopped or killed between two steps of ring_lanes.c, written by
 * hand into the words of a segment.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "lanes_fixture.h"
#include "protocol/reclaim.h"
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

static void rig_make(struct rig *rig, uint32_t lanes, uint32_t depth)
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

static void rig_end(struct rig *rig)
{
    t_bus_end(rig->bus, rig->name);
}

struct tx {
    struct sb_lane_tx lane;
    uint64_t owner64;
};

static struct tx tx_of(struct rig *rig)
{
    struct tx tx = {.owner64 = rig->openers};
    rig->openers += 0x10000;
    CU_ASSERT_EQUAL_FATAL(sb_lane_open(&tx.lane, rig->ch, tx.owner64), SB_RING_OK);
    return tx;
}

/* The producer is killed, what it owned is given up by recovery, and another takes the lane. */
static struct tx next_tx(struct rig *rig, struct tx *dead)
{
    CU_ASSERT_TRUE(sb_cas(&dead->lane.lane->owner, dead->owner64, 0));
    return tx_of(rig);
}

static struct sb_lane_rx rx_of(const struct rig *rig)
{
    struct sb_lane_rx rx;
    sb_lane_rx_init(&rx, &rig->bus->view, rig->index, rig->owner);
    return rx;
}

static struct sb_cell *cell_of(const struct rig *rig, uint32_t lane, uint64_t ticket)
{
    return sb_cell_at(rig->ch, lane * rig->depth + (ticket & (rig->depth - 1u)));
}

static uint64_t *payload_of(struct sb_cell *cell)
{
    return sb_cell_payload(cell);
}

static uint64_t lap_of(const struct rig *rig, uint64_t ticket)
{
    return sb_lane_lap(ticket, rig->ch->depth_shift);
}

/* An empty lane that has come to @ticket: every cell is what its last receiver left. */
static void set_lane(const struct rig *rig, uint32_t lane, uint64_t ticket)
{
    for (uint64_t t = ticket; t < ticket + rig->depth; t++)
        sb_store_release(&cell_of(rig, lane, t)->w,
                         sb_hdr_make(sb_gen_prev(lap_of(rig, t)), 0, SB_BLOCK_FREE, 0));
    sb_store_release(&rig->ch->lanes[lane].next, ticket);
    sb_store_release(&rig->ch->lanes[lane].skip, ticket - 3);
}

static void fill(struct sb_cell *cell, uint64_t value)
{
    *payload_of(cell) = value;
    sb_store_relaxed(&cell->meta, sb_meta_make(sizeof value, 0, SHMBUS_TYPE_DATA));
    sb_store_relaxed(&cell->holder, 0);
}

static bool put(struct tx *tx, uint64_t value)
{
    struct sb_cell *cell = sb_lane_place(&tx->lane);
    if (cell == NULL)
        return false;
    fill(cell, value);
    sb_lane_publish(&tx->lane, cell);
    return true;
}

/* Receives and keeps: the value, UINT64_MAX for empty. */
static uint64_t take(struct sb_lane_rx *rx, struct sb_lane_msg *msg)
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

static void release(const struct sb_lane_msg *msg)
{
    sb_lane_release(msg->cell, msg->hdr);
}

static uint64_t get(struct sb_lane_rx *rx)
{
    struct sb_lane_msg msg;
    uint64_t value = take(rx, &msg);
    if (value != UINT64_MAX)
        release(&msg);
    return value;
}

/* A lane works at this place: fills up to the last cell, refuses the next, empties in order. */
static void fill_and_empty(struct rig *rig, struct tx *tx, struct sb_lane_rx *rx)
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

/* ------------------------------------------------------------------------- order, laps, numbers */

T_TEST(ring_lanes, fills_to_the_last_cell_and_empties_in_order_for_every_small_depth)
{
    for (uint32_t depth = 1; depth <= 64; depth *= 2) {
        struct rig rig;
        rig_make(&rig, 2, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        for (int lap = 0; lap < 5; lap++)
            fill_and_empty(&rig, &tx, &rx);
        CU_ASSERT_EQUAL(tx.lane.depth_max, depth <= 16 ? depth : depth - depth / 16 + 1);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, one_message_at_a_time_goes_round_many_laps)
{
    for (uint32_t depth = 1; depth <= 4; depth *= 2) {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        for (uint64_t i = 0; i < 1000; i++) {
            CU_ASSERT_TRUE(put(&tx, i));
            CU_ASSERT_EQUAL(get(&rx), i);
        }
        CU_ASSERT_EQUAL(tx.lane.depth_max, 1);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, laps_come_round_their_last_number)
{
    static const uint32_t depths[] = {1, 2, 8, 1024};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        struct rig rig;
        rig_make(&rig, 1, depths[d]);
        uint64_t last = ((1ull << 40) - 1u) << rig.ch->depth_shift; /* its lap is 0 */
        set_lane(&rig, 0, last - 2 * rig.depth - 1);
        CU_ASSERT_EQUAL(lap_of(&rig, last), 0);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        for (int lap = 0; lap < 5; lap++) {
            struct sb_lane_msg held;
            fill_and_empty(&rig, &tx, &rx);
            if (rig.depth == 1)
                continue;
            CU_ASSERT_TRUE(put(&tx, 1));
            CU_ASSERT_EQUAL(take(&rx, &held), 1);
            for (uint64_t i = 0; i < 2 * rig.depth; i++) { /* past the held cell, twice */
                CU_ASSERT_TRUE(put(&tx, i));
                CU_ASSERT_EQUAL(get(&rx), i);
            }
            release(&held);
        }
        tx = next_tx(&rig, &tx);
        struct sb_lane_rx later = rx_of(&rig);
        fill_and_empty(&rig, &tx, &later);
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, a_receiver_that_comes_late_or_was_lapped_gets_the_oldest_message)
{
    for (uint32_t depth = 1; depth <= 64; depth *= 4) {
        for (uint64_t waiting = 1; waiting <= depth; waiting += depth / 4 + 1) {
            struct rig rig;
            rig_make(&rig, 1, depth);
            struct tx tx = tx_of(&rig);
            struct sb_lane_rx rx = rx_of(&rig), sleepy = rx_of(&rig);
            for (uint64_t i = 0; i < 1000; i++) {
                CU_ASSERT_TRUE(put(&tx, i));
                CU_ASSERT_EQUAL(get(&rx), i);
            }
            for (uint64_t i = 0; i < waiting; i++)
                CU_ASSERT_TRUE(put(&tx, 1000 + i));
            struct sb_lane_rx late = rx_of(&rig);
            CU_ASSERT_TRUE(sb_lane_readable(&late));
            CU_ASSERT_TRUE(sb_lane_readable(&sleepy));
            for (uint64_t i = 0; i < waiting; i++)
                CU_ASSERT_EQUAL(get(i % 2 ? &late : &sleepy), 1000 + i);
            CU_ASSERT_EQUAL(get(&late), UINT64_MAX);
            CU_ASSERT_EQUAL(get(&sleepy), UINT64_MAX);
            fill_and_empty(&rig, &tx, &late);
            rig_end(&rig);
        }
    }
}

T_TEST(ring_lanes, the_high_water_mark_is_exact_up_to_sixteen_and_lags_by_an_eighth_above)
{
    for (uint32_t depth = 8; depth <= 64; depth *= 8) {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        uint64_t high = 0, waiting = 0, next = 0, oldest = 0;
        for (int i = 0; i < 5000; i++) {
            if (waiting < depth && (waiting == 0 || t_random_below(10) < 5)) {
                CU_ASSERT_TRUE(put(&tx, next++));
                high = ++waiting > high ? waiting : high;
            } else {
                CU_ASSERT_EQUAL(get(&rx), oldest++);
                waiting--;
            }
            CU_ASSERT_TRUE(tx.lane.depth_max <= high && tx.lane.depth_max + depth / 8 >= high);
            CU_ASSERT_EQUAL(sb_lane_depth(rig.ch), waiting);
        }
        rig_end(&rig);
    }
}

/* ---------------------------------------------------------------------------------------- lanes */

T_TEST(ring_lanes, each_producer_has_its_own_and_no_more_than_there_are)
{
    struct rig rig;
    rig_make(&rig, 3, 4);
    struct tx a = tx_of(&rig), b = tx_of(&rig), c = tx_of(&rig), d;
    CU_ASSERT_EQUAL(sb_lane_used(rig.ch), 3);
    CU_ASSERT_EQUAL(sb_lane_open(&d.lane, rig.ch, 7), SB_RING_FULL);
    CU_ASSERT_TRUE(put(&b, 1));
    sb_lane_close(&b.lane, b.owner64);
    d = tx_of(&rig); /* the same lane, behind what is in it */
    CU_ASSERT_PTR_EQUAL(d.lane.lane, b.lane.lane);
    CU_ASSERT_TRUE(put(&d, 2));
    sb_lane_close(&d.lane, b.owner64); /* not his any more */
    CU_ASSERT_EQUAL(sb_load_acquire(&d.lane.lane->owner), d.owner64);
    struct sb_lane_rx rx = rx_of(&rig);
    CU_ASSERT_EQUAL(get(&rx), 1);
    CU_ASSERT_EQUAL(get(&rx), 2);
    CU_ASSERT_TRUE(put(&a, 3) && put(&c, 4));
    CU_ASSERT_EQUAL(get(&rx) + get(&rx), 7);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    rig_end(&rig);
}

/* Nobody is kept waiting for longer than a quantum of each other lane. */
T_TEST(ring_lanes, all_have_their_turn)
{
    struct rig rig;
    rig_make(&rig, 3, 256);
    struct tx tx[3] = {tx_of(&rig), tx_of(&rig), tx_of(&rig)};
    struct sb_lane_rx rx = rx_of(&rig);
    uint64_t next[3] = {0}, last[3] = {0};
    for (uint64_t i = 0; i < 256; i++) {
        for (uint64_t k = 0; k < 3; k++)
            CU_ASSERT_TRUE(put(&tx[k], k << 32 | i));
    }
    for (uint64_t i = 1; i <= 3 * 256; i++) {
        uint64_t value = get(&rx), k = value >> 32;
        CU_ASSERT_TRUE_FATAL(k < 3);
        CU_ASSERT_EQUAL((uint32_t)value, next[k]++);
        last[k] = i;
        for (k = 0; k < 3; k++)
            CU_ASSERT_TRUE(next[k] == 256 || i - last[k] <= 2 * 64 + 64);
    }
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    rig_end(&rig);
}

/* However many lanes there are, and however much has been taken by others since: a message that is
 * there is found by one call. */
T_TEST(ring_lanes, one_call_finds_the_only_message_in_any_lane)
{
    struct rig rig;
    rig_make(&rig, 256, 1);
    struct tx *tx = calloc(256, sizeof *tx);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tx);
    struct sb_lane_rx rx = rx_of(&rig);
    for (uint32_t i = 0; i < 256; i++)
        tx[i] = tx_of(&rig);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t at = (i * 101 + 200) % 256;
        CU_ASSERT_TRUE(put(&tx[at], at));
        CU_ASSERT_EQUAL(get(&rx), at);
    }
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    free(tx);
    rig_end(&rig);
}

T_TEST(ring_lanes, one_call_passes_all_that_others_have_taken)
{
    struct rig rig;
    rig_make(&rig, 16, 64);
    struct tx tx[16];
    struct sb_lane_rx rx = rx_of(&rig), sleepy = rx_of(&rig);
    for (int i = 0; i < 16; i++) {
        tx[i] = tx_of(&rig);
        fill_and_empty(&rig, &tx[i], &rx);
    }
    CU_ASSERT_TRUE(put(&tx[15], 7));
    CU_ASSERT_EQUAL(get(&sleepy), 7);
    CU_ASSERT_EQUAL(get(&sleepy), UINT64_MAX);
    rig_end(&rig);
}

/* ---------------------------------------------------------------------- held cells, full lanes */

T_TEST(ring_lanes, is_full_when_a_message_waits_in_front_of_the_producer)
{
    for (uint32_t depth = 2; depth <= 8; depth *= 2) {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        struct sb_lane_msg held;
        for (uint64_t i = 0; i < depth; i++)
            CU_ASSERT_TRUE(put(&tx, i));
        uint64_t skip = sb_load_acquire(&tx.lane.lane->skip);
        CU_ASSERT_FALSE(put(&tx, 9));
        CU_ASSERT_EQUAL(take(&rx, &held), 0);
        CU_ASSERT_FALSE(put(&tx, 9)); /* behind the held cell: one that waits */
        CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->skip), skip);
        CU_ASSERT_EQUAL(tx.lane.next, depth);
        release(&held);
        CU_ASSERT_TRUE(put(&tx, depth));
        CU_ASSERT_FALSE(put(&tx, 9));
        for (uint64_t i = 1; i <= depth; i++)
            CU_ASSERT_EQUAL(get(&rx), i);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, is_full_when_every_cell_is_held)
{
    for (uint32_t depth = 1; depth <= 8; depth *= 2) {
        struct rig rig;
        struct sb_lane_msg held[8];
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        for (uint64_t i = 0; i < depth; i++) {
            CU_ASSERT_TRUE(put(&tx, i));
            CU_ASSERT_EQUAL(take(&rx, &held[i]), i);
        }
        CU_ASSERT_FALSE(put(&tx, 9));
        CU_ASSERT_FALSE(sb_lane_drop_oldest(&tx.lane)); /* none to throw away */
        release(&held[depth - 1u]);
        CU_ASSERT_TRUE(put(&tx, 10)); /* past all the others */
        CU_ASSERT_EQUAL(get(&rx), 10);
        for (uint64_t i = 0; i + 1u < depth; i++)
            release(&held[i]);
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

/* One message is held for many laps; the lane goes on around it, for every receiver. */
T_TEST(ring_lanes, a_held_cell_is_passed_over_by_producer_and_receivers)
{
    for (uint32_t depth = 2; depth <= 8; depth *= 2) {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig), sleepy = rx_of(&rig);
        struct sb_lane_msg held;
        CU_ASSERT_TRUE(put(&tx, 77));
        CU_ASSERT_EQUAL(take(&rx, &held), 77);
        for (uint64_t i = 0; i < 50; i++) {
            CU_ASSERT_TRUE(put(&tx, i));
            CU_ASSERT_EQUAL(get(i % 2 ? &rx : &other), i);
        }
        CU_ASSERT_EQUAL(get(&sleepy), UINT64_MAX);
        CU_ASSERT_EQUAL(*payload_of(held.cell), 77);
        for (uint64_t i = 0; i + 1u < depth; i++) /* all but the held one */
            CU_ASSERT_TRUE(put(&tx, i));
        CU_ASSERT_FALSE(put(&tx, 9));
        struct sb_lane_rx late = rx_of(&rig);
        for (uint64_t i = 0; i + 1u < depth; i++)
            CU_ASSERT_EQUAL(get(i % 2 ? &late : &sleepy), i);
        release(&held); /* FREE of a lap long past */
        CU_ASSERT_EQUAL(get(&late), UINT64_MAX);
        fill_and_empty(&rig, &tx, &late);
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

/* E1 .. E2: between the two looks the passed-over cell is released, or a message was there after
 * all. The receiver's own steps are taken by hand. */
T_TEST(ring_lanes, a_cell_that_changes_while_it_is_passed_over_is_looked_at_again)
{
    struct rig rig;
    rig_make(&rig, 1, 2);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig);
    struct sb_lane_msg held;
    CU_ASSERT_TRUE(put(&tx, 1)); /* tickets 0, 1 */
    CU_ASSERT_EQUAL(take(&rx, &held), 1);
    CU_ASSERT_TRUE(put(&tx, 2));
    CU_ASSERT_EQUAL(get(&rx), 2);
    CU_ASSERT_TRUE(put(&tx, 3)); /* ticket 3, past 2 */
    CU_ASSERT_EQUAL(tx.lane.next, 4);
    CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->skip), 3);
    release(&held); /* FREE of the lap before that of ticket 2, as at E0 the held cell was */
    CU_ASSERT_TRUE(sb_lane_readable(&rx));
    CU_ASSERT_EQUAL(get(&rx), 3);
    CU_ASSERT_EQUAL(get(&other), UINT64_MAX);
    fill_and_empty(&rig, &tx, &other);
    rig_end(&rig);
}

T_TEST(ring_lanes, drop_oldest_throws_away_the_oldest_that_nobody_has_taken)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_msg held;
    CU_ASSERT_FALSE(sb_lane_drop_oldest(&tx.lane)); /* there is room */
    for (uint64_t i = 0; i < 4; i++)
        CU_ASSERT_TRUE(put(&tx, i));
    CU_ASSERT_EQUAL(take(&rx, &held), 0);
    CU_ASSERT_TRUE(sb_lane_drop_oldest(&tx.lane)); /* 1 */
    CU_ASSERT_TRUE(put(&tx, 4));                   /* in its place, past the held one */
    CU_ASSERT_FALSE(put(&tx, 9));
    CU_ASSERT_TRUE(sb_lane_drop_oldest(&tx.lane)); /* 2 */
    CU_ASSERT_TRUE(put(&tx, 5));
    struct sb_lane_rx late = rx_of(&rig);
    CU_ASSERT_EQUAL(get(&rx), 3);
    CU_ASSERT_EQUAL(get(&late), 4);
    CU_ASSERT_EQUAL(get(&rx), 5);
    CU_ASSERT_EQUAL(get(&late), UINT64_MAX);
    CU_ASSERT_EQUAL(*payload_of(held.cell), 0);
    release(&held);
    fill_and_empty(&rig, &tx, &late);
    rig_end(&rig);
}

T_TEST(ring_lanes, drop_oldest_around_held_cells_keeps_order_and_loses_no_account)
{
    for (uint32_t depth = 1; depth <= 16; depth *= 2) {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx[2] = {rx_of(&rig), rx_of(&rig)};
        struct sb_lane_msg held[16];
        uint32_t in_hand = 0;
        uint64_t sent = 0, dropped = 0, received = 0, latest = 0;
        for (int i = 0; i < 20000; i++) {
            uint64_t what = t_random_below(8);
            if (what < 4) {
                while (!put(&tx, sent + 1)) {
                    if (!sb_lane_drop_oldest(&tx.lane))
                        break;
                    dropped++;
                }
                sent += *payload_of(cell_of(&rig, 0, tx.lane.next - 1)) == sent + 1;
            } else if (what < 6 && in_hand < 16) {
                uint64_t value = take(&rx[what & 1], &held[in_hand]);
                if (value != UINT64_MAX) {
                    CU_ASSERT_TRUE(value > latest);
                    latest = value;
                    received++;
                    in_hand++;
                }
            } else if (in_hand > 0) {
                uint32_t k = (uint32_t)t_random_below(in_hand);
                release(&held[k]);
                held[k] = held[--in_hand];
            }
            CU_ASSERT_EQUAL_FATAL(sent, dropped + received + sb_lane_depth(rig.ch));
        }
        rig_end(&rig);
    }
}

/* ------------------------------------------------------ half-way pictures: a producer is killed */

#define EACH_DEPTH for (uint32_t depth = 1; depth <= 8; depth *= 2)

/* P0..P2: the cell is filled, its word still says FREE. */
T_TEST(ring_lanes, killed_before_P2_nothing_was_sent)
{
    EACH_DEPTH
    {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        for (uint64_t i = 0; i < 3; i++) {
            struct sb_cell *cell = sb_lane_place(&tx.lane);
            fill(cell, 666);
            CU_ASSERT_FALSE(sb_lane_readable(&rx));
            CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
            tx = next_tx(&rig, &tx);
            CU_ASSERT_PTR_EQUAL(sb_lane_place(&tx.lane), cell);
            CU_ASSERT_TRUE(put(&tx, i));
            CU_ASSERT_EQUAL(get(&rx), i);
        }
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

/* P1..P2: skip is ahead of next, and nothing was published at it. */
T_TEST(ring_lanes, killed_between_P1_and_P2_nothing_was_sent_and_the_next_goes_on_there)
{
    for (int receiver_first = 0; receiver_first < 2; receiver_first++) {
        struct rig rig;
        rig_make(&rig, 1, 4);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig);
        struct sb_lane_msg held[2];
        for (uint64_t i = 0; i < 4; i++)
            CU_ASSERT_TRUE(put(&tx, i));
        CU_ASSERT_EQUAL(take(&rx, &held[0]), 0);
        CU_ASSERT_EQUAL(take(&rx, &held[1]), 1);
        CU_ASSERT_EQUAL(get(&rx), 2);
        struct sb_cell *cell = sb_lane_place(&tx.lane); /* P1: past 4 and 5 */
        fill(cell, 666);
        CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->skip), 6);
        CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->next), 4);
        if (receiver_first) {
            CU_ASSERT_EQUAL(get(&rx), 3);
            CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
            CU_ASSERT_FALSE(sb_lane_readable(&rx));
            release(&held[0]); /* what is passed over stays so */
        }
        tx = next_tx(&rig, &tx);
        CU_ASSERT_EQUAL(tx.lane.next, 6);
        CU_ASSERT_TRUE(put(&tx, 6));
        if (!receiver_first) {
            release(&held[0]);
            CU_ASSERT_EQUAL(get(&other), 3);
        }
        CU_ASSERT_EQUAL(get(&other), 6);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        release(&held[1]);
        fill_and_empty(&rig, &tx, &rx);
        fill_and_empty(&rig, &tx, &other);
        rig_end(&rig);
    }
}

/* P2..P3: published, next is one behind. */
T_TEST(ring_lanes, killed_between_P2_and_P3_it_was_sent_and_the_next_goes_on_behind_it)
{
    EACH_DEPTH
    {
        for (int taken = 0; taken < 3; taken++) { /* not, held, released before the next comes */
            struct rig rig;
            rig_make(&rig, 1, depth);
            struct tx tx = tx_of(&rig);
            struct sb_lane_rx rx = rx_of(&rig);
            for (uint64_t i = 0; i < 5; i++) {
                struct sb_lane_msg msg;
                CU_ASSERT_TRUE(put(&tx, i));
                sb_store_release(&tx.lane.lane->next, tx.lane.next - 1u);
                if (taken > 0)
                    CU_ASSERT_EQUAL(take(&rx, &msg), i);
                if (taken == 2)
                    release(&msg);
                tx = next_tx(&rig, &tx);
                CU_ASSERT_EQUAL(tx.lane.next, i + 1u);
                CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->next), i + 1u);
                struct sb_lane_rx late = rx_of(&rig);
                if (taken == 0)
                    CU_ASSERT_EQUAL(get(&late), i);
                if (taken == 1)
                    release(&msg);
                CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
            }
            fill_and_empty(&rig, &tx, &rx);
            rig_end(&rig);
        }
    }
}

/* The same behind cells that were passed over: skip is where it was published, next far behind. */
T_TEST(ring_lanes, killed_between_P2_and_P3_beyond_held_cells_the_next_goes_on_behind_it)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig);
    struct sb_lane_msg held[2];
    for (uint64_t i = 0; i < 4; i++)
        CU_ASSERT_TRUE(put(&tx, i));
    CU_ASSERT_EQUAL(take(&rx, &held[0]), 0);
    CU_ASSERT_EQUAL(take(&rx, &held[1]), 1);
    CU_ASSERT_EQUAL(get(&rx), 2);
    CU_ASSERT_TRUE(put(&tx, 6)); /* ticket 6 */
    sb_store_release(&tx.lane.lane->next, 4);
    CU_ASSERT_EQUAL(sb_load_acquire(&tx.lane.lane->skip), 6);
    release(&held[0]); /* FREE where next points: not to be used, 4 is settled */
    tx = next_tx(&rig, &tx);
    CU_ASSERT_EQUAL(tx.lane.next, 7);
    CU_ASSERT_FALSE(put(&tx, 9)); /* 3 is in front */
    CU_ASSERT_EQUAL(get(&rx), 3);
    CU_ASSERT_TRUE(put(&tx, 7));
    CU_ASSERT_EQUAL(get(&other), 6);
    CU_ASSERT_EQUAL(get(&rx), 7);
    CU_ASSERT_EQUAL(get(&other), UINT64_MAX);
    release(&held[1]);
    fill_and_empty(&rig, &tx, &other);
    rig_end(&rig);
}

/* D1: thrown away, nothing put in its place. */
T_TEST(ring_lanes, killed_after_D1_the_place_is_free_for_the_next)
{
    EACH_DEPTH
    {
        struct rig rig;
        rig_make(&rig, 1, depth);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        for (uint64_t i = 0; i < depth; i++)
            CU_ASSERT_TRUE(put(&tx, i));
        CU_ASSERT_TRUE(sb_lane_drop_oldest(&tx.lane));
        tx = next_tx(&rig, &tx);
        CU_ASSERT_TRUE(put(&tx, depth));
        CU_ASSERT_FALSE(put(&tx, 9));
        for (uint64_t i = 1; i <= depth; i++)
            CU_ASSERT_EQUAL(get(&rx), i);
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, a_lane_whose_words_are_impossible_is_refused_and_stays_free)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx;
    sb_store_release(&cell_of(&rig, 0, 2)->w, sb_hdr_make(9, 0, SB_BLOCK_FREE, 0));
    sb_store_release(&rig.ch->lanes[0].next, 2);
    CU_ASSERT_EQUAL(sb_lane_open(&tx.lane, rig.ch, 7), SB_RING_CORRUPT);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->lanes[0].owner), 0);
    for (uint64_t t = 0; t < 4; t++) /* the same lap for ever */
        sb_store_release(&cell_of(&rig, 0, t)->w, sb_hdr_make(t < 2 ? 2 : 1, 0, SB_BLOCK_FREE, 0));
    CU_ASSERT_EQUAL(sb_lane_open(&tx.lane, rig.ch, 7), SB_RING_OK);
    CU_ASSERT_EQUAL(tx.lane.next, 6);
    rig_end(&rig);
}

T_TEST(ring_lanes, a_damaged_lane_does_not_keep_producers_from_the_others)
{
    struct rig rig;
    rig_make(&rig, 2, 4);
    struct tx tx;
    sb_store_release(&cell_of(&rig, 0, 0)->w, sb_hdr_make(9, 0, SB_BLOCK_FREE, 0));
    CU_ASSERT_EQUAL(sb_lane_open(&tx.lane, rig.ch, 7), SB_RING_OK);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->lanes[0].owner), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->lanes[1].owner), 7);
    CU_ASSERT_EQUAL(sb_lane_open(&tx.lane, rig.ch, 8), SB_RING_CORRUPT);
    rig_end(&rig);
}

/* Laps are circular: from so far behind, the newest one looks older. */
T_TEST(ring_lanes, a_receiver_that_slept_through_half_of_all_laps_finds_its_way)
{
    struct rig rig;
    struct sb_lane_msg msg;
    enum sb_ring_result r = SB_RING_EMPTY;
    uint64_t far = (1ull << 39) + 5;
    rig_make(&rig, 1, 1);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_cell *cell = cell_of(&rig, 0, 0);
    sb_store_release(&rig.ch->shared->lanes_used, 1);
    sb_store_release(&cell->w, sb_lane_published(sb_lane_lap(far, 0)));
    sb_store_release(&rig.ch->lanes[0].next, far + 1u);
    for (int n = 0; n < 300 && r != SB_RING_OK; n++)
        r = sb_lane_take(&rx, &msg);
    CU_ASSERT_EQUAL(r, SB_RING_OK);
    CU_ASSERT_EQUAL(msg.ticket, far);
    rig_end(&rig);
}

/* ------------------------------------------------------ half-way pictures: a receiver is killed */

/* C1 in the name of a dead process: what it took comes again, and the lane goes on meanwhile. */
static void take_for_the_dead(struct rig *rig, struct tx *tx, struct t_corpse *d, uint64_t value,
                              struct sb_lane_msg *ret)
{
    struct sb_lane_rx rx = rx_of(rig);
    *d = t_corpse(rig->bus);
    rx.owner = rx.scan.owner = d->owner;
    CU_ASSERT_TRUE(put(tx, value));
    CU_ASSERT_EQUAL(sb_lane_take(&rx, ret), SB_RING_OK);
}

/* Torn recovery first: its parts, as if several did it at once or were killed at it. */
static void recover(struct rig *rig, const struct t_corpse *d)
{
    sb_reclaim_cells(&rig->bus->view, d->slot, d->w);
    sb_reclaim_cells(&rig->bus->view, d->slot, d->w);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig->bus), 1);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig->bus), 0);
}

T_TEST(ring_lanes, killed_after_C1_the_message_comes_again_and_nobody_waited)
{
    for (int busy = 0; busy < 2; busy++) {
        struct rig rig;
        rig_make(&rig, 2, 4);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        struct sb_lane_msg theirs, msg;
        struct t_corpse d;
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        take_for_the_dead(&rig, &tx, &d, 77, &theirs);
        for (uint64_t i = 0; busy && i < 10; i++) {
            CU_ASSERT_TRUE(put(&tx, i));
            CU_ASSERT_EQUAL(get(&rx), i);
        }
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        recover(&rig, &d);
        CU_ASSERT_TRUE(sb_lane_readable(&rx));
        CU_ASSERT_EQUAL_FATAL(take(&rx, &msg), 77);
        CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 2);
        CU_ASSERT_EQUAL(msg.number, theirs.number);
        CU_ASSERT_EQUAL(msg.ticket, theirs.ticket);
        release(&msg);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        fill_and_empty(&rig, &tx, &rx);
        rig_end(&rig);
    }
}

T_TEST(ring_lanes, killed_at_its_last_delivery_the_message_is_set_aside_and_counted_once)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_scan undertaker;
    struct sb_lane_msg theirs, msg;
    struct t_corpse d;
    sb_lane_scan_init(&undertaker, &rig.bus->view, rig.dead_index, rig.owner);
    take_for_the_dead(&rig, &tx, &d, 77, &theirs);
    sb_store_release(&theirs.cell->w,
                     sb_hdr_make(sb_hdr_gen(theirs.hdr), 2, SB_BLOCK_RECEIVED, d.owner));
    sb_store_release(&theirs.cell->holder, (rig.index + 1ull) << 16 | 1u);
    recover(&rig, &d);
    CU_ASSERT_EQUAL(sb_hdr_state(sb_load_acquire(&theirs.cell->w)), SB_BLOCK_DEAD_LETTER);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->shared->dead_lettered), 1);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    uint64_t seq = sb_load_acquire(&rig.dead->shared->orphan_seq);
    CU_ASSERT_TRUE_FATAL(sb_lane_scan_recv(&undertaker, seq, &msg));
    CU_ASSERT_EQUAL(*payload_of(msg.cell), 77);
    CU_ASSERT_EQUAL(msg.channel, rig.index);
    CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 3);
    CU_ASSERT_FALSE(sb_lane_scan_recv(&undertaker, seq, &msg));
    rig_end(&rig);
}

/* The receiver of a dead letter is killed: it stays a dead letter, and is not a new one. */
T_TEST(ring_lanes, killed_with_a_dead_letter_it_is_one_still_and_counted_once)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_msg theirs, msg;
    struct t_corpse d;
    take_for_the_dead(&rig, &tx, &d, 77, &theirs);
    sb_store_release(&theirs.cell->w,
                     sb_hdr_make(sb_hdr_gen(theirs.hdr), 2, SB_BLOCK_RECEIVED, d.owner));
    sb_store_release(&theirs.cell->holder, (rig.dead_index + 1ull) << 16 | 1u);
    recover(&rig, &d);
    CU_ASSERT_EQUAL(sb_hdr_state(sb_load_acquire(&theirs.cell->w)), SB_BLOCK_DEAD_LETTER);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->shared->dead_lettered), 0);
    struct sb_lane_scan undertaker;
    sb_lane_scan_init(&undertaker, &rig.bus->view, rig.dead_index, rig.owner);
    CU_ASSERT_TRUE(
        sb_lane_scan_recv(&undertaker, sb_load_acquire(&rig.dead->shared->orphan_seq), &msg));
    rig_end(&rig);
}

/* C1 alone, then A1 by its holder before, or instead of, recovery: two words at once never fit. */
T_TEST(ring_lanes, a_recovery_that_is_late_changes_nothing)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_msg theirs;
    struct t_corpse d;
    take_for_the_dead(&rig, &tx, &d, 77, &theirs);
    sb_store_release(&rig.bus->view.processes[d.slot].w,
                     sb_proc_word(sb_proc_epoch(d.w) + 1, SB_PROC_ACTIVE)); /* its successor */
    sb_reclaim_cells(&rig.bus->view, d.slot, d.w);
    CU_ASSERT_EQUAL(sb_load_acquire(&theirs.cell->w), theirs.hdr);
    sb_store_release(&rig.bus->view.processes[d.slot].w, d.w);
    release(&theirs);
    uint64_t freed = sb_load_acquire(&theirs.cell->w);
    recover(&rig, &d);
    CU_ASSERT_EQUAL(sb_load_acquire(&theirs.cell->w), freed);
    rig_end(&rig);
}

T_TEST(ring_lanes, recovery_leaves_what_waits_and_what_others_hold_and_frees_the_lane)
{
    struct rig rig;
    rig_make(&rig, 1, 8);
    struct t_corpse d = t_corpse(rig.bus);
    struct tx tx = {.owner64 = d.owner64};
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_msg held;
    CU_ASSERT_EQUAL_FATAL(sb_lane_open(&tx.lane, rig.ch, d.owner64), SB_RING_OK);
    for (uint64_t i = 0; i < 3; i++)
        CU_ASSERT_TRUE(put(&tx, i));
    CU_ASSERT_EQUAL(take(&rx, &held), 0);
    recover(&rig, &d);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->lanes[0].owner), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&held.cell->w), held.hdr);
    tx = tx_of(&rig);
    CU_ASSERT_TRUE(put(&tx, 3));
    for (uint64_t i = 1; i <= 3; i++)
        CU_ASSERT_EQUAL(get(&rx), i);
    release(&held);
    fill_and_empty(&rig, &tx, &rx);
    rig_end(&rig);
}

/* Q1..Q2: given back, nobody told. It waits for its holder; nothing else is held up. */
T_TEST(ring_lanes, a_message_given_back_is_found_when_its_holder_has_told)
{
    for (int killed = 0; killed < 2; killed++) {
        struct rig rig;
        rig_make(&rig, 1, 4);
        struct tx tx = tx_of(&rig);
        struct sb_lane_rx rx = rx_of(&rig);
        struct sb_lane_msg theirs, msg;
        struct t_corpse d;
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX); /* the scan of a new handle is over */
        take_for_the_dead(&rig, &tx, &d, 1, &theirs);
        sb_store_release(&theirs.cell->w,
                         sb_hdr_make(sb_hdr_gen(theirs.hdr), 1, SB_BLOCK_ORPHAN, 0)); /* Q1 */
        CU_ASSERT_TRUE(put(&tx, 2));
        CU_ASSERT_EQUAL(get(&rx), 2);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        if (killed)
            recover(&rig, &d);
        else
            sb_fetch_add(&rig.ch->shared->orphan_seq, 1); /* Q2 */
        CU_ASSERT_TRUE(sb_lane_readable(&rx));
        CU_ASSERT_EQUAL(take(&rx, &msg), 1);
        CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 2);
        release(&msg);
        CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
        rig_end(&rig);
    }
}

/* ---------------------------------------------------------------------------------- given back */

T_TEST(ring_lanes, what_is_given_back_comes_first_with_its_count_raised)
{
    struct rig rig;
    rig_make(&rig, 2, 4);
    struct tx a = tx_of(&rig), b = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig);
    struct sb_lane_msg one, two, msg;
    CU_ASSERT_TRUE(put(&a, 1) && put(&a, 2) && put(&b, 3) && put(&b, 4));
    CU_ASSERT_EQUAL(take(&rx, &one), 1);
    CU_ASSERT_EQUAL(take(&rx, &two), 2);
    CU_ASSERT_EQUAL(sb_lane_requeue(&rig.bus->view, rig.index, two.cell, two.hdr, false, rig.index),
                    rig.index);
    CU_ASSERT_EQUAL(sb_lane_requeue(&rig.bus->view, rig.index, one.cell, one.hdr, true, rig.index),
                    rig.index);
    CU_ASSERT_EQUAL(sb_load_relaxed(&one.cell->holder), 0);
    CU_ASSERT_EQUAL(take(&other, &msg), 1);
    CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 1); /* undone: as if never received */
    release(&msg);
    CU_ASSERT_EQUAL(take(&other, &msg), 2);
    CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 2);
    release(&msg);
    CU_ASSERT_EQUAL(get(&rx) + get(&other), 7);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    rig_end(&rig);
}

/* A second one is given back while a scan is under way, before and behind where it stands. */
T_TEST(ring_lanes, what_is_given_back_during_a_scan_is_found_too)
{
    struct rig rig;
    rig_make(&rig, 1, 8);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig), other = rx_of(&rig);
    struct sb_lane_msg held[8], msg;
    bool seen[8] = {false};
    for (uint64_t i = 0; i < 8; i++) {
        CU_ASSERT_TRUE(put(&tx, i));
        CU_ASSERT_EQUAL(take(&rx, &held[i]), i);
    }
    static const int order[] = {4, 1, 6, 5, 0, 7, 2, 3};
    for (int i = 0; i < 8; i++) {
        const struct sb_lane_msg *m = &held[order[i]];
        sb_lane_requeue(&rig.bus->view, rig.index, m->cell, m->hdr, false, rig.index);
        if (i % 2 == 0)
            continue;
        uint64_t value = take(&other, &msg); /* one of the two: the scan stands behind it */
        CU_ASSERT_TRUE_FATAL(value < 8 && !seen[value]);
        seen[value] = true;
        release(&msg);
    }
    for (int i = 0; i < 4; i++) {
        uint64_t value = get(&other);
        CU_ASSERT_TRUE_FATAL(value < 8 && !seen[value]);
        seen[value] = true;
    }
    CU_ASSERT_EQUAL(get(&other), UINT64_MAX);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    fill_and_empty(&rig, &tx, &rx);
    rig_end(&rig);
}

T_TEST(ring_lanes, at_its_last_delivery_it_is_set_aside_unless_it_never_was_received)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_scan undertaker;
    struct sb_lane_msg msg;
    const struct sb_view *view = &rig.bus->view;
    sb_word *seq = &rig.dead->shared->orphan_seq;
    sb_lane_scan_init(&undertaker, view, rig.dead_index, rig.owner);
    CU_ASSERT_TRUE(put(&tx, 7));
    CU_ASSERT_EQUAL(take(&rx, &msg), 7);
    CU_ASSERT_EQUAL(sb_lane_requeue(view, rig.index, msg.cell, msg.hdr, false, rig.index),
                    rig.index);
    CU_ASSERT_EQUAL(take(&rx, &msg), 7);
    CU_ASSERT_EQUAL(sb_lane_requeue(view, rig.index, msg.cell, msg.hdr, true, rig.index),
                    rig.index); /* did not fit a buffer */
    CU_ASSERT_EQUAL(take(&rx, &msg), 7);
    CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), 2);
    CU_ASSERT_EQUAL(sb_lane_requeue(view, rig.index, msg.cell, msg.hdr, false, rig.index),
                    rig.dead_index);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    for (int i = 0; i < 3; i++) { /* it goes round in the dead-letter queue */
        CU_ASSERT_TRUE_FATAL(sb_lane_scan_recv(&undertaker, sb_load_acquire(seq), &msg));
        CU_ASSERT_EQUAL(sb_hdr_deliveries(msg.hdr), i < 2 ? 3 : 4); /* the first did not count */
        CU_ASSERT_EQUAL(sb_lane_requeue(view, rig.index, msg.cell, msg.hdr, i % 2 == 0,
                                        rig.dead_index),
                        rig.dead_index);
    }
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->shared->dead_lettered), 1);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    CU_ASSERT_TRUE(sb_lane_scan_recv(&undertaker, sb_load_acquire(seq), &msg));
    release(&msg);
    fill_and_empty(&rig, &tx, &rx);
    rig_end(&rig);
}

/* An orphan whose count is that of the last delivery already: whoever finds it sets it aside. */
T_TEST(ring_lanes, an_orphan_that_was_delivered_too_often_is_set_aside_by_who_finds_it)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_scan undertaker;
    struct sb_lane_msg msg;
    CU_ASSERT_TRUE(put(&tx, 7));
    CU_ASSERT_EQUAL(take(&rx, &msg), 7);
    sb_store_release(&msg.cell->w, sb_hdr_make(sb_hdr_gen(msg.hdr), 2, SB_BLOCK_ORPHAN, 0));
    sb_fetch_add(&rig.ch->shared->orphan_seq, 1);
    CU_ASSERT_EQUAL(get(&rx), UINT64_MAX);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->shared->dead_lettered), 1);
    sb_lane_scan_init(&undertaker, &rig.bus->view, rig.dead_index, rig.owner);
    CU_ASSERT_TRUE(
        sb_lane_scan_recv(&undertaker, sb_load_acquire(&rig.dead->shared->orphan_seq), &msg));
    CU_ASSERT_EQUAL(*payload_of(msg.cell), 7);
    rig_end(&rig);
}

T_TEST(ring_lanes, only_the_holder_with_the_right_word_holds_a_cell)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_msg msg;
    const struct sb_view *view = &rig.bus->view;
    CU_ASSERT_TRUE(put(&tx, 7));
    CU_ASSERT_EQUAL(take(&rx, &msg), 7);
    uint64_t gen = sb_hdr_gen(msg.hdr);
    CU_ASSERT_PTR_NULL(sb_lane_held(view, 99999, 0, msg.hdr, rig.owner));
    CU_ASSERT_PTR_NULL(sb_lane_held(view, rig.dead_index, 0, msg.hdr, rig.owner));
    CU_ASSERT_PTR_NULL(sb_lane_held(view, rig.index, 4, msg.hdr, rig.owner));
    CU_ASSERT_PTR_NULL(sb_lane_held(view, rig.index, 1, msg.hdr, rig.owner));
    CU_ASSERT_PTR_NULL(sb_lane_held(view, rig.index, 0, msg.hdr, rig.owner + 1));
    CU_ASSERT_PTR_NULL(sb_lane_held(
        view, rig.index, 0, sb_hdr_make(gen + 1, 1, SB_BLOCK_RECEIVED, rig.owner), rig.owner));
    release(&msg);
    CU_ASSERT_PTR_NULL(sb_lane_held(view, rig.index, 0, msg.hdr, rig.owner));
    CU_ASSERT_PTR_NULL(
        sb_lane_held(view, rig.index, 0, sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0), rig.owner));
    rig_end(&rig);
}

/* ----------------------------------------------------------------------------- hostile words */

T_TEST(ring_lanes, random_words_in_cells_and_lanes_never_crash_or_hang)
{
    struct rig rig;
    rig_make(&rig, 3, 8);
    struct tx tx = tx_of(&rig);
    struct sb_lane_rx rx = rx_of(&rig);
    struct sb_lane_scan undertaker;
    sb_lane_scan_init(&undertaker, &rig.bus->view, rig.dead_index, rig.owner);
    for (int i = 0; i < 200000; i++) {
        struct sb_cell *cell = sb_cell_at(rig.ch, t_random_below(24));
        struct sb_lane *lane = &rig.ch->lanes[t_random_below(3)];
        struct sb_lane_msg msg = {0};
        uint64_t value = t_random();
        switch (t_random_below(9)) {
        case 0:
            sb_store_release(&cell->w, value);
            break;
        case 1: /* near what it could be */
            sb_store_release(&cell->w, sb_hdr_make(lap_of(&rig, tx.lane.next) + value % 5 - 2,
                                                   value >> 20 & 63, (value >> 30) % 8, 0));
            break;
        case 2:
            sb_store_release(value & 1 ? &lane->next : &lane->skip,
                             value & 2 ? t_random() : tx.lane.next + (value >> 8) % 20 - 10);
            break;
        case 3:
            sb_store_release(&rig.ch->shared->lanes_used, value);
            sb_fetch_add(&rig.ch->shared->orphan_seq, value & 1);
            break;
        case 4:
            put(&tx, value);
            break;
        case 5:
            sb_lane_drop_oldest(&tx.lane);
            break;
        case 6:
            sb_store_release(&tx.lane.lane->owner, 0);
            if (sb_lane_open(&tx.lane, rig.ch, 7) != SB_RING_OK) {
                set_lane(&rig, 0, value);
                CU_ASSERT_EQUAL_FATAL(sb_lane_open(&tx.lane, rig.ch, 7), SB_RING_OK);
            }
            break;
        case 7:
            if (sb_lane_scan_recv(&undertaker, value, &msg))
                CU_ASSERT_TRUE(msg.number < 24);
            break;
        default:
            sb_lane_readable(&rx);
            if (sb_lane_take(&rx, &msg) == SB_RING_OK) {
                CU_ASSERT_TRUE(msg.number < 24);
                CU_ASSERT_PTR_EQUAL(msg.cell, sb_cell_at(rig.ch, msg.number));
            }
            break;
        }
        CU_ASSERT_TRUE(sb_lane_depth(rig.ch) <= 24);
    }
    rig_end(&rig);
}

/* ------------------------------------------------------------------------------------ threads */

#define STRESS_THREADS 3
#define CHECKED UINT64_C(0x9e3779b97f4a7c15)

struct stress {
    struct rig *rig;
    uint64_t per_sender;
    uint32_t requeue_every; /* 0: never */
    uint32_t hold;          /* messages each receiver keeps in hand */
    bool drop;
    int64_t start_ns;
    sb_word sent, received, dropped, senders_done, failures;
    uint8_t *seen; /* one for each sender and number */
};

struct stress_thread {
    struct stress *all;
    uint64_t id;
    struct tx tx;
    pthread_t thread;
};

static void stress_fail(struct stress *all)
{
    sb_fetch_add(&all->failures, 1);
}

static void *stress_send(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    uint64_t i = 0;

    while (i < all->per_sender && !t_is_enough(all->start_ns)) {
        struct sb_cell *cell = sb_lane_place(&me->tx.lane);
        if (cell == NULL) {
            if (all->drop && sb_lane_drop_oldest(&me->tx.lane))
                sb_fetch_add(&all->dropped, 1);
            sched_yield();
            continue;
        }
        uint64_t value = me->id << 48 | i++, *payload = payload_of(cell);
        fill(cell, value);
        for (uint64_t k = 1; k < 8; k++)
            payload[k] = value * CHECKED + k;
        sb_lane_publish(&me->tx.lane, cell);
    }
    sb_fetch_add(&all->sent, i);
    sb_fetch_add(&all->senders_done, 1);
    return NULL;
}

/* Whether the payload is whole and later than all before of that sender. */
static bool stress_check(struct stress *all, const struct sb_lane_msg *msg, uint64_t *latest)
{
    const uint64_t *payload = payload_of(msg->cell);
    uint64_t sender = payload[0] >> 48, number = payload[0] & 0xffffffffffff;

    for (uint64_t k = 1; k < 8; k++) {
        if (payload[k] != payload[0] * CHECKED + k)
            return false;
    }
    if (sender >= STRESS_THREADS || number >= all->per_sender)
        return false;
    if (sb_hdr_deliveries(msg->hdr) == 1) { /* redeliveries come when they were given back */
        if (latest[sender] > number)
            return false;
        latest[sender] = number + 1;
    }
    return true;
}

/* Done with it, and nobody else ever was. */
static void stress_finish(struct stress *all, const struct sb_lane_msg *msg)
{
    uint64_t value = *payload_of(msg->cell);
    uint8_t *seen = &all->seen[(value >> 48) * all->per_sender + (value & 0xffffffffffff)];
    if (__atomic_fetch_add(seen, 1, __ATOMIC_RELAXED) != 0 ||
        sb_load_acquire(&msg->cell->w) != msg->hdr)
        stress_fail(all);
    release(msg);
    sb_fetch_add(&all->received, 1);
}

static void *stress_recv(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    const struct rig *rig = all->rig;
    struct sb_lane_rx rx = rx_of(rig);
    struct sb_lane_msg held[8], msg;
    uint64_t latest[STRESS_THREADS] = {0}, turn = 0;
    uint32_t in_hand = 0;

    for (;;) {
        bool over = sb_load_acquire(&all->senders_done) == STRESS_THREADS;
        enum sb_ring_result r = sb_lane_take(&rx, &msg);
        if (r == SB_RING_EMPTY && over)
            break;
        if (r == SB_RING_EMPTY || r == SB_RING_BUSY) {
            sched_yield();
            continue;
        }
        if (r != SB_RING_OK || !stress_check(all, &msg, latest)) {
            stress_fail(all);
            return NULL;
        }
        if (all->requeue_every != 0 && ++turn % all->requeue_every == 0 &&
            sb_hdr_deliveries(msg.hdr) < 2) {
            if (sb_lane_requeue(&rig->bus->view, rig->index, msg.cell, msg.hdr, false,
                                rig->index) != rig->index)
                stress_fail(all);
            continue;
        }
        if (all->hold == 0) {
            stress_finish(all, &msg);
            continue;
        }
        if (in_hand == all->hold) { /* the oldest is held longest */
            stress_finish(all, &held[turn++ % all->hold]);
            held[(turn - 1u) % all->hold] = msg;
        } else {
            held[in_hand++] = msg;
        }
    }
    while (in_hand > 0)
        stress_finish(all, &held[--in_hand]);
    return NULL;
}

static void stress(uint32_t depth, uint32_t requeue_every, uint32_t hold, bool drop,
                   uint64_t per_sender)
{
    struct rig rig;
    rig_make(&rig, STRESS_THREADS, depth);
    struct stress all = {.rig = &rig,
                         .per_sender = per_sender,
                         .requeue_every = requeue_every,
                         .hold = hold,
                         .start_ns = t_now_ns(),
                         .drop = drop};
    struct stress_thread threads[2 * STRESS_THREADS];

    all.seen = calloc(STRESS_THREADS, per_sender);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all.seen);
    for (uint64_t i = 0; i < 2 * STRESS_THREADS; i++) {
        threads[i] = (struct stress_thread){.all = &all, .id = i / 2};
        if (i % 2)
            threads[i].tx = tx_of(&rig);
    }
    for (uint64_t i = 0; i < 2 * STRESS_THREADS; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL,
                                             i % 2 ? stress_send : stress_recv, &threads[i]),
                              0);
    }
    for (int i = 0; i < 2 * STRESS_THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.failures), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.received) + sb_load_acquire(&all.dropped),
                    sb_load_acquire(&all.sent));
    CU_ASSERT_EQUAL(t_cells_in_use(rig.bus, "q"), 0);
    free(all.seen);
    rig_end(&rig);
}

T_TEST(ring_lanes, many_threads_on_small_lanes_lose_and_double_nothing)
{
    stress(1, 0, 0, false, 2000);
    stress(4, 0, 0, false, 10000);
    stress(64, 0, 0, false, 30000);
}

T_TEST(ring_lanes, many_threads_with_messages_held_and_given_back)
{
    stress(16, 0, 4, false, 10000);
    stress(32, 7, 4, false, 10000);
}

T_TEST(ring_lanes, many_threads_that_drop_account_for_every_message)
{
    stress(2, 0, 0, true, 10000);
    stress(8, 0, 2, true, 10000);
}
