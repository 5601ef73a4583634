/* SPDX-License-Identifier: MIT */
/*
 * Queue: a ring of block indices
 *
 * A send commits on the ring slot, a receive commits on the block header; each by one CAS, and the
 * header's new value names its owner. Everything after a commit is a hint that anybody mends. So a
 * killed or stopped process never holds anybody up, and recovery reads the truth from the words.
 *
 *   sender, holds b: FILLING or RECEIVED(me, g)    receiver
 *   S1 store   hdr   QUEUED or FORWARDED(me, g+1)  R0 acquire slot FULL(L, b), hdr QUEUED or
 *   S2 release loc[g+1 & 1]  (channel, ticket)        FORWARDED, slot again: same, so hdr is this
 *   S3 cas     slot  EMPTY(L) -> FULL(L, b)           ticket's
 *      COMMIT                                      R1 cas  hdr   QUEUED or FORWARDED(x, g) ->
 *   S4 cas     tail  hint, now and then               RECEIVED(me, g)
 *                                                     COMMIT, names the new owner
 *                                                  R2 cas  slot  FULL(L, b) -> EMPTY(L+1)
 *                                                  R3 cas  head  hint, now and then
 *
 *   requeue   Q1 release hdr RECEIVED(me, g) -> ORPHAN(0, g)      COMMIT
 *             Q2 add     orphan_seq of the channel
 *   orphan    O1 cas     hdr ORPHAN or DEAD_LETTER(0, g) -> RECEIVED(me, g), deliveries + 1  COMMIT
 *   which     the oldest first: see returned.c
 *
 * Orders. S3 releases the payload, S1 and S2; R0 acquires them. R2 releases nothing but the place;
 * the sender's load of EMPTY(L+1) acquires it, so S2 of the next lap cannot precede R1. O1
 * acquires what Q1 released. S1 and Q1 may be plain stores, because of I4.
 *
 * Invariants
 *   I1 while a slot holds FULL(L, b), hdr of b goes from QUEUED or FORWARDED to RECEIVED once and
 *      nowhere else
 *   I2 a taker clears the slot, or finds it cleared, before the header moves on; recovery does it
 *      for a dead taker
 *   I3 tickets are filled without gaps and cleared without gaps. So "ticket t is filled" says that
 *      all before it are; a handle may remember that privately and skip tail and head altogether
 *   I4 a header that names an owner is written by that process only, or, after its death, by
 *      recovery. QUEUED and FORWARDED in a slot are the exception: there any receiver may do R1
 *   I5 loc is written only while the writer holds the header by its own S1
 *   I6 whoever gives back several messages of a queue (a handle that is closed, recovery) does so
 *      by their tickets, oldest first, each with its Q2
 *
 * Yielding. A message that kills its receivers would come first to each new one, and be all that
 * they see. So what three died with, one after the other, comes behind what waited when the third
 * of them received it:
 *   Y1 store   holder: the handle; "again" if the word was not 0, which means that the one before
 *              did not give the message back but died with it; if it said "again" itself, the
 *              ticket behind the last one sent
 *   Y2 acquire hdr ORPHAN, holder, hdr: with a ticket there it is taken when head has come that
 *              far, or nothing waits. Otherwise by its own ticket, first
 * Whoever gives it back clears the word (Q1), so what is given back politely never yields; recovery
 * leaves it. Between two deaths by such a message all that waited before the first of the two is
 * received, so it costs the others one receiver each time; and it waits for as many messages as the
 * queue is deep, at most. Killed before Y1: that death is not counted. The ticket in the word is
 * cut: a receiver that looks after 2^15 units only takes it for one that is still to come, and
 * waits once more.
 *
 * Killed before S3: not sent; recovery frees the block, or, if it is FORWARDED, gives the message
 * back to where it came from: the other loc word still says where that was, and one generation more
 * makes that one loc[gen & 1] again. After S3: sent.
 * Killed before R1: nothing. R1-R2: whoever meets the slot clears it (consumer or wrapping sender);
 * recovery clears it too and makes the block ORPHAN, two generations up. Later: ORPHAN.
 * Killed Q1-Q2: recovery raises orphan_seq of every channel.
 * Stopped anywhere: the same pictures, nothing is taken away; between Q1 and Q2 the message waits
 * for its holder to go on.
 * Checked by: test/unit/test_ring_mpmc.c, test/model, test/crash
 *
 * ABA. slot: 40 bits of lap. Header: the owner in it is a name that comes back with the 16th later
 * incarnation of its slot, and counts stop, so what tells two words apart is the generation. S1 and
 * A1 of block.c raise it by one, recovery by two (reclaim.c). The undo of S1 takes its own step
 * back, so only the process itself sees a word of its own again. R1 and O1 expect words that nobody
 * owns: QUEUED and FORWARDED of a generation are in a slot once; ORPHAN and DEAD_LETTER of one
 * generation may come again, from Q1, but as the same message in the same state, which O1 may take.
 * A stale CAS would need the same word after 2^40 steps of that slot or block: doc/memory-model.md.
 */
#include "protocol/ring_mpmc.h"

#include "base/branch.h"
#include "base/prefetch.h"
#include "protocol/event.h"

#define HINT_LAG 8u /* tail and head are brought up to date every so many tickets */

static uint64_t ring_depth(const struct sb_mpmc *ring)
{
    return 1ull << ring->shift;
}

/* As sb_lap_of() and sb_lap_distance(), with what depends on the depth alone worked out before. */
static SB_INLINE uint64_t lap_of(const struct sb_mpmc *ring, uint64_t ticket)
{
    return (ticket >> ring->shift) & ring->lap_mask;
}

/* How many laps a slot word is ahead of the lap of @ticket. */
static SB_INLINE int64_t laps_ahead(const struct sb_mpmc *ring, uint64_t s, uint64_t ticket)
{
    return (int64_t)((sb_slot_lap(s) - lap_of(ring, ticket)) << ring->lap_unused) >>
           ring->lap_unused;
}

static SB_INLINE sb_word *slot_of(const struct sb_mpmc *ring, uint64_t ticket)
{
    return &ring->slots[sb_slot_index(ticket, ring->shift)];
}

static SB_INLINE uint64_t empty_slot(uint64_t lap)
{
    return sb_slot_make(lap, SB_SLOT_EMPTY);
}

/* Whether a slot's block is still queued; anything else means that its taker has not cleared it. */
static SB_INLINE bool is_queued(uint64_t hdr)
{
    return sb_hdr_state(hdr) == SB_BLOCK_QUEUED || sb_hdr_state(hdr) == SB_BLOCK_FORWARDED;
}

static void set_depth(struct sb_mpmc *ring, uint32_t shift)
{
    ring->shift = shift;
    ring->lap_unused = 64u - sb_lap_bits(shift);
    ring->lap_mask = (1ull << sb_lap_bits(shift)) - 1u;
}

static void start(struct sb_mpmc *ring, const struct sb_blocks *blocks,
                  const struct sb_channel_view *channels, uint32_t channel_count, uint32_t channel,
                  uint32_t owner)
{
    const struct sb_channel_view *ch = &channels[channel];

    *ring = (struct sb_mpmc){
        .blocks = blocks,
        .slots = ch->slots,
        .shared = ch->shared,
        .channel = channel,
        .owner = owner,
        .bound = 64 + (8u << ch->depth_shift),
        .tail = sb_load_acquire(&ch->shared->tail),
        .head = sb_load_acquire(&ch->shared->head),
        /* As if it had been here from the beginning: orphans of earlier times are looked for, if
         * there ever were any. */
        .orphan_seen = 0,
        .channels = channels,
        .channel_count = channel_count,
    };
    ring->head_seen = ring->head;
    ring->returned.want = ring->orphan_seen;
    set_depth(ring, ch->depth_shift);
}

void sb_mpmc_init(struct sb_mpmc *ring, const struct sb_view *view, uint32_t channel,
                  uint32_t owner)
{
    start(ring, &view->blocks, view->channels, view->channel_count, channel, owner);
}

void sb_mpmc_beside(const struct sb_mpmc *ring, uint32_t channel, struct sb_mpmc *ret_ring)
{
    start(ret_ring, ring->blocks, ring->channels, ring->channel_count, channel, ring->owner);
}

/* S4 and R3: a hint never leads, so it only ever goes up to what the caller knows to be done. */
SB_NOINLINE static void raise_hint(sb_word *hint, uint64_t ticket)
{
    uint64_t old = sb_load_relaxed(hint);
    if ((int64_t)(ticket - old) > 0) {
        sb_cas(hint, old, ticket); /* lost: somebody else raised it, good enough */
    }
}

static SB_INLINE bool hint_is_due(const struct sb_mpmc *ring, uint64_t ticket)
{
    uint32_t lag = ring->shift > 5 ? HINT_LAG : 1;
    return (ticket & (lag - 1u)) == 0;
}

/* The lowest ticket not cleared, from the slots: the hint may lag a little. */
static uint64_t true_head(const struct sb_mpmc *ring)
{
    uint64_t h = sb_load_acquire(&ring->shared->head);
    for (uint32_t n = 0; n < HINT_LAG * 4; n++) {
        if (laps_ahead(ring, sb_load_relaxed(slot_of(ring, h)), h) <= 0) {
            break;
        }
        h++;
    }
    return h;
}

/* High-water mark, without looking at the receivers' line on every message: head_seen only lags,
 * so a depth that is not a record by head_seen is not a record at all. */
SB_NOINLINE static void raise_depth(struct sb_mpmc *ring, uint64_t ticket)
{
    uint64_t depth;
    ring->head_seen = true_head(ring);
    depth = ticket + 1u - ring->head_seen;
    if ((int64_t)depth > (int64_t)ring->depth_max) {
        ring->depth_max = depth < ring_depth(ring) ? depth : ring_depth(ring);
        if (ring->depth_mark != NULL) {
            sb_store_relaxed(ring->depth_mark, ring->depth_max);
        }
    }
}

static inline void note_depth(struct sb_mpmc *ring, uint64_t ticket)
{
    if (ticket + 1u - ring->head_seen > ring->depth_max + ring->depth_slack) {
        raise_depth(ring, ticket);
    }
}

/* The ticket behind everything that a slot word @ahead laps ahead proves to be done, or the hint if
 * that is further. */
SB_NOINLINE static uint64_t skip_done(const struct sb_mpmc *ring, uint64_t ticket, int64_t ahead,
                                      sb_word *hint)
{
    uint64_t next = ticket + ((uint64_t)(ahead > 0 ? ahead - 1 : 0) << ring->shift) + 1u;
    uint64_t hinted = sb_load_acquire(hint); /* acquire: the slots are then as old at most */
    return (int64_t)(hinted - next) > 0 ? hinted : next;
}

/* A handle that was not used for half of all laps takes a slot ahead for one behind. The hint,
 * which has all bits of a ticket, tells; false if it is no further than the handle. */
SB_NOINLINE static bool catch_up(uint64_t *cursor, const sb_word *hint)
{
    uint64_t hinted = sb_load_acquire(hint);
    bool is_behind = (int64_t)(hinted - *cursor) > 0;

    if (is_behind) {
        *cursor = hinted;
    }
    return is_behind;
}

/* A slot of the previous lap. SB_RING_FULL if its message really waits, SB_RING_BUSY to look
 * again. */
SB_NOINLINE static enum sb_ring_result previous_lap(struct sb_mpmc *ring, sb_word *slot, uint64_t s,
                                                    uint64_t lap)
{
    uint32_t block = sb_slot_block(s);

    if (block == SB_SLOT_EMPTY) {
        return SB_RING_CORRUPT; /* an unfilled ticket behind a filled one */
    }
    if (block < ring->blocks->count) {
        uint64_t hdr = sb_load_acquire(&sb_block_at(ring->blocks, block)->hdr);
        if (sb_load_acquire(slot) != s) {
            return SB_RING_BUSY;
        }
        if (is_queued(hdr)) {
            return SB_RING_FULL;
        }
    }
    sb_cas(slot, s, empty_slot(lap)); /* R2 for a taker that stopped half-way */
    ring->freed_slot = true;
    return SB_RING_BUSY;
}

/* The place at ring->tail is not empty: goes on to one that is. */
SB_NOINLINE static enum sb_ring_result find_other_place(struct sb_mpmc *ring)
{
    while (ring->tries++ < ring->bound) {
        uint64_t t = ring->tail;
        uint64_t lap = lap_of(ring, t);
        sb_word *slot = slot_of(ring, t);
        uint64_t s = sb_load_acquire(slot);
        int64_t ahead = laps_ahead(ring, s, t);

        if (s == empty_slot(lap)) {
            return SB_RING_OK;
        }
        if (ahead >= 0) {
            ring->tail = skip_done(ring, t, ahead, &ring->shared->tail);
        } else {
            enum sb_ring_result r =
                ahead == -1 ? previous_lap(ring, slot, s, lap) : SB_RING_CORRUPT;
            if (r == SB_RING_FULL ||
                (r == SB_RING_CORRUPT && !catch_up(&ring->tail, &ring->shared->tail))) {
                return r;
            }
        }
    }
    return SB_RING_BUSY;
}

bool sb_mpmc_has_place(const struct sb_mpmc *ring)
{
    return sb_load_acquire(slot_of(ring, ring->tail)) == empty_slot(lap_of(ring, ring->tail));
}

/* Finds the ticket to use. SB_RING_OK: the slot was EMPTY in the lap of ring->tail. */
static SB_INLINE enum sb_ring_result find_place(struct sb_mpmc *ring)
{
    return sb_likely(sb_mpmc_has_place(ring)) ? SB_RING_OK : find_other_place(ring);
}

bool sb_mpmc_writable(struct sb_mpmc *ring)
{
    ring->tries = 0;
    return find_place(ring) != SB_RING_FULL;
}

bool sb_mpmc_is_cleared(const struct sb_mpmc *ring, uint64_t ahead)
{
    uint64_t t = ring->tail + ahead;
    return laps_ahead(ring, sb_load_relaxed(slot_of(ring, t)), t) >= 0;
}

enum sb_ring_result sb_mpmc_send(struct sb_mpmc *ring, uint32_t block, uint64_t hdr,
                                 uint64_t *ret_ticket)
{
    struct sb_block *b;
    uint64_t gen = sb_gen_next(sb_hdr_gen(hdr));
    enum sb_block_state state = sb_hdr_state(hdr);
    enum sb_ring_result r = SB_RING_BUSY;
    uint64_t holder = 0;
    bool announced = false;

    if (block >= ring->blocks->count) {
        return SB_RING_NOT_OWNER;
    }
    b = sb_block_at(ring->blocks, block);
    if (sb_hdr_owner(hdr) != ring->owner ||
        (state != SB_BLOCK_FILLING && state != SB_BLOCK_RECEIVED) ||
        sb_load_relaxed(&b->hdr) != hdr) {
        return SB_RING_NOT_OWNER;
    }
    for (ring->tries = 0; ring->tries < ring->bound; ring->tries++) {
        uint64_t t;
        r = find_place(ring);
        if (sb_unlikely(r != SB_RING_OK)) {
            break;
        }
        t = ring->tail;
        if (!announced) {
            enum sb_block_state sent =
                state == SB_BLOCK_RECEIVED ? SB_BLOCK_FORWARDED : SB_BLOCK_QUEUED;
            holder = sb_load_relaxed(&b->holder);
            sb_store_relaxed(&b->holder, 0); /* whoever takes it is not this handle */
            uint64_t sent_hdr = sb_hdr_make(gen, sb_hdr_deliveries(hdr), sent, ring->owner);
            sb_store_release(&b->hdr, sent_hdr); /* S1 */
            announced = true;
        }
        sb_store_release(&b->loc[gen & 1u], sb_loc_make(ring->channel, t)); /* S2 */
        if (sb_cas(slot_of(ring, t), empty_slot(lap_of(ring, t)),
                   sb_slot_make(lap_of(ring, t), block))) { /* S3 */
            ring->tail = t + 1u;
            if (sb_unlikely(hint_is_due(ring, t + 1u))) {
                raise_hint(&ring->shared->tail, t + 1u); /* S4 */
            }
            note_depth(ring, t);
            sb_prefetch_to_write(slot_of(ring, t + 1u));
            *ret_ticket = t;
            return SB_RING_OK;
        }
        r = SB_RING_BUSY; /* somebody else was faster */
    }
    if (announced) {
        sb_store_relaxed(&b->holder, holder);
        sb_store_release(&b->hdr, hdr); /* undo S1: no slot carries it, so it is still ours */
    }
    return r;
}

/* From the slots: the hint may lag a little. */
uint64_t sb_mpmc_true_tail(const struct sb_mpmc *ring)
{
    uint64_t t = sb_load_acquire(&ring->shared->tail);
    for (uint32_t n = 0; n < HINT_LAG * 4; n++, t++) {
        uint64_t s = sb_load_relaxed(slot_of(ring, t));
        if (laps_ahead(ring, s, t) < 0 || s == empty_slot(lap_of(ring, t))) {
            break;
        }
    }
    return t;
}

/* There is nothing to take at ring->head, whose slot held @s. SB_RING_BUSY: look again. */
SB_NOINLINE static enum sb_ring_result nothing_at_head(struct sb_mpmc *ring, uint64_t s)
{
    uint64_t h = ring->head;
    int64_t ahead = laps_ahead(ring, s, h);

    if (s == empty_slot(lap_of(ring, h))) {
        return SB_RING_EMPTY;
    }
    if (ahead > 0) {
        ring->head = skip_done(ring, h, ahead, &ring->shared->head);
        return SB_RING_BUSY;
    }
    /* behind: a ticket before one that was cleared */
    return catch_up(&ring->head, &ring->shared->head) ? SB_RING_BUSY : SB_RING_CORRUPT;
}

/* While the message before ticket @h is worked on: the block of the next one, and the slot of the
 * one after that, are fetched. */
static SB_INLINE void prefetch_from(const struct sb_mpmc *ring, uint64_t h)
{
#ifndef SB_EXPLORE
    uint64_t s = sb_load_relaxed(slot_of(ring, h));
    uint32_t block = sb_slot_block(s);

    if (block < ring->blocks->count) {
        const struct sb_class_view *cls = sb_class_of(ring->blocks, block);
        sb_prefetch_to_write(sb_block_in(cls, block));
        sb_prefetch(sb_payload_in(cls, block));
    }
    sb_prefetch(slot_of(ring, h + 1u));
#else
    (void)ring;
    (void)h;
#endif
}

/* R0..R3 on the slot of ring->head. SB_RING_BUSY: look again. */
static SB_INLINE enum sb_ring_result recv_at_head(struct sb_mpmc *ring, uint32_t *ret_block,
                                                  uint64_t *ret_hdr, uint64_t *ret_ticket)
{
    uint64_t h = ring->head;
    uint64_t lap = lap_of(ring, h);
    sb_word *slot = slot_of(ring, h);
    uint64_t s = sb_load_acquire(slot);
    uint32_t block = sb_slot_block(s);

    if (sb_unlikely(sb_slot_lap(s) != lap || block == SB_SLOT_EMPTY)) {
        return nothing_at_head(ring, s);
    }
    if (sb_likely(block < ring->blocks->count)) {
        struct sb_block *b = sb_block_at(ring->blocks, block);
        uint64_t hdr = sb_load_acquire(&b->hdr);
        if (sb_load_acquire(slot) != s) {
            return SB_RING_BUSY;
        }
        if (is_queued(hdr)) {
            uint64_t mine = sb_hdr_make(sb_hdr_gen(hdr), 1, SB_BLOCK_RECEIVED, ring->owner);
            if (!sb_cas(&b->hdr, hdr, mine)) { /* R1 */
                return SB_RING_BUSY;
            }
            *ret_block = block;
            *ret_hdr = mine;
            *ret_ticket = h;
        } else {
            block = SB_SLOT_EMPTY; /* taken: only the clearing is left to do */
        }
    } else {
        block = SB_SLOT_EMPTY; /* nonsense: thrown out */
    }
    sb_cas(slot, s, empty_slot(sb_lap_next(lap, ring->shift))); /* R2 */
    ring->head = h + 1u;
    if (sb_unlikely(hint_is_due(ring, h + 1u))) {
        raise_hint(&ring->shared->head, h + 1u); /* R3 */
    }
    prefetch_from(ring, h + 1u);
    if (sb_unlikely(block == SB_SLOT_EMPTY)) {
        ring->freed_slot = true;
        return SB_RING_BUSY;
    }
    return SB_RING_OK;
}

enum sb_ring_result sb_mpmc_recv_placed(struct sb_mpmc *ring, uint32_t *ret_block,
                                        uint64_t *ret_hdr, uint64_t *ret_ticket)
{
    for (uint32_t tries = 0; tries < ring->bound; tries++) {
        enum sb_ring_result r = recv_at_head(ring, ret_block, ret_hdr, ret_ticket);
        if (r != SB_RING_BUSY) {
            return r;
        }
    }
    return SB_RING_BUSY;
}

bool sb_mpmc_readable(struct sb_mpmc *ring)
{
    uint64_t s;
    uint64_t lap;

    if (sb_load_acquire(&ring->shared->orphan_seq) != ring->orphan_seen) {
        return true;
    }
    s = sb_load_acquire(slot_of(ring, ring->head));
    lap = lap_of(ring, ring->head);
    return s != empty_slot(lap);
}

uint64_t sb_mpmc_depth(const struct sb_channel_view *channel)
{
    struct sb_mpmc ring = {.slots = channel->slots};
    uint64_t head = sb_load_acquire(&channel->shared->head);
    uint64_t tail = sb_load_acquire(&channel->shared->tail);
    uint64_t bound;

    set_depth(&ring, channel->depth_shift);
    bound = ring_depth(&ring) + HINT_LAG * 4;
    for (uint64_t n = 0; n < bound; n++, head++) {
        uint64_t s = sb_load_relaxed(slot_of(&ring, head));
        if (laps_ahead(&ring, s, head) <= 0) {
            break;
        }
    }
    if ((int64_t)(tail - head) < 0) {
        tail = head;
    }
    for (uint64_t n = 0; n < bound && tail - head < ring_depth(&ring); n++, tail++) {
        uint64_t s = sb_load_relaxed(slot_of(&ring, tail));
        if (laps_ahead(&ring, s, tail) < 0 || s == empty_slot(lap_of(&ring, tail))) {
            break;
        }
    }
    return tail - head < ring_depth(&ring) ? tail - head : ring_depth(&ring);
}
