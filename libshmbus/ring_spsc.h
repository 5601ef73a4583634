/*
 * The stream: a byte ring with one sender and one receiver, messages inside, wait-free.
 * The protocol and its proof are at the top of ring_spsc.c.
 */
#ifndef SB_RING_SPSC_H
#define SB_RING_SPSC_H

#include "ring_mpmc.h" /* enum sb_ring_result */

#define SB_STREAM_HELD_MAX 64u

/* The sender's private part. One thread. */
struct sb_stream_tx {
    struct sb_channel *shared;
    uint8_t *ring;
    uint64_t bytes;     /* capacity, power of two */
    uint64_t tail;      /* next byte to fill; positions never wrap */
    uint64_t seq;       /* messages committed */
    uint64_t room;      /* bytes known to be released */
    uint64_t reserved;  /* bytes of the open reservation, 0: none */
    uint64_t depth_max;
    bool timestamps;
};

/* A message handed out and not yet released, in order. */
struct sb_stream_held {
    uint64_t end; /* position behind the record */
    uint64_t seq;
    bool released;
};

/* The receiver's private part. One thread. */
struct sb_stream_rx {
    struct sb_channel *shared;
    uint8_t *ring;
    uint64_t bytes;
    uint64_t next;      /* position of the next record to hand out */
    uint64_t seq;       /* messages handed out */
    uint64_t acked;     /* positions below are released */
    uint64_t published; /* what the room word says */
    uint32_t held_first, held_count;
    struct sb_stream_held held[SB_STREAM_HELD_MAX];
    bool timestamps;
};

struct sb_stream_msg {
    void *data;
    uint32_t size_bytes;
    uint8_t type;
    uint64_t seq;
    uint64_t stamp_ns;
    uint32_t deliveries;
    uint32_t held; /* for sb_stream_release() */
};

/* Largest message of a ring of @bytes. */
uint64_t sb_stream_size_max(uint64_t bytes, bool timestamps);

/* Starts where the last sender (receiver) stopped, dead or not. The caller owns the role. */
enum sb_ring_result sb_stream_tx_init(struct sb_stream_tx *tx, const struct sb_channel_view *ch);
enum sb_ring_result sb_stream_rx_init(struct sb_stream_rx *rx, const struct sb_channel_view *ch);

/* Room for a record. SB_FULL. A second reservation replaces an open one. */
enum sb_ring_result sb_stream_reserve(struct sb_stream_tx *tx, uint64_t size_bytes,
                                      void **ret_data);
/* Sends the open reservation with its final size (<= reserved). */
void sb_stream_commit(struct sb_stream_tx *tx, uint64_t size_bytes, uint32_t type,
                      uint64_t stamp_ns);
/* Sends up to @count records with one publishing store; returns how many fitted. */
size_t sb_stream_send_batch(struct sb_stream_tx *tx, const struct iovec *items, size_t count,
                            uint64_t stamp_ns);

/* SB_EMPTY; SB_CORRUPT; SB_BUSY: too many held. */
enum sb_ring_result sb_stream_recv(struct sb_stream_rx *rx, struct sb_stream_msg *ret);
/* False if that message was released already. */
bool sb_stream_release(struct sb_stream_rx *rx, uint32_t held, uint64_t seq);
bool sb_stream_readable(const struct sb_stream_rx *rx);

/* Bytes waiting. Reads only. */
uint64_t sb_stream_depth(const struct sb_channel_view *channel);

#endif
