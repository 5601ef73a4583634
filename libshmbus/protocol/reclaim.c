/* SPDX-License-Identifier: MIT */
/*
 * Recovery
 *
 * For every block that names a dead incarnation D = (slot, epoch):
 *   FILLING(D)                      being filled, or in stock: FREE
 *   QUEUED(D), not in a slot        send not committed: FREE
 *   FORWARDED(D), not in a slot     forward not committed: as RECEIVED where it came from,
 *                                   generation + 1
 *   QUEUED, FORWARDED, in its slot  sent: leave it
 *   EXCHANGED(D)                    goes on in its twin: if that was sent FREE, else as RECEIVED
 *   RECEIVED(D)                     received: clear its slot if D had not yet, then ORPHAN
 *                                   (DEAD_LETTER at the last delivery), generation + 2
 * For every cell of a lane: RECEIVED(D) likewise ORPHAN or DEAD_LETTER; nothing else there names a
 * process.
 *
 * What is given back comes first, and by its tickets, as ring_mpmc.c asks (I6):
 *   G1 look at all blocks, or all cells of a queue: the oldest ones that come back
 *   G2 repair each, oldest first
 *   G3 add    orphan_seq of its queue, and of its dead-letter queue. Also if another recoverer was
 *             faster with G2, and may be stopped before its G3
 * again as long as there are more than one look can note; then the rest, in one pass. The first
 * look is at all blocks, and notes in which groups of them the dead are named: they will be in no
 * others, so that all later looks are at these groups alone.
 *
 * Then its open handles, lanes and stream ends, the locks of regions; then every receiver looks for
 * orphans and every sleeper looks again; last the slot of the process table becomes FREE.
 * However many are dead, that is done once: what a block, a cell or a row names is looked up in the
 * set of the dead. Half of a thousand processes killed at once cost no more than one.
 *
 * Each change is one CAS from a word that was read while the process word still said "D, ACTIVE",
 * so any number of processes may do this at once and each may be killed or stopped anywhere: the
 * next one does the rest. One that was stopped for long finds the process word changed, or its CAS
 * fails: the first repair raised the generation, by two steps in all from where the block was
 * received, so that loc[gen & 1] still says where that was, and it never goes below that again (the
 * one step down, of a send that found no place, is a step down from a step up). FREE need not: the
 * next user raises it. The name in the header would not do: it has few bits of the epoch, so that a
 * later incarnation of the slot may hold the same message by the same name and count.
 * A cell's generation is the lap, which must stay. So beside its word there is a turn, which each
 * repair raises in the same double CAS, and nothing else writes. The recoverer reads the turn
 * first: a repair after that, and its CAS fails; a repair before that, and the word it read next is
 * of whoever came later. (In the other order a repair between the two loads would go unseen.)
 * The slot of the table is freed last, so nobody can join as (slot, epoch + 1) before all is done.
 *
 * So before a block of the dead is freed that was to take a message on, the block that has the
 * message (EXCHANGED) is repaired: see exchange.c.
 * The hint bit of every free block is set without looking whether it is set: see block.c, A3.
 * Checked by: test/unit/test_reclaim.c, test/model, test/crash
 */
#include "protocol/reclaim.h"

#include <string.h>

#include "protocol/block.h"
#include "protocol/event.h"
#include "protocol/exchange.h"
#include "protocol/region_lock.h"
#include "protocol/returned.h"
#include "protocol/ring_lanes.h"
#include "protocol/stream_end.h"

/* So many looked at are some ms, and a sign that somebody is at work, see sweep.c. */
#define SIGN_BLOCKS 65536u
#define RETRIES 16u /* a block whose header keeps changing is not the dead process's */
#define GROUPS 4096u

/* Those to clean up after. */
struct sb_dead {
    const struct sb_view *view;
    uint32_t at;                      /* in the slots before it nothing is left to do */
    uint64_t w[SHMBUS_PROCESSES_MAX]; /* process word of the incarnation in each slot; 0: none */
    /* Groups of 1 << group_shift blocks: where the first look has met one of theirs. The dead name
     * no block any more, so that there is nothing to do in the others. */
    uint32_t group_shift;
    uint64_t groups[GROUPS / 64];
};

static void dead_none(struct sb_dead *d, const struct sb_view *view)
{
    d->view = view;
    d->at = 0;
    memset(d->w, 0, view->process_count * sizeof d->w[0]);
    memset(d->groups, 0, sizeof d->groups);
    d->group_shift = 6;
    while (view->blocks.count >> d->group_shift >= GROUPS) {
        d->group_shift++;
    }
}

static void mark_group(struct sb_dead *d, uint32_t block)
{
    uint32_t group = block >> d->group_shift;
    d->groups[group / 64] |= 1ull << (group % 64);
}

static bool is_marked(const struct sb_dead *d, uint32_t block)
{
    uint32_t group = block >> d->group_shift;
    return (d->groups[group / 64] >> (group % 64) & 1u) != 0;
}

static void dead_one(struct sb_dead *d, const struct sb_view *view, uint32_t slot, uint64_t w)
{
    dead_none(d, view);
    d->w[slot] = w;
}

static bool still_to_do(const struct sb_dead *d, uint32_t slot)
{
    return sb_load_acquire(&d->view->processes[slot].w) == d->w[slot];
}

/* False when others have done it all. */
static bool anything_to_do(struct sb_dead *d)
{
    while (d->at < d->view->process_count && (d->w[d->at] == 0 || !still_to_do(d, d->at))) {
        d->at++;
    }
    return d->at < d->view->process_count;
}

/* The slot of the dead that a header names, SB_NONE if it names nobody of them. */
static uint32_t named_by(const struct sb_dead *d, uint32_t owner)
{
    uint32_t slot = sb_owner_slot(owner);

    if (slot >= d->view->process_count || d->w[slot] == 0 ||
        sb_owner_make(slot, sb_proc_epoch(d->w[slot])) != owner) {
        return SB_NONE;
    }
    return slot;
}

/* The same of a word of 64 bits. */
static bool is_named_by(const struct sb_dead *d, uint64_t owner64)
{
    uint32_t slot = sb_owner64_slot(owner64);

    return slot < d->view->process_count && d->w[slot] != 0 &&
           sb_owner64_make(slot, sb_proc_epoch(d->w[slot])) == owner64;
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

/* For a dead taker, R2: the slot must be clear before the header moves on (I2). */
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

/* What a received block of a dead process becomes, as generation @gen: a new one, of the parity
 * that it had when it was received from @ch. */
static uint64_t given_back(const struct sb_channel_view *ch, uint64_t hdr, uint64_t gen)
{
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    bool is_last = ch != NULL && ch->max_deliveries > 0 && deliveries >= ch->max_deliveries &&
                   ch->dead_letter != SB_NONE;

    if (ch == NULL) { /* nonsense: nobody could ever take it */
        return sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0);
    }
    return sb_hdr_make(gen, deliveries, is_last ? SB_BLOCK_DEAD_LETTER : SB_BLOCK_ORPHAN, 0);
}

/* A block and what its header names, all at one instant. */
struct look {
    uint32_t block;
    uint64_t hdr;
    uint64_t loc;    /* where it was to be put */
    uint64_t origin; /* where it was received */
    uint64_t twin;
};

/* The header that repairs the block, its own if there is nothing to repair. */
static uint64_t repaired(const struct sb_view *view, const struct look *look)
{
    uint64_t hdr = look->hdr;
    uint64_t loc = look->loc;
    uint64_t origin = look->origin;
    uint32_t block = look->block;
    uint64_t gen = sb_hdr_gen(hdr);
    uint64_t freed = sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0);

    switch (sb_hdr_state(hdr)) {
    case SB_BLOCK_FILLING:
        return freed;
    case SB_BLOCK_QUEUED:
        return is_in_slot(view, loc, block) ? hdr : freed;
    case SB_BLOCK_FORWARDED:
        return is_in_slot(view, loc, block)
                   ? hdr
                   : given_back(queue_at(view, origin), hdr, sb_gen_next(gen));
    case SB_BLOCK_EXCHANGED: /* its slot was clear before */
        return sb_exchange_is_done(view, look->twin)
                   ? freed
                   : given_back(queue_at(view, origin), hdr, sb_gen_next(sb_gen_next(gen)));
    case SB_BLOCK_RECEIVED:
        clear_slot(view, loc, block);
        return given_back(queue_at(view, loc), hdr, sb_gen_next(sb_gen_next(gen)));
    default: /* states without an owner */
        return hdr;
    }
}

/* Whether a message of @ch that becomes DEAD_LETTER as @dead was none before: who receives a dead
 * letter, or moves it, raises its count, and the handle that had it was open on the dead-letter
 * queue. */
static bool is_set_aside_now(const struct sb_channel_view *ch, uint64_t dead, uint64_t holder)
{
    return sb_hdr_deliveries(dead) == ch->max_deliveries &&
           (sb_holder_channel(holder) == SB_NONE || sb_holder_channel(holder) != ch->dead_letter);
}

/* Reads what the header @hdr names; false if it changed meanwhile. */
static bool look_at(const struct sb_block *b, uint64_t hdr, uint32_t block, struct look *ret)
{
    uint64_t gen = sb_hdr_gen(hdr);

    *ret = (struct look){.block = block, .hdr = hdr};
    ret->loc = sb_load_acquire(&b->loc[gen & 1u]);
    ret->origin = ret->loc;
    if (sb_hdr_state(hdr) == SB_BLOCK_FORWARDED) {
        ret->origin = sb_load_acquire(&b->loc[~gen & 1u]);
    }
    if (sb_hdr_state(hdr) == SB_BLOCK_EXCHANGED) {
        ret->twin = sb_load_acquire(&b->twin);
    }
    return sb_load_acquire(&b->hdr) == hdr;
}

/* Repairs one block; true if it is FREE afterwards. */
static bool repair(const struct sb_dead *d, const struct sb_class_view *cls, uint32_t block)
{
    struct sb_block *b = sb_block_in(cls, block);

    for (uint32_t n = 0; n < RETRIES; n++) {
        uint64_t hdr = sb_load_acquire(&b->hdr);
        uint32_t slot;
        struct look look;
        uint64_t next;
        bool counts;

        if (sb_hdr_state(hdr) == SB_BLOCK_FREE) {
            return true;
        }
        slot = named_by(d, sb_hdr_owner(hdr));
        if (slot == SB_NONE) {
            return false;
        }
        if (!look_at(b, hdr, block, &look)) {
            continue; /* loc and origin belong to another generation */
        }
        if (!still_to_do(d, slot)) {
            return false; /* the owner may be a new process by now */
        }
        next = repaired(d->view, &look);
        if (next == hdr) {
            return false;
        }
        counts =
            sb_hdr_state(next) == SB_BLOCK_DEAD_LETTER &&
            is_set_aside_now(queue_at(d->view, look.origin), next, sb_load_relaxed(&b->holder));
        if (sb_cas(&b->hdr, hdr, next)) {
            if (counts) {
                sb_fetch_add(&queue_at(d->view, look.origin)->shared->dead_lettered, 1);
            }
            return sb_hdr_state(next) == SB_BLOCK_FREE;
        }
    }
    return false;
}

/* Whether block @look is given back to a queue when it is repaired. */
static bool comes_again(const struct sb_view *view, const struct look *look)
{
    switch (sb_hdr_state(look->hdr)) {
    case SB_BLOCK_RECEIVED:
        return true;
    case SB_BLOCK_FORWARDED:
        return !is_in_slot(view, look->loc, look->block);
    case SB_BLOCK_EXCHANGED:
        return !sb_exchange_is_done(view, look->twin);
    default:
        return false;
    }
}

/* G1 for one block; true if it is free. */
static bool note_block(struct sb_dead *d, const struct sb_class_view *cls, uint32_t block,
                       struct sb_returned *list)
{
    struct sb_block *b = sb_block_in(cls, block);
    uint64_t hdr = sb_load_acquire(&b->hdr);
    struct look look;

    if (sb_hdr_state(hdr) == SB_BLOCK_FREE) {
        return true;
    }
    if (named_by(d, sb_hdr_owner(hdr)) == SB_NONE) {
        return false;
    }
    mark_group(d, block);
    if (look_at(b, hdr, block, &look) && comes_again(d->view, &look)) {
        struct sb_returned_item item = {sb_loc_channel(look.origin), sb_loc_ticket(look.origin),
                                        hdr, block};
        sb_returned_add(list, &item);
    }
    return false;
}

/* G3: what has come back to @channel so far is there to be found. */
static void raise_seq(const struct sb_view *view, uint64_t channel)
{
    if (channel < view->channel_count) {
        const struct sb_channel_view *ch = &view->channels[channel];
        sb_fetch_add(&ch->shared->orphan_seq, 1);
        if (ch->max_deliveries > 0 && ch->dead_letter < view->channel_count) {
            sb_fetch_add(&view->channels[ch->dead_letter].shared->orphan_seq, 1);
        }
    }
}

/* Block @i of a class is next: who looks for the dead is seen to be at work, now and then. */
static void give_sign(const struct sb_dead *d, uint32_t i)
{
    if (i % SIGN_BLOCKS == SIGN_BLOCKS - 64) {
        sb_fetch_add(&d->view->super->sweep_seq, 1);
    }
}

/* Blocks of one word of the bitmap. */
struct run {
    const struct sb_class_view *cls;
    uint32_t first, count;
};

static struct run run_at(const struct sb_class_view *cls, uint32_t i)
{
    uint32_t left = cls->count - i;
    return (struct run){cls, cls->first + i, left < 64 ? left : 64};
}

static void set_hints(const struct run *run, uint64_t free_blocks)
{
    if (free_blocks != 0) {
        sb_or(&run->cls->bitmap[(run->first - run->cls->first) / 64], free_blocks);
    }
}

static bool has_marks(const struct sb_dead *d, const struct run *run)
{
    return is_marked(d, run->first) || is_marked(d, run->first + run->count - 1u);
}

/* The free ones are hinted at, whoever hid them. */
static void note_run(struct sb_dead *d, const struct run *run, struct sb_returned *list)
{
    uint64_t free_blocks = 0;

    for (uint32_t k = 0; k < run->count; k++) {
        if (note_block(d, run->cls, run->first + k, list)) {
            free_blocks |= 1ull << k;
        }
    }
    set_hints(run, free_blocks);
}

/* G1. The first look is at all blocks, others at the groups alone where it met something. */
static void note_blocks(struct sb_dead *d, bool first_look, struct sb_returned *list)
{
    const struct sb_blocks *blocks = &d->view->blocks;

    sb_returned_clear(list);
    for (uint32_t c = 0; c < blocks->class_count && anything_to_do(d); c++) {
        for (uint32_t i = 0; i < blocks->classes[c].count; i += 64) {
            struct run run = run_at(&blocks->classes[c], i);
            give_sign(d, i);
            if (first_look || has_marks(d, &run)) {
                note_run(d, &run, list);
            }
        }
    }
}

/* G1 to G3. */
static void give_back_blocks(struct sb_dead *d)
{
    const struct sb_blocks *blocks = &d->view->blocks;
    uint32_t passes_left = blocks->count / SB_RETURNED_MAX + 1u;
    bool first_look = true;
    struct sb_returned list;

    do {
        const struct sb_returned_item *item;
        note_blocks(d, first_look, &list);
        first_look = false;
        for (; (item = sb_returned_next(&list)) != NULL; list.at++) {
            repair(d, sb_class_of(blocks, item->number), item->number); /* G2 */
            raise_seq(d->view, item->group);
        }
    } while (list.more && passes_left-- > 0);
}

static void reclaim_class(const struct sb_dead *d, const struct sb_class_view *cls)
{
    for (uint32_t i = 0; i < cls->count; i += 64) {
        struct run run = run_at(cls, i);
        uint64_t free_blocks = 0;
        give_sign(d, i);
        for (uint32_t k = 0; has_marks(d, &run) && k < run.count; k++) {
            if (repair(d, cls, run.first + k)) {
                free_blocks |= 1ull << k;
            }
        }
        set_hints(&run, free_blocks);
    }
}

/* Repairs one cell of channel @ch. What was published belongs to nobody, what was being filled is
 * free: only a message in the hands of the dead process is to be given back. */
static void reclaim_cell(const struct sb_dead *d, const struct sb_channel_view *ch,
                         struct sb_cell *cell)
{
    for (uint32_t n = 0; n < RETRIES; n++) {
        uint64_t turn = sb_load_acquire(&cell->turn); /* before w, and w before the process word */
        uint64_t w = sb_load_acquire(&cell->w);
        uint32_t slot = named_by(d, sb_hdr_owner(w));
        uint64_t next;
        bool counts;

        if (slot == SB_NONE || sb_hdr_state(w) != SB_BLOCK_RECEIVED || !still_to_do(d, slot)) {
            return;
        }
        next = given_back(ch, w, sb_hdr_gen(w));
        counts = sb_hdr_state(next) == SB_BLOCK_DEAD_LETTER &&
                 is_set_aside_now(ch, next, sb_load_relaxed(&cell->holder));
        if (sb_cas_turn(&cell->turned, w, next, turn)) {
            if (counts) {
                sb_fetch_add(&ch->shared->dead_lettered, 1);
            }
            return;
        }
    }
}

/* G1 for the cells of one channel. */
static void note_cells(const struct sb_dead *d, uint32_t channel, struct sb_returned *list)
{
    const struct sb_channel_view *ch = &d->view->channels[channel];
    uint64_t end = sb_cells_used(ch);

    sb_returned_clear(list);
    for (uint64_t i = 0; i < end; i++) {
        uint64_t w = sb_load_acquire(&sb_cell_at(ch, i)->w);
        if (sb_hdr_state(w) == SB_BLOCK_RECEIVED && named_by(d, sb_hdr_owner(w)) != SB_NONE) {
            struct sb_returned_item item = {i >> ch->depth_shift, sb_cell_ticket(ch, i, w), w,
                                            (uint32_t)i};
            sb_returned_add(list, &item);
        }
    }
}

/* G1 to G3, lane by lane. */
static void give_back_cells(struct sb_dead *d, uint32_t channel)
{
    const struct sb_channel_view *ch = &d->view->channels[channel];
    uint64_t passes_left = sb_cells_used(ch) / SB_RETURNED_MAX + 1u;
    struct sb_returned list;

    do {
        const struct sb_returned_item *item;
        note_cells(d, channel, &list);
        for (; (item = sb_returned_next(&list)) != NULL; list.at++) {
            reclaim_cell(d, ch, sb_cell_at(ch, item->number)); /* G2 */
            raise_seq(d->view, channel);
        }
    } while (list.more && passes_left-- > 0);
}

static void reclaim_cells(struct sb_dead *d)
{
    for (uint32_t c = 0; c < d->view->channel_count && anything_to_do(d); c++) {
        if (d->view->channels[c].lane_count > 0) {
            give_back_cells(d, c);
        }
    }
}

static void reclaim_blocks(struct sb_dead *d)
{
    give_back_blocks(d);
    for (uint32_t c = 0; c < d->view->blocks.class_count && anything_to_do(d); c++) {
        reclaim_class(d, &d->view->blocks.classes[c]);
    }
}

void sb_reclaim_cells(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct sb_dead d;
    dead_one(&d, view, slot, w);
    reclaim_cells(&d);
}

void sb_reclaim_blocks(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct sb_dead d;
    dead_one(&d, view, slot, w);
    reclaim_blocks(&d);
}

/* A word that names its owner and nothing else: no owner64 ever comes again. */
static void give_up(const struct sb_dead *d, sb_word *owner)
{
    uint64_t owner64 = sb_load_relaxed(owner);
    if (is_named_by(d, owner64)) {
        sb_cas(owner, owner64, 0);
    }
}

static void leave_ends(const struct sb_dead *d, const struct sb_channel_view *ch)
{
    sb_word *ends[] = {&ch->shared->sender, &ch->shared->receiver};

    for (uint32_t i = 0; i < 2; i++) {
        uint64_t owner64 = sb_load_relaxed(ends[i]);
        if (is_named_by(d, owner64)) {
            sb_end_leave(ends[i], owner64, SB_END_DEAD);
        }
    }
}

static void give_up_lanes(const struct sb_dead *d, const struct sb_channel_view *ch)
{
    for (uint32_t i = 0; i < ch->lane_count; i++) {
        give_up(d, &ch->lanes[i].owner);
    }
}

bool sb_dead_has(const struct sb_dead *d, uint32_t owner)
{
    uint32_t slot = named_by(d, owner);

    return slot != SB_NONE && still_to_do(d, slot);
}

const struct sb_kind_death sb_stream_death = {.repair = leave_ends};
const struct sb_kind_death sb_lanes_death = {.repair = give_up_lanes};
const struct sb_kind_death sb_queue_death = {.repair = NULL}; /* all it has are blocks */

static void reclaim_handles(const struct sb_dead *d)
{
    for (uint32_t c = 0; c < d->view->channel_count; c++) {
        const struct sb_channel_view *ch = &d->view->channels[c];
        const struct sb_kind_death *kind = sb_kind_row(sb_view_kind(ch))->death;
        for (uint32_t i = 0; i < ch->endpoint_count; i++) {
            give_up(d, &ch->endpoints[i].w);
        }
        if (kind->repair != NULL) {
            kind->repair(d, ch);
        }
    }
}

static void reclaim_regions(const struct sb_dead *d)
{
    for (uint32_t i = 0; i < d->view->region_count; i++) {
        struct sb_region *r = d->view->regions[i].shared;
        uint64_t owner64 = sb_load_acquire(&r->lock);
        sb_region_recover(r, is_named_by(d, owner64) ? owner64 : 0);
    }
}

/* Receivers look for orphans; sleepers look whether they were waiting for the dead process, or
 * were to be woken by it. */
static void tell_everybody(const struct sb_view *view)
{
    for (uint32_t c = 0; c < view->channel_count; c++) {
        struct sb_channel *shared = view->channels[c].shared;
        if (sb_dir_state(sb_load_relaxed(&shared->dir)) != SB_DIR_READY) {
            continue;
        }
        sb_fetch_add(&shared->orphan_seq, 1);
        sb_event_wake_all(&shared->readable);
        sb_event_wake_all(&shared->writable);
    }
    sb_event_wake_all(view->blocks.freed);
}

/* The slots of the table, last. Returns how many this call freed. */
static uint32_t free_slots(const struct sb_dead *d)
{
    uint32_t freed = 0;
    for (uint32_t slot = 0; slot < d->view->process_count; slot++) {
        uint64_t w = d->w[slot];
        if (w != 0 && sb_cas(&d->view->processes[slot].w, w,
                             sb_proc_word(sb_proc_epoch(w) + 1u, SB_PROC_FREE))) {
            freed++;
        }
    }
    return freed;
}

static uint32_t reclaim(struct sb_dead *d)
{
    if (!anything_to_do(d)) {
        return 0;
    }
    reclaim_blocks(d);
    reclaim_cells(d);
    reclaim_handles(d);
    reclaim_regions(d);
    tell_everybody(d->view);
    return free_slots(d);
}

bool sb_reclaim_slot(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct sb_dead d;
    dead_one(&d, view, slot, w);
    return reclaim(&d) != 0;
}

uint32_t sb_reclaim_dead(const struct sb_view *view, struct sb_liveness *liveness)
{
    struct sb_dead d;
    uint32_t freed;

    dead_none(&d, view);
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        uint64_t w = sb_load_acquire(&view->processes[slot].w);
        if (sb_proc_state(w) == SB_PROC_ACTIVE && sb_process_is_dead(view, liveness, slot, w)) {
            d.w[slot] = w;
        }
    }
    freed = reclaim(&d);
    if (freed > 0) {
        sb_fetch_add(&view->super->recoveries, freed);
    }
    return freed;
}
