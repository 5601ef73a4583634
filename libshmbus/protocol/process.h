/* SPDX-License-Identifier: MIT */
/*
 * The process table: joining and leaving.
 */
#ifndef SB_PROCESS_H
#define SB_PROCESS_H

#include "layout/view.h"
#include "protocol/anchor.h"
#include "protocol/liveness.h"

/* This process's membership. */
struct sb_member {
    uint32_t slot;
    uint64_t epoch;
    uint32_t owner;          /* as in block headers */
    uint64_t owner64;        /* as in endpoint rows */
    struct sb_anchor anchor; /* keeps the slot's locks */
};

/* Claims a slot; cleans up after a dead predecessor first. @apart: the calling thread's descriptor
 * table is its own. -SHMBUS_ERR_TOO_MANY, -errno. */
int sb_process_join(const struct sb_view *view, struct sb_liveness *liveness, int segment_fd,
                    bool apart, const char *process_name, struct sb_member *ret);

/* Ends the membership: the slot is FREE first, then the lock goes. Everything the process held
 * must have been given back (sb_reclaim_slot() on itself does both). */
void sb_process_leave(const struct sb_view *view, struct sb_member *member);

/* Heartbeat now. */
void sb_process_beat(const struct sb_view *view, const struct sb_member *member);

#endif
