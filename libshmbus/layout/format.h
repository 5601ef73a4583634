/* SPDX-License-Identifier: MIT */
/*
 * The segment's tables, written once.
 */
#ifndef SB_FORMAT_H
#define SB_FORMAT_H

#include "layout/geometry.h"

/* The constant part of the superblock comes first. */
#define SB_SUPER_CONSTANT_BYTES offsetof(struct sb_super, shutdown)

/* Word size, byte order and cache line as one number; equal where a segment can be shared. */
uint32_t sb_fingerprint(void);

/* Over the constant part of the superblock and every number of the tables. Names of channels are
 * left out, because spare ones get theirs later; each has a hash of its own. */
uint64_t sb_constants_hash(const struct sb_super *super, const struct sb_geometry *geometry);

/* Fills a fresh, zeroed mapping: tables, bitmaps, rings, superblock. */
void sb_layout_format(uint8_t *base, const struct sb_geometry *geometry);

#endif
