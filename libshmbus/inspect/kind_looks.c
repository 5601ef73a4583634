/* SPDX-License-Identifier: MIT */
/*
 * How queues and streams look: the part of their kinds that statistics, peek and health check ask
 * for.
 */
#include "inspect/check.h"
#include "inspect/kind_look.h"
#include "inspect/peek.h"
#include "inspect/standstill.h"
#include "inspect/stat.h"
#include "protocol/ring_lanes.h"

const struct sb_kind_look sb_queue_look = {
    .noun = "a queue with order: total",
    .stat = sb_queue_stat,
    .is_full = sb_queue_is_full,
    .peek = sb_queue_peek,
    .check = sb_queue_check,
};

const struct sb_kind_look sb_lanes_look = {
    .noun = "a queue with order: producer",
    .stat = sb_lanes_stat,
    .is_full = sb_lanes_are_full,
    .peek = sb_lanes_peek,
    .check = sb_lanes_check,
    .cells = sb_cells_used,
};

const struct sb_kind_look sb_stream_look = {
    .noun = "a stream",
    .stat = sb_stream_stat,
    .is_full = sb_stream_is_full,
    .peek = sb_stream_peek,
    .check = sb_stream_check,
};
