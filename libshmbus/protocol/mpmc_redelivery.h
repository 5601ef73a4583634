/* SPDX-License-Identifier: MIT */
/*
 * What is delivered again, and how a queue is received from: first what was given back. See
 * ring_mpmc.c.
 */
#ifndef SB_MPMC_REDELIVERY_H
#define SB_MPMC_REDELIVERY_H

#include "protocol/ring_mpmc.h"

/* Takes the next block, orphans first, by their tickets: RECEIVED(owner). */
enum sb_ring_result sb_mpmc_recv(struct sb_mpmc *ring, uint32_t *ret_block, uint64_t *ret_hdr,
                                 uint64_t *ret_ticket);

/* Gives a received block back: ORPHAN; at max_deliveries to the dead-letter queue, DEAD_LETTER if
 * there is no place. @undo: the delivery did not count (the receiver could not take it). Returns
 * the channel whose receivers must be woken, SB_NONE if the block is not held by @hdr. */
uint32_t sb_mpmc_requeue(struct sb_mpmc *ring, uint32_t block, uint64_t hdr, bool undo);

/* What the holder word of the last message delivered again must be, for the handle @holder (Y1). */
uint64_t sb_mpmc_holder(const struct sb_mpmc *ring, uint64_t holder);

#endif
