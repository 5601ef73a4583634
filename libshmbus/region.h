/*
 * Named regions. The protocol is at the top of region.c.
 */
#ifndef SB_REGION_H
#define SB_REGION_H

#include "view.h"

struct shmbus;

/* For reclaim.c, after deaths: the lock falls if @dead_owner64 has it (0: none of the dead does),
 * whoever waits looks again. The half write itself is undone by the next process with an identity
 * that needs the region. */
void sb_region_recover(struct sb_region *r, uint64_t dead_owner64);

/* Undoes every half write of a dead process now. Never waits. Returns how many were undone. */
uint32_t sb_region_repair_all(struct shmbus *bus);

/* Finished writes, from whatever state the words are in. Reads only. */
uint64_t sb_region_writes(const struct sb_region *region);

#endif
