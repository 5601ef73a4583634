/* SPDX-License-Identifier: MIT */
/*
 * A kind of channel, as the calls see it: one table. Sending and receiving are not in it: message.c
 * calls them directly, by the number, in switches that do not compile where a kind is forgotten.
 */
#ifndef SB_KIND_H
#define SB_KIND_H

#include "layout/kinds.h"
#include "protocol/ring_lanes.h"
#include "protocol/ring_mpmc.h"
#include "protocol/ring_spsc.h"

/* What opaque_[1] of a message says: bus:24 | kind:8 | block or held:32. */
enum sb_msg_kind {
    SB_MSG_NONE = 0,
    SB_MSG_QUEUE_TX = 1,
    SB_MSG_QUEUE_RX = 2,
    SB_MSG_STREAM_TX = 3,
    SB_MSG_STREAM_RX = 4,
    SB_MSG_LANE_TX = 5,
    SB_MSG_LANE_RX = 6 /* opaque_[2]: the channel whose cell it is */
};

/* Where a receiver stands: what another thread needs to see whether there is news for it. */
struct sb_standpoint {
    struct sb_mpmc ring;
    struct sb_lane_rx lanes;
    struct sb_spsc_rx rx;
    uint64_t departure;
};

struct sb_kind {
    enum sb_kind_id id;
    const char *noun;                    /* in sentences */
    enum sb_msg_kind reserved, received; /* what its messages are marked with */

    /* The handle: its row is there already, and is given back by the caller if this fails. */
    int (*open)(struct shmbus_channel *ch);
    void (*close)(struct shmbus_channel *ch);
    size_t (*size_max)(const struct shmbus_channel *ch);
    void (*beat)(struct shmbus_channel *ch); /* with each heartbeat; may be NULL */

    /* Messages of this handle, in hand, of the kinds above. */
    int (*reserve)(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                   int64_t timeout_ns);
    int (*commit)(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns);
    int (*abort)(struct shmbus_channel *ch, const struct shmbus_msg *msg);
    int (*release)(struct shmbus_channel *ch, const struct shmbus_msg *msg);
    /* Returns how many before the first that was released already; NULL: one by one. */
    size_t (*release_batch)(struct shmbus_channel *ch, const struct shmbus_msg *msgs, size_t count);
    /* NULL: not possible. */
    int (*requeue)(struct shmbus_channel *ch, const struct shmbus_msg *msg);
    /* The message received last, as if it had not been received. */
    int (*unreceive)(struct shmbus_channel *ch, const struct shmbus_msg *msg);
    /* A message received from a queue goes on into this one; NULL: not possible. */
    int (*forward)(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns);

    /* For shmbus_fd(): the first by the receiver's thread, the other by any, which changes nothing
     * but @at. */
    void (*stand)(const struct shmbus_channel *ch, struct sb_standpoint *ret_at);
    bool (*has_news)(const struct shmbus_channel *ch, struct sb_standpoint *at);
};

#endif
