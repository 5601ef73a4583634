/* SPDX-License-Identifier: MIT */
/* Sending to and receiving from a queue with order per producer. */
#ifndef SB_LANES_H
#define SB_LANES_H

#include "channel/channel.h"
#include "protocol/ring_lanes.h"

/* A handle's part. */
struct sb_lanes {
    struct sb_lane_tx lane;
    uint64_t reservation;  /* the open one; 0: none */
    uint64_t reservations; /* made so far */
    struct sb_lane_msg taken;
    uint32_t full_pauses;  /* how long to keep away from a full lane */
    uint32_t empty_pauses; /* how long to let messages gather */
    struct sb_lane_rx rx;
};

static inline struct sb_lanes *sb_lanes_of(const struct shmbus_channel *ch)
{
    return sb_channel_part(ch);
}

/* Takes a lane for a handle that sends. -SHMBUS_ERR_TOO_MANY, -SHMBUS_ERR_CORRUPT. */
int sb_lanes_open(struct shmbus_channel *ch);
void sb_lanes_close(struct shmbus_channel *ch);

int sb_lanes_reserve(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                     int64_t timeout_ns);
int sb_lanes_commit(struct shmbus_channel *ch, const struct shmbus_msg *msg);
int sb_lanes_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg);

/* Of a message that lies in a cell, whichever queue it was received from: dead letters stay in the
 * cell they were sent in. */
int sb_lanes_release(struct shmbus_channel *ch, const struct shmbus_msg *msg);
int sb_lanes_requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg, bool undo);

/* For the receiver of a dead-letter queue: what lies in the cells of others. -EAGAIN, or 0 with
 * one message. */
int sb_lanes_recv_dead_letter(struct shmbus_channel *ch, struct sb_lane_scan *scan,
                              struct shmbus_msg *ret_msg);

/* What this handle received from cells and did not give back. */
void sb_lanes_give_back(struct shmbus_channel *ch);

#endif
