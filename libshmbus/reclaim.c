/*
 * Recovery
 *
 * For every block that names the dead incarnation D = (slot, epoch):
 *   HTX(D)                 being filled, or in stock: FREE
 *   QUE(D), not in a slot  send not committed: FREE
 *   QFW(D), not in a slot  forward not committed: as HRX where it came from, generation - 1
 *   QUE, QFW, in its slot  sent: leave it
 *   HRX(D)                 received: clear its slot if D had not yet, then ORPHAN (DEADL at the
 *                          last delivery)
 * For every cell of a lane: HRX(D) likewise ORPHAN or DEADL; nothing else there names a process.
 * Then its open handles, lanes and stream ends, the locks of regions; then every receiver looks for
 * orphans and every sleeper looks again; last the slot of the process table becomes FREE.
 *
 * Each change is one CAS from a word that was read while the process word still said "D, ACTIVE",
 * so any number of processes may do this at once and each may be killed or stopped anywhere: the
 * next one does the rest. One that was stopped for long finds the process word changed, or its CAS
 * fails, as the generation or the owner in the header has moved on.
 * The slot of the table is freed last, so nobody can join as (slot, epoch + 1) before all is done.
 *
 * The hint bit of every free block is set without looking whether it is set: see block.c, A3.
 * Checked by: test/unit/test_reclaim.c, test/model, test/crash
 */
#include "reclaim.h"

#include "block.h"
#include "event.h"
#include "region.h"
#include "ring_lanes.h"
#include "role.h"

#define RETRIES 16u /* a block whose header keeps changing is not the dead process's */

struct dead {
    const struct sb_view *view;
    uint32_t slot;
    uint64_t w; /* process word of the incarnation */
    uint32_t owner;
};

static bool still_to_do(const struct dead *d)
{
    return sb_load_acquire(&d->view->processes[d->slot].w) == d->w;
}

/* The queue a location names; NULL if it names none. */
static const struct sb_channel_view *queue_at(const struct sb_view *view, uint64_t loc)
{
    uint32_t channel = sb_loc_channel(loc);
    if (channel >= view->channel_count || view->channels[channel].slots == NULL) {
        return NULL;
    }
    return &view->channels[channel];
}

static sb_word *slot_at(const struct sb_channel_view *ch, uint64_t loc)
{
    return &ch->slots[sb_slot_index(sb_loc_ticket(loc), ch->depth_shift)];
}

static uint64_t full_at(const struct sb_channel_view *ch, uint64_t loc, uint32_t block)
{
    return sb_slot_make(sb_lap_of(sb_loc_ticket(loc), ch->depth_shift), block);
}

static bool is_in_slot(const struct sb_view *view, uint64_t loc, uint32_t block)
{
    const struct sb_channel_view *ch = queue_at(view, loc);
    return ch != NULL && sb_load_acquire(slot_at(ch, loc)) == full_at(ch, loc, block);
}

/* R2 for a dead taker: the slot must be clear before the header moves on (I2). */
static void clear_slot(const struct sb_view *view, uint64_t loc, uint32_t block)
{
    const struct sb_channel_view *ch = queue_at(view, loc);
    uint64_t lap;

    if (ch != NULL) {
        lap = sb_lap_of(sb_loc_ticket(loc), ch->depth_shift);
        sb_cas(slot_at(ch, loc), full_at(ch, loc, block),
               sb_slot_make(sb_lap_next(lap, ch->depth_shift), SB_SLOT_EMPTY));
    }
}

/* What a received block of a dead process becomes, as generation @gen, which it had when it was
 * received from @ch. */
static uint64_t given_back(const struct sb_channel_view *ch, uint64_t hdr, uint64_t gen)
{
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    bool is_last = ch != NULL && ch->max_deliveries > 0 && deliveries >= ch->max_deliveries &&
                   ch->dead_letter != SB_NONE;

    if (ch == NULL) { /* nonsense: nobody could ever take it */
        return sb_hdr_make(gen, 0, SB_FREE, 0);
    }
    return sb_hdr_make(gen, deliveries, is_last ? SB_DEADL : SB_ORPHAN, 0);
}

/* The header that repairs block @block, @hdr itself if there is nothing to repair. @loc: where the
 * block was to be put; @origin: where it was received. */
static uint64_t repaired(const struct sb_view *view, uint64_t hdr, uint64_t loc, uint64_t origin,
                         uint32_t block)
{
    uint64_t gen = sb_hdr_gen(hdr);
    uint64_t freed = sb_hdr_make(gen, 0, SB_FREE, 0);

    switch (sb_hdr_state(hdr)) {
    case SB_HTX:
        return freed;
    case SB_QUE:
        return is_in_slot(view, loc, block) ? hdr : freed;
    case SB_QFW:
        return is_in_slot(view, loc, block)
                   ? hdr
                   : given_back(queue_at(view, origin), hdr, sb_gen_prev(gen));
    case SB_HRX:
        clear_slot(view, loc, block);
        return given_back(queue_at(view, loc), hdr, gen);
    default: /* states without an owner */
        return hdr;
    }
}

/* Whether the handle that had a message was open on @channel: what was received from a dead-letter
 * queue is a dead letter already. */
static bool was_received_from(uint64_t holder, uint32_t channel)
{
    return ((holder >> 16) & 0xffffu) == channel + 1ull;
}

/* Repairs one block; true if it is FREE afterwards. */
static bool reclaim_block(const struct dead *d, const struct sb_class_view *cls, uint32_t block)
{
    struct sb_block *b = sb_block_in(cls, block);

    for (uint32_t n = 0; n < RETRIES; n++) {
        uint64_t hdr = sb_load_acquire(&b->hdr);
        uint64_t loc;
        uint64_t origin;
        uint64_t next;
        bool counts;

        if (sb_hdr_state(hdr) == SB_FREE) {
            return true;
        }
        if (sb_hdr_owner(hdr) != d->owner) {
            return false;
        }
        loc = sb_load_acquire(&b->loc[sb_hdr_gen(hdr) & 1u]);
        origin = loc;
        if (sb_hdr_state(hdr) == SB_QFW) {
            origin = sb_load_acquire(&b->loc[~sb_hdr_gen(hdr) & 1u]);
        }
        if (!still_to_do(d)) {
            return false; /* the owner may be a new process by now */
        }
        if (sb_load_acquire(&b->hdr) != hdr) {
            continue; /* loc and origin belong to another generation */
        }
        next = repaired(d->view, hdr, loc, origin, block);
        if (next == hdr) {
            return false;
        }
        counts = sb_hdr_state(next) == SB_DEADL &&
                 !was_received_from(sb_load_relaxed(&b->holder),
                                    queue_at(d->view, origin)->dead_letter);
        if (sb_cas(&b->hdr, hdr, next)) {
            if (counts) {
                sb_fetch_add(&queue_at(d->view, origin)->shared->dead_lettered, 1);
            }
            return sb_hdr_state(next) == SB_FREE;
        }
    }
    return false;
}

static void reclaim_class(const struct dead *d, const struct sb_class_view *cls)
{
    for (uint32_t i = 0; i < cls->count; i += 64) {
        uint32_t n = cls->count - i < 64 ? cls->count - i : 64;
        uint64_t free_blocks = 0;
        for (uint32_t k = 0; k < n; k++) {
            if (reclaim_block(d, cls, cls->first + i + k)) {
                free_blocks |= 1ull << k;
            }
        }
        if (free_blocks != 0) {
            sb_or(&cls->bitmap[i / 64], free_blocks);
        }
    }
}

/* Repairs one cell of channel @ch. What was published belongs to nobody, what was being filled is
 * free: only a message in the hands of the dead process is to be given back. */
static void reclaim_cell(const struct dead *d, const struct sb_channel_view *ch,
                         struct sb_cell *cell)
{
    for (uint32_t n = 0; n < RETRIES; n++) {
        uint64_t w = sb_load_acquire(&cell->w);
        uint64_t next;
        bool counts;

        if (sb_hdr_owner(w) != d->owner || sb_hdr_state(w) != SB_HRX || !still_to_do(d)) {
            return;
        }
        next = given_back(ch, w, sb_hdr_gen(w));
        counts = sb_hdr_state(next) == SB_DEADL &&
                 !was_received_from(sb_load_relaxed(&cell->holder), ch->dead_letter);
        if (sb_cas(&cell->w, w, next)) {
            if (counts) {
                sb_fetch_add(&ch->shared->dead_lettered, 1);
            }
            return;
        }
    }
}

void sb_reclaim_cells(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct dead d = { view, slot, w, sb_owner_make(slot, sb_proc_epoch(w)) };
    for (uint32_t c = 0; c < view->channel_count && still_to_do(&d); c++) {
        const struct sb_channel_view *ch = &view->channels[c];
        uint64_t end = sb_cells_used(ch);
        for (uint64_t i = 0; i < end; i++) {
            reclaim_cell(&d, ch, sb_cell_at(ch, i));
        }
    }
}

void sb_reclaim_blocks(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct dead d = { view, slot, w, sb_owner_make(slot, sb_proc_epoch(w)) };
    for (uint32_t c = 0; c < view->blocks.class_count && still_to_do(&d); c++) {
        reclaim_class(&d, &view->blocks.classes[c]);
    }
}

static void reclaim_handles(const struct sb_view *view, uint64_t owner64)
{
    for (uint32_t c = 0; c < view->channel_count; c++) {
        const struct sb_channel_view *ch = &view->channels[c];
        for (uint32_t i = 0; i < ch->endpoint_count; i++) {
            if (sb_load_relaxed(&ch->endpoints[i].w) == owner64) {
                sb_cas(&ch->endpoints[i].w, owner64, 0);
            }
        }
        if (ch->kind == SHMBUS_STREAM) {
            sb_role_leave(&ch->shared->sender, owner64, SB_ROLE_DEAD);
            sb_role_leave(&ch->shared->receiver, owner64, SB_ROLE_DEAD);
        }
        for (uint32_t i = 0; i < ch->lane_count; i++) {
            if (sb_load_relaxed(&ch->lanes[i].owner) == owner64) {
                sb_cas(&ch->lanes[i].owner, owner64, 0);
            }
        }
    }
}

/* Receivers look for orphans; sleepers look whether they were waiting for the dead process, or
 * were to be woken by it. */
static void tell_everybody(const struct sb_view *view)
{
    for (uint32_t c = 0; c < view->channel_count; c++) {
        struct sb_channel *shared = view->channels[c].shared;
        if ((sb_load_relaxed(&shared->dir) & 0xffu) != SB_DIR_READY) {
            continue;
        }
        sb_fetch_add(&shared->orphan_seq, 1);
        sb_event_wake_all(&shared->readable);
        sb_event_wake_all(&shared->writable);
    }
    sb_event_wake_all(view->blocks.freed);
}

bool sb_reclaim_slot(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    uint64_t owner64 = sb_owner64_make(slot, sb_proc_epoch(w));

    if (sb_load_acquire(&view->processes[slot].w) != w) {
        return false;
    }
    sb_reclaim_blocks(view, slot, w);
    sb_reclaim_cells(view, slot, w);
    reclaim_handles(view, owner64);
    sb_region_recover(view, owner64);
    tell_everybody(view);
    return sb_cas(&view->processes[slot].w, w, sb_proc_word(sb_proc_epoch(w) + 1u, SB_PROC_FREE));
}

uint32_t sb_reclaim_dead(const struct sb_view *view, struct sb_oracle *oracle)
{
    uint32_t freed = 0;
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        uint64_t w = sb_load_acquire(&view->processes[slot].w);
        if (sb_proc_state(w) == SB_PROC_ACTIVE && sb_process_is_dead(view, oracle, slot, w) &&
            sb_reclaim_slot(view, slot, w)) {
            sb_fetch_add(&view->super->recoveries, 1);
            freed++;
        }
    }
    return freed;
}
