/* SPDX-License-Identifier: MIT */
/*
 * Plans: what needs no geometry. plan_geometry.h turns a plan into offsets.
 */
#ifndef SB_PLAN_H
#define SB_PLAN_H

#include <shmbus/shmbus.h>

/* Checks every limit that needs no geometry. 0; -SHMBUS_ERR_CONFIG, or -ENOTSUP for what is not
 * supported yet, with the option to change in shmbus_detail(). */
int sb_plan_validate(const struct shmbus_plan *plan);

/* What a queue does when it is full, its default if the plan does not say: see shmbus.h. */
enum shmbus_on_full sb_plan_on_full(const struct shmbus_plan *plan,
                                    const struct shmbus_channel_plan *channel);

/* How many blocks a queue has to itself: as the plan says, which says 0 for the default. */
uint32_t sb_plan_share(uint32_t share);

/* A cell of a lane: header and the largest message, in whole lines. */
uint64_t sb_cell_bytes(uint64_t message_bytes);

/* The channel of that name, or NULL. */
struct shmbus_channel_plan *sb_plan_channel(const struct shmbus_plan *plan, const char *name);

/* Replaces the block classes by the built-in ones, in numbers that make the whole segment, with
 * the channels and regions that the plan has now, about @memory_bytes large.
 * -SHMBUS_ERR_CONFIG when these alone need more; -ENOMEM. */
int sb_plan_size_blocks(struct shmbus_plan *plan, uint64_t memory_bytes);

#endif
