/* SPDX-License-Identifier: MIT */
/*
 * What is delivered again: the steps Q, O, N and Y, whose order and proof are at the top of
 * ring_mpmc.c, with those of sending and receiving.
 */
#include "protocol/mpmc_redelivery.h"

#include "base/branch.h"
#include "protocol/event.h"
#include "protocol/letters.h"

#define LOOKS 8u /* at all blocks, for orphans, while others give back without an end */

static bool at_last_delivery(const struct sb_channel_view *ch, uint64_t hdr)
{
    return ch->max_deliveries > 0 && sb_hdr_deliveries(hdr) >= ch->max_deliveries &&
           ch->dead_letter != SB_NONE;
}

/* A message of this queue that may not be delivered again: to the dead-letter queue, DEAD_LETTER if
 * that has no place. Whoever meets one does that, so that what a dead process held is counted
 * against the depth of the queue where it waits, and not held by this one. */
SB_NOINLINE static void set_aside(struct sb_mpmc *ring, uint32_t block, uint64_t hdr)
{
    struct sb_block *b = sb_block_at(ring->blocks, block);
    const struct sb_channel_view *ch = &ring->channels[ring->channel];
    uint64_t gen = sb_hdr_gen(hdr);
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    uint64_t mine =
        sb_hdr_make(gen, sb_deliveries_next(deliveries), SB_BLOCK_RECEIVED, ring->owner);
    bool is_new = sb_hdr_state(hdr) == SB_BLOCK_ORPHAN;

    if (ch->dead_letter >= ring->channel_count || !sb_letter_has_place(ring, block, is_new) ||
        !sb_cas(&b->hdr, hdr, mine)) { /* O1 */
        return;
    }
    if (!sb_letter_move(ring, block, mine, deliveries)) {
        sb_store_release(&b->hdr, sb_hdr_make(gen, deliveries, SB_BLOCK_DEAD_LETTER, 0)); /* Q1 */
        sb_fetch_add(&ring->channels[ch->dead_letter].shared->orphan_seq, 1);             /* Q2 */
    }
    if (is_new) {
        sb_fetch_add(&ch->shared->dead_lettered, 1);
    }
    sb_event_wake(&ring->channels[ch->dead_letter].shared->readable);
}

/* What is delivered again is sorted by whose it is: what was given back comes before all that waits
 * in the ring; dead letters that nobody has received behind it, as they were set aside later. */
#define GROUP_OWN 0u
#define GROUP_LETTER_AGAIN 1u /* and the number of the queue it comes from */
#define GROUP_LATE (1u << 16)
#define GROUP_YIELDS GROUP_LATE /* behind what waited when it was received, see Y1 */
#define GROUP_LETTER (GROUP_LATE + 1u)

static uint32_t unit_shift(const struct sb_mpmc *ring)
{
    return ring->shift > 14u ? ring->shift - 14u : 0;
}

/* How far all that was received goes, as far as this handle knows. */
static uint64_t known_head(const struct sb_mpmc *ring)
{
    uint64_t hinted = sb_load_acquire(&ring->shared->head);
    return (int64_t)(hinted - ring->head) > 0 ? hinted : ring->head;
}

/* Y2: where a message comes whose last three holders died with it. */
static void yield(const struct sb_mpmc *ring, uint64_t holder, struct sb_returned_item *item)
{
    uint64_t head = known_head(ring);
    int64_t ahead = sb_holder_ahead(holder, head, unit_shift(ring));

    if (ahead > 0) {
        item->group = GROUP_YIELDS;
    }
    item->place = head + (uint64_t)ahead;
}

/* Whether a message of this queue that is given back is for its receivers to take or to move. */
static bool is_for_us(const struct sb_mpmc *ring, uint32_t block, uint64_t hdr)
{
    const struct sb_channel_view *ch = &ring->channels[ring->channel];

    if (sb_hdr_state(hdr) == SB_BLOCK_ORPHAN) {
        return true;
    }
    return sb_hdr_deliveries(hdr) <= ch->max_deliveries && ch->dead_letter < ring->channel_count &&
           sb_letter_has_place(ring, block, false);
}

/* What is in block @block, if it is to be delivered again by receivers of this queue. */
static bool look_at_orphan(const struct sb_mpmc *ring, uint32_t block, const struct sb_block *b,
                           struct sb_returned_item *ret)
{
    uint64_t hdr = sb_load_acquire(&b->hdr);
    enum sb_block_state state = sb_hdr_state(hdr);
    uint64_t loc;
    uint64_t holder;
    uint32_t origin;

    if (state != SB_BLOCK_ORPHAN && state != SB_BLOCK_DEAD_LETTER) {
        return false;
    }
    loc = sb_load_acquire(&b->loc[sb_hdr_gen(hdr) & 1u]);
    holder = sb_load_acquire(&b->holder);
    origin = sb_loc_channel(loc);
    if (sb_load_acquire(&b->hdr) != hdr || origin >= ring->channel_count) {
        return false; /* taken meanwhile; or nonsense */
    }
    *ret = (struct sb_returned_item){GROUP_OWN, sb_loc_ticket(loc), hdr, block};
    if (origin == ring->channel) {
        if (state == SB_BLOCK_ORPHAN && sb_holder_yields(holder)) {
            yield(ring, holder, ret);
        }
        return is_for_us(ring, block, hdr);
    }
    ret->group = origin + (sb_hdr_deliveries(hdr) > ring->channels[origin].max_deliveries
                               ? GROUP_LETTER_AGAIN
                               : GROUP_LETTER);
    return state == SB_BLOCK_DEAD_LETTER && ring->channels[origin].dead_letter == ring->channel;
}

static void look_at_all(void *receiver)
{
    struct sb_mpmc *ring = receiver;
    struct sb_returned_item item;

    sb_returned_clear(&ring->returned);
    for (uint32_t c = 0; c < ring->blocks->class_count; c++) {
        const struct sb_class_view *cls = &ring->blocks->classes[c];
        for (uint32_t i = 0; i < cls->count; i++) {
            uint32_t block = cls->first + i;
            if (look_at_orphan(ring, block, sb_block_in(cls, block), &item)) {
                sb_returned_add(&ring->returned, &item);
            }
        }
    }
}

static void list_orphans(struct sb_mpmc *ring, uint64_t seq)
{
    sb_returned_find(&ring->returned, &ring->shared->orphan_seq, seq, look_at_all, ring);
}

/* O1 on what a look has found. */
static bool take_orphan(struct sb_mpmc *ring, const struct sb_returned_item *item,
                        uint32_t *ret_block, uint64_t *ret_hdr, uint64_t *ret_ticket)
{
    struct sb_block *b = sb_block_at(ring->blocks, item->number);
    uint64_t hdr = item->word;
    uint64_t mine = sb_hdr_make(sb_hdr_gen(hdr), sb_deliveries_next(sb_hdr_deliveries(hdr)),
                                SB_BLOCK_RECEIVED, ring->owner);

    if ((item->group == GROUP_OWN || item->group == GROUP_YIELDS) &&
        (sb_hdr_state(hdr) == SB_BLOCK_DEAD_LETTER ||
         at_last_delivery(&ring->channels[ring->channel], hdr))) {
        set_aside(ring, item->number, hdr);
        return false;
    }
    if (!sb_cas(&b->hdr, hdr, mine)) { /* O1 */
        return false;
    }
    ring->died_with = sb_load_relaxed(&b->holder);
    *ret_block = item->number;
    *ret_hdr = mine;
    *ret_ticket = sb_loc_ticket(sb_load_relaxed(&b->loc[sb_hdr_gen(hdr) & 1u]));
    return true;
}

/* Whether it comes before what waits in the ring. */
static bool is_its_turn(const struct sb_mpmc *ring, const struct sb_returned_item *item)
{
    return item->group < GROUP_LATE ||
           (item->group == GROUP_YIELDS && (int64_t)(known_head(ring) - item->place) >= 0);
}

/* The next of those found; @late: nothing waits in the ring, so what comes behind that, too. */
static bool take_listed(struct sb_mpmc *ring, bool late, uint32_t *ret_block, uint64_t *ret_hdr,
                        uint64_t *ret_ticket)
{
    const struct sb_returned_item *item;

    while ((item = sb_returned_next(&ring->returned)) != NULL) {
        if (!late && !is_its_turn(ring, item)) {
            return false;
        }
        ring->returned.at++;
        if (take_orphan(ring, item, ret_block, ret_hdr, ret_ticket)) {
            return true;
        }
    }
    if (!ring->returned.more) {
        ring->orphan_seen = ring->returned.want;
    }
    return false;
}

uint64_t sb_mpmc_holder(const struct sb_mpmc *ring, uint64_t holder)
{
    return ring->died_with == 0 ? holder
                                : sb_holder_after(holder, ring->died_with, sb_mpmc_true_tail(ring),
                                                  unit_shift(ring));
}

/* Something was given back, or set aside, since all of that was used up. */
SB_NOINLINE static enum sb_ring_result recv_orphan(struct sb_mpmc *ring, uint64_t seq,
                                                   uint32_t *ret_block, uint64_t *ret_hdr,
                                                   uint64_t *ret_ticket)
{
    enum sb_ring_result r;

    for (uint32_t n = 0; n < LOOKS; n++) {
        list_orphans(ring, seq);
        if (take_listed(ring, false, ret_block, ret_hdr, ret_ticket)) {
            return SB_RING_OK;
        }
        if (sb_returned_next(&ring->returned) != NULL || !ring->returned.more) {
            break; /* otherwise others have taken all these, but there are more */
        }
    }
    r = sb_mpmc_recv_placed(ring, ret_block, ret_hdr, ret_ticket);
    if (r == SB_RING_EMPTY && take_listed(ring, true, ret_block, ret_hdr, ret_ticket)) {
        r = SB_RING_OK;
    }
    return r;
}

enum sb_ring_result sb_mpmc_recv(struct sb_mpmc *ring, uint32_t *ret_block, uint64_t *ret_hdr,
                                 uint64_t *ret_ticket)
{
    uint64_t seq = sb_load_acquire(&ring->shared->orphan_seq);

    if (sb_unlikely(seq != ring->orphan_seen)) {
        return recv_orphan(ring, seq, ret_block, ret_hdr, ret_ticket);
    }
    return sb_mpmc_recv_placed(ring, ret_block, ret_hdr, ret_ticket);
}

/* Where a message given back goes that may not be delivered again by its queue @origin. The first
 * time it is set aside; one that is a dead letter already stays one. */
SB_NOINLINE static uint32_t give_up(struct sb_mpmc *ring, uint32_t block, uint64_t hdr,
                                    uint32_t origin, bool undo)
{
    const struct sb_channel_view *ch = &ring->channels[origin];
    struct sb_block *b = sb_block_at(ring->blocks, block);
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    bool is_new = origin == ring->channel;

    if (undo && deliveries > ch->max_deliveries) {
        deliveries--;
    }
    if (!is_new || !sb_letter_move(ring, block, hdr, deliveries)) {
        sb_store_relaxed(&b->holder, 0);
        sb_store_release(&b->hdr, sb_hdr_make(sb_hdr_gen(hdr), deliveries, SB_BLOCK_DEAD_LETTER,
                                              0));                            /* Q1 */
        sb_fetch_add(&ring->channels[ch->dead_letter].shared->orphan_seq, 1); /* Q2 */
    }
    if (is_new) {
        sb_fetch_add(&ch->shared->dead_lettered, 1);
    }
    return ch->dead_letter;
}

uint32_t sb_mpmc_requeue(struct sb_mpmc *ring, uint32_t block, uint64_t hdr, bool undo)
{
    struct sb_block *b;
    uint32_t origin;
    uint32_t deliveries = sb_hdr_deliveries(hdr);

    if (block >= ring->blocks->count || sb_hdr_state(hdr) != SB_BLOCK_RECEIVED ||
        sb_hdr_owner(hdr) != ring->owner) {
        return SB_NONE;
    }
    b = sb_block_at(ring->blocks, block);
    origin = sb_loc_channel(sb_load_relaxed(&b->loc[sb_hdr_gen(hdr) & 1u]));
    if (sb_load_relaxed(&b->hdr) != hdr || origin >= ring->channel_count) {
        return SB_NONE;
    }
    if (at_last_delivery(&ring->channels[origin], hdr) && (!undo || origin != ring->channel)) {
        return give_up(ring, block, hdr, origin, undo);
    }
    if (undo && deliveries > 0) {
        deliveries--;
    }
    sb_store_relaxed(&b->holder, 0);
    sb_store_release(&b->hdr,
                     sb_hdr_make(sb_hdr_gen(hdr), deliveries, SB_BLOCK_ORPHAN, 0)); /* Q1 */
    sb_fetch_add(&ring->channels[origin].shared->orphan_seq, 1);                    /* Q2 */
    return origin;
}
