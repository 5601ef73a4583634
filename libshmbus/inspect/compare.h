/* SPDX-License-Identifier: MIT */
/*
 * A segment beside a plan.
 */
#ifndef SB_COMPARE_H
#define SB_COMPARE_H

#include <shmbus/shmbus.h>

#include "layout/geometry.h"
#include "layout/view.h"

struct sb_difference {
    enum shmbus_severity severity;
    char what[200];
};
typedef void (*sb_difference_fn)(void *context, const struct sb_difference *difference);

/* How many differences; each is told to @each. -SHMBUS_ERR_CONFIG if the plan is not valid. */
int sb_compare(const struct sb_view *view, const struct sb_geometry *there,
               const struct shmbus_plan *plan, sb_difference_fn each, void *context);

#endif
