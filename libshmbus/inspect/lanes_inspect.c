/* SPDX-License-Identifier: MIT */
#include "inspect/lanes_inspect.h"

#include "inspect/inspect.h"

#define LOOKS 3u      /* a suspicion is reported if it is seen this many times */
#define LOOK_TRIES 8u /* for one cell at one instant */

bool sb_cell_snapshot(const struct sb_cell *cell, struct sb_cell_snapshot *ret)
{
    for (unsigned i = 0; i < LOOK_TRIES; i++) {
        ret->w = sb_load_acquire(&cell->w);
        ret->meta = sb_load_acquire(&cell->meta);
        ret->stamp_ns = sb_load_acquire(&cell->stamp_ns);
        ret->correlation_id = sb_load_acquire(&cell->correlation_id);
        if (sb_load_acquire(&cell->w) == ret->w) {
            return true;
        }
    }
    return false;
}

uint64_t sb_lane_settled(const struct sb_channel_view *channel, uint32_t lane)
{
    uint64_t next = sb_load_acquire(&channel->lanes[lane].next);
    uint64_t skip = sb_load_acquire(&channel->lanes[lane].skip);
    return (int64_t)(skip - next) > 0 ? skip : next;
}

/* The last ticket before @end whose cell this is. */
static uint64_t last_ticket(uint64_t end, uint64_t cell, uint64_t depth)
{
    return end - 1u - ((end - 1u - cell) & (depth - 1u));
}

/* A word of cell @cell, all tickets before @end being settled, the one at @end perhaps published.
 */
static bool is_possible(const struct sb_channel_view *channel, uint64_t cell, uint64_t w,
                        uint64_t end)
{
    uint64_t depth = 1ull << channel->depth_shift;
    uint64_t last = last_ticket(end, cell, depth);
    int64_t ahead = sb_lane_ahead(w, last, channel->depth_shift);
    int64_t newest = last + depth == end ? 1 : 0;
    uint32_t deliveries = sb_hdr_deliveries(w);

    if (ahead > newest) {
        return false; /* not published yet */
    }
    switch (sb_hdr_state(w)) {
    case SB_BLOCK_FREE:
        return deliveries == 0 && sb_hdr_owner(w) == 0;
    case SB_BLOCK_QUEUED: /* never passed over: of the last lap */
        return deliveries == 0 && sb_hdr_owner(w) == 0 && ahead >= 0;
    case SB_BLOCK_RECEIVED:
        return sb_hdr_owner(w) != 0;
    case SB_BLOCK_ORPHAN:
        return sb_hdr_owner(w) == 0;
    case SB_BLOCK_DEAD_LETTER:
        return sb_hdr_owner(w) == 0 && channel->dead_letter != SB_NONE;
    default:
        return false;
    }
}

bool sb_cell_is_possible(const struct sb_channel_view *channel, uint64_t cell)
{
    uint32_t lane = (uint32_t)(cell >> channel->depth_shift);

    for (unsigned n = 0; n < LOOKS; n++) {
        uint64_t end = sb_lane_settled(channel, lane);
        uint64_t w = sb_load_acquire(&sb_cell_at(channel, cell)->w);
        if (is_possible(channel, cell, w, end) || sb_lane_settled(channel, lane) != end) {
            return true; /* or it moves, and so do the numbers */
        }
    }
    return false;
}

bool sb_cell_is_leaked(const struct sb_view *view, const struct sb_channel_view *channel,
                       uint64_t cell)
{
    const sb_word *w = &sb_cell_at(channel, cell)->w;
    uint64_t seen = sb_load_acquire(w);

    return sb_hdr_state(seen) == SB_BLOCK_RECEIVED &&
           !sb_owner_is_listed(view, sb_hdr_owner(seen)) &&
           sb_load_acquire(w) == seen; /* not given back before the process left */
}

bool sb_lane_is_leaked(const struct sb_view *view, const struct sb_channel_view *channel,
                       uint32_t lane)
{
    const sb_word *owner = &channel->lanes[lane].owner;
    uint64_t seen = sb_load_acquire(owner);

    return seen != 0 && !sb_owner64_is_listed(view, seen) && sb_load_acquire(owner) == seen;
}

/* Whether what its producer looks at has room, from ticket @end on: see sb_lane_other_place(). */
static bool has_place(const struct sb_channel_view *channel, uint32_t lane, uint64_t end)
{
    uint64_t depth = 1ull << channel->depth_shift;
    uint64_t base = (uint64_t)lane << channel->depth_shift;

    for (uint64_t n = 0; n <= depth; n++) {
        uint64_t t = end + n;
        uint64_t w = sb_load_acquire(&sb_cell_at(channel, base | (t & (depth - 1u)))->w);
        if (sb_lane_ahead(w, t, channel->depth_shift) >= 0) {
            continue; /* published meanwhile: the hint lags */
        }
        if (sb_hdr_state(w) == SB_BLOCK_FREE) {
            return true;
        }
        if (sb_hdr_state(w) == SB_BLOCK_QUEUED) {
            return false;
        }
    }
    return false;
}

bool sb_lane_is_full(const struct sb_channel_view *channel, uint32_t lane)
{
    uint64_t end = sb_lane_settled(channel, lane);

    for (unsigned n = 0; n < LOOKS; n++) {
        if (has_place(channel, lane, end) || sb_lane_settled(channel, lane) != end) {
            return false;
        }
    }
    return true;
}
