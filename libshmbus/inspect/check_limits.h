/* SPDX-License-Identifier: MIT */
/*
 * The health check: its part about what is fixed at creation and used up.
 */
#ifndef SB_CHECK_LIMITS_H
#define SB_CHECK_LIMITS_H

#include "inspect/finding.h"

void sb_check_limits(struct check *check);

#endif
