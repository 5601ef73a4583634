/* SPDX-License-Identifier: MIT */
/*
 * What handles that nobody closed still hold.
 */
#ifndef SB_LEFT_H
#define SB_LEFT_H

#include "layout/view.h"

/* Handles of an incarnation whose thread has ended, and messages in hand that came through them.
 * All 0 where /proc cannot tell: another pid namespace, or hidden. */
void sb_left_behind(const struct sb_view *view, uint64_t w, struct shmbus_process_stat *stat);

#endif
