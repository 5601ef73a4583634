/* SPDX-License-Identifier: MIT */
#ifndef SB_PLAN_CHECK_H
#define SB_PLAN_CHECK_H

#include "plan/plan.h"

/* Checks every limit that needs no geometry. 0; -SHMBUS_ERR_CONFIG, or -ENOTSUP for what is not
 * supported yet, with the option to change in shmbus_detail(). */
int sb_plan_validate(const struct shmbus_plan *plan);

/* The parts that depend on the kind. */
int sb_plan_validate_queue(const struct shmbus_plan *plan, const struct sb_channel_plan *channel);
int sb_plan_validate_stream(const struct shmbus_plan *plan, const struct sb_channel_plan *channel);

#endif
