/* SPDX-License-Identifier: MIT */
/*
 * A kind of channel, as the calls see it: one table. Sending and receiving are not in it: message.c
 * calls them directly, by the number, in switches that do not compile where a kind is forgotten.
 */
#ifndef SB_KIND_H
#define SB_KIND_H

#include <stddef.h>

#include "layout/kinds.h"

/* What opaque_[1] of a message says: bus:24 | kind:8 | block or held:32. A reservation of each kind
 * of channel, and what was received from one. */
#define SB_MSG_KINDS(NAME, name, id)                                                               \
    SB_MSG_##NAME##_TX = 2 * ((id)-SB_KIND_FIRST) + 1, SB_MSG_##NAME##_RX = SB_MSG_##NAME##_TX + 1,
enum sb_msg_kind { SB_MSG_NONE = 0, SB_KINDS(SB_MSG_KINDS) };
#undef SB_MSG_KINDS

static inline bool sb_msg_is_reservation(enum sb_msg_kind kind)
{
    return ((unsigned)kind & 1u) != 0;
}

struct sb_view;

/* What message.c calls directly. The correlation id of a kind that carries none is 0. */
#define SB_KIND_CALLS(NAME, name, id)                                                              \
    int sb_##name##_send(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,        \
                         const void *data, size_t size_bytes, int64_t timeout_ns);                 \
    int sb_##name##_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count, \
                               int64_t timeout_ns);                                                \
    int sb_##name##_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,       \
                         int64_t timeout_ns);
SB_KINDS(SB_KIND_CALLS)
#undef SB_KIND_CALLS

struct sb_kind {
    enum sb_kind_id id;
    const char *noun;                    /* in sentences */
    enum sb_msg_kind reserved, received; /* what its messages are marked with */
    size_t part_bytes;       /* of its part of a handle: sb_channel_part(), zero before open() */
    size_t standpoint_bytes; /* of what stand() writes */
    size_t (*more_bytes)(const struct sb_view *view, uint32_t channel); /* of it; NULL: none */

    /* The handle: its row is there already, and is given back by the caller if this fails. */
    int (*open)(struct shmbus_channel *ch);
    void (*close)(struct shmbus_channel *ch);
    size_t (*size_max)(const struct shmbus_channel *ch);
    void (*beat)(struct shmbus_channel *ch); /* with each heartbeat; may be NULL */
    /* Before it sleeps in a call, and when it slept for a whole slice in vain; may be NULL. */
    void (*sleeps)(struct shmbus_channel *ch);
    void (*doubts)(struct shmbus_channel *ch);

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

    /* For shmbus_fd(). The first notes where the receiver stands, what another thread needs to see
     * whether there is news for it: by the receiver's thread; NULL: nothing. The other one by any,
     * which changes nothing but @at. */
    void (*stand)(const struct shmbus_channel *ch, void *ret_at);
    bool (*has_news)(const struct shmbus_channel *ch, void *at);
};

#endif
