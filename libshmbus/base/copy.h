/* SPDX-License-Identifier: MIT */
/*
 * Copies whose size is only known at run time but usually small: a few moves instead of a call.
 * Both areas are plain memory; the two halves of a size class overlap, so nothing beyond @bytes is
 * touched.
 */
#ifndef SB_COPY_H
#define SB_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/branch.h"

static inline void sb_copy_small(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes >= 4) {
        uint32_t head, tail;
        memcpy(&head, from, 4);
        memcpy(&tail, from + bytes - 4, 4);
        memcpy(to, &head, 4);
        memcpy(to + bytes - 4, &tail, 4);
    } else if (bytes > 0) {
        uint8_t head = from[0], middle = from[bytes / 2], tail = from[bytes - 1];
        to[0] = head;
        to[bytes / 2] = middle;
        to[bytes - 1] = tail;
    }
}

static SB_INLINE void sb_copy(void *to_area, const void *from_area, size_t bytes)
{
    uint8_t *to = to_area;
    const uint8_t *from = from_area;
    struct sb_copy_16 {
        uint8_t bytes[16];
    } a, b, c, d;
    if (bytes - 8 <= 8) {
        uint64_t head, tail;
        memcpy(&head, from, 8);
        memcpy(&tail, from + bytes - 8, 8);
        memcpy(to, &head, 8);
        memcpy(to + bytes - 8, &tail, 8);
    } else if (bytes < 8) {
        sb_copy_small(to, from, bytes);
    } else if (bytes <= 32) {
        memcpy(&a, from, 16);
        memcpy(&b, from + bytes - 16, 16);
        memcpy(to, &a, 16);
        memcpy(to + bytes - 16, &b, 16);
    } else if (bytes <= 64) {
        memcpy(&a, from, 16);
        memcpy(&b, from + 16, 16);
        memcpy(&c, from + bytes - 32, 16);
        memcpy(&d, from + bytes - 16, 16);
        memcpy(to, &a, 16);
        memcpy(to + 16, &b, 16);
        memcpy(to + bytes - 32, &c, 16);
        memcpy(to + bytes - 16, &d, 16);
    } else {
        memcpy(to, from, bytes);
    }
}

#endif
