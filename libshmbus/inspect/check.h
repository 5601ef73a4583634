/* SPDX-License-Identifier: MIT */
/*
 * The part of the health check that depends on the kind of a channel.
 */
#ifndef SB_CHECK_H
#define SB_CHECK_H

#include "layout/view.h"

struct check; /* finding.h */

/* @name: of the channel. */
void sb_queue_check(struct check *check, const struct sb_channel_view *channel, const char *name);
void sb_lanes_check(struct check *check, const struct sb_channel_view *channel, const char *name);
void sb_stream_check(struct check *check, const struct sb_channel_view *channel, const char *name);

#endif
