/* SPDX-License-Identifier: MIT */
/*
 * How the calls begin that look at a bus.
 */
#ifndef SB_STAT_H
#define SB_STAT_H

#include "bus/bus.h"

/* How every one of these calls begins: the handle is usable, and all of the mapping is backed by
 * the file (nothing could be looked at without a SIGBUS otherwise). */
int sb_look_check(struct shmbus *bus);

/* The same, and the caller has said how large its struct for the answer is. */
int sb_stat_check(struct shmbus *bus, const void *ret);

/* Whether the name still leads to this very segment. */
bool sb_bus_is_unlinked(const struct shmbus *bus);

/* Of the segment that the name leads to, as text; "" if there is none. */
void sb_bus_other_uuid(const struct shmbus *bus, char ret_text[37]);

/* What there is to be said of the contents of one channel. */
void sb_queue_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat);
void sb_lanes_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat);
void sb_stream_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat);

#endif
