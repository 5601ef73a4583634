/* SPDX-License-Identifier: MIT */
/*
 * Receiving from lanes, with what was given back. See lane_redelivery.c.
 */
#ifndef SB_LANE_REDELIVERY_H
#define SB_LANE_REDELIVERY_H

#include "protocol/ring_lanes.h"

/* Takes a message, those given back first. SB_RING_OK, SB_RING_EMPTY; SB_RING_BUSY: others were
 * faster too often. */
enum sb_ring_result sb_lane_take_slow(struct sb_lane_rx *rx, struct sb_lane_msg *ret_msg);

/* The same as sb_lane_take_slow(), with what is usual here. */
static SB_INLINE enum sb_ring_result sb_lane_take(struct sb_lane_rx *rx,
                                                  struct sb_lane_msg *ret_msg)
{
    if (sb_likely(sb_load_acquire(&rx->channel->shared->orphan_seq) == rx->scan.seen &&
                  sb_lane_claim(rx, rx->lane, ret_msg))) {
        return SB_RING_OK;
    }
    return sb_lane_take_slow(rx, ret_msg);
}

/* The oldest message of them whose turn it is. @seq: orphan_seq, read before. */
bool sb_lane_scan_recv(struct sb_lane_scan *scan, uint64_t seq, struct sb_lane_msg *ret_msg);

/* What the holder word of the last message delivered again must be, for the handle @holder (Y1). */
uint64_t sb_lane_holder(const struct sb_lane_rx *rx, uint64_t holder);

/* Gives a held cell back: ORPHAN, or DEAD_LETTER at max_deliveries. @undo: the delivery did not
 * count. @by: the channel whose receiver gives it back. Returns the channel whose receivers must be
 * woken. */
uint32_t sb_lane_requeue(const struct sb_view *view, uint32_t channel, struct sb_cell *cell,
                         uint64_t hdr, bool undo, uint32_t by);

#endif
