/* SPDX-License-Identifier: MIT */
/* Sending to and receiving from a stream channel: the byte ring and its two ends. */
#ifndef SB_STREAM_H
#define SB_STREAM_H

#include "channel/channel.h"
#include "protocol/ring_spsc.h"

/* A handle's part. */
struct sb_stream {
    struct sb_spsc_tx tx;
    struct sb_spsc_rx rx;
    uint64_t departure_seen; /* how the other end last left, already told; 0: nothing is */
    uint64_t departure_at;   /* how far the other end had come by then */
};

static inline struct sb_stream *sb_stream_of(const struct shmbus_channel *ch)
{
    return sb_channel_part(ch);
}

/* Takes the end that the handle is for. -EBUSY, -EINVAL, -SHMBUS_ERR_CORRUPT. */
int sb_stream_open(struct shmbus_channel *ch);
void sb_stream_close(struct shmbus_channel *ch);

/* The part of opening that needs the end to be its own: where the messages are. */
enum sb_ring_result sb_stream_begin(struct shmbus_channel *ch);

int sb_stream_release(struct shmbus_channel *ch, const struct shmbus_msg *msg);
/* Messages received by this handle; returns how many before the first that was released already. */
size_t sb_stream_release_batch(struct shmbus_channel *ch, const struct shmbus_msg *msgs,
                               size_t count);
/* Takes back the message received last, as if it had not been received. */
int sb_stream_unrecv(struct shmbus_channel *ch, const struct shmbus_msg *msg);
int sb_stream_reserve(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                      int64_t timeout_ns);
int sb_stream_commit(struct shmbus_channel *ch, const struct shmbus_msg *msg);
int sb_stream_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg);

#endif
