/* SPDX-License-Identifier: MIT */
/*
 * The ring of a queue: order, laps, numbers near their end, hints that lag, and every picture that
 * a process leaves when it is stopped between two steps of ring_mpmc.c. Written by hand into the
 * words of a segment; test_reclaim.c lets the same process be dead.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "fixture.h"
#include "protocol/mpmc_redelivery.h"
#include "protocol/ring_mpmc.h"

/* A queue "q" and one membership; the test drives rings of its own on it. */
struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    const struct sb_channel_view *ch;
    const struct sb_blocks *blocks;
    struct sb_stock stock;
    uint32_t index;
    uint32_t owner;
    uint64_t depth;
};

static void rig_make(struct rig *rig, uint32_t depth, uint64_t blocks)
{
    struct shmbus_plan *plan = t_plan_alone(64, 64, blocks);
    memset(rig, 0, sizeof *rig);
    t_plan_queue(plan, "q", depth, SHMBUS_FULL_REJECT, 0, NULL);
    rig->bus = t_bus_new(plan, rig->name);
    rig->index = t_index(rig->bus, "q");
    rig->ch = &rig->bus->view.channels[rig->index];
    rig->blocks = &rig->bus->view.blocks;
    rig->owner = rig->bus->member.owner;
    rig->depth = 1ull << rig->ch->depth_shift;
    CU_ASSERT_EQUAL(rig->depth, depth);
}

static void rig_end(struct rig *rig)
{
    t_bus_end(rig->bus, rig->name);
}

static struct sb_mpmc ring_of(const struct rig *rig)
{
    struct sb_mpmc ring;
    sb_mpmc_init(&ring, &rig->bus->view, rig->index, rig->owner);
    return ring;
}

static struct sb_block *block_at(const struct rig *rig, uint32_t block)
{
    return sb_block_at(rig->blocks, block);
}

static uint64_t hdr_of(const struct rig *rig, uint32_t block)
{
    return sb_load_acquire(&block_at(rig, block)->hdr);
}

static uint64_t *payload_of(const struct rig *rig, uint32_t block)
{
    return sb_payload_in(sb_class_of(rig->blocks, block), block);
}

static sb_word *slot_of(const struct rig *rig, uint64_t ticket)
{
    return &rig->ch->slots[sb_slot_index(ticket, rig->ch->depth_shift)];
}

static uint64_t full_word(const struct rig *rig, uint64_t ticket, uint32_t block)
{
    return sb_slot_make(sb_lap_of(ticket, rig->ch->depth_shift), block);
}

/* An empty queue that has come to @ticket: every slot is what its last receiver left. */
static void rig_set(const struct rig *rig, uint64_t ticket)
{
    uint32_t shift = rig->ch->depth_shift;
    for (uint64_t i = 0; i < rig->depth; i++) {
        uint64_t next = ticket + ((i - ticket) & (rig->depth - 1u)); /* the next ticket of slot i */
        sb_store_release(slot_of(rig, i), sb_slot_make(sb_lap_of(next, shift), SB_SLOT_EMPTY));
    }
    sb_store_release(&rig->ch->shared->tail, ticket);
    sb_store_release(&rig->ch->shared->head, ticket);
}

static enum sb_ring_result put(struct rig *rig, struct sb_mpmc *ring, uint64_t value)
{
    uint32_t block = sb_block_alloc(rig->blocks, &rig->stock, 0, rig->owner);
    uint64_t ticket = 0;
    enum sb_ring_result r;
    CU_ASSERT_NOT_EQUAL_FATAL(block, SB_NONE);
    *payload_of(rig, block) = value;
    r = sb_mpmc_send(ring, block, hdr_of(rig, block), &ticket);
    if (r != SB_RING_OK)
        CU_ASSERT_TRUE(sb_block_free(rig->blocks, &rig->stock, block, rig->owner));
    return r;
}

/* The value, UINT64_MAX for empty. */
static uint64_t get(struct rig *rig, struct sb_mpmc *ring)
{
    uint32_t block = 0;
    uint64_t hdr = 0, ticket = 0;
    enum sb_ring_result r = sb_mpmc_recv(ring, &block, &hdr, &ticket);
    if (r == SB_RING_EMPTY)
        return UINT64_MAX;
    CU_ASSERT_EQUAL_FATAL(r, SB_RING_OK);
    CU_ASSERT_EQUAL(hdr_of(rig, block), hdr);
    uint64_t value = *payload_of(rig, block);
    CU_ASSERT_TRUE(sb_block_free(rig->blocks, &rig->stock, block, rig->owner));
    return value;
}

/* A queue works at this place: fills up to the last slot, refuses the next, empties in order. */
static void fill_and_empty(struct rig *rig, struct sb_mpmc *tx, struct sb_mpmc *rx)
{
    for (uint64_t i = 0; i < rig->depth; i++)
        CU_ASSERT_EQUAL(put(rig, tx, i), SB_RING_OK);
    CU_ASSERT_EQUAL(put(rig, tx, 999), SB_RING_FULL);
    CU_ASSERT_TRUE(sb_mpmc_readable(rx));
    for (uint64_t i = 0; i < rig->depth; i++)
        CU_ASSERT_EQUAL(get(rig, rx), i);
    CU_ASSERT_EQUAL(get(rig, rx), UINT64_MAX);
    CU_ASSERT_FALSE(sb_mpmc_readable(rx));
}

/* ------------------------------------------------------------------------- order, laps, numbers */

T_TEST(ring_mpmc, fills_to_the_last_slot_and_empties_in_order_for_every_small_depth)
{
    for (uint32_t depth = 1; depth <= 64; depth *= 2) {
        struct rig rig;
        rig_make(&rig, depth, 80);
        struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
        for (int lap = 0; lap < 5; lap++)
            fill_and_empty(&rig, &tx, &rx);
        CU_ASSERT_EQUAL(tx.depth_max, depth);
        rig_end(&rig);
    }
}

T_TEST(ring_mpmc, one_message_at_a_time_goes_round_many_laps)
{
    for (uint32_t depth = 1; depth <= 4; depth *= 2) {
        struct rig rig;
        rig_make(&rig, depth, 8);
        struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
        for (uint64_t i = 0; i < 1000; i++) {
            CU_ASSERT_EQUAL(put(&rig, &tx, i), SB_RING_OK);
            CU_ASSERT_EQUAL(get(&rig, &rx), i);
        }
        CU_ASSERT_EQUAL(tx.depth_max, 1);
        CU_ASSERT_EQUAL(get(&rig, &rx), UINT64_MAX);
        rig_end(&rig);
    }
}

/* Laps have 40 bits, tickets in a location 48: both come round. */
T_TEST(ring_mpmc, laps_and_tickets_come_round_their_last_number)
{
    static const uint32_t depths[] = {1, 2, 8, 256, 1024};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        struct rig rig;
        rig_make(&rig, depths[d], 1100);
        uint32_t shift = rig.ch->depth_shift;
        uint64_t last_lap = 1ull << (sb_lap_bits(shift) + shift);
        rig_set(&rig, last_lap - 2 * rig.depth - 1);
        struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
        for (int lap = 0; lap < 5; lap++)
            fill_and_empty(&rig, &tx, &rx);
        struct sb_mpmc later_tx = ring_of(&rig), later_rx = ring_of(&rig);
        fill_and_empty(&rig, &later_tx, &later_rx);
        rig_end(&rig);
    }
}

T_TEST(ring_mpmc, generations_come_round_their_last_number)
{
    struct rig rig;
    rig_make(&rig, 4, 5);
    for (uint32_t b = 0; b < 5; b++)
        sb_store_release(&block_at(&rig, b)->hdr,
                         sb_hdr_make((1ull << 40) - 3, 0, SB_BLOCK_FREE, 0));
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    for (int lap = 0; lap < 4; lap++)
        fill_and_empty(&rig, &tx, &rx);
    for (uint32_t b = 0; b < 5; b++)
        CU_ASSERT_TRUE(sb_hdr_gen(hdr_of(&rig, b)) < 100);
    rig_end(&rig);
}

/* Hints may be anything that does not lead, for new handles and for those that stood still. */
T_TEST(ring_mpmc, hints_of_zero_or_far_behind_are_made_up_for)
{
    for (uint32_t depth = 1; depth <= 64; depth *= 8) {
        for (uint64_t behind = 0; behind <= 1000; behind += 37) {
            struct rig rig;
            rig_make(&rig, depth, 80);
            rig_set(&rig, 1000);
            struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
            CU_ASSERT_EQUAL(put(&rig, &tx, 7), SB_RING_OK);
            sb_store_release(&rig.ch->shared->tail, 1000 - behind);
            sb_store_release(&rig.ch->shared->head, 1000 - behind);
            struct sb_mpmc late_tx = ring_of(&rig), late_rx = ring_of(&rig);
            if (depth > 1)
                CU_ASSERT_EQUAL(put(&rig, &late_tx, 8), SB_RING_OK);
            CU_ASSERT_EQUAL(get(&rig, &late_rx), 7);
            CU_ASSERT_EQUAL(get(&rig, &rx), depth > 1 ? 8 : UINT64_MAX);
            fill_and_empty(&rig, &late_tx, &rx);
            fill_and_empty(&rig, &tx, &late_rx);
            rig_end(&rig);
        }
    }
}

T_TEST(ring_mpmc, a_handle_that_slept_for_many_laps_catches_up)
{
    struct rig rig;
    rig_make(&rig, 8, 16);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    struct sb_mpmc sleepy_tx = ring_of(&rig), sleepy_rx = ring_of(&rig);
    for (int lap = 0; lap < 100; lap++)
        fill_and_empty(&rig, &tx, &rx);
    CU_ASSERT_EQUAL(put(&rig, &sleepy_tx, 1), SB_RING_OK);
    CU_ASSERT_EQUAL(get(&rig, &sleepy_rx), 1);
    fill_and_empty(&rig, &sleepy_tx, &sleepy_rx);
    rig_end(&rig);
}

/* Laps are circular: after half of them a slot ahead looks like one behind. */
T_TEST(ring_mpmc, a_handle_that_slept_for_half_of_all_laps_and_more_catches_up)
{
    for (uint32_t depth = 1; depth <= 1024; depth *= 32) {
        struct rig rig;
        rig_make(&rig, depth, 1100);
        uint64_t half = 1ull << (sb_lap_bits(rig.ch->depth_shift) - 1 + rig.ch->depth_shift);
        struct sb_mpmc sleepy_tx = ring_of(&rig), sleepy_rx = ring_of(&rig);
        rig_set(&rig, half + 5 * depth);
        struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
        fill_and_empty(&rig, &tx, &rx);
        fill_and_empty(&rig, &sleepy_tx, &rx);
        fill_and_empty(&rig, &tx, &sleepy_rx);
        rig_end(&rig);
    }
}

T_TEST(ring_mpmc, the_high_water_mark_is_exact)
{
    struct rig rig;
    rig_make(&rig, 64, 80);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    uint64_t high = 0, depth = 0, next = 0, oldest = 0;
    for (int i = 0; i < 5000; i++) {
        if (depth < 64 && (depth == 0 || t_random_below(10) < 5)) {
            CU_ASSERT_EQUAL(put(&rig, &tx, next++), SB_RING_OK);
            high = ++depth > high ? depth : high;
        } else {
            CU_ASSERT_EQUAL(get(&rig, &rx), oldest++);
            depth--;
        }
        CU_ASSERT_EQUAL(tx.depth_max, high);
        CU_ASSERT_EQUAL(sb_mpmc_depth(rig.ch), depth);
    }
    rig_end(&rig);
}

/* ---------------------------------------------------------------------- refusals change nothing */

T_TEST(ring_mpmc, a_refused_send_leaves_the_block_as_it_was)
{
    struct rig rig;
    rig_make(&rig, 2, 4);
    struct sb_mpmc tx = ring_of(&rig);
    CU_ASSERT_EQUAL(put(&rig, &tx, 0), SB_RING_OK);
    CU_ASSERT_EQUAL(put(&rig, &tx, 1), SB_RING_OK);
    uint32_t block = sb_block_alloc(rig.blocks, &rig.stock, 0, rig.owner);
    uint64_t hdr = hdr_of(&rig, block), ticket = 77;
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, hdr, &ticket), SB_RING_FULL);
    CU_ASSERT_EQUAL(hdr_of(&rig, block), hdr);
    CU_ASSERT_EQUAL(ticket, 77);
    CU_ASSERT_TRUE(sb_block_free(rig.blocks, &rig.stock, block, rig.owner));
    rig_end(&rig);
}

T_TEST(ring_mpmc, only_the_holder_with_the_right_word_sends_or_gives_back)
{
    struct rig rig;
    rig_make(&rig, 4, 4);
    struct sb_mpmc tx = ring_of(&rig);
    uint32_t block = sb_block_alloc(rig.blocks, &rig.stock, 0, rig.owner);
    uint64_t hdr = hdr_of(&rig, block), ticket = 0, gen = sb_hdr_gen(hdr);
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, rig.blocks->count, hdr, &ticket), SB_RING_NOT_OWNER);
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, sb_hdr_make(gen + 1, 0, SB_BLOCK_FILLING, rig.owner),
                                 &ticket),
                    SB_RING_NOT_OWNER);
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0), &ticket),
                    SB_RING_NOT_OWNER);
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, sb_hdr_make(gen, 0, SB_BLOCK_QUEUED, rig.owner),
                                 &ticket),
                    SB_RING_NOT_OWNER);
    CU_ASSERT_EQUAL(sb_mpmc_requeue(&tx, block, hdr, false), SB_NONE); /* not received */
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, hdr, &ticket), SB_RING_OK);
    CU_ASSERT_EQUAL(sb_mpmc_send(&tx, block, hdr, &ticket), SB_RING_NOT_OWNER);
    CU_ASSERT_FALSE(sb_block_free(rig.blocks, &rig.stock, block, rig.owner));
    CU_ASSERT_NOT_EQUAL(get(&rig, &tx), UINT64_MAX);
    rig_end(&rig);
}

/* ------------------------------------------------- half-way pictures, the process being stopped */

static struct shmbus_msg no_message(void)
{
    return (struct shmbus_msg){0};
}

/* S1..S3: the header says "being sent", the slot does not say so yet. */
T_TEST(ring_mpmc, a_sender_stopped_before_its_commit_holds_nobody_up)
{
    struct rig rig;
    rig_make(&rig, 2, 6);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    uint32_t theirs = sb_block_alloc(rig.blocks, &rig.stock, 0, rig.owner);
    uint64_t gen = sb_hdr_gen(hdr_of(&rig, theirs)) + 1;
    sb_store_release(&block_at(&rig, theirs)->hdr, sb_hdr_make(gen, 0, SB_BLOCK_QUEUED, rig.owner));
    sb_store_release(&block_at(&rig, theirs)->loc[gen & 1], sb_loc_make(rig.index, 0));
    for (int lap = 0; lap < 3; lap++)
        fill_and_empty(&rig, &tx, &rx);
    /* It goes on: its CAS on the slot fails, the lap has gone by. */
    CU_ASSERT_FALSE(
        sb_cas(slot_of(&rig, 0), sb_slot_make(0, SB_SLOT_EMPTY), sb_slot_make(0, theirs)));
    CU_ASSERT_EQUAL(sb_hdr_state(hdr_of(&rig, theirs)), SB_BLOCK_QUEUED);
    sb_store_release(&block_at(&rig, theirs)->hdr,
                     sb_hdr_make(gen, 0, SB_BLOCK_FILLING, rig.owner));
    CU_ASSERT_TRUE(sb_block_free(rig.blocks, &rig.stock, theirs, rig.owner));
    rig_end(&rig);
}

/* S3..S4: in the slot, tail not moved. */
T_TEST(ring_mpmc, a_sender_stopped_after_its_commit_has_sent)
{
    struct rig rig;
    rig_make(&rig, 4, 6);
    struct sb_mpmc idle_tx = ring_of(&rig), idle_rx = ring_of(&rig);
    uint32_t theirs = sb_block_alloc(rig.blocks, &rig.stock, 0, rig.owner);
    uint64_t gen = sb_hdr_gen(hdr_of(&rig, theirs)) + 1;
    *payload_of(&rig, theirs) = 41;
    sb_store_release(&block_at(&rig, theirs)->hdr, sb_hdr_make(gen, 0, SB_BLOCK_QUEUED, rig.owner));
    sb_store_release(&block_at(&rig, theirs)->loc[gen & 1], sb_loc_make(rig.index, 0));
    sb_store_release(slot_of(&rig, 0), full_word(&rig, 0, theirs));
    CU_ASSERT_EQUAL(sb_mpmc_depth(rig.ch), 1);
    CU_ASSERT_TRUE(sb_mpmc_readable(&idle_rx));
    CU_ASSERT_EQUAL(put(&rig, &idle_tx, 42), SB_RING_OK); /* passes by */
    CU_ASSERT_EQUAL(get(&rig, &idle_rx), 41);
    CU_ASSERT_EQUAL(get(&rig, &idle_rx), 42);
    CU_ASSERT_EQUAL(get(&rig, &idle_rx), UINT64_MAX);
    rig_end(&rig);
}

/* R1..R2: taken, the slot still says FULL. Both sides pass by; late R2 and R3 do no harm. */
T_TEST(ring_mpmc, a_receiver_stopped_before_it_clears_the_slot_holds_nobody_up)
{
    for (int sender_first = 0; sender_first < 2; sender_first++) {
        struct rig rig;
        rig_make(&rig, 2, 6);
        struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig), theirs = ring_of(&rig);
        struct sb_mpmc other_tx = ring_of(&rig);
        CU_ASSERT_EQUAL(put(&rig, &tx, 1), SB_RING_OK);
        CU_ASSERT_EQUAL(put(&rig, &tx, 2), SB_RING_OK);
        uint64_t full = sb_load_acquire(slot_of(&rig, 0));
        uint32_t block = sb_slot_block(full);
        uint64_t hdr = hdr_of(&rig, block);
        CU_ASSERT_TRUE(sb_cas(&block_at(&rig, block)->hdr, hdr,
                              sb_hdr_make(sb_hdr_gen(hdr), 1, SB_BLOCK_RECEIVED, rig.owner)));
        if (sender_first) {
            CU_ASSERT_EQUAL(put(&rig, &other_tx, 3), SB_RING_OK); /* wraps: clears slot 0 */
            CU_ASSERT_EQUAL(put(&rig, &other_tx, 4), SB_RING_FULL);
        }
        CU_ASSERT_EQUAL(get(&rig, &rx), 2);
        CU_ASSERT_EQUAL(get(&rig, &rx), sender_first ? 3 : UINT64_MAX);
        /* It goes on, late. */
        CU_ASSERT_FALSE(sb_cas(slot_of(&rig, 0), full, sb_slot_make(1, SB_SLOT_EMPTY)));
        theirs.head = 1;
        CU_ASSERT_EQUAL(*payload_of(&rig, block), 1);
        CU_ASSERT_TRUE(sb_block_free(rig.blocks, &rig.stock, block, rig.owner));
        fill_and_empty(&rig, &tx, &theirs);
        rig_end(&rig);
    }
}

/* R2..R3: cleared, head not moved. */
T_TEST(ring_mpmc, a_receiver_stopped_before_it_moves_the_head_holds_nobody_up)
{
    struct rig rig;
    rig_make(&rig, 4, 8);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    CU_ASSERT_EQUAL(put(&rig, &tx, 1), SB_RING_OK);
    CU_ASSERT_EQUAL(get(&rig, &rx), 1);
    sb_store_release(&rig.ch->shared->head, 0);
    struct sb_mpmc late = ring_of(&rig);
    CU_ASSERT_EQUAL(late.head, 0);
    CU_ASSERT_EQUAL(get(&rig, &late), UINT64_MAX);
    fill_and_empty(&rig, &tx, &late);
    rig_end(&rig);
}

/* Q1..Q2: given back, nobody told. It waits for its holder; nothing else is held up. */
T_TEST(ring_mpmc, a_message_given_back_is_found_when_its_holder_has_told)
{
    struct rig rig;
    rig_make(&rig, 4, 8);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    uint32_t block = 0;
    uint64_t hdr = 0, ticket = 0;
    CU_ASSERT_EQUAL(get(&rig, &rx), UINT64_MAX); /* the scan of a new handle is over */
    CU_ASSERT_EQUAL(put(&rig, &tx, 1), SB_RING_OK);
    CU_ASSERT_EQUAL(put(&rig, &tx, 2), SB_RING_OK);
    CU_ASSERT_EQUAL(sb_mpmc_recv(&rx, &block, &hdr, &ticket), SB_RING_OK);
    sb_store_release(&block_at(&rig, block)->hdr,
                     sb_hdr_make(sb_hdr_gen(hdr), 1, SB_BLOCK_ORPHAN, 0)); /* Q1 */
    CU_ASSERT_EQUAL(get(&rig, &rx), 2);
    CU_ASSERT_EQUAL(get(&rig, &rx), UINT64_MAX);
    sb_fetch_add(&rig.ch->shared->orphan_seq, 1); /* Q2 */
    CU_ASSERT_TRUE(sb_mpmc_readable(&rx));
    CU_ASSERT_EQUAL(sb_mpmc_recv(&rx, &block, &hdr, &ticket), SB_RING_OK);
    CU_ASSERT_EQUAL(*payload_of(&rig, block), 1);
    CU_ASSERT_EQUAL(sb_hdr_deliveries(hdr), 2);
    CU_ASSERT_EQUAL(ticket, 0);
    CU_ASSERT_TRUE(sb_block_free(rig.blocks, &rig.stock, block, rig.owner));
    rig_end(&rig);
}

T_TEST(ring_mpmc, a_redelivered_message_appears_on_its_own_queue_only)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(64, 64, 8);
    t_plan_queue(plan, "a", 4, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_queue(plan, "b", 4, SHMBUS_FULL_REJECT, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *a = t_open(bus, "a", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *b = t_open(bus, "b", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = no_message();
    t_put(a, 1);
    CU_ASSERT_EQUAL(t_take(a, &msg), 1);
    T_OK(shmbus_forward(&msg, b, 0));
    CU_ASSERT_EQUAL(t_take(b, &msg), 1);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_EQUAL(t_get(a), UINT64_MAX);
    CU_ASSERT_EQUAL(t_take(b, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    t_bus_end(bus, name);
}

/* ----------------------------------------------------------------------------- impossible words */

T_TEST(ring_mpmc, impossible_slots_end_in_corrupt_and_nonsense_blocks_are_thrown_out)
{
    struct rig rig;
    rig_make(&rig, 4, 8);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    uint32_t block = 0;
    uint64_t hdr = 0, ticket = 0;

    CU_ASSERT_EQUAL(put(&rig, &tx, 1), SB_RING_OK);
    CU_ASSERT_EQUAL(put(&rig, &tx, 2), SB_RING_OK);
    sb_store_release(slot_of(&rig, 0), full_word(&rig, 0, rig.blocks->count)); /* no such block */
    CU_ASSERT_EQUAL(get(&rig, &rx), 2);

    sb_store_release(slot_of(&rig, 2), sb_slot_make(1000, 0)); /* a lap that nobody has come to */
    CU_ASSERT_EQUAL(put(&rig, &tx, 3), SB_RING_CORRUPT);
    CU_ASSERT_EQUAL(sb_mpmc_recv(&rx, &block, &hdr, &ticket), SB_RING_CORRUPT);
    rig_set(&rig, 400);
    struct sb_mpmc late = ring_of(&rig);
    sb_store_release(slot_of(&rig, 400), sb_slot_make(98, 0)); /* a lap long past */
    CU_ASSERT_EQUAL(put(&rig, &late, 3), SB_RING_CORRUPT);
    CU_ASSERT_EQUAL(sb_mpmc_recv(&late, &block, &hdr, &ticket), SB_RING_CORRUPT);
    sb_store_release(slot_of(&rig, 400), sb_slot_make(99, SB_SLOT_EMPTY)); /* cleared by nobody */
    CU_ASSERT_EQUAL(put(&rig, &late, 3), SB_RING_CORRUPT);
    rig_end(&rig);
}

T_TEST(ring_mpmc, random_words_in_slots_headers_and_hints_never_crash_or_hang)
{
    struct rig rig;
    rig_make(&rig, 8, 16);
    struct sb_mpmc tx = ring_of(&rig), rx = ring_of(&rig);
    for (int i = 0; i < 200000; i++) {
        uint32_t block = (uint32_t)t_random_below(16);
        uint64_t hdr = 0, ticket = 0, value = t_random();
        switch (t_random_below(8)) {
        case 0:
            sb_store_release(slot_of(&rig, t_random()), t_random_below(2) ? value : value >> 30);
            break;
        case 1:
            sb_store_release(&block_at(&rig, block)->hdr, value);
            break;
        case 2:
            sb_store_release(&block_at(&rig, block)->loc[value & 1], t_random() >> (value & 31));
            break;
        case 3:
            sb_store_release(value & 1 ? &rig.ch->shared->tail : &rig.ch->shared->head, t_random());
            break;
        case 4:
            sb_fetch_add(&rig.ch->shared->orphan_seq, value & 1);
            break;
        case 5:
            if (sb_mpmc_recv(&rx, &block, &hdr, &ticket) == SB_RING_OK)
                CU_ASSERT_TRUE(block < rig.blocks->count);
            break;
        case 6:
            sb_mpmc_requeue(&rx, block, hdr_of(&rig, block), value & 1);
            break;
        default:
            sb_store_release(&block_at(&rig, block)->hdr,
                             sb_hdr_make(value >> 24, 0, SB_BLOCK_FILLING, rig.owner));
            sb_mpmc_send(&tx, block, hdr_of(&rig, block), &ticket);
            break;
        }
        sb_mpmc_depth(rig.ch);
    }
    rig_end(&rig);
}

/* ------------------------------------------------------------------------------------ threads */

#define STRESS_THREADS 3
#define CHECKED UINT64_C(0x9e3779b97f4a7c15)

struct stress {
    const struct rig *rig;
    uint64_t per_sender;
    uint32_t requeue_every; /* 0: never */
    int64_t start_ns;
    sb_word sent, senders_done, received;
    sb_word failures;
    uint8_t *seen; /* one for each sender and number */
};

struct stress_thread {
    struct stress *all;
    uint64_t id;
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
    struct sb_mpmc ring = ring_of(all->rig);
    struct sb_stock stock = {0};
    const struct sb_blocks *blocks = all->rig->blocks;
    uint64_t i = 0;

    while (i < all->per_sender && !t_is_enough(all->start_ns)) {
        uint32_t block = sb_block_alloc(blocks, &stock, 0, all->rig->owner);
        uint64_t ticket = 0;
        if (block == SB_NONE) {
            sched_yield();
            continue;
        }
        uint64_t *payload = payload_of(all->rig, block);
        for (uint64_t k = 0; k < 7; k++)
            payload[k] = (me->id << 48 | i) * CHECKED + k;
        payload[7] = me->id << 48 | i;
        switch (sb_mpmc_send(&ring, block, hdr_of(all->rig, block), &ticket)) {
        case SB_RING_OK:
            i++;
            break;
        case SB_RING_FULL:
        case SB_RING_BUSY:
            if (!sb_block_free(blocks, &stock, block, all->rig->owner))
                stress_fail(all);
            break;
        default:
            stress_fail(all);
            return NULL;
        }
    }
    sb_stock_flush(blocks, &stock);
    sb_fetch_add(&all->sent, i);
    sb_fetch_add(&all->senders_done, 1);
    return NULL;
}

/* Whether the payload is whole, not seen before, and later than all before of that sender. */
static bool stress_check(struct stress *all, uint32_t block, uint64_t hdr, uint64_t *latest)
{
    const uint64_t *payload = payload_of(all->rig, block);
    uint64_t sender = payload[7] >> 48, number = payload[7] & 0xffffffffffff;

    for (uint64_t k = 0; k < 7; k++) {
        if (payload[k] != payload[7] * CHECKED + k)
            return false;
    }
    if (sender >= STRESS_THREADS || number >= all->per_sender)
        return false;
    if (sb_hdr_deliveries(hdr) == 1) { /* redeliveries come when they were given back */
        if (latest[sender] > number)
            return false;
        latest[sender] = number + 1;
    }
    return true;
}

static void *stress_recv(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    struct sb_mpmc ring = ring_of(all->rig);
    struct sb_stock stock = {0};
    uint64_t latest[STRESS_THREADS] = {0}, hdr = 0, ticket = 0, turn = 0;
    uint32_t block = 0;

    while (sb_load_acquire(&all->senders_done) < STRESS_THREADS ||
           sb_load_acquire(&all->received) < sb_load_acquire(&all->sent)) {
        enum sb_ring_result r = sb_mpmc_recv(&ring, &block, &hdr, &ticket);
        if (r == SB_RING_EMPTY || r == SB_RING_BUSY) {
            sched_yield();
            continue;
        }
        if (r != SB_RING_OK || !stress_check(all, block, hdr, latest)) {
            stress_fail(all);
            return NULL;
        }
        if (all->requeue_every != 0 && ++turn % all->requeue_every == 0 &&
            sb_hdr_deliveries(hdr) < 3) {
            if (sb_mpmc_requeue(&ring, block, hdr, false) != all->rig->index)
                stress_fail(all);
            continue;
        }
        uint64_t value = payload_of(all->rig, block)[7];
        uint8_t *seen = &all->seen[(value >> 48) * all->per_sender + (value & 0xffffffffffff)];
        if (__atomic_fetch_add(seen, 1, __ATOMIC_RELAXED) != 0)
            stress_fail(all);
        if (!sb_block_free(all->rig->blocks, &stock, block, all->rig->owner))
            stress_fail(all);
        sb_fetch_add(&all->received, 1);
    }
    sb_stock_flush(all->rig->blocks, &stock);
    return NULL;
}

static void stress(uint32_t depth, uint64_t blocks, uint32_t requeue_every, uint64_t per_sender)
{
    struct rig rig;
    rig_make(&rig, depth, blocks);
    struct stress all = {.rig = &rig,
                         .per_sender = per_sender,
                         .requeue_every = requeue_every,
                         .start_ns = t_now_ns()};
    struct stress_thread threads[2 * STRESS_THREADS];

    all.seen = calloc(STRESS_THREADS, per_sender);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all.seen);
    for (uint64_t i = 0; i < 2 * STRESS_THREADS; i++) {
        threads[i] = (struct stress_thread){.all = &all, .id = i / 2};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL,
                                             i % 2 ? stress_send : stress_recv, &threads[i]),
                              0);
    }
    for (int i = 0; i < 2 * STRESS_THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.failures), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.received), sb_load_acquire(&all.sent));
    CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), blocks);
    CU_ASSERT_EQUAL(sb_mpmc_depth(rig.ch), 0);
    free(all.seen);
    rig_end(&rig);
}

T_TEST(ring_mpmc, many_threads_on_a_small_ring_lose_and_double_nothing)
{
    stress(4, 16, 0, 3000);
}

T_TEST(ring_mpmc, many_threads_on_a_ring_of_one_or_two_slots)
{
    stress(1, 16, 0, 800);
    stress(2, 16, 0, 1500);
}

T_TEST(ring_mpmc, many_threads_with_fewer_blocks_than_threads)
{
    stress(8, 4, 0, 2000);
}

T_TEST(ring_mpmc, many_threads_with_stocks_and_redeliveries)
{
    stress(64, 1024, 7, 5000);
}
