/* SPDX-License-Identifier: MIT */
/*
 * Lanes: a queue with order per producer
 *
 * Each producer has a lane: a ring of cells that nobody else fills. A cell's word w is the whole
 * truth about it: lap, state, delivery count, owner. A send commits by one store, a receive by one
 * CAS that names the new owner, an acknowledgement by one store.
 *
 *   producer, owner of the lane, ticket t       receiver, cursor c
 *   P0 acquire w    FREE (of any lap)           C0 acquire w    QUEUED(lap of c)
 *   P1 release skip t, if it passed over cells  C1 cas     w    QUEUED(lap) -> RECEIVED(me, lap)
 *              that others hold                    COMMIT, names the new owner
 *   P2 release w    QUEUED(lap of t)            A1 release w    RECEIVED(me, lap) -> FREE(lap)
 *      COMMIT
 *   P3 store   next t + 1, a hint
 *   D1 cas     w    QUEUED(lap - 1) ->          requeue Q1 release w RECEIVED(me) -> ORPHAN
 *              FREE(lap - 1)                            Q2 add orphan_seq of the channel
 *              drop_oldest, instead of P0       orphan  O1 cas w ORPHAN -> RECEIVED(me), count + 1
 *   D2 cas     w    DEAD_LETTER -> FREE, same           after N1 to N4 of returned.c, by lane
 *              lap: a dead letter yields,               and ticket; Y1, Y2 as there, with all
 *              instead of P0                            that was sent in place of the ticket
 *
 *   receiver: where is the next message?             producer: how to go on past a held cell?
 *   E0 acquire w    of c: an older lap               P1, then P2 at a higher ticket
 *   E1 acquire skip <= c: nothing there yet
 *              >  c: settled, so look again:
 *   E2 acquire w    still the older lap: c was passed over, c + 1; otherwise from C0
 *
 * Orders. P2 releases the payload, C0 acquires it. A1 releases the receiver's reads; P0 acquires
 * them. P1 releases every P2 before it, E1 acquires them: so with skip > c, E2 sees the message of
 * ticket c if there ever was one. Q1 releases what the holder wrote, O1 acquires it.
 *
 * Invariants
 *   L1 FREE -> QUEUED is stored by the owner of the lane alone, and by it only into FREE cells. So
 *      a cell that is being filled needs no mark: killed before P2, it was and stays FREE
 *   L2 the laps of a cell only go up: P2 is the only step that changes them. So QUEUED(lap) is
 *      never there twice, and C1, D1 and D2 cannot take one message for another
 *   L3 a receiver passes a ticket only when the cell says that it was taken (same lap, not QUEUED)
 *      or that a later one was published there, or by E2. So a QUEUED in front of the producer
 *      means that everything behind it is unread, too: the lane is full. RECEIVED, ORPHAN,
 *      DEAD_LETTER in front of it mean that one message is slow: the producer passes it over,
 *      nobody waits for its holder
 *   L4 a word that names an owner is written by that process, or, after its death, by recovery,
 *      together with turn, which is written by nothing else
 *
 * Killed before P2: not sent, nothing to repair. P1-P2: the tickets below skip are settled, that is
 * true. P2-P3: sent; who takes the lane next finds next one behind and goes on until the lap is
 * older. Killed after C1: recovery makes it ORPHAN (or DEAD_LETTER), A1 makes it nobody's. D1:
 * dropped. Q1-Q2: recovery raises orphan_seq of every channel. The lane of a dead producer: its
 * messages stay where they are; its owner word is cleared by recovery and the next producer takes
 * it.
 * Stopped anywhere: the same pictures; nobody waits for anybody, but the receivers for what a
 *   producer has not published. Between Q1 and Q2 one message waits for its holder to go on.
 * What is given back, and delivered again: lane_redelivery.c has these steps.
 * Checked by: test/unit/test_ring_lanes.c, test_ring_lanes_killed.c, test/model, test/crash
 *
 * ABA. What is in front of C1 and D1 is told by its lap: the same word only after 2^40 laps of the
 * lane. O1 may meet a word again, from Q1: the same message in the same state. A message in hand
 * may come to the same word, too: a name in headers comes back with the 16th later incarnation of
 * its slot, counts stop, the lap must not change. Its holder stores, nobody else expects it but
 * recovery, and that expects the turn with it, which each repair raises: see reclaim.c.
 */
#include "protocol/ring_lanes.h"

#include "protocol/event.h"

static uint64_t channel_mask(const struct sb_channel_view *channel)
{
    return (1ull << channel->depth_shift) - 1u;
}

/* -------------------------------------------------------------------------------- the producer */

static SB_INLINE struct sb_cell *cell_of(const struct sb_lane_tx *tx, uint64_t ticket)
{
    return sb_lane_cell(tx->cells, tx->cell_bytes, ticket & tx->mask);
}

static void use_lane(struct sb_lane_tx *tx, const struct sb_channel_view *channel, uint32_t lane)
{
    *tx = (struct sb_lane_tx){
        .lane = &channel->lanes[lane],
        .cells = channel->cells + ((uint64_t)lane << channel->depth_shift) * channel->cell_bytes,
        .cell_bytes = channel->cell_bytes,
        .mask = channel_mask(channel),
        .shift = channel->depth_shift,
    };
}

/* Where the producer before us stopped: next and skip never lead, and no ticket behind the first
 * one that is of an older lap and not below skip was ever published. */
static enum sb_ring_result find_next(struct sb_lane_tx *tx)
{
    uint64_t t = sb_load_acquire(&tx->lane->next);
    uint64_t skip = sb_load_acquire(&tx->lane->skip);

    if ((int64_t)(skip - t) > 0) {
        t = skip;
    }
    for (uint64_t n = 0; n <= tx->mask + 1u; n++, t++) {
        int64_t ahead = sb_lane_ahead(sb_load_acquire(&cell_of(tx, t)->w), t, tx->shift);
        if (ahead < 0) {
            tx->next = t;
            sb_store_relaxed(&tx->lane->next, t);
            return SB_RING_OK;
        }
        if (ahead > 0) {
            break;
        }
    }
    return SB_RING_CORRUPT;
}

static void note_used(const struct sb_channel_view *channel, uint32_t lane)
{
    uint64_t used;
    do {
        used = sb_load_relaxed(&channel->shared->lanes_used);
    } while (used <= lane && !sb_cas(&channel->shared->lanes_used, used, lane + 1u));
}

enum sb_ring_result sb_lane_open(struct sb_lane_tx *tx, const struct sb_channel_view *channel,
                                 uint64_t owner64)
{
    enum sb_ring_result r = SB_RING_FULL;

    for (uint32_t i = 0; i < channel->lane_count; i++) {
        sb_word *owner = &channel->lanes[i].owner;
        if (sb_load_relaxed(owner) != 0 || !sb_cas(owner, 0, owner64)) {
            continue;
        }
        use_lane(tx, channel, i);
        note_used(channel, i); /* before the first message */
        if (find_next(tx) == SB_RING_OK) {
            return SB_RING_OK;
        }
        sb_lane_close(tx, owner64);
        r = SB_RING_CORRUPT; /* unless another one is sound */
    }
    return r;
}

void sb_lane_close(struct sb_lane_tx *tx, uint64_t owner64)
{
    sb_cas(&tx->lane->owner, owner64, 0);
}

struct sb_cell *sb_lane_other_place(struct sb_lane_tx *tx)
{
    uint64_t t = tx->next;

    for (uint64_t n = 0; n <= tx->mask; n++, t++) {
        struct sb_cell *cell = cell_of(tx, t);
        enum sb_block_state state = sb_hdr_state(sb_load_acquire(&cell->w)); /* P0 */
        if (state == SB_BLOCK_QUEUED) {
            break; /* full: L3 */
        }
        if (state == SB_BLOCK_FREE) {
            if (t != tx->next) {
                sb_store_release(&tx->lane->skip, t); /* P1 */
                tx->next = t;
            }
            return cell;
        }
    }
    return NULL;
}

bool sb_lane_drop_oldest(struct sb_lane_tx *tx)
{
    uint64_t t = tx->next;

    for (uint64_t n = 0; n <= tx->mask; n++, t++) {
        struct sb_cell *cell = cell_of(tx, t);
        uint64_t w = sb_load_acquire(&cell->w);
        if (sb_hdr_state(w) == SB_BLOCK_FREE) {
            return false; /* there is room */
        }
        if (sb_hdr_state(w) == SB_BLOCK_QUEUED &&
            sb_cas(&cell->w, w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0))) { /* D1 */
            return true;
        }
    }
    return false;
}

bool sb_lane_drop_letter(struct sb_lane_tx *tx)
{
    uint64_t t = tx->next;

    for (uint64_t n = 0; n <= tx->mask; n++, t++) {
        struct sb_cell *cell = cell_of(tx, t);
        uint64_t w = sb_load_acquire(&cell->w);
        if (sb_hdr_state(w) == SB_BLOCK_FREE || sb_hdr_state(w) == SB_BLOCK_QUEUED) {
            return false; /* nothing behind it can be used either */
        }
        if (sb_hdr_state(w) == SB_BLOCK_DEAD_LETTER &&
            sb_cas(&cell->w, w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0))) { /* D2 */
            return true;
        }
    }
    return false;
}

SB_NOINLINE void sb_lane_note_depth(struct sb_lane_tx *tx, uint64_t ticket)
{
    uint64_t step = (tx->mask >> 4) + 1u;
    uint64_t depth = 1;

    for (uint64_t t = ticket - step; depth + step <= tx->mask + 1u; t -= step) {
        if (sb_load_relaxed(&cell_of(tx, t)->w) != sb_lane_published(sb_lane_lap(t, tx->shift))) {
            break;
        }
        depth += step;
    }
    if (depth > tx->depth_max) {
        tx->depth_max = depth;
        if (tx->depth_mark != NULL) {
            sb_store_relaxed(tx->depth_mark, depth);
        }
    }
}

/* -------------------------------------------------------------------------------- the receiver */

static SB_INLINE uint64_t cell_number(const struct sb_lane_rx *rx, uint32_t lane, uint64_t ticket)
{
    return ((uint64_t)lane << rx->shift) | (ticket & rx->mask);
}

static SB_INLINE struct sb_cell *cell_in(const struct sb_lane_rx *rx, uint32_t lane,
                                         uint64_t ticket)
{
    return sb_lane_cell(rx->cells, rx->cell_bytes, cell_number(rx, lane, ticket));
}

void sb_lane_scan_init(struct sb_lane_scan *scan, const struct sb_view *view, uint32_t channel,
                       uint32_t owner)
{
    *scan = (struct sb_lane_scan){
        .view = view,
        .channel = channel,
        .owner = owner,
        .late = true, /* for a queue without lanes of its own */
        /* seen: none. What was given back earlier is looked for, if anything ever was. */
    };
}

void sb_lane_rx_init(struct sb_lane_rx *rx, const struct sb_view *view, uint32_t channel,
                     uint32_t owner)
{
    const struct sb_channel_view *ch = &view->channels[channel];

    *rx = (struct sb_lane_rx){
        .channel = ch,
        .cells = ch->cells,
        .cell_bytes = ch->cell_bytes,
        .mask = channel_mask(ch),
        .shift = ch->depth_shift,
        .owner = owner,
        .bound = 64 + (4u << ch->depth_shift),
    };
    for (uint32_t i = 0; i < ch->lane_count; i++) {
        uint64_t next = sb_load_acquire(&ch->lanes[i].next);
        rx->cursor[i] = next > rx->mask ? next - rx->mask - 1u : 0;
    }
    sb_lane_scan_init(&rx->scan, view, channel, owner);
}

SB_NOINLINE enum sb_ring_result sb_lane_pass(struct sb_lane_rx *rx, uint32_t lane)
{
    uint64_t c = rx->cursor[lane];
    uint64_t w = sb_load_acquire(&cell_in(rx, lane, c)->w); /* E0 */
    int64_t ahead = sb_lane_ahead(w, c, rx->shift);

    if (ahead == 0) { /* taken by somebody else, or has just come */
        rx->cursor[lane] += w != sb_lane_published(sb_lane_lap(c, rx->shift));
        return SB_RING_BUSY;
    }
    if (ahead > 0) { /* what was there is long gone; the oldest message is a lap behind this one */
        rx->cursor[lane] = c + ((uint64_t)ahead << rx->shift) - rx->mask;
        return SB_RING_BUSY;
    }
    if ((int64_t)(sb_load_acquire(&rx->channel->lanes[lane].skip) - c) <= 0) { /* E1 */
        return SB_RING_EMPTY;
    }
    if (sb_load_acquire(&cell_in(rx, lane, c)->w) == w) { /* E2 */
        rx->cursor[lane] = c + 1u;
    }
    return SB_RING_BUSY;
}

SB_NOINLINE void sb_lane_catch_up(struct sb_lane_rx *rx, uint32_t used)
{
    for (uint32_t lane = 0; lane < used; lane++) {
        uint64_t next = sb_load_acquire(&rx->channel->lanes[lane].next);
        uint64_t oldest = next > rx->mask ? next - rx->mask - 1u : 0;
        if ((int64_t)(oldest - rx->cursor[lane]) > 0) {
            rx->cursor[lane] = oldest;
        }
    }
}

SB_NOINLINE void sb_lane_turn(struct sb_lane_rx *rx)
{
    rx->run = 0;
    rx->lane = rx->lane + 1u < sb_lane_used(rx->channel) ? rx->lane + 1u : 0;
}

bool sb_lane_readable(const struct sb_lane_rx *rx)
{
    uint32_t used = sb_lane_used(rx->channel);

    if (sb_load_acquire(&rx->channel->shared->orphan_seq) != rx->scan.seen) {
        return true;
    }
    for (uint32_t lane = 0; lane < used; lane++) {
        uint64_t c = rx->cursor[lane];
        uint64_t w = sb_load_acquire(&cell_in(rx, lane, c)->w);
        if (sb_lane_ahead(w, c, rx->shift) >= 0 ||
            (int64_t)(sb_load_acquire(&rx->channel->lanes[lane].skip) - c) > 0) {
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------------- cells in hand, counting */

struct sb_cell *sb_lane_held(const struct sb_view *view, uint32_t channel, uint32_t cell,
                             uint64_t hdr, uint32_t owner)
{
    struct sb_cell *c;

    if (channel >= view->channel_count || cell >= sb_cell_count(&view->channels[channel]) ||
        sb_hdr_owner(hdr) != owner || sb_hdr_state(hdr) != SB_BLOCK_RECEIVED) {
        return NULL;
    }
    c = sb_cell_at(&view->channels[channel], cell);
    return sb_load_relaxed(&c->w) == hdr ? c : NULL;
}

uint64_t sb_lane_depth(const struct sb_channel_view *channel)
{
    uint64_t end = sb_cells_used(channel);
    uint64_t depth = 0;

    for (uint64_t i = 0; i < end; i++) {
        depth += sb_hdr_state(sb_load_relaxed(&sb_cell_at(channel, i)->w)) == SB_BLOCK_QUEUED;
    }
    return depth;
}
