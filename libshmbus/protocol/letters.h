/* SPDX-License-Identifier: MIT */
/*
 * Dead letters: a message that may not be delivered again goes to the dead-letter queue of its
 * queue and counts against the depth of that one. Steps and proof at the top of letters.c.
 */
#ifndef SB_LETTERS_H
#define SB_LETTERS_H

#include "protocol/ring_mpmc.h"

/* Whether there is a place for a dead letter of @ring's queue, which lies in @block: false only if
 * all places, or all blocks for a copy, are taken and the oldest may not be dropped. Always true
 * when @whatever. */
bool sb_letter_has_place(const struct sb_mpmc *ring, uint32_t block, bool whatever);

/* Moves a message of @ring's queue, held by @hdr (RECEIVED) and delivered so often, to the
 * dead-letter queue. False: no place there; held as before. */
bool sb_letter_move(const struct sb_mpmc *ring, uint32_t block, uint64_t hdr, uint32_t deliveries);

#endif
