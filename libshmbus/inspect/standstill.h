/* SPDX-License-Identifier: MIT */
/*
 * Living processes that wait for each other, so that none of them ever goes on by itself. Looks
 * only.
 */
#ifndef SB_STANDSTILL_H
#define SB_STANDSTILL_H

#include "layout/view.h"

#define SB_STANDSTILL_BYTES 480u

/* How many processes stand still; *ret_text says what they hold and where they wait. A thread that
 * works while another one of its process waits is not seen. */
uint32_t sb_standstill(const struct sb_view *view, char ret_text[SB_STANDSTILL_BYTES]);

bool sb_queue_is_full(const struct sb_channel_view *channel);
bool sb_lanes_are_full(const struct sb_channel_view *channel);
bool sb_stream_is_full(const struct sb_channel_view *channel);

#endif
