/* SPDX-License-Identifier: MIT */
/*
 * Lanes: order, laps, numbers near their end, held cells that are passed over, words that nobody
 * has written.
 */
#include <stdlib.h>

#include "lanes_rig.h"

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
    sb_lane_close(&d.lane, b.owner64); /* not its own any more */
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

T_TEST(ring_lanes, a_lane_whose_words_are_impossible_is_refused_and_stays_free)
{
    struct rig rig;
    rig_make(&rig, 1, 4);
    struct tx tx;
    sb_store_release(&cell_of(&rig, 0, 2)->w, sb_hdr_make(9, 0, SB_BLOCK_FREE, 0));
    sb_store_release(&rig.ch->lanes[0].next, 2);
    CU_ASSERT_EQUAL(sb_lane_open(&tx.lane, rig.ch, 7), SB_RING_CORRUPT);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.ch->lanes[0].owner), 0);
    for (uint64_t t = 0; t < 4; t++) /* the same lap forever */
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
