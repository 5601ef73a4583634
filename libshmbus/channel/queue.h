/* SPDX-License-Identifier: MIT */
/* Sending to and receiving from a queue channel: ring, blocks and policies put together. */
#ifndef SB_QUEUE_H
#define SB_QUEUE_H

#include "channel/channel.h"
#include "protocol/ring_lanes.h"
#include "protocol/ring_mpmc.h"

/* A handle's part. */
struct sb_queue {
    uint32_t full_pauses; /* how long to keep away from a full one */
    bool short_waited;    /* and has waited for one */
    size_t short_of;      /* the last send found no block for so many bytes */
    uint64_t in_blocks;   /* messages and reservations in blocks, in the application's hands */
    struct sb_stock stock;
    struct sb_mpmc ring;
    struct sb_lane_scan dead_cells[]; /* one, of a queue that collects them */
};

static inline struct sb_queue *sb_queue_of(const struct shmbus_channel *ch)
{
    return sb_channel_part(ch);
}

int sb_queue_open(struct shmbus_channel *ch);
void sb_queue_close(struct shmbus_channel *ch);

int sb_queue_release(struct shmbus_channel *ch, const struct shmbus_msg *msg);
int sb_queue_requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg, bool undo);
int sb_queue_reserve(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                     int64_t timeout_ns);
/* A reservation or a received message (forward); @timeout_ns for a full queue. */
int sb_queue_commit(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns);
int sb_queue_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg);

#endif
