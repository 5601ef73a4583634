/*
 * Named regions. The protocol is at the top of region.c.
 */
#ifndef SB_REGION_H
#define SB_REGION_H

#include "view.h"

struct shmbus;

/* For reclaim.c, once for each dead incarnation: its locks fall, whoever waits looks again.
 * The half write itself is undone by the next process with an identity that needs the region. */
void sb_region_recover(const struct sb_view *view, uint64_t dead_owner64);

/* Undoes every half write of a dead process now. Never waits. Returns how many were undone. */
uint32_t sb_region_repair_all(struct shmbus *bus);

/* Finished writes, from whatever state the words are in. Reads only. */
uint64_t sb_region_writes(const struct sb_region *region);

#endif
