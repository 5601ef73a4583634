/* SPDX-License-Identifier: MIT */
/*
 * Repairs what a dead process left, but for half a write (region_lock.c) and for what any process
 * clears that meets it (ring_mpmc.c, directory.c). Needs no lock and no identity, may run any
 * number of times at once, may itself be killed anywhere.
 */
#ifndef SB_RECLAIM_H
#define SB_RECLAIM_H

#include "protocol/liveness.h"

/* Takes everything from incarnation @w of @slot and frees the slot (ACTIVE(e) -> FREE(e+1)). The
 * caller knows that the incarnation is dead, or is that incarnation, leaving. True if this call
 * freed the slot. */
bool sb_reclaim_slot(const struct sb_view *view, uint32_t slot, uint64_t w);

/* What recovery does with what a kind of channel has of its own, beside blocks, cells of lanes and
 * handles. */
struct sb_dead; /* those to clean up after */
struct sb_kind_death {
    /* Idempotent, as everything here: one CAS from each word that names one of the dead. NULL:
     * there is nothing. */
    void (*repair)(const struct sb_dead *dead, const struct sb_channel_view *channel);
};

/* Whether an owner, as in the header of a block, is one of them and not yet cleaned up after. Asked
 * after the word was read that names it. */
bool sb_dead_has(const struct sb_dead *dead, uint32_t owner);

/* The parts, for tests: each idempotent. */
void sb_reclaim_cells(const struct sb_view *view, uint32_t slot, uint64_t w);
void sb_reclaim_blocks(const struct sb_view *view, uint32_t slot, uint64_t w);

/* Looks at every slot and reclaims the dead ones. Returns how many this call freed. */
uint32_t sb_reclaim_dead(const struct sb_view *view, struct sb_liveness *liveness);

#endif
