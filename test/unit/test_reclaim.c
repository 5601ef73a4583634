/* SPDX-License-Identifier: MIT */
/*
 * Recovery. Every picture that a process can leave by dying between two steps is written by hand
 * into a segment, under the name of a process that the kernel calls dead; then the others go on
 * before recovery, recovery runs (several times, and torn apart), and everything is accounted for.
 * The rows are those of doc/crash-points.md.
 */
#include <signal.h>

#include "channel/queue.h"
#include "fixture.h"
#include "protocol/event.h"
#include "protocol/reclaim.h"
#include "protocol/stream_end.h"

#define BLOCKS 6u

/* Queues "a" (at most 2 deliveries, then "dead"), "b" and a stream "s". */
struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_channel *a, *b, *dead;
    struct t_corpse d;
};

static void rig_make(struct rig *rig, uint32_t depth)
{
    struct shmbus_plan *plan = t_plan(64, 64, BLOCKS);
    t_plan_queue(plan, "a", depth, SHMBUS_FULL_REJECT, 2, "dead");
    t_plan_queue(plan, "b", depth, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_queue(plan, "dead", depth, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    rig->bus = t_bus_new(plan, rig->name);
    rig->a = t_open(rig->bus, "a", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->b = t_open(rig->bus, "b", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->dead = t_open(rig->bus, "dead", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_get(rig->a), UINT64_MAX); /* the scan of new handles is over */
    CU_ASSERT_EQUAL(t_get(rig->b), UINT64_MAX);
    rig->d = t_corpse(rig->bus);
}

static struct sb_block *block_at(const struct rig *rig, uint32_t block)
{
    return sb_block_at(&rig->bus->view.blocks, block);
}

static uint64_t hdr_of(const struct rig *rig, uint32_t block)
{
    return sb_load_acquire(&block_at(rig, block)->hdr);
}

static void set_hdr(const struct rig *rig, uint32_t block, uint64_t hdr)
{
    sb_store_release(&block_at(rig, block)->hdr, hdr);
}

static sb_word *slot_of(const struct rig *rig, const struct shmbus_channel *ch, uint64_t ticket)
{
    const struct sb_channel_view *view = &rig->bus->view.channels[ch->index];
    return &view->slots[sb_slot_index(ticket, view->depth_shift)];
}

static uint64_t full(const struct shmbus_channel *ch, uint64_t ticket, uint32_t block)
{
    return sb_slot_make(sb_lap_of(ticket, ch->view->depth_shift), block);
}

static void bitmap_set(const struct rig *rig, uint32_t block, bool on)
{
    sb_word *word = &rig->bus->view.blocks.classes[0].bitmap[block / 64];
    if (on)
        sb_or(word, 1ull << (block % 64));
    else
        sb_and(word, ~(1ull << (block % 64)));
}

/* Block 0 as the dead process held it to fill it: FILLING(D), generation 5. */
static uint64_t hold_to_send(const struct rig *rig)
{
    uint64_t value = 77, hdr = sb_hdr_make(5, 0, SB_BLOCK_FILLING, rig->d.owner);
    struct sb_block *b = block_at(rig, 0);
    memcpy(sb_payload_in(&rig->bus->view.blocks.classes[0], 0), &value, sizeof value);
    sb_store_relaxed(&b->meta, sb_meta_make(sizeof value, rig->d.slot, SHMBUS_TYPE_DATA));
    set_hdr(rig, 0, hdr);
    bitmap_set(rig, 0, false);
    return hdr;
}

/* A message 77 in @ch that the dead process has taken (R1 only). Returns its ticket. */
static uint64_t take_for_the_dead(const struct rig *rig, struct shmbus_channel *ch,
                                  uint32_t deliveries, uint32_t *ret_block)
{
    uint64_t ticket, hdr;
    t_put(ch, 77);
    ticket = sb_queue_of(ch)->ring.tail - 1;
    *ret_block = sb_slot_block(sb_load_acquire(slot_of(rig, ch, ticket)));
    hdr = hdr_of(rig, *ret_block);
    CU_ASSERT_EQUAL(sb_hdr_state(hdr), SB_BLOCK_QUEUED);
    set_hdr(rig, *ret_block,
            sb_hdr_make(sb_hdr_gen(hdr), deliveries, SB_BLOCK_RECEIVED, rig->d.owner));
    return ticket;
}

static void clear_slot(const struct rig *rig, const struct shmbus_channel *ch, uint64_t ticket)
{
    sb_store_release(slot_of(rig, ch, ticket),
                     sb_slot_make(sb_lap_of(ticket, ch->view->depth_shift) + 1, SB_SLOT_EMPTY));
}

/* All queues go on: a few laps, and nothing but what was sent comes out. */
static void traffic(struct rig *rig)
{
    struct shmbus_channel *const both[] = {rig->a, rig->b};
    for (int c = 0; c < 2; c++) {
        for (uint64_t i = 1; i <= 10; i++) {
            t_put(both[c], i);
            CU_ASSERT_EQUAL(t_get(both[c]), i);
        }
    }
}

/* Torn recovery first: the parts, twice, as if several did it at once or were killed at it. */
static void recover(struct rig *rig)
{
    sb_reclaim_blocks(&rig->bus->view, rig->d.slot, rig->d.w);
    sb_reclaim_blocks(&rig->bus->view, rig->d.slot, rig->d.w);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig->bus->view.processes[rig->d.slot].w), rig->d.w);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig->bus), 1);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig->bus), 0);
    uint64_t w = sb_load_acquire(&rig->bus->view.processes[rig->d.slot].w);
    CU_ASSERT_EQUAL(w, sb_proc_word(sb_proc_epoch(rig->d.w) + 1, SB_PROC_FREE));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint64_t hdr = hdr_of(rig, i);
        CU_ASSERT_TRUE(sb_hdr_owner(hdr) != rig->d.owner || sb_hdr_state(hdr) == SB_BLOCK_QUEUED ||
                       sb_hdr_state(hdr) == SB_BLOCK_FORWARDED);
    }
}

/* Nothing waits anywhere, and every block is free and can be found. */
static void nothing_left(struct rig *rig)
{
    CU_ASSERT_EQUAL(t_get(rig->a), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(rig->b), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(rig->dead), UINT64_MAX);
    traffic(rig);
    CU_ASSERT_EQUAL(t_free_and_hinted(rig->bus), BLOCKS);
    CU_ASSERT_EQUAL(t_blocks(rig->bus).free, BLOCKS);
    t_bus_end(rig->bus, rig->name);
}

/* The message 77 comes out of @ch once more, as delivery @count, and nowhere else. */
static void comes_again(struct rig *rig, struct shmbus_channel *ch, uint32_t count)
{
    struct shmbus_channel *const all[] = {rig->a, rig->b, rig->dead};
    struct shmbus_msg msg = {0};
    for (int c = 0; c < 3; c++) {
        if (all[c] != ch)
            CU_ASSERT_EQUAL(t_get(all[c]), UINT64_MAX);
    }
    CU_ASSERT_EQUAL_FATAL(t_take(ch, &msg), 77);
    CU_ASSERT_EQUAL(msg.delivery_count, count);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
}

/* Each row with and without traffic between the death and the recovery. */
#define ROW(row) T_TEST(reclaim, row)
#define EACH_WAY for (int busy = 0; busy < 2; busy++)

static void maybe(struct rig *rig, int busy)
{
    if (busy)
        traffic(rig);
}

/* --------------------------------------------------------------------------------- allocating */

ROW(killed_between_A1_and_A2_the_block_is_freed)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        hold_to_send(&rig);
        bitmap_set(&rig, 0, true);
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

ROW(killed_between_A3_and_its_second_look_the_hidden_block_is_found)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        bitmap_set(&rig, 2, false);
        bitmap_set(&rig, 5, false);
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

ROW(killed_between_F1_and_F2_the_hidden_block_is_found)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        hold_to_send(&rig);
        set_hdr(&rig, 0, sb_hdr_make(5, 0, SB_BLOCK_FREE, 0));
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

/* ------------------------------------------------------------------------------------ sending */

ROW(killed_while_filling_nothing_was_sent)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        hold_to_send(&rig);
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

/* S2 not done: the location is an old one, of a slot that others use by now, or nonsense. */
ROW(killed_between_S1_and_S2_nothing_was_sent)
{
    static const uint64_t locations[] = {0, 1ull << 48, UINT64_MAX, 3ull << 48, 0xffffull << 48};
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        EACH_WAY
        {
            struct rig rig;
            rig_make(&rig, 4);
            hold_to_send(&rig);
            set_hdr(&rig, 0, sb_hdr_make(6, 0, SB_BLOCK_QUEUED, rig.d.owner));
            sb_store_release(&block_at(&rig, 0)->loc[0], locations[i]);
            maybe(&rig, busy);
            recover(&rig);
            nothing_left(&rig);
        }
    }
}

ROW(killed_between_S2_and_S3_nothing_was_sent)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        hold_to_send(&rig);
        set_hdr(&rig, 0, sb_hdr_make(6, 0, SB_BLOCK_QUEUED, rig.d.owner));
        sb_store_release(&block_at(&rig, 0)->loc[0],
                         sb_loc_make(rig.a->index, sb_queue_of(rig.a)->ring.tail));
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

/* S3..S4 and later. Taken before or after the recovery: it is the same message once. */
ROW(killed_after_S3_it_was_sent)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        hold_to_send(&rig);
        uint64_t t = sb_queue_of(rig.a)->ring.tail;
        set_hdr(&rig, 0, sb_hdr_make(6, 0, SB_BLOCK_QUEUED, rig.d.owner));
        sb_store_release(&block_at(&rig, 0)->loc[0], sb_loc_make(rig.a->index, t));
        sb_store_release(slot_of(&rig, rig.a, t), full(rig.a, t, 0));
        if (busy)
            comes_again(&rig, rig.a, 1);
        recover(&rig);
        if (!busy)
            comes_again(&rig, rig.a, 1);
        nothing_left(&rig);
    }
}

/* The undo of a send that found no room puts the old header back: as if nothing had happened. */
ROW(killed_after_an_undone_send_nothing_was_sent)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        uint64_t hdr = hold_to_send(&rig);
        sb_store_release(&block_at(&rig, 0)->loc[0],
                         sb_loc_make(rig.a->index, sb_queue_of(rig.a)->ring.tail));
        set_hdr(&rig, 0, hdr);
        maybe(&rig, busy);
        recover(&rig);
        nothing_left(&rig);
    }
}

/* ---------------------------------------------------------------------------------- receiving */

ROW(killed_between_R1_and_R2_the_message_comes_again)
{
    for (uint32_t depth = 1; depth <= 4; depth *= 2) {
        EACH_WAY
        {
            struct rig rig;
            uint32_t block = 0;
            rig_make(&rig, depth);
            take_for_the_dead(&rig, rig.a, 1, &block);
            maybe(&rig, busy);
            recover(&rig);
            comes_again(&rig, rig.a, 2);
            nothing_left(&rig);
        }
    }
}

/* The slot was cleared by a passer-by and has been used again since: recovery leaves it alone. */
ROW(killed_between_R1_and_R2_long_ago_the_slot_is_somebody_elses)
{
    struct rig rig;
    uint32_t block = 0;
    struct shmbus_msg msg = {0};
    rig_make(&rig, 2);
    uint64_t ticket = take_for_the_dead(&rig, rig.a, 1, &block);
    traffic(&rig);
    t_put(rig.a, 1);
    if (((sb_queue_of(rig.a)->ring.tail - 1) & 1) != (ticket & 1)) {
        CU_ASSERT_EQUAL(t_get(rig.a), 1);
        t_put(rig.a, 1);
    }
    uint64_t slot = sb_load_acquire(slot_of(&rig, rig.a, ticket));
    recover(&rig);
    CU_ASSERT_EQUAL(sb_load_acquire(slot_of(&rig, rig.a, ticket)), slot);
    CU_ASSERT_EQUAL(t_take(rig.a, &msg), 77);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_EQUAL(t_get(rig.a), 1);
    nothing_left(&rig);
}

ROW(killed_after_R2_the_message_comes_again)
{
    EACH_WAY
    {
        struct rig rig;
        uint32_t block = 0;
        rig_make(&rig, 4);
        uint64_t ticket = take_for_the_dead(&rig, rig.a, 1, &block);
        clear_slot(&rig, rig.a, ticket); /* head lags */
        maybe(&rig, busy);
        recover(&rig);
        comes_again(&rig, rig.a, 2);
        nothing_left(&rig);
    }
}

ROW(killed_after_O1_the_count_goes_up_again)
{
    EACH_WAY
    {
        struct rig rig;
        uint32_t block = 0;
        rig_make(&rig, 4);
        uint64_t ticket = take_for_the_dead(&rig, rig.b, 7, &block); /* b has no limit */
        clear_slot(&rig, rig.b, ticket);
        maybe(&rig, busy);
        recover(&rig);
        comes_again(&rig, rig.b, 8);
        nothing_left(&rig);
    }
}

ROW(delivery_counts_stop_at_their_last_number)
{
    struct rig rig;
    uint32_t block = 0;
    rig_make(&rig, 4);
    uint64_t ticket = take_for_the_dead(&rig, rig.b, SHMBUS_DELIVERIES_MAX, &block);
    clear_slot(&rig, rig.b, ticket);
    recover(&rig);
    comes_again(&rig, rig.b, SHMBUS_DELIVERIES_MAX);
    nothing_left(&rig);
}

ROW(killed_with_its_last_delivery_the_message_is_a_dead_letter)
{
    EACH_WAY
    {
        struct rig rig;
        uint32_t block = 0;
        rig_make(&rig, 4);
        uint64_t ticket = take_for_the_dead(&rig, rig.a, 2, &block);
        if (busy)
            clear_slot(&rig, rig.a, ticket);
        maybe(&rig, busy);
        recover(&rig);
        CU_ASSERT_EQUAL(t_blocks(rig.bus).dead_letters, 1);
        CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "dead").dead_letters, 1);
        CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "a").counters[SHMBUS_COUNT_dead_lettered], 1);
        CU_ASSERT_EQUAL(t_get(rig.a), UINT64_MAX);
        CU_ASSERT_EQUAL(t_get(rig.dead), 77);
        nothing_left(&rig);
    }
}

/* Whoever handles dead letters may die, too: the letter stays one, and is counted once. */
ROW(killed_with_a_dead_letter_it_stays_one_and_is_counted_once)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    rig_make(&rig, 4);
    t_put(rig.a, 77);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(t_take(rig.a, &msg), 77);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "a").counters[SHMBUS_COUNT_dead_lettered], 1);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(t_take(rig.dead, &msg), 77);
        uint32_t block = sb_msg_number(&msg);
        uint64_t hdr = hdr_of(&rig, block);
        set_hdr(&rig, block, (hdr & ~0x3fffull) | rig.d.owner); /* as if the dead one had it */
        CU_ASSERT_EQUAL(shmbus_reclaim(rig.bus), 1);
        CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "dead").dead_letters, 1);
        CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "a").counters[SHMBUS_COUNT_dead_lettered], 1);
        rig.d = t_corpse(rig.bus);
    }
    CU_ASSERT_EQUAL(t_get(rig.a), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(rig.dead), 77);
    recover(&rig);
    nothing_left(&rig);
}

/* Q1..Q2: back in its queue, but nobody was told. */
ROW(killed_between_Q1_and_Q2_the_receivers_are_told)
{
    EACH_WAY
    {
        struct rig rig;
        uint32_t block = 0;
        rig_make(&rig, 4);
        uint64_t ticket = take_for_the_dead(&rig, rig.a, 1, &block);
        clear_slot(&rig, rig.a, ticket);
        set_hdr(&rig, block, sb_hdr_make(sb_hdr_gen(hdr_of(&rig, block)), 1, SB_BLOCK_ORPHAN, 0));
        maybe(&rig, busy);
        recover(&rig);
        comes_again(&rig, rig.a, 2);
        nothing_left(&rig);
    }
}

/* --------------------------------------------------------------------------------- forwarding */

/* The state at FORWARDED: in @ch's slot of @to or not. */
static void forward_for_the_dead(struct rig *rig, bool place, bool commit)
{
    uint32_t block = 0;
    uint64_t ticket = take_for_the_dead(rig, rig->a, 1, &block);
    uint64_t gen = sb_hdr_gen(hdr_of(rig, block)) + 1, t = sb_queue_of(rig->b)->ring.tail;
    clear_slot(rig, rig->a, ticket);
    set_hdr(rig, block, sb_hdr_make(gen, 1, SB_BLOCK_FORWARDED, rig->d.owner)); /* S1 */
    if (place)
        sb_store_release(&block_at(rig, block)->loc[gen & 1], sb_loc_make(rig->b->index, t));
    if (commit)
        sb_store_release(slot_of(rig, rig->b, t), full(rig->b, t, block));
}

ROW(killed_before_a_forward_commits_the_message_goes_back_to_where_it_was)
{
    for (int place = 0; place < 2; place++) {
        EACH_WAY
        {
            struct rig rig;
            rig_make(&rig, 4);
            forward_for_the_dead(&rig, place, false);
            maybe(&rig, busy);
            recover(&rig);
            comes_again(&rig, rig.a, 2);
            nothing_left(&rig);
        }
    }
}

/* Nobody may receive where it came from any more: the dead-letter queue must have it at once. */
ROW(killed_before_a_dead_letter_is_forwarded_it_is_a_dead_letter_again)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(64, 64, 16);
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, 1, "dead");
    t_plan_queue(plan, "dead", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(q, 77);
    CU_ASSERT_EQUAL(t_take(q, &msg), 77);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_EQUAL(t_take(dead, &msg), 77);
    struct t_corpse d = t_corpse(bus);
    struct sb_block *b = sb_block_at(&bus->view.blocks, sb_msg_number(&msg));
    uint64_t gen = sb_hdr_gen(msg.opaque_[0]) + 1;
    sb_store_release(&b->holder, 0);
    sb_store_release(&b->hdr, sb_hdr_make(gen, 1, SB_BLOCK_FORWARDED, d.owner)); /* S1 */
    shmbus_channel_close(q);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1);
    CU_ASSERT_EQUAL(t_blocks(bus).dead_letters, 1);
    CU_ASSERT_EQUAL(t_get(dead), 77);
    t_bus_end(bus, name);
}

ROW(killed_after_a_forward_committed_the_message_is_there_once)
{
    EACH_WAY
    {
        struct rig rig;
        rig_make(&rig, 4);
        forward_for_the_dead(&rig, true, true);
        if (busy)
            comes_again(&rig, rig.b, 1);
        recover(&rig);
        if (!busy)
            comes_again(&rig, rig.b, 1);
        nothing_left(&rig);
    }
}

/* Forwarded, taken there, forwarded back, killed: where it was last is where it comes again. */
ROW(killed_in_a_second_forward_the_message_goes_back_one_step_only)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    rig_make(&rig, 4);
    t_put(rig.a, 77);
    CU_ASSERT_EQUAL(t_take(rig.a, &msg), 77);
    T_OK(shmbus_forward(&msg, rig.b, 0));
    CU_ASSERT_EQUAL(t_take(rig.b, &msg), 77);
    uint32_t block = sb_msg_number(&msg);
    uint64_t gen = sb_hdr_gen(hdr_of(&rig, block)) + 1;
    set_hdr(&rig, block, sb_hdr_make(gen, 1, SB_BLOCK_FORWARDED, rig.d.owner));
    sb_store_release(&block_at(&rig, block)->loc[gen & 1],
                     sb_loc_make(rig.a->index, sb_queue_of(rig.a)->ring.tail));
    recover(&rig);
    comes_again(&rig, rig.b, 2);
    nothing_left(&rig);
}

/* ------------------------------------------------------------------------------ the rest of it */

ROW(a_dead_process_leaves_no_handle_and_no_end_of_a_stream)
{
    struct rig rig;
    rig_make(&rig, 4);
    const struct sb_channel_view *s = &rig.bus->view.channels[t_index(rig.bus, "s")];
    sb_store_release(&s->endpoints[0].w, rig.d.owner64);
    sb_store_release(&s->shared->sender, rig.d.owner64);
    sb_store_release(&rig.a->view->endpoints[5].w, rig.d.owner64);
    uint64_t orphan_seq = sb_load_acquire(&rig.a->view->shared->orphan_seq);
    uint64_t recoveries = sb_load_acquire(&rig.bus->view.super->recoveries);
    recover(&rig);
    CU_ASSERT_EQUAL(sb_load_acquire(&s->endpoints[0].w), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.a->view->endpoints[5].w), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&s->shared->sender), sb_end_left(rig.d.owner64, SB_END_DEAD));
    CU_ASSERT_NOT_EQUAL(sb_load_acquire(&rig.a->view->shared->orphan_seq), orphan_seq);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.bus->view.super->recoveries), recoveries + 1);
    nothing_left(&rig);
}

/* A recoverer that was stopped for long: the slot has a new owner, who must not be robbed. */
ROW(a_late_recovery_takes_nothing_from_the_next_owner_of_the_slot)
{
    struct rig rig;
    rig_make(&rig, 4);
    recover(&rig);
    struct t_corpse next = t_corpse(rig.bus);
    set_hdr(&rig, 3, sb_hdr_make(9, 0, SB_BLOCK_FILLING, next.owner));
    set_hdr(&rig, 4,
            sb_hdr_make(9, 0, SB_BLOCK_FILLING, rig.d.owner)); /* 16 lives later: the same word */
    sb_reclaim_blocks(&rig.bus->view, rig.d.slot, rig.d.w);
    CU_ASSERT_FALSE(sb_reclaim_slot(&rig.bus->view, rig.d.slot, rig.d.w));
    CU_ASSERT_EQUAL(hdr_of(&rig, 3), sb_hdr_make(9, 0, SB_BLOCK_FILLING, next.owner));
    CU_ASSERT_EQUAL(hdr_of(&rig, 4), sb_hdr_make(9, 0, SB_BLOCK_FILLING, rig.d.owner));
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.bus->view.processes[next.slot].w), next.w);
    set_hdr(&rig, 4, sb_hdr_make(9, 0, SB_BLOCK_FILLING, next.owner));
    rig.d = next;
    recover(&rig);
    nothing_left(&rig);
}

/* Every other slot of the table belongs to a dead process that held a message: one pass for all of
 * them, whatever the order of slots, messages and blocks. */
ROW(many_killed_at_once_are_cleaned_up_after_together)
{
    enum { SLOTS = 200 };
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(SLOTS, 64, SLOTS);
    t_plan_queue(plan, "q", 256, SHMBUS_FULL_REJECT, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    uint64_t sum = 0, expected = 0;
    uint32_t dead = 0;
    t_nobody_looks(bus);
    for (uint32_t slot = SLOTS - 1; slot > 1; slot -= 2) {
        sb_store_release(&bus->view.processes[slot].w, sb_proc_word(slot, SB_PROC_ACTIVE));
        t_put(q, slot);
        CU_ASSERT_EQUAL(t_take(q, &msg), slot);
        sb_store_release(&sb_block_at(&bus->view.blocks, sb_msg_number(&msg))->hdr,
                         (msg.opaque_[0] & ~0x3fffull) | sb_owner_make(slot, slot));
        expected += slot;
        dead++;
    }
    uint64_t told = sb_load_acquire(&q->shared->orphan_seq);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), (int)dead);
    /* One for each message, as they come back in order, and one at the end: that was one pass. */
    CU_ASSERT_EQUAL(sb_load_acquire(&q->shared->orphan_seq), told + dead + 1);
    CU_ASSERT_EQUAL(sb_load_acquire(&bus->view.super->recoveries), dead);
    for (uint32_t i = 0; i < dead; i++) {
        sum += t_take(q, &msg);
        CU_ASSERT_EQUAL(msg.delivery_count, 2);
        T_OK(shmbus_release(&msg));
    }
    CU_ASSERT_EQUAL(sum, expected);
    CU_ASSERT_EQUAL(t_get(q), UINT64_MAX);
    t_bus_end(bus, name);
}

/* While a recoverer is stopped just before its CAS, the slot has sixteen more incarnations: the
 * last one is named like the first in headers. It comes to hold the same message, by a count that
 * has stopped: */
static void becomes_the_sixteenth(struct rig *rig)
{
    uint32_t owner = rig->d.owner;
    recover(rig);
    for (int i = 0; i < 15; i++) {
        rig->d = t_corpse(rig->bus);
        CU_ASSERT_NOT_EQUAL(rig->d.owner, owner);
        CU_ASSERT_EQUAL(shmbus_reclaim(rig->bus), 1);
    }
    rig->d = t_corpse(rig->bus);
    CU_ASSERT_EQUAL_FATAL(rig->d.owner, owner);
}

/* The block of the message that comes from @ch, held by the sixteenth. */
static uint32_t held_by_the_sixteenth(struct rig *rig, struct shmbus_channel *ch)
{
    struct shmbus_msg msg = {0};
    CU_ASSERT_EQUAL_FATAL(t_take(ch, &msg), 77);
    uint32_t block = sb_msg_number(&msg);
    set_hdr(rig, block, (hdr_of(rig, block) & ~0x3fffull) | rig->d.owner);
    return block;
}

ROW(a_late_recoverer_of_a_received_message_finds_another_word)
{
    struct rig rig;
    uint32_t block = 0;
    rig_make(&rig, 4);
    uint64_t ticket = take_for_the_dead(&rig, rig.b, SHMBUS_DELIVERIES_MAX, &block);
    clear_slot(&rig, rig.b, ticket);
    uint64_t late = hdr_of(&rig, block);
    becomes_the_sixteenth(&rig);
    CU_ASSERT_EQUAL(held_by_the_sixteenth(&rig, rig.b), block);
    CU_ASSERT_NOT_EQUAL(hdr_of(&rig, block), late);
    recover(&rig);
    comes_again(&rig, rig.b, SHMBUS_DELIVERIES_MAX);
    nothing_left(&rig);
}

ROW(a_late_recoverer_of_a_forward_finds_another_word)
{
    struct rig rig;
    rig_make(&rig, 4);
    forward_for_the_dead(&rig, true, false);
    uint32_t block = 0;
    while (block + 1 < BLOCKS && sb_hdr_state(hdr_of(&rig, block)) != SB_BLOCK_FORWARDED)
        block++;
    uint64_t late = hdr_of(&rig, block);
    becomes_the_sixteenth(&rig);
    CU_ASSERT_EQUAL(held_by_the_sixteenth(&rig, rig.a), block);
    uint64_t gen = sb_hdr_gen(hdr_of(&rig, block)) + 1; /* forwarded likewise: S1 */
    CU_ASSERT_NOT_EQUAL(sb_hdr_make(gen, 1, SB_BLOCK_FORWARDED, rig.d.owner), late);
    recover(&rig);
    CU_ASSERT_EQUAL(t_get(rig.dead), 77);
    nothing_left(&rig);
}

ROW(nobody_takes_what_a_living_process_holds)
{
    struct rig rig;
    struct shmbus_msg msg = {0}, room = {0};
    rig_make(&rig, 4);
    recover(&rig);
    t_put(rig.a, 1);
    CU_ASSERT_EQUAL(t_take(rig.a, &msg), 1);
    T_OK(shmbus_reserve(rig.a, 8, &room, 0));
    struct shmbus *other = t_attach(rig.name);
    CU_ASSERT_EQUAL(shmbus_reclaim(other), 0);
    CU_ASSERT_EQUAL(t_blocks(other).held, 2);
    shmbus_detach(other);
    T_OK(shmbus_release(&msg));
    T_OK(shmbus_abort(&room));
    nothing_left(&rig);
}

ROW(impossible_words_of_a_dead_process_are_freed_or_left_but_never_crash)
{
    struct rig rig;
    rig_make(&rig, 4);
    for (int i = 0; i < 5000; i++) {
        uint32_t block = (uint32_t)t_random_below(BLOCKS);
        set_hdr(&rig, block, (t_random() & ~0x3fffull) | rig.d.owner);
        sb_store_release(&block_at(&rig, block)->loc[i & 1], t_random() >> (i % 60));
        sb_reclaim_blocks(&rig.bus->view, rig.d.slot, rig.d.w);
    }
    t_bus_end(rig.bus, rig.name);
}

/* --------------------------------------------------------------------------- the last number */

/* The same pictures where generations and laps come round. */
ROW(forward_undone_at_generation_zero_goes_back_to_where_it_was)
{
    struct rig rig;
    rig_make(&rig, 4);
    for (uint32_t b = 0; b < BLOCKS; b++)
        set_hdr(&rig, b,
                sb_hdr_make((1ull << 40) - 4, 0, SB_BLOCK_FREE, 0)); /* +2 alloc, +1 S1: -1 */
    uint32_t block = 0;
    uint64_t ticket = take_for_the_dead(&rig, rig.a, 1, &block);
    CU_ASSERT_EQUAL(sb_hdr_gen(hdr_of(&rig, block)), (1ull << 40) - 1);
    clear_slot(&rig, rig.a, ticket);
    set_hdr(&rig, block, sb_hdr_make(0, 1, SB_BLOCK_FORWARDED, rig.d.owner));
    sb_store_release(&block_at(&rig, block)->loc[0],
                     sb_loc_make(rig.b->index, sb_queue_of(rig.b)->ring.tail));
    recover(&rig);
    comes_again(&rig, rig.a, 2);
    nothing_left(&rig);
}
