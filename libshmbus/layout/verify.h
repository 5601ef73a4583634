/* SPDX-License-Identifier: MIT */
/*
 * The segment's tables, checked before use.
 */
#ifndef SB_VERIFY_H
#define SB_VERIFY_H

#include "layout/geometry.h"

/* Checks a private copy of the superblock. -SHMBUS_ERR_LAYOUT or _CORRUPT with detail. */
int sb_super_check(const struct sb_super *super, uint64_t file_bytes, bool read_only);

/* Geometry of an existing segment from its mapped tables (@bytes mapped, superblock already
 * checked by sb_super_check()). Every number is read once. -SHMBUS_ERR_CORRUPT, -ENOMEM. */
int sb_geometry_from_segment(const uint8_t *base, uint64_t bytes, struct sb_geometry **ret);

/* Says that a number of the segment is impossible. @what: "the depth of a queue". Returns
 * -SHMBUS_ERR_CORRUPT. */
int sb_damaged(const char *what, uint64_t value);

#endif
