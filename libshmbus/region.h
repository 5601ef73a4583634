/* SPDX-License-Identifier: MIT */
/*
 * Named regions of this process.
 */
#ifndef SB_REGION_H
#define SB_REGION_H

#include "bus/bus.h"

/* Undoes every half write of a dead process now. Never waits. Returns how many were undone. */
uint32_t sb_region_repair_all(struct shmbus *bus);

#endif
