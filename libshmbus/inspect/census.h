/* SPDX-License-Identifier: MIT */
/*
 * Who has the blocks, or the cells of a lane: which wait in which queue, are dead letters of which,
 * are held by whom. Looks only, works on a read-only mapping; the numbers may be of different
 * instants, as others go on meanwhile.
 */
#ifndef SB_CENSUS_H
#define SB_CENSUS_H

#include "layout/view.h"

#define SB_CENSUS_BYTES 320u

/* The blocks of class @cls and larger ones, which a message of @channel could lie in; with SB_NONE
 * the common ones of @cls alone: `64 of 64 are dead letters of "work.dead"`, `1024 of 1164 wait in
 * "logs", 140 wait in "audit"`. */
void sb_census_of_blocks(const struct sb_view *view, uint32_t cls, uint32_t channel,
                         char ret_text[SB_CENSUS_BYTES]);

/* The same for the cells of one lane. */
void sb_census_of_lane(const struct sb_view *view, uint32_t channel, uint32_t lane,
                       char ret_text[SB_CENSUS_BYTES]);

#endif
