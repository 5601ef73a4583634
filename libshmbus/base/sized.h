/* SPDX-License-Identifier: MIT */
/*
 * Structs of the public interface that say how large they are: the caller may be of another
 * version.
 */
#ifndef SB_SIZED_H
#define SB_SIZED_H

#include <stddef.h>
#include <stdint.h>

/* Copies the caller's options into ours, which are as if zeroed before; NULL is no options. What
 * ours are too short for must be zero. 0; -EINVAL; -E2BIG; @call is for the sentence. */
int sb_take_opts(void *own, size_t own_bytes, const void *opts, const char *call);

/* What no option is yet must be 0, as if it were newer than this library: 0; -E2BIG. */
int sb_check_reserved(uint32_t reserved, const char *call);

/* Whether the caller has said how large the struct for an answer is: 0; -EINVAL, for NULL, too. */
int sb_check_sized(const void *ret, const char *call);

/* Fills the caller's struct: what both know is copied, what only the caller knows is zeroed,
 * struct_bytes stays the caller's. */
void sb_give(void *ret, const void *full, size_t full_bytes);

#endif
