/* SPDX-License-Identifier: MIT */
/*
 * Waiting messages, shown without taking them. The payload is copied while its block or record may
 * be taken and used again; afterwards the words that own it are read once more, and a copy that
 * may be torn is thrown away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/lanes_inspect.h"
#include "inspect/peek.h"
#include "inspect/spsc_inspect.h"
#include "inspect/stat.h"
#include "layout/name.h"
#include "protocol/spsc_records.h"
#include "protocol/stream_end.h"

static void show(struct sb_peek *peek, const struct shmbus_msg *msg)
{
    peek->shown++;
    peek->stopped = !peek->each(peek->context, msg) || peek->shown >= peek->max;
}

/* ------------------------------------------------------------------------------------ queues */

/* Somebody may be writing there at this moment, so word by word; 8 bytes behind the payload at
 * most, which are the block's, too. */
static void copy_racy(uint64_t *to, const void *from, uint64_t size_bytes)
{
    const sb_word *words = from;
    for (uint64_t i = 0; i < (size_bytes + 7) / 8; i++) {
        to[i] = sb_load_acquire(&words[i]);
    }
}

/* The delivery count that the next receiver of this message will see. */
static uint32_t next_delivery(uint64_t hdr, uint64_t meta)
{
    uint32_t deliveries = sb_hdr_deliveries(hdr);
    uint32_t before = sb_meta_aside(meta) > 0 ? sb_meta_aside(meta) - 1u : 0;
    switch (sb_hdr_state(hdr)) {
    case SB_BLOCK_ORPHAN:
        deliveries = sb_deliveries_next(deliveries) + before;
        break;
    case SB_BLOCK_DEAD_LETTER:
        break; /* set aside is not delivered */
    default:
        deliveries = 1 + before; /* sent; if it was forwarded, it is a first delivery there */
    }
    return deliveries < SHMBUS_DELIVERIES_MAX ? deliveries : SHMBUS_DELIVERIES_MAX;
}

/* Shows block @block if its header is @hdr, that of a waiting message, before and after its payload
 * was copied: a block that is used again keeps one header, too, while it is being filled. */
static void show_block(struct sb_peek *peek, uint32_t block, uint64_t hdr, uint64_t sequence)
{
    const struct sb_blocks *blocks = &peek->view->blocks;
    const struct sb_class_view *cls = sb_class_of(blocks, block);
    struct sb_block_snapshot look;
    struct shmbus_msg msg = {.data = peek->buffer};
    if (!sb_block_snapshot(blocks, block, &look) || look.hdr != hdr) {
        return;
    }
    msg.size_bytes = sb_meta_size(look.meta);
    if (msg.size_bytes > cls->size_bytes) {
        return; /* damaged: the health check tells */
    }
    copy_racy(peek->buffer, sb_payload_in(cls, block), msg.size_bytes);
    sb_fence(); /* the copy is done before the header is read again */
    if (sb_load_acquire(&sb_block_in(cls, block)->hdr) != hdr) {
        return;
    }
    msg.sequence = sequence;
    msg.time_ns = (int64_t)look.stamp_ns;
    msg.correlation_id = look.correlation_id;
    msg.delivery_count = next_delivery(hdr, peek->channel->takes_letters ? look.meta : 0);
    msg.sender = sb_meta_sender(look.meta);
    msg.type = sb_meta_type(look.meta);
    show(peek, &msg);
}

/* Messages given back come first, as for a receiver. */
static void show_given_back(struct sb_peek *peek)
{
    const struct sb_blocks *blocks = &peek->view->blocks;
    for (uint32_t b = 0; b < blocks->count && !peek->stopped; b++) {
        struct sb_block_snapshot look;
        enum sb_block_state state = sb_hdr_state(sb_load_relaxed(&sb_block_at(blocks, b)->hdr));
        if ((state != SB_BLOCK_ORPHAN && state != SB_BLOCK_DEAD_LETTER) ||
            !sb_block_snapshot(blocks, b, &look)) {
            continue;
        }
        state = sb_hdr_state(look.hdr);
        if ((state == SB_BLOCK_ORPHAN || state == SB_BLOCK_DEAD_LETTER) &&
            sb_waits_for(peek->view, &look) == peek->index) {
            show_block(peek, b, look.hdr, sb_loc_ticket(look.loc) + 1u);
        }
    }
}

static void show_queued(struct sb_peek *peek)
{
    const struct sb_channel_view *ch = peek->channel;
    uint64_t depth = 1ull << ch->depth_shift;
    uint64_t ticket = sb_load_acquire(&ch->shared->head);
    for (uint64_t n = 0; n < 2 * depth + 64 && !peek->stopped; n++, ticket++) {
        uint64_t slot = sb_load_acquire(&ch->slots[sb_slot_index(ticket, ch->depth_shift)]);
        int64_t ahead =
            sb_lap_distance(sb_slot_lap(slot), sb_lap_of(ticket, ch->depth_shift), ch->depth_shift);
        uint32_t block = sb_slot_block(slot);
        uint64_t hdr;
        if (ahead > 0) {
            continue; /* taken already: the hint lags */
        }
        if (ahead < 0 || block >= peek->view->blocks.count) {
            break; /* nothing sent yet, or damaged */
        }
        hdr = sb_load_acquire(&sb_block_at(&peek->view->blocks, block)->hdr);
        if ((sb_hdr_state(hdr) == SB_BLOCK_QUEUED || sb_hdr_state(hdr) == SB_BLOCK_FORWARDED) &&
            sb_load_acquire(&ch->slots[sb_slot_index(ticket, ch->depth_shift)]) == slot) {
            show_block(peek, block, hdr, ticket + 1u);
        }
    }
}

/* ------------------------------------------------------------------------------------- lanes */

/* Shows a cell of channel @origin if its word is @w, that of a waiting message, before and after
 * its payload was copied: a cell that is used again is of another lap when it is full, and free
 * before. */
void sb_peek_cell(struct sb_peek *peek, const struct sb_channel_view *origin, struct sb_cell *cell,
                  uint64_t w, uint64_t ticket)
{
    struct sb_cell_snapshot look;
    struct shmbus_msg msg = {.data = peek->buffer};
    if (!sb_cell_snapshot(cell, &look) || look.w != w) {
        return;
    }
    msg.size_bytes = sb_meta_size(look.meta);
    if (msg.size_bytes > origin->cell_bytes - sizeof *cell) {
        return; /* damaged */
    }
    copy_racy(peek->buffer, sb_cell_payload(cell), msg.size_bytes);
    sb_fence(); /* the copy is done before the word is read again */
    if (sb_load_acquire(&cell->w) != w) {
        return;
    }
    msg.sequence = ticket + 1u;
    msg.time_ns = (int64_t)look.stamp_ns;
    msg.correlation_id = look.correlation_id;
    msg.delivery_count = next_delivery(w, 0);
    msg.sender = sb_meta_sender(look.meta);
    msg.type = sb_meta_type(look.meta);
    show(peek, &msg);
}

/* What was given back, or set aside, in cells of channel @from. */
static void show_cells_given_back(struct sb_peek *peek, uint32_t from)
{
    const struct sb_channel_view *origin = &peek->view->channels[from];
    enum sb_block_state wanted = from == peek->index ? SB_BLOCK_ORPHAN : SB_BLOCK_DEAD_LETTER;
    uint64_t end = sb_cells_used(origin);
    if (from != peek->index && origin->dead_letter != peek->index) {
        return;
    }
    for (uint64_t i = 0; i < end && !peek->stopped; i++) {
        struct sb_cell *cell = sb_cell_at(origin, i);
        uint64_t w = sb_load_acquire(&cell->w);
        if (sb_hdr_state(w) == wanted) {
            sb_peek_cell(peek, origin, cell, w, sb_cell_ticket(origin, i, w));
        }
    }
}

/* The messages of one lane, oldest first. */
static void show_lane(struct sb_peek *peek, uint32_t lane)
{
    const struct sb_channel_view *ch = peek->channel;
    uint64_t depth = 1ull << ch->depth_shift;
    uint64_t base = (uint64_t)lane << ch->depth_shift;
    uint64_t oldest = sb_lane_settled(ch, lane) - depth;
    for (uint64_t n = 0; n <= depth && !peek->stopped; n++) {
        uint64_t t = oldest + n; /* before the first one: of a lap that no message ever has */
        struct sb_cell *cell = sb_cell_at(ch, base | (t & (depth - 1u)));
        uint64_t w = sb_load_acquire(&cell->w);
        if (w == sb_lane_published(sb_lane_lap(t, ch->depth_shift))) {
            sb_peek_cell(peek, ch, cell, w, t);
        }
    }
}

static void show_lanes(struct sb_peek *peek)
{
    uint32_t used = sb_lane_used(peek->channel);
    for (uint32_t lane = 0; lane < used && !peek->stopped; lane++) {
        show_lane(peek, lane);
    }
}

/* --------------------------------------------------------------------------------- any queue */

/* As a receiver gets them: dead letters in cells of other queues come last. */
int sb_queue_peek(struct sb_peek *peek)
{
    show_given_back(peek);
    show_queued(peek);
    for (uint32_t c = 0; c < peek->view->channel_count && !peek->stopped; c++) {
        show_cells_given_back(peek, c);
    }
    return 0;
}

int sb_lanes_peek(struct sb_peek *peek)
{
    show_cells_given_back(peek, peek->index);
    show_lanes(peek);
    return 0;
}

/* ----------------------------------------------------------------------------------- streams */

/* The slot of the process that sends now; UINT16_MAX if there is none. */
static uint16_t sender_slot(const struct sb_channel_view *ch)
{
    uint64_t role = sb_load_relaxed(&ch->shared->sender);
    return sb_end_is_held(role) ? (uint16_t)sb_owner64_slot(role) : UINT16_MAX;
}

int sb_stream_peek(struct sb_peek *peek)
{
    struct sb_spsc_peek look;
    enum sb_ring_result result = SB_RING_OK;
    sb_spsc_peek_init(&look, peek->channel);
    while (!peek->stopped && result == SB_RING_OK) {
        struct shmbus_msg msg;
        result = sb_spsc_peek(&look, peek->buffer, &msg);
        if (result == SB_RING_OK) {
            msg.sender = sender_slot(peek->channel);
            show(peek, &msg);
        }
    }
    return result == SB_RING_CORRUPT ? -SHMBUS_ERR_CORRUPT : 0;
}

/* ----------------------------------------------------------------------------------- the call */

static uint32_t find_channel(const struct sb_view *view, const char *name)
{
    char found[SHMBUS_NAME_BYTES];
    for (uint32_t i = 0; i < view->channel_count; i++) {
        if (sb_channel_name(&view->channels[i], found) && strcmp(found, name) == 0) {
            return i;
        }
    }
    return SB_NONE;
}

static uint64_t buffer_bytes(const struct sb_peek *peek)
{
    const struct sb_blocks *blocks = &peek->view->blocks;
    bool timestamps = (peek->channel->flags & SB_CHANNEL_TIMESTAMPS) != 0;
    uint64_t largest = 8;
    if (peek->channel->kind == SHMBUS_KIND_STREAM) {
        return sb_spsc_size_max(peek->channel->ring_bytes, timestamps) + 8;
    }
    for (uint32_t i = 0; i < blocks->class_count; i++) {
        largest = blocks->classes[i].size_bytes > largest ? blocks->classes[i].size_bytes : largest;
    }
    for (uint32_t c = 0; c < peek->view->channel_count; c++) {
        uint64_t bytes = peek->view->channels[c].cell_bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

int shmbus_peek(struct shmbus *bus, const char *channel, size_t max, shmbus_peek_fn each,
                void *context)
{
    struct sb_peek peek = {.max = max, .each = each, .context = context, .stopped = max == 0};
    int result = sb_look_check(bus);
    if (result < 0) {
        return result;
    }
    if (channel == NULL) {
        return sb_fail(-EINVAL, "peek needs the name of a channel");
    }
    if (each == NULL) {
        return sb_fail(-EINVAL, "peek needs a function to call for each message");
    }
    peek.view = &bus->view;
    peek.index = find_channel(&bus->view, channel);
    if (peek.index == SB_NONE) {
        return sb_fail(-ENOENT, "bus \"%s\" has no channel \"%s\"", bus->segment.name, channel);
    }
    peek.channel = &bus->view.channels[peek.index];
    peek.buffer = malloc(buffer_bytes(&peek));
    if (peek.buffer == NULL) {
        return sb_fail_static(-ENOMEM, channel, "no memory for a copy of the largest message");
    }
    result = sb_look_of(peek.channel)->peek(&peek);
    free(peek.buffer);
    if (result < 0) {
        return sb_fail(result, "stream \"%s\" of bus \"%s\" holds an impossible record", channel,
                       bus->segment.name);
    }
    return peek.shown > INT32_MAX ? INT32_MAX : (int)peek.shown;
}
