/* SPDX-License-Identifier: MIT */
/*
 * The health check: its part about processes.
 */
#ifndef SB_CHECK_PROCESS_H
#define SB_CHECK_PROCESS_H

#include "inspect/finding.h"

void sb_check_processes(struct check *check);
void sb_check_boot(struct check *check);

#endif
