/* SPDX-License-Identifier: MIT */
/*
 * Dead letters
 *
 * A message at its last delivery is forwarded from its queue q to the dead-letter queue D of q, by
 * whoever holds it: a receiver of q that gives it back, or one that finds it given back by recovery
 * and takes it by O1. The steps are those of a forward and of a receive (ring_mpmc.c), so D is a
 * queue like any other: never more messages than it is deep, in the order in which they were set
 * aside.
 *
 *   holder: RECEIVED(me, g) of q, at its last delivery
 *   If its block is of q's share, the following goes on with a copy in a block of D: exchange.c.
 *   B1 store   meta  delivered so often, what its next holders add their own deliveries to
 *   S1 S2 S3   into a place of D       COMMIT
 *   D is full and drops its oldest:
 *   B2 cas     hdr   R1, R2 on the oldest of D
 *   B3 store   hdr   F1, F2 on it, counted; then again from S1
 *   D is full and does not drop: B1 is taken back, the message stays with q: DEAD_LETTER by Q1, Q2.
 *   Receivers of D take it from there by O1, receivers of q try again.
 *
 * Nobody waits here: D's places are freed by dropping, or the message stays where it is.
 *
 * Killed before S3: recovery makes it DEAD_LETTER of q; the next receiver of q or D goes on. aside
 * may be written already: it is written anew by whoever moves it, and read only in D. Killed after
 * S3: it is in D. B2-B3: the oldest is RECEIVED(dead), so recovery makes it an orphan of D: D has
 * one more than its depth, for its next receiver. Stopped anywhere: the same pictures; one message
 * waits for its holder.
 * Checked by: test/unit/test_letters.c, test/model, test/crash
 */
#include "protocol/letters.h"

#include <string.h>

#include "protocol/exchange.h"

#define TRIES 64u /* others may be faster; then it stays where it is */

/* Frees to everybody: nothing is kept for a queue that this process does not use. */
static void discard(const struct sb_mpmc *ring, uint32_t block)
{
    struct sb_stock none = {0};

    memset(none.known, true, sizeof none.known);
    sb_block_free(ring->blocks, &none, block, ring->owner);
}

static bool drop_oldest(struct sb_mpmc *to)
{
    uint32_t block = 0;
    uint64_t hdr = 0;
    uint64_t ticket = 0;

    if (sb_mpmc_recv_placed(to, &block, &hdr, &ticket) != SB_RING_OK) { /* B2 */
        return false;
    }
    discard(to, block); /* B3 */
    sb_fetch_add(&to->shared->letters_dropped, 1);
    return true;
}

static bool drops(const struct sb_mpmc *to)
{
    return to->channels[to->channel].on_full == SHMBUS_FULL_DROP_OLDEST;
}

/* Whether the message must go on in another block: one of q's share may not wait in D. */
static bool must_copy(const struct sb_mpmc *to, uint32_t block)
{
    return sb_block_is_of_another(to->blocks, &to->channels[to->channel].share, block);
}

static uint32_t class_of_message(const struct sb_mpmc *to, uint32_t block)
{
    return sb_class_for(to->blocks, sb_block_bytes(to->blocks, block));
}

bool sb_letter_has_place(const struct sb_mpmc *ring, uint32_t block, bool whatever)
{
    const struct sb_channel_view *dead_letter;
    struct sb_mpmc to;

    if (whatever) {
        return true;
    }
    sb_mpmc_beside(ring, ring->channels[ring->channel].dead_letter, &to);
    dead_letter = &to.channels[to.channel];
    if (must_copy(&to, block) && !(drops(&to) && sb_mpmc_depth(dead_letter) > 0) &&
        !sb_block_is_there(to.blocks, &dead_letter->share, class_of_message(&to, block))) {
        return false;
    }
    return drops(&to) || sb_mpmc_writable(&to);
}

static bool send_letter(struct sb_mpmc *to, uint32_t block, uint64_t hdr)
{
    for (uint32_t n = 0; n < TRIES; n++) {
        uint64_t ticket = 0;
        enum sb_ring_result r = sb_mpmc_send(to, block, hdr, &ticket);
        if (r == SB_RING_OK) {
            return true;
        }
        if (r != SB_RING_BUSY && (r != SB_RING_FULL || !drops(to))) {
            return false;
        }
        if (r == SB_RING_FULL) {
            drop_oldest(to);
        }
    }
    return false;
}

/* A block for a copy: if there is none, the oldest letters give theirs. */
static uint32_t take_block(struct sb_mpmc *to, uint32_t cls)
{
    struct sb_stock none = {.own = to->channels[to->channel].share};
    uint32_t block = SB_NONE;

    memset(none.known, true, sizeof none.known);
    for (uint32_t n = 0; n < TRIES && block == SB_NONE; n++) {
        block = sb_block_alloc(to->blocks, &none, cls, to->owner);
        if (block == SB_NONE && (!drops(to) || !drop_oldest(to))) {
            break;
        }
    }
    return block;
}

static bool send_copy(struct sb_mpmc *to, uint32_t block, uint64_t hdr)
{
    uint32_t copy = take_block(to, class_of_message(to, block));

    if (copy == SB_NONE) {
        return false;
    }
    sb_exchange_begin(to->blocks, block, hdr, copy);
    if (!send_letter(to, copy, sb_load_relaxed(&sb_block_at(to->blocks, copy)->hdr))) {
        sb_exchange_undo(to->blocks, block, hdr);
        discard(to, copy);
        return false;
    }
    sb_block_leave(to->blocks, block); /* as exchange.c says */
    return true;
}

bool sb_letter_move(const struct sb_mpmc *ring, uint32_t block, uint64_t hdr, uint32_t deliveries)
{
    struct sb_block *b = sb_block_at(ring->blocks, block);
    uint32_t dead_letter = ring->channels[ring->channel].dead_letter;
    uint64_t meta = sb_load_relaxed(&b->meta);
    struct sb_mpmc to;
    bool moved;

    if (dead_letter >= ring->channel_count || ring->channels[dead_letter].slots == NULL) {
        return false;
    }
    sb_mpmc_beside(ring, dead_letter, &to);
    sb_store_relaxed(&b->meta, sb_meta_set_aside(meta, deliveries)); /* B1 */
    moved = must_copy(&to, block) ? send_copy(&to, block, hdr) : send_letter(&to, block, hdr);
    if (!moved) {
        sb_store_relaxed(&b->meta, meta);
    }
    return moved;
}
