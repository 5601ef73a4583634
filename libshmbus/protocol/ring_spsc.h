/* SPDX-License-Identifier: MIT */
/*
 * The stream: a byte ring with one sender and one receiver, messages inside, wait-free.
 * The protocol and its proof are at the top of ring_spsc.c.
 */
#ifndef SB_RING_SPSC_H
#define SB_RING_SPSC_H

#include <sys/uio.h>

#include "layout/view.h"
#include "protocol/ring.h"

#define SB_SPSC_HELD_MAX 64u

#define SB_SPSC_DEPTH_STEPS 16u

/* The sender's private part. One thread. */
struct sb_spsc_tx {
    struct sb_channel *shared;
    uint8_t *ring;
    uint64_t bytes;      /* capacity, power of two */
    uint64_t tail;       /* next byte to fill; positions never wrap */
    uint64_t seq;        /* messages committed */
    uint64_t fast_limit; /* a record whose marker ends up to here has room and is in one piece */
    uint64_t hint_due;   /* from there on tail_hint is to be stored */
    uint64_t room;       /* bytes known to be released */
    uint64_t limit;      /* below it there is room without looking; see make_room() */
    uint64_t depth_max;  /* high-water mark in bytes, to 1/16 of the capacity */
    uint64_t reserved;   /* bytes of the open reservation's record, 0: none */
    uint32_t serial;     /* of the last reservation */
    uint64_t pad;        /* bytes to skip in front of it because it does not fit before the end */
    uint32_t head_bytes; /* header and time stamp in front of each payload */
    sb_word *depth_mark; /* where depth_max is shown to others; NULL: nowhere */
};

/* The receiver's private part. One thread. */
struct sb_spsc_rx {
    struct sb_channel *shared;
    uint8_t *ring;
    uint64_t bytes;
    uint64_t tag;        /* opaque_[1] of each message */
    uint64_t next;       /* position of the next record to hand out */
    uint64_t seq;        /* number of the last message handed out */
    uint64_t acked;      /* positions below are released */
    uint64_t acked_seq;  /* number of the last message below; those up to seq are held */
    uint64_t fast_limit; /* a record that ends up to here is in one piece, lies where the sender may
                           have written one, and was never handed out before */
    uint64_t gap;        /* seq when the ring was last found empty; see on_empty() */
    uint64_t inherited;  /* end of the furthest record ever handed out by a predecessor */
    uint32_t head_bytes;
    uint64_t published; /* what the room word says */
    uint32_t attempts;  /* how often records below inherited may have been handed out */
    bool raised;        /* attempts counts this receiver's first redelivery */
    uint64_t ends[SB_SPSC_HELD_MAX]; /* by number: where the record of a message held ends */
};

/* Starts where the last sender (receiver) stopped, dead or not. The caller owns the role.
 * SB_RING_CORRUPT. */
enum sb_ring_result sb_spsc_tx_init(struct sb_spsc_tx *tx, const struct sb_channel_view *ch);
enum sb_ring_result sb_spsc_rx_init(struct sb_spsc_rx *rx, const struct sb_channel_view *ch);

/* Room for a record; nothing is visible before commit, and there is nothing to undo when it never
 * comes. SB_RING_FULL; SB_RING_CORRUPT. A second reservation replaces an open one. */
enum sb_ring_result sb_spsc_reserve(struct sb_spsc_tx *tx, uint64_t size_bytes, void **ret_data);
/* Sends the open reservation with its final size (<= reserved). */
void sb_spsc_commit(struct sb_spsc_tx *tx, uint64_t size_bytes, uint32_t type, uint64_t stamp_ns);
/* Reserve, copy, commit. */
enum sb_ring_result sb_spsc_send(struct sb_spsc_tx *tx, const void *data, uint64_t size_bytes,
                                 uint32_t type, uint64_t stamp_ns);
/* Sends up to @count records with one publishing store every few KiB; returns how many fitted
 * (none also if what the receiver says is impossible: see sb_spsc_reserve()). */
size_t sb_spsc_send_batch(struct sb_spsc_tx *tx, const struct iovec *items, size_t count,
                          uint64_t stamp_ns);

/* Hands out the next message, filled in with @channel and @sender. SB_RING_EMPTY; SB_RING_CORRUPT;
 * SB_RING_BUSY: too many held. */
enum sb_ring_result sb_spsc_recv(struct sb_spsc_rx *rx, struct shmbus_channel *channel,
                                 uint16_t sender, struct shmbus_msg *ret);
/* Several, as far as there is nothing special about them; what comes then, if anything, is for
 * sb_spsc_recv(). */
size_t sb_spsc_recv_batch(struct sb_spsc_rx *rx, struct shmbus_channel *channel, uint16_t sender,
                          struct shmbus_msg *ret, size_t max);
/* False if that message was released already. */
bool sb_spsc_release(struct sb_spsc_rx *rx, uint64_t seq);
/* The same for messages of this receiver, with one store for all; returns how many before the first
 * that was released already. */
size_t sb_spsc_release_batch(struct sb_spsc_rx *rx, const struct shmbus_msg *msgs, size_t count);
/* Puts the message received last back in front; it was never handed out. False if it is not the
 * last one or was released. */
bool sb_spsc_unrecv(struct sb_spsc_rx *rx, uint64_t seq);
bool sb_spsc_readable(const struct sb_spsc_rx *rx);

#endif
