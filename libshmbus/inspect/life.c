/* SPDX-License-Identifier: MIT */
/*
 * Silence alone is no fault: a front end without requests and a receiver in epoll_wait() have no
 * call of ours in which they could beat. A process is stalled when it is silent *and* has what
 * others may need: a message, a reservation, half a send, a region's lock, or a call in which it
 * sleeps, for those beat while they wait.
 *
 * What cannot be seen: a process that is stopped in a call that does not wait, at an instant when
 * it has nothing in hand yet; and a reservation in a lane, which holds up nobody but its maker.
 */
#include "inspect/life.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "protocol/ring_lanes.h"
#include "protocol/ring_spsc.h"

/* Where to write down what is found: for one slot or for all. */
struct hands_scan {
    const struct sb_view *view;
    uint32_t only; /* SB_NONE: all */
    uint64_t w;    /* of that one */
    struct sb_hands *hands;
};

/* The place of the process in @slot if it is still the incarnation that @is_owner says. */
static struct sb_hands *place(const struct hands_scan *scan, uint32_t slot)
{
    if (scan->only == SB_NONE) {
        return &scan->hands[slot];
    }
    return slot == scan->only ? scan->hands : NULL;
}

static uint64_t word_of(const struct hands_scan *scan, uint32_t slot)
{
    return scan->only == slot ? scan->w : sb_load_acquire(&scan->view->processes[slot].w);
}

static struct sb_hands *hands_of(const struct hands_scan *scan, uint32_t owner)
{
    uint32_t slot = sb_owner_slot(owner);
    uint64_t w;

    if (slot >= scan->view->process_count || (scan->only != SB_NONE && scan->only != slot)) {
        return NULL;
    }
    w = word_of(scan, slot);
    return sb_proc_state(w) == SB_PROC_ACTIVE && sb_owner_make(slot, sb_proc_epoch(w)) == owner
               ? place(scan, slot)
               : NULL;
}

static struct sb_hands *hands_of64(const struct hands_scan *scan, uint64_t owner64)
{
    uint32_t slot = sb_owner64_slot(owner64);
    uint64_t w;

    if (slot >= scan->view->process_count || (scan->only != SB_NONE && scan->only != slot)) {
        return NULL;
    }
    w = word_of(scan, slot);
    return sb_proc_state(w) == SB_PROC_ACTIVE && sb_owner64_make(slot, sb_proc_epoch(w)) == owner64
               ? place(scan, slot)
               : NULL;
}

static void scan_block(const struct hands_scan *scan, uint32_t block)
{
    const struct sb_blocks *blocks = &scan->view->blocks;
    struct sb_block_snapshot look;
    struct sb_hands *hands =
        hands_of(scan, sb_hdr_owner(sb_load_relaxed(&sb_block_at(blocks, block)->hdr)));

    if (hands == NULL || !sb_block_snapshot(blocks, block, &look) ||
        hands_of(scan, sb_hdr_owner(look.hdr)) != hands) {
        return;
    }
    switch (sb_hdr_state(look.hdr)) {
    case SB_BLOCK_FILLING:
        hands->messages += look.holder != 0;
        hands->stock += look.holder == 0;
        break;
    case SB_BLOCK_RECEIVED:
        hands->messages++;
        break;
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_FORWARDED:
        hands->half_sent += !sb_block_is_in_slot(scan->view, &look, block) &&
                            sb_load_acquire(&sb_block_at(blocks, block)->hdr) == look.hdr;
        break;
    default:
        break;
    }
}

/* Received messages that lie in cells. A reservation there is a free cell. */
static void scan_cells(const struct hands_scan *scan, const struct sb_channel_view *ch)
{
    uint64_t end = sb_look_cells(ch);

    for (uint64_t i = 0; i < end; i++) {
        uint64_t w = sb_load_acquire(&sb_cell_at(ch, i)->w);
        struct sb_hands *hands =
            sb_hdr_state(w) == SB_BLOCK_RECEIVED ? hands_of(scan, sb_hdr_owner(w)) : NULL;
        if (hands != NULL) {
            hands->messages++;
        }
    }
}

uint64_t sb_in_hand_of_stream(const struct sb_channel_view *ch, const struct sb_endpoint *row)
{
    uint64_t received = sb_load_relaxed(&row->counters[SHMBUS_COUNT_received]) -
                        sb_load_relaxed(&row->at_open[SHMBUS_COUNT_received]);
    uint64_t released = sb_load_relaxed(&row->counters[SHMBUS_COUNT_acknowledged]) -
                        sb_load_relaxed(&row->at_open[SHMBUS_COUNT_acknowledged]);
    bool receives =
        ch->kind == SHMBUS_KIND_STREAM && (sb_load_relaxed(&row->mode) & SHMBUS_OPEN_RECV) != 0;
    return receives && received - released <= SB_SPSC_HELD_MAX ? received - released : 0;
}

static void scan_rows(const struct hands_scan *scan, uint32_t channel)
{
    const struct sb_channel_view *ch = &scan->view->channels[channel];

    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        const struct sb_endpoint *row = &ch->endpoints[i];
        uint64_t owner64 = sb_load_acquire(&row->w);
        struct sb_hands *hands = owner64 != 0 ? hands_of64(scan, owner64) : NULL;
        uint64_t waits;
        if (hands == NULL) {
            continue;
        }
        hands->handles++;
        waits = sb_load_relaxed(&row->waits);
        if (waits != SB_WAITS_NOT && waits <= SB_WAITS_BLOCK) {
            hands->calls++;
            hands->waits_in = channel;
            hands->waits_for = (enum sb_waits)waits;
        }
        hands->messages += sb_in_hand_of_stream(ch, row);
    }
}

static void scan_regions(const struct hands_scan *scan)
{
    for (uint32_t i = 0; i < scan->view->region_count; i++) {
        uint64_t owner64 = sb_load_acquire(&scan->view->regions[i].shared->lock);
        struct sb_hands *hands = owner64 != 0 ? hands_of64(scan, owner64) : NULL;
        if (hands != NULL) {
            hands->regions++;
        }
    }
}

static void scan_waits_for_regions(const struct hands_scan *scan)
{
    for (uint32_t slot = 0; slot < scan->view->process_count; slot++) {
        struct sb_hands *hands = place(scan, slot);
        if (hands != NULL && sb_load_relaxed(&scan->view->processes[slot].region_waits) != 0) {
            hands->calls++;
        }
    }
}

static void scan_everything(const struct hands_scan *scan)
{
    for (uint32_t b = 0; b < scan->view->blocks.count; b++) {
        scan_block(scan, b);
    }
    for (uint32_t c = 0; c < scan->view->channel_count; c++) {
        scan_cells(scan, &scan->view->channels[c]);
        scan_rows(scan, c);
    }
    scan_regions(scan);
    scan_waits_for_regions(scan);
}

struct sb_hands sb_hands(const struct sb_view *view, uint32_t slot, uint64_t w)
{
    struct sb_hands hands = {.waits_in = SB_NONE};
    struct hands_scan scan = {.view = view, .only = slot, .w = w, .hands = &hands};

    if (slot < view->process_count) {
        scan_everything(&scan);
    }
    return hands;
}

void sb_hands_all(const struct sb_view *view, struct sb_hands *ret_hands)
{
    struct hands_scan scan = {.view = view, .only = SB_NONE, .hands = ret_hands};

    for (uint32_t i = 0; i < view->process_count; i++) {
        ret_hands[i] = (struct sb_hands){.waits_in = SB_NONE};
    }
    scan_everything(&scan);
}

bool sb_hands_are_empty(const struct sb_hands *hands)
{
    return hands->messages == 0 && hands->half_sent == 0 && hands->regions == 0 &&
           hands->calls == 0;
}

/* -------------------------------------------------------------------------------------- life */

int64_t sb_silence_ns(const struct sb_view *view, uint32_t slot, const struct sb_here *here)
{
    const struct sb_proc *proc = &view->processes[slot];
    return sb_age_ns(here, sb_load_relaxed(&proc->time_namespace),
                     (int64_t)sb_load_relaxed(&proc->clock_offset_ns),
                     (int64_t)sb_load_relaxed(&proc->heartbeat_ns));
}

static bool is_late(const struct sb_view *view, uint32_t slot, const struct sb_here *here)
{
    return sb_silence_ns(view, slot, here) > view->heartbeat_timeout_ns;
}

enum shmbus_life sb_life(struct shmbus *bus, uint32_t slot, uint64_t w, const struct sb_here *here,
                         const struct sb_hands *hands)
{
    if (sb_bus_is_dead(bus, slot, w)) {
        return SHMBUS_LIFE_DEAD;
    }
    if (!is_late(&bus->view, slot, here)) {
        return SHMBUS_LIFE_ALIVE;
    }
    return sb_hands_are_empty(hands) ? SHMBUS_LIFE_IDLE : SHMBUS_LIFE_STALLED;
}

static void count_life(struct shmbus_bus_stat *stat, enum shmbus_life life)
{
    stat->processes_alive += life == SHMBUS_LIFE_ALIVE;
    stat->processes_idle += life == SHMBUS_LIFE_IDLE;
    stat->processes_stalled += life == SHMBUS_LIFE_STALLED;
    stat->processes_dead += life == SHMBUS_LIFE_DEAD;
}

/* All hands are looked at once, and only if somebody is silent; without memory for that the silent
 * are idle: nothing is known against them. */
void sb_count_lives(struct shmbus *bus, struct shmbus_bus_stat *stat)
{
    const struct sb_hands none = {0};
    struct sb_here here = sb_here();
    struct sb_hands *hands = NULL;

    for (uint32_t i = 0; i < bus->view.process_count; i++) {
        uint64_t w = sb_load_acquire(&bus->view.processes[i].w);
        if (sb_proc_state(w) != SB_PROC_ACTIVE) {
            continue;
        }
        if (hands == NULL && is_late(&bus->view, i, &here)) {
            hands = calloc(bus->view.process_count, sizeof *hands);
            if (hands != NULL) {
                sb_hands_all(&bus->view, hands);
            }
        }
        count_life(stat, sb_life(bus, i, w, &here, hands != NULL ? &hands[i] : &none));
    }
    free(hands);
}
