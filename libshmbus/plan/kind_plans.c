/* SPDX-License-Identifier: MIT */
/*
 * What plans may ask of queues and streams.
 */
#include "base/bits.h"
#include "layout/bounds.h"
#include "plan/kind_plan.h"
#include "plan/plan.h"
#include "plan/plan_check.h"

#define QUEUE_KEYS                                                                                 \
    (SB_KEY(DEPTH) | SB_KEY(MAX_DELIVERIES) | SB_KEY(DEAD_LETTER) | SB_KEY(ORDER) |                \
     SB_KEY(MESSAGE_BYTES) | SB_KEY(PRODUCERS) | SB_KEY(SHARE))

/* -------------------------------------------------------------------- a queue with total order */

static void settle_queue(struct sb_channel_plan *channel)
{
    if (channel->depth == 0) {
        channel->depth = SB_DEPTH_DEFAULT;
    }
}

static uint64_t queue_cost(const struct sb_channel_plan *channel)
{
    return sb_power_of_two(channel->depth) * sizeof(sb_word);
}

static void take_queue(const struct sb_channel_plan *from, struct sb_channel_geometry *to)
{
    to->depth = (uint32_t)sb_power_of_two(from->depth);
    to->bytes = from->message_bytes;
    to->share = sb_plan_share(from->share);
}

const struct sb_kind_plan sb_queue_plan = {
    .room = "depth",
    .keys = QUEUE_KEYS,
    .settle = settle_queue,
    .validate = sb_plan_validate_queue,
    .cost = queue_cost,
    .take = take_queue,
};

/* ------------------------------------------------------------- a queue with order per producer */

static void settle_lanes(struct sb_channel_plan *channel)
{
    settle_queue(channel);
    if (channel->message_bytes == 0) {
        channel->message_bytes = SB_LANE_MESSAGE_DEFAULT;
    }
    if (channel->producers == 0) {
        channel->producers = SB_LANES_DEFAULT;
    }
}

static uint64_t lanes_cost(const struct sb_channel_plan *channel)
{
    uint64_t cells = sb_power_of_two(channel->depth) * sb_cell_bytes(channel->message_bytes);

    return channel->producers * (sizeof(struct sb_lane) + cells);
}

static void take_lanes(const struct sb_channel_plan *from, struct sb_channel_geometry *to)
{
    to->depth = (uint32_t)sb_power_of_two(from->depth);
    to->lanes = from->producers;
    to->bytes = sb_cell_bytes(from->message_bytes);
}

const struct sb_kind_plan sb_lanes_plan = {
    .room = "depth",
    .keys = QUEUE_KEYS,
    .settle = settle_lanes,
    .validate = sb_plan_validate_queue,
    .cost = lanes_cost,
    .take = take_lanes,
};

/* ------------------------------------------------------------------------------------ a stream */

static void settle_stream(struct sb_channel_plan *channel)
{
    if (channel->bytes == 0) {
        channel->bytes = SB_STREAM_BYTES_DEFAULT;
    }
}

static uint64_t stream_cost(const struct sb_channel_plan *channel)
{
    return sb_power_of_two(channel->bytes);
}

static void take_stream(const struct sb_channel_plan *from, struct sb_channel_geometry *to)
{
    to->bytes = sb_power_of_two(from->bytes);
    if (to->bytes < SB_RING_BYTES_MIN) {
        to->bytes = SB_RING_BYTES_MIN;
    }
}

const struct sb_kind_plan sb_stream_plan = {
    .room = "bytes",
    .keys = SB_KEY(BYTES),
    .always_blocks = true,
    .settle = settle_stream,
    .validate = sb_plan_validate_stream,
    .cost = stream_cost,
    .take = take_stream,
};
