/* SPDX-License-Identifier: MIT */
/*
 * From a plan to a geometry.
 */
#ifndef SB_PLAN_GEOMETRY_H
#define SB_PLAN_GEOMETRY_H

#include "layout/geometry.h"

/* Validated geometry of a plan. -SHMBUS_ERR_CONFIG with detail, -ENOMEM. */
int sb_geometry_from_plan(const struct shmbus_plan *plan, struct sb_geometry **ret);

#endif
