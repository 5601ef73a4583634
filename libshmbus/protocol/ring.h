/* SPDX-License-Identifier: MIT */
/*
 * What every ring answers.
 */
#ifndef SB_RING_H
#define SB_RING_H

enum sb_ring_result { SB_OK = 0, SB_FULL, SB_EMPTY, SB_BUSY, SB_CORRUPT, SB_NOT_OWNER };

#endif
