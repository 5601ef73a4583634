/* SPDX-License-Identifier: MIT */
/*
 * The queue: a ring of block indices, many senders, many receivers, strict order.
 * The protocol and its proof are at the top of ring_mpmc.c.
 */
#ifndef SB_RING_MPMC_H
#define SB_RING_MPMC_H

#include "protocol/block.h"
#include "protocol/returned.h"
#include "protocol/ring.h"

/* A handle's private part of a queue. One thread. */
struct sb_mpmc {
    const struct sb_blocks *blocks;
    sb_word *slots;
    struct sb_channel *shared;
    uint32_t shift;      /* depth is 1 << shift */
    uint32_t lap_unused; /* bits of a word that a lap does not fill */
    uint64_t lap_mask;
    uint32_t channel;   /* index of the channel, part of loc */
    uint32_t owner;     /* this process, as in block headers */
    uint32_t bound;     /* loop limit against hostile values */
    uint32_t tries;     /* of the present call, up to bound */
    uint64_t tail;      /* every ticket below is filled */
    uint64_t head;      /* every ticket below is cleared */
    uint64_t head_seen; /* for the high-water mark */
    uint64_t depth_max;
    sb_word *depth_mark;  /* where others read the mark; may be NULL */
    uint64_t depth_slack; /* how far the mark may lag, for a handle in a hurry */
    uint64_t orphan_seen; /* orphan_seq whose orphans have all been used up */
    uint64_t died_with;   /* of the last message delivered again: holder as it was found */
    bool freed_slot;      /* the slot of a taker that had not cleared it was: senders may go on */
    const struct sb_channel_view *channels; /* to find whose dead letters are ours; may be NULL */
    uint32_t channel_count;
    struct sb_returned returned; /* what that look found; last, as it is big and seldom used */
};

void sb_mpmc_init(struct sb_mpmc *ring, const struct sb_view *view, uint32_t channel,
                  uint32_t owner);

/* Another queue of the same bus, for the same process. */
void sb_mpmc_beside(const struct sb_mpmc *ring, uint32_t channel, struct sb_mpmc *ret_ring);

/* Whether the next send finds a place at once, unless somebody else is faster. */
bool sb_mpmc_has_place(const struct sb_mpmc *ring);

/* Whether a send may find a place: false only if all are taken at this moment. */
bool sb_mpmc_writable(struct sb_mpmc *ring);

/* Whether the place @ahead tickets behind the next one has been cleared; a hint. */
bool sb_mpmc_is_cleared(const struct sb_mpmc *ring, uint64_t ahead);

/* Sends a block held in FILLING or RECEIVED (forward). @hdr: the header word the caller holds it
 * by. SB_RING_OK with its ticket; SB_RING_FULL, SB_RING_BUSY (try again), SB_RING_CORRUPT,
 * SB_RING_NOT_OWNER: still held, and by the same header word. */
enum sb_ring_result sb_mpmc_send(struct sb_mpmc *ring, uint32_t block, uint64_t hdr,
                                 uint64_t *ret_ticket);

/* Takes the next block that waits in the ring: RECEIVED(owner). Makes a place free. */
enum sb_ring_result sb_mpmc_recv_placed(struct sb_mpmc *ring, uint32_t *ret_block,
                                        uint64_t *ret_hdr, uint64_t *ret_ticket);

/* Whether a receive would find something or has orphans to look for. Changes nothing shared. */
bool sb_mpmc_readable(struct sb_mpmc *ring);

/* The ticket behind the last one filled. */
uint64_t sb_mpmc_true_tail(const struct sb_mpmc *ring);

/* Messages waiting, from the slots themselves. Reads only. */
uint64_t sb_mpmc_depth(const struct sb_channel_view *channel);

#endif
