/* SPDX-License-Identifier: MIT */
/* Queues with order per producer, for the tests of ring_lanes.c and of lanes.c. */
#ifndef T_LANES_FIXTURE_H
#define T_LANES_FIXTURE_H

#include "fixture.h"

/* @dead_letter may be NULL. Messages of up to 64 bytes. */
static inline void t_plan_lanes(struct shmbus_plan *plan, const char *name, uint32_t producers,
                                uint32_t depth, enum shmbus_on_full on_full,
                                uint32_t max_deliveries, const char *dead_letter)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = depth,
                                    .on_full = on_full,
                                    .max_deliveries = max_deliveries,
                                    .timestamps = SHMBUS_SWITCH_ON,
                                    .order = SHMBUS_ORDER_PRODUCER,
                                    .message_bytes = 64,
                                    .producers = producers};
    c.dead_letter = dead_letter != NULL ? dead_letter : "";
    T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
}

/* White box: cells of a queue that are not FREE. */
static inline uint64_t t_cells_in_use(const struct shmbus *bus, const char *channel)
{
    const struct sb_channel_view *ch = &bus->view.channels[t_index(bus, channel)];
    uint64_t n = 0;
    for (uint64_t i = 0; i < sb_cell_count(ch); i++)
        n += sb_hdr_state(sb_load_acquire(&sb_cell_at(ch, i)->w)) != SB_BLOCK_FREE;
    return n;
}

#endif
