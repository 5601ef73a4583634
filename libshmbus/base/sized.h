/*
 * Structs of the public interface that say how large they are: the caller may be of another
 * version.
 */
#ifndef SB_SIZED_H
#define SB_SIZED_H

#include <stddef.h>
#include <string.h>

/* Fills the caller's struct: what both know is copied, what only the caller knows is zeroed,
 * struct_bytes stays his. */
static inline void sb_give(void *ret, const void *full, size_t full_bytes)
{
    size_t asked, both;
    memcpy(&asked, ret, sizeof asked);
    both = asked < full_bytes ? asked : full_bytes;
    memset(ret, 0, asked);
    memcpy(ret, full, both);
    memcpy(ret, &asked, sizeof asked);
}

#endif
