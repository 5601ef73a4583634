/* SPDX-License-Identifier: MIT */
/*
 * Limits: what a segment may hold, and what a plan may ask for. Numbers alone. (Not limits.h:
 * looking for that of the system, gcc would find ours.)
 */
#ifndef SB_BOUNDS_H
#define SB_BOUNDS_H

#include <shmbus/shmbus.h>

#define SB_DEPTH_DEFAULT 1024u
#define SB_DEPTH_MAX (1u << 20)
#define SB_LANES_DEFAULT 16u /* producers of a queue with order per producer */
#define SB_LANES_MAX 256u
#define SB_LANE_MESSAGE_DEFAULT 208ull /* with its header four lines */
#define SB_LANE_MESSAGE_MAX (1ull << 30)
#define SB_STREAM_BYTES_DEFAULT (1ull << 20)
#define SB_STREAM_BYTES_MIN 1024ull
#define SB_STREAM_BYTES_MAX (1ull << 30)
#define SB_REGION_BYTES_MAX (UINT32_MAX * 8ull) /* what sb_region.undo can name */
#define SB_BLOCK_BYTES_MAX (1ull << 30)
#define SB_SHARE_MAX SB_DEPTH_MAX /* a queue of that depth never needs more */
#define SB_DELIVERIES_LIMIT_MAX (SHMBUS_DELIVERIES_MAX - 1u)
#define SB_ENDPOINTS_MAX 65535u

/* Of the layout; what a plan may ask for is checked against them. */
#define SB_RING_DEPTH_MAX SB_DEPTH_MAX
#define SB_RING_BYTES_MIN 4096ull
#define SB_RING_BYTES_MAX SB_STREAM_BYTES_MAX
#define SB_REGION_MAX SB_REGION_BYTES_MAX
#define SB_CELL_BYTES_MAX (SB_LANE_MESSAGE_MAX + SB_LINE)
#define SB_SEGMENT_MAX (1ull << 46)
#define SB_PAGE 4096u
#define SB_SIDE_BY_SIDE_MAX 1024u /* payloads up to this size lie behind their header */

#define SB_STOCK_MAX 32u /* free blocks of one class that a handle keeps for its next messages */

#endif
