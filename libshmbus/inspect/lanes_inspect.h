/* SPDX-License-Identifier: MIT */
/*
 * Lanes and their cells, looked at without touching: for the peek and the health check. Works on a
 * read-only mapping, bounds every loop and range-checks every value.
 */
#ifndef SB_LANES_INSPECT_H
#define SB_LANES_INSPECT_H

#include "protocol/ring_lanes.h"

/* A cell at one instant. */
struct sb_cell_snapshot {
    uint64_t w, meta, stamp_ns, correlation_id;
};

/* False if the cell changed hands all the time. */
bool sb_cell_snapshot(const struct sb_cell *cell, struct sb_cell_snapshot *ret);

/* The ticket behind the last one of a lane that is settled. May lag: by the message that is being
 * published. */
uint64_t sb_lane_settled(const struct sb_channel_view *channel, uint32_t lane);

/* Whether the protocol ever stores such a word there. @cell: its number in the channel. */
bool sb_cell_is_possible(const struct sb_channel_view *channel, uint64_t cell);

/* Whether nobody will ever give this message back: its holder is no incarnation in the table. */
bool sb_cell_is_leaked(const struct sb_view *view, const struct sb_channel_view *channel,
                       uint64_t cell);

/* Whether no next producer can ever take the lane: its owner is no incarnation in the table. */
bool sb_lane_is_leaked(const struct sb_view *view, const struct sb_channel_view *channel,
                       uint32_t lane);

/* Whether its producer finds no room, for longer than a receive takes. */
bool sb_lane_is_full(const struct sb_channel_view *channel, uint32_t lane);

#endif
