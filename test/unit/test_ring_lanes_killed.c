/* SPDX-License-Identifier: MIT */
/*
 * Lanes: every picture that a process leaves when it is stopped or killed between two steps of
 * ring_lanes.c, written by hand into the words of a segment.
 */
#include "lanes_rig.h"
#include "protocol/reclaim.h"

/* ------------------------------------------------------ half-way pictures: a producer is killed */

#define EACH_DEPTH for (uint32_t depth = 1; depth <= 8; depth *= 2)

/* P0..P2: the cell is filled, its word still says FREE. */
T_TEST(ring_lanes_killed, killed_before_P2_nothing_was_sent)
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
T_TEST(ring_lanes_killed, killed_between_P1_and_P2_nothing_was_sent_and_the_next_goes_on_there)
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
T_TEST(ring_lanes_killed, killed_between_P2_and_P3_it_was_sent_and_the_next_goes_on_behind_it)
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
T_TEST(ring_lanes_killed, killed_between_P2_and_P3_beyond_held_cells_the_next_goes_on_behind_it)
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
T_TEST(ring_lanes_killed, killed_after_D1_the_place_is_free_for_the_next)
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

T_TEST(ring_lanes_killed, killed_after_C1_the_message_comes_again_and_nobody_waited)
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

T_TEST(ring_lanes_killed, killed_at_its_last_delivery_the_message_is_set_aside_and_counted_once)
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
T_TEST(ring_lanes_killed, killed_with_a_dead_letter_it_is_one_still_and_counted_once)
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
T_TEST(ring_lanes_killed, a_recovery_that_is_late_changes_nothing)
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

T_TEST(ring_lanes_killed, recovery_leaves_what_waits_and_what_others_hold_and_frees_the_lane)
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
T_TEST(ring_lanes_killed, a_message_given_back_is_found_when_its_holder_has_told)
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
