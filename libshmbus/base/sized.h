/* SPDX-License-Identifier: MIT */
/*
 * Structs of the public interface that say how large they are: the caller may be of another
 * version.
 */
#ifndef SB_SIZED_H
#define SB_SIZED_H

#include <stddef.h>

/* Fills the caller's struct: what both know is copied, what only the caller knows is zeroed,
 * struct_bytes stays his. */
void sb_give(void *ret, const void *full, size_t full_bytes);

#endif
