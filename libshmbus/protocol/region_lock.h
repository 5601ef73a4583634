/* SPDX-License-Identifier: MIT */
/*
 * The words of a named region: lock, write, read, undo. The protocol is at the top of
 * region_lock.c.
 */
#ifndef SB_REGION_LOCK_H
#define SB_REGION_LOCK_H

#include "layout/view.h"

/* Takes the lock for @owner64 from @holder: 0, or somebody dead. False: it has another one by now.
 * Whoever has it calls sb_region_repair() next. */
bool sb_region_take(struct sb_region *r, uint64_t holder, uint64_t owner64);
void sb_region_unlock(struct sb_region *r);

/* The lock has just been taken: whatever its last holder left is put right. @name: of the region,
 * for the sentence. -SHMBUS_ERR_CORRUPT. */
int sb_region_repair(const struct sb_region_view *region, const char *name);

/* With the lock, and within the region. @size_bytes of a write is not 0. */
void sb_region_put(const struct sb_region_view *region, uint64_t offset_bytes, const void *data,
                   size_t size_bytes);
void sb_region_get(const struct sb_region_view *region, uint64_t offset_bytes, void *buffer,
                   size_t size_bytes);

/* P, Q, R once, without the lock; false if somebody wrote meanwhile. */
bool sb_region_try_get(const struct sb_region_view *region, uint64_t offset_bytes, void *buffer,
                       size_t size_bytes);

/* For reclaim.c, after deaths: the lock falls if @dead_owner64 has it (0: none of the dead does),
 * whoever waits looks again. The half write itself is undone by the next process with an identity
 * that needs the region. */
void sb_region_recover(struct sb_region *r, uint64_t dead_owner64);

/* Finished writes, from whatever state the words are in. Reads only. */
uint64_t sb_region_writes(const struct sb_region *region);

#endif
