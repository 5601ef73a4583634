/* SPDX-License-Identifier: MIT */
/*
 * Exchange: a received message goes on in another block
 *
 * A block of a queue's share must not wait in another queue, or its own queue could be stopped by
 * what waits there. So such a message is forwarded as a copy: the holder of block b takes block x
 * for the queue it goes to and fills it, and the commit of x is at the same time the end of b.
 *
 *   holder of b: RECEIVED(me, g) and of x: FILLING(me, h), filled
 *   X1 store   twin of b names (x, h)
 *   X2 release hdr of b  RECEIVED(me, g) -> EXCHANGED(me, g)
 *   x is sent, by S1 to S3 of ring_mpmc.c                COMMIT, of both
 *   X3 free    b, by F1 and F2 of block.c
 *   X4 release hdr of b  EXCHANGED(me, g) -> RECEIVED(me, g)   instead, if x finds no place
 *
 * The header of x says whether it was committed: not while it is FILLING(h), or QUEUED(h + 1) in no
 * slot; any other word is a later one, as generations only go up. Recovery takes b, EXCHANGED of a
 * dead process, for done or for not done by that, and gives it back or frees it by one CAS.
 *
 * That is right only as long as nobody but a receiver makes x a later one, and recovery frees x if
 * it was not sent. So it repairs b before x: both name the same process, and whoever recovers
 * after it first gives back all that it held (G1 to G3 of reclaim.c), then frees the rest. x is
 * never freed before b's header has moved on, by that recoverer's CAS or by another's; and who
 * comes late has a CAS on b that fails, as no word EXCHANGED(g) of b ever comes again.
 *
 * Killed before X2: b RECEIVED, given back; x FILLING, freed. From X2 until x is sent: b EXCHANGED,
 * the same; then until X3: b freed. In X4: as before it. Stopped anywhere: nobody waits, but for
 * the two blocks.
 * Orders. X2 releases X1. A recoverer sees all stores of the dead (process.c).
 * Checked by: test/unit/test_exchange.c, test/model, test/crash
 */
#include "protocol/exchange.h"

#include "base/copy.h"
#include "protocol/block.h"

#define LOOKS 16u /* a header that changes so often is not of a block that waits to be sent */

/* Header and payload. The size was read before: whatever it is now, no more than there is room. */
static void copy(const struct sb_blocks *blocks, uint32_t from, uint32_t to)
{
    const struct sb_block *b = sb_block_at(blocks, from);
    struct sb_block *x = sb_block_at(blocks, to);
    uint64_t bytes = sb_block_bytes(blocks, from);
    uint64_t room = sb_class_of(blocks, to)->size_bytes;

    sb_store_relaxed(&x->meta, sb_load_relaxed(&b->meta));
    sb_store_relaxed(&x->stamp_ns, sb_load_relaxed(&b->stamp_ns));
    sb_store_relaxed(&x->correlation_id, sb_load_relaxed(&b->correlation_id));
    sb_copy(sb_payload_in(sb_class_of(blocks, to), to),
            sb_payload_in(sb_class_of(blocks, from), from), bytes < room ? bytes : room);
}

void sb_exchange_begin(const struct sb_blocks *blocks, uint32_t from, uint64_t hdr, uint32_t to)
{
    struct sb_block *b = sb_block_at(blocks, from);
    const struct sb_block *x = sb_block_at(blocks, to);
    uint64_t gen = sb_hdr_gen(hdr);

    copy(blocks, from, to);
    sb_store_relaxed(&b->twin, sb_twin_make(to, sb_hdr_gen(sb_load_relaxed(&x->hdr)))); /* X1 */
    sb_store_release(&b->hdr, sb_hdr_make(gen, sb_hdr_deliveries(hdr), SB_BLOCK_EXCHANGED,
                                          sb_hdr_owner(hdr))); /* X2 */
}

void sb_exchange_undo(const struct sb_blocks *blocks, uint32_t from, uint64_t hdr)
{
    sb_store_release(&sb_block_at(blocks, from)->hdr, hdr); /* X4 */
}

static bool is_in_slot(const struct sb_view *view, uint64_t loc, uint32_t block)
{
    uint32_t channel = sb_loc_channel(loc);
    const struct sb_channel_view *ch;

    if (channel >= view->channel_count || view->channels[channel].slots == NULL) {
        return false;
    }
    ch = &view->channels[channel];
    return sb_load_acquire(&ch->slots[sb_slot_index(sb_loc_ticket(loc), ch->depth_shift)]) ==
           sb_slot_make(sb_lap_of(sb_loc_ticket(loc), ch->depth_shift), block);
}

bool sb_exchange_is_done(const struct sb_view *view, uint64_t twin)
{
    uint32_t block = sb_twin_block(twin);
    uint64_t gen = sb_twin_gen(twin);
    const struct sb_block *x;

    if (block >= view->blocks.count) {
        return false; /* nonsense */
    }
    x = sb_block_at(&view->blocks, block);
    for (uint32_t n = 0; n < LOOKS; n++) {
        uint64_t hdr = sb_load_acquire(&x->hdr);
        bool is_sent;
        if (sb_hdr_state(hdr) == SB_BLOCK_FILLING && sb_hdr_gen(hdr) == gen) {
            return false;
        }
        if (sb_hdr_state(hdr) != SB_BLOCK_QUEUED || sb_hdr_gen(hdr) != sb_gen_next(gen)) {
            return true;
        }
        is_sent = is_in_slot(view, sb_load_acquire(&x->loc[sb_hdr_gen(hdr) & 1u]), block);
        if (is_sent || sb_load_acquire(&x->hdr) == hdr) {
            return is_sent; /* still waiting to be sent, or received behind our back */
        }
    }
    return true;
}
