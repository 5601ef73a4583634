/*
 * Lanes and their cells, looked at without touching: for the peek and the health check. Works on a
 * read-only mapping, bounds every loop and range-checks every value.
 */
#ifndef SB_LANES_LOOK_H
#define SB_LANES_LOOK_H

#include "ring_lanes.h"

/* A cell at one instant. */
struct sb_cell_look {
    uint64_t w, meta, stamp_ns, correlation_id, ticket;
};

/* False if the cell changed hands all the time. */
bool sb_cell_look(const struct sb_cell *cell, struct sb_cell_look *ret);

/* How many cells of a channel may ever have been used: those of the lanes taken so far. */
static inline uint64_t sb_cells_used(const struct sb_channel_view *channel)
{
    return (uint64_t)sb_lanes_used(channel) << channel->depth_shift;
}

/* The ticket behind the last one of a lane that is settled. May lag: by the message that is being
 * published. */
uint64_t sb_lane_settled(const struct sb_channel_view *channel, uint32_t lane);

/* How many laps a word is ahead of the lap of @ticket; laps are circular numbers. */
static inline int64_t sb_lane_ahead(uint64_t w, uint64_t ticket, uint32_t shift)
{
    return (int64_t)((sb_hdr_gen(w) - sb_lane_lap(ticket, shift)) << 24) >> 24;
}

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
