/* SPDX-License-Identifier: MIT */
/*
 * A stream as observers see it: loads only, every value checked, every loop bounded.
 */
#ifndef SB_SPSC_INSPECT_H
#define SB_SPSC_INSPECT_H

#include "layout/view.h"
#include "protocol/ring.h"

/* Bytes waiting. Reads only. */
uint64_t sb_spsc_depth(const struct sb_channel_view *channel);

/* The waiting records, by anybody, without taking them. Reads only. */
struct sb_spsc_peek {
    const struct sb_channel_view *channel;
    uint64_t next;  /* position */
    uint64_t seq;   /* of the record there, 0: not known */
    uint64_t steps; /* loop limit against hostile values */
};
void sb_spsc_peek_init(struct sb_spsc_peek *peek, const struct sb_channel_view *channel);
/* Copies the next record into @buffer (sb_spsc_size_max() bytes, 8-byte aligned); its delivery
 * count is what the next receiver would see. SB_RING_EMPTY: no more; SB_RING_CORRUPT. */
enum sb_ring_result sb_spsc_peek(struct sb_spsc_peek *peek, void *buffer, struct shmbus_msg *ret);

#endif
