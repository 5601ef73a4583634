/* SPDX-License-Identifier: MIT */
#ifndef SB_PLAN_SIZE_H
#define SB_PLAN_SIZE_H

#include "plan/plan.h"

/* The block classes of the built-in plan. */
int sb_plan_add_built_in_blocks(struct shmbus_plan *plan);

/* Replaces the block classes by the built-in ones, in numbers that make the whole segment, with
 * the channels and regions that the plan has now, about @memory_bytes large.
 * -SHMBUS_ERR_CONFIG when these alone need more; -ENOMEM. */
int sb_plan_size_blocks(struct shmbus_plan *plan, uint64_t memory_bytes);

#endif
