/* SPDX-License-Identifier: MIT */
/*
 * Whoever waits for room in a queue needs a receiver of that queue who can go on; whoever waits for
 * a block, somebody who can go on and has one, or can receive one. Who does not wait so, can go on.
 * What cannot be reached from there stands still. All is looked at several times, as others go on
 * meanwhile: only who stands still each time is named.
 */
#include "inspect/standstill.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/here.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/life.h"
#include "inspect/spsc_inspect.h"
#include "layout/name.h"
#include "protocol/ring_lanes.h"
#include "protocol/ring_mpmc.h"

#define LOOKS 3u
#define NAMED_MAX 4u

struct look {
    const struct sb_view *view;
    struct sb_hands *hands; /* of each slot */
    bool *can_go_on;        /* each slot */
    bool *is_received;      /* each channel: by somebody who can go on */
    uint32_t used_up;       /* from this class on no block is free */
};

bool sb_queue_is_full(const struct sb_channel_view *ch)
{
    return sb_mpmc_depth(ch) >= 1ull << ch->depth_shift;
}

bool sb_lanes_are_full(const struct sb_channel_view *ch)
{
    (void)ch;
    return true; /* it may be that of the one who waits */
}

bool sb_stream_is_full(const struct sb_channel_view *ch)
{
    return sb_spsc_depth(ch) > ch->ring_bytes / 4; /* how much is missing nobody says */
}

static bool is_full(const struct sb_view *view, uint32_t channel)
{
    const struct sb_channel_view *ch = &view->channels[channel];

    return sb_look_of(ch)->is_full(ch);
}

static bool waits_for_others(const struct look *look, uint32_t slot)
{
    const struct sb_hands *hands = &look->hands[slot];

    return hands->calls > 0 && hands->waits_in < look->view->channel_count &&
           (hands->waits_for == SB_WAITS_BLOCK ||
            (hands->waits_for == SB_WAITS_ROOM && is_full(look->view, hands->waits_in)));
}

/* Who receives from each channel, as far as it can go on. @any: whether or not. */
static bool has_receiver(const struct look *look, uint32_t channel, bool any)
{
    const struct sb_channel_view *ch = &look->view->channels[channel];

    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        uint32_t slot = sb_owner64_slot(sb_load_acquire(&ch->endpoints[i].w));
        if (slot < look->view->process_count && (any || look->can_go_on[slot]) &&
            (sb_load_relaxed(&ch->endpoints[i].mode) & SHMBUS_OPEN_RECV) != 0) {
            return true;
        }
    }
    return false;
}

static void note_receivers(struct look *look)
{
    for (uint32_t c = 0; c < look->view->channel_count; c++) {
        look->is_received[c] = has_receiver(look, c, false);
    }
}

/* Whether somebody who can go on may give this block back. */
static bool may_come_back(const struct look *look, uint32_t block)
{
    struct sb_block_snapshot seen;
    uint32_t slot;
    uint32_t channel;

    if (!sb_block_snapshot(&look->view->blocks, block, &seen)) {
        return true;
    }
    slot = (sb_hdr_owner(seen.hdr) >> SB_OWNER_EPOCH_BITS) - 1u;
    switch (sb_hdr_state(seen.hdr)) {
    case SB_BLOCK_FILLING:
    case SB_BLOCK_RECEIVED:
        return slot >= look->view->process_count || look->can_go_on[slot];
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_FORWARDED:
    case SB_BLOCK_ORPHAN:
    case SB_BLOCK_DEAD_LETTER:
        channel = sb_waits_for(look->view, &seen);
        return channel >= look->view->channel_count || look->is_received[channel];
    case SB_BLOCK_FREE:
        return false; /* of another queue's share */
    default:
        return true;
    }
}

static bool blocks_may_come_back(const struct look *look)
{
    const struct sb_blocks *blocks = &look->view->blocks;

    if (look->used_up >= blocks->class_count) {
        return true;
    }
    for (uint32_t b = blocks->classes[look->used_up].first; b < blocks->count; b++) {
        if (may_come_back(look, b)) {
            return true;
        }
    }
    return false;
}

/* Nobody receives at all: that is another finding, and who comes later ends the wait. */
static bool room_may_come(const struct look *look, uint32_t channel)
{
    return look->is_received[channel] || !has_receiver(look, channel, true);
}

/* True if somebody more can go on. */
static bool spread(struct look *look)
{
    bool blocks = blocks_may_come_back(look);
    bool more = false;

    for (uint32_t slot = 0; slot < look->view->process_count; slot++) {
        const struct sb_hands *hands = &look->hands[slot];
        if (!look->can_go_on[slot] &&
            (hands->waits_for == SB_WAITS_BLOCK ? blocks : room_may_come(look, hands->waits_in))) {
            look->can_go_on[slot] = true;
            more = true;
        }
    }
    return more;
}

static bool has_free(const struct sb_class_view *cls)
{
    for (uint32_t i = 0; i < sb_common_of(cls); i++) {
        if (sb_hdr_state(sb_load_relaxed(&sb_block_in(cls, cls->first + i)->hdr)) ==
            SB_BLOCK_FREE) {
            return true;
        }
    }
    return false;
}

static uint32_t first_used_up(const struct sb_blocks *blocks)
{
    uint32_t c = blocks->class_count;

    while (c > 0 && !has_free(&blocks->classes[c - 1u])) {
        c--;
    }
    return c;
}

/* Of those marked in @stands, keeps who cannot go on at this moment either; how many. */
static uint32_t look_once(struct look *look, bool *stands)
{
    uint32_t n = 0;

    sb_hands_all(look->view, look->hands);
    look->used_up = first_used_up(&look->view->blocks);
    for (uint32_t slot = 0; slot < look->view->process_count; slot++) {
        look->can_go_on[slot] = !waits_for_others(look, slot);
    }
    do {
        note_receivers(look);
    } while (spread(look));
    for (uint32_t slot = 0; slot < look->view->process_count; slot++) {
        stands[slot] = stands[slot] && !look->can_go_on[slot];
        n += stands[slot];
    }
    return n;
}

/* ------------------------------------------------------------------------------------ in words */

static void add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, SB_STANDSTILL_BYTES - used, format, args);
    va_end(args);
}

/* The channel whose messages the process holds most of; SB_NONE: none. */
static uint32_t holds_of(const struct sb_view *view, uint32_t slot, uint64_t *counts)
{
    uint32_t most = SB_NONE;

    memset(counts, 0, view->channel_count * sizeof *counts);
    for (uint32_t b = 0; b < view->blocks.count; b++) {
        struct sb_block_snapshot look;
        if (sb_block_snapshot(&view->blocks, b, &look) &&
            sb_hdr_state(look.hdr) == SB_BLOCK_RECEIVED &&
            (sb_hdr_owner(look.hdr) >> SB_OWNER_EPOCH_BITS) == slot + 1u &&
            sb_loc_channel(look.loc) < view->channel_count) {
            counts[sb_loc_channel(look.loc)]++;
        }
    }
    for (uint32_t c = 0; c < view->channel_count; c++) {
        uint64_t end = sb_cells_used(&view->channels[c]);
        for (uint64_t i = 0; i < end; i++) {
            uint64_t w = sb_load_relaxed(&sb_cell_at(&view->channels[c], i)->w);
            counts[c] += sb_hdr_state(w) == SB_BLOCK_RECEIVED &&
                         (sb_hdr_owner(w) >> SB_OWNER_EPOCH_BITS) == slot + 1u;
        }
        if (counts[c] > (most == SB_NONE ? 0 : counts[most])) {
            most = c;
        }
    }
    return most;
}

static void describe(const struct look *look, uint32_t slot, uint64_t *counts, char *text)
{
    const struct sb_view *view = look->view;
    const struct sb_hands *hands = &look->hands[slot];
    uint32_t held = holds_of(view, slot, counts);
    char name[SHMBUS_NAME_BYTES];

    sb_name_load(view->processes[slot].name, name);
    add(text, "%s (pid %d%s, slot %" PRIu32 ")", name,
        (int)(sb_load_relaxed(&view->processes[slot].pid) & INT32_MAX),
        sb_pid_mark(sb_load_relaxed(&view->processes[slot].pid_namespace)), slot);
    if (held != SB_NONE && sb_channel_name(&view->channels[held], name)) {
        add(text, " holds %" PRIu64 " of \"%s\" and", counts[held], name);
    }
    name[0] = '\0';
    sb_channel_name(&view->channels[hands->waits_in], name);
    add(text,
        hands->waits_for == SB_WAITS_BLOCK ? " waits for a block for \"%s\""
                                           : " waits for room in \"%s\"",
        name);
}

static void describe_all(const struct look *look, const bool *stands, uint32_t n, uint64_t *counts,
                         char *text)
{
    uint32_t named = 0;

    text[0] = '\0';
    for (uint32_t slot = 0; slot < look->view->process_count && named < NAMED_MAX; slot++) {
        if (stands[slot]) {
            add(text, "%s", named++ > 0 ? "; " : "");
            describe(look, slot, counts, text);
        }
    }
    if (n > named) {
        add(text, "; and %" PRIu32 " more", n - named);
    }
}

uint32_t sb_standstill(const struct sb_view *view, char ret_text[SB_STANDSTILL_BYTES])
{
    struct look look = {.view = view};
    bool *stands = malloc(view->process_count * sizeof *stands);
    uint64_t *counts = calloc(view->channel_count, sizeof *counts);
    uint32_t n = 0;

    look.hands = calloc(view->process_count, sizeof *look.hands);
    look.can_go_on = calloc(view->process_count, sizeof *look.can_go_on);
    look.is_received = calloc(view->channel_count, sizeof *look.is_received);
    if (stands != NULL && counts != NULL && look.hands != NULL && look.can_go_on != NULL &&
        look.is_received != NULL) {
        memset(stands, true, view->process_count * sizeof *stands);
        n = look_once(&look, stands);
        for (uint32_t i = 1; n > 0 && i < LOOKS; i++) {
            n = look_once(&look, stands);
        }
        describe_all(&look, stands, n, counts, ret_text);
    }
    free(look.is_received);
    free(look.can_go_on);
    free(look.hands);
    free(counts);
    free(stands);
    return n;
}
