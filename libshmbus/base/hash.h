/* SPDX-License-Identifier: MIT */
/*
 * FNV-1a, 64 bit: for names and against accidents, not against attackers.
 */
#ifndef SB_HASH_H
#define SB_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SB_HASH_START 0xcbf29ce484222325ull

static inline uint64_t sb_hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ull;
    return hash;
}

/* The same for a number, in the byte order of the machine. */
static inline uint64_t sb_hash_u64(uint64_t hash, uint64_t value)
{
    return sb_hash_bytes(hash, &value, sizeof value);
}

#endif
