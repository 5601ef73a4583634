/* SPDX-License-Identifier: MIT */
/*
 * For names (FNV-1a, 64 bit) and against accidents, not against attackers.
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

/* A number at a time: of two that differ in one number only, no two are equal. */
static inline uint64_t sb_hash_u64(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 32);
}

#endif
