/* SPDX-License-Identifier: MIT */
/*
 * How queues and streams lie in a segment: the part of their kinds that placing, checking, writing
 * and viewing ask for.
 */
#include "layout/bounds.h"
#include "layout/kinds.h"
#include "layout/verify.h"
#include "layout/view.h"

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* -------------------------------------------------------------------- a queue with total order */

static int check_any_queue(const struct sb_channel_geometry *ch)
{
    if (!is_power_of_two(ch->depth) || ch->depth > SB_RING_DEPTH_MAX)
        return sb_damaged("the depth of a queue", ch->depth);
    if (ch->on_full < SHMBUS_FULL_BLOCK || ch->on_full > SHMBUS_FULL_DROP_OLDEST)
        return sb_damaged("on_full of a queue", ch->on_full);
    if (ch->max_deliveries > SB_DELIVERIES_LIMIT_MAX ||
        (ch->max_deliveries == 0) != (ch->dead_letter == SB_NONE))
        return sb_damaged("max_deliveries of a queue", ch->max_deliveries);
    return 0;
}

static int check_queue(const struct sb_channel_geometry *ch)
{
    if (ch->bytes > SB_BLOCK_BYTES_MAX)
        return sb_damaged("the largest message of a queue", ch->bytes);
    return check_any_queue(ch);
}

static bool place_queue(struct sb_channel_geometry *ch, uint64_t *cursor)
{
    return sb_geometry_take(cursor, SB_PAIR, ch->depth, sizeof(sb_word), &ch->ring_off);
}

static void format_queue(uint8_t *base, const struct sb_channel_geometry *ch)
{
    sb_word *slots = (sb_word *)(void *)(base + ch->ring_off);

    for (uint32_t i = 0; i < ch->depth; i++)
        sb_store_relaxed(&slots[i], sb_slot_make(0, SB_SLOT_EMPTY));
}

static void view_share(const struct sb_geometry *g, const struct sb_channel_geometry *from,
                       struct sb_channel_view *to)
{
    const struct sb_class_geometry *cls = &g->classes[from->own_class];

    to->share.cls = from->own_class;
    to->share.first = (uint32_t)(cls->common + from->own_first);
    to->share.count = from->share;
    to->message_max = from->bytes != 0 ? from->bytes : g->classes[g->class_count - 1].size_bytes;
}

static void view_queue(uint8_t *base, const struct sb_geometry *g,
                       const struct sb_channel_geometry *from, struct sb_channel_view *to)
{
    to->depth_shift = (uint32_t)__builtin_ctz(from->depth);
    to->slots = (sb_word *)(void *)(base + from->ring_off);
    view_share(g, from, to);
}

const struct sb_kind_layout sb_queue_layout = {
    .name = "queue",
    .in_blocks = true,
    .place = place_queue,
    .check = check_queue,
    .format = format_queue,
    .view = view_queue,
};

/* ------------------------------------------------------------- a queue with order per producer */

static int check_lanes(const struct sb_channel_geometry *ch)
{
    int r = check_any_queue(ch);

    if (r < 0)
        return r;
    if (ch->lanes > SB_LANES_MAX)
        return sb_damaged("the number of lanes of a queue", ch->lanes);
    if (ch->bytes % SB_LINE != 0 || ch->bytes < SB_LINE || ch->bytes > SB_CELL_BYTES_MAX)
        return sb_damaged("the bytes of a cell of a queue", ch->bytes);
    return 0;
}

static bool place_lanes(struct sb_channel_geometry *ch, uint64_t *cursor)
{
    return sb_geometry_take(cursor, SB_PAIR, ch->lanes, sizeof(struct sb_lane), &ch->ring_off) &&
           sb_geometry_take(cursor, SB_PAIR, (uint64_t)ch->lanes * ch->depth, ch->bytes,
                            &ch->cells_off);
}

static void view_lanes(uint8_t *base, const struct sb_geometry *g,
                       const struct sb_channel_geometry *from, struct sb_channel_view *to)
{
    (void)g;
    to->depth_shift = (uint32_t)__builtin_ctz(from->depth);
    to->lane_count = from->lanes;
    to->cell_bytes = from->bytes;
    to->lanes = (struct sb_lane *)(void *)(base + from->ring_off);
    to->cells = base + from->cells_off;
}

const struct sb_kind_layout sb_lanes_layout = {
    .name = "queue",
    .place = place_lanes,
    .check = check_lanes,
    .view = view_lanes,
};

/* ------------------------------------------------------------------------------------ a stream */

static int check_stream(const struct sb_channel_geometry *ch)
{
    if (!is_power_of_two(ch->bytes) || ch->bytes < SB_RING_BYTES_MIN ||
        ch->bytes > SB_RING_BYTES_MAX)
        return sb_damaged("the capacity of a stream", ch->bytes);
    if (ch->depth != 0 || ch->lanes != 0)
        return sb_damaged("the depth or the lanes of a stream", ch->depth | ch->lanes);
    if (ch->on_full != SHMBUS_FULL_BLOCK)
        return sb_damaged("on_full of a stream", ch->on_full);
    if (ch->max_deliveries != 0 || ch->dead_letter != SB_NONE)
        return sb_damaged("max_deliveries or dead_letter of a stream", ch->max_deliveries);
    return 0;
}

static bool place_stream(struct sb_channel_geometry *ch, uint64_t *cursor)
{
    return sb_geometry_take(cursor, SB_PAIR, ch->bytes, 1, &ch->ring_off);
}

static void view_stream(uint8_t *base, const struct sb_geometry *g,
                        const struct sb_channel_geometry *from, struct sb_channel_view *to)
{
    (void)g;
    to->ring_bytes = from->bytes;
    to->ring = base + from->ring_off;
}

const struct sb_kind_layout sb_stream_layout = {
    .name = "stream",
    .place = place_stream,
    .check = check_stream,
    .view = view_stream,
};
