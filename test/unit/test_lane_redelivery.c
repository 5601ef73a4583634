/* SPDX-License-Identifier: MIT */
/*
 * What is given back to lanes, and delivered again.
 */
#include "lanes_rig.h"

/* ---------------------------------------------------------------------------------- given back */

T_TEST(lane_redelivery, what_is_given_back_comes_first_with_its_count_raised)
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
T_TEST(lane_redelivery, what_is_given_back_during_a_scan_is_found_too)
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

T_TEST(lane_redelivery, at_its_last_delivery_it_is_set_aside_unless_it_never_was_received)
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
T_TEST(lane_redelivery, an_orphan_that_was_delivered_too_often_is_set_aside_by_who_finds_it)
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

T_TEST(lane_redelivery, only_the_holder_with_the_right_word_holds_a_cell)
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
