/* SPDX-License-Identifier: MIT */
#include "layout/name.h"

#include <string.h>

#include "base/hash.h"

static bool may_be_in_a_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

bool sb_name_is_valid(const char *name)
{
    size_t length = 0;

    while (length < SHMBUS_NAME_BYTES && may_be_in_a_name(name[length]))
        length++;
    return length > 0 && length < SHMBUS_NAME_BYTES && name[length] == '\0' && name[0] != '.';
}

uint64_t sb_name_hash(const char *name)
{
    uint64_t hash = sb_hash_bytes(SB_HASH_START, name, strnlen(name, SHMBUS_NAME_BYTES - 1));
    hash = (hash >> 56) ^ (hash & ((1ull << 56) - 1)); /* folded, as FNV's authors advise */
    return hash != 0 ? hash : 1;
}

void sb_name_store(sb_word words[SB_NAME_WORDS], const char *name)
{
    uint64_t copy[SB_NAME_WORDS] = {0};

    memcpy(copy, name, strnlen(name, SHMBUS_NAME_BYTES - 1));
    for (size_t i = 0; i < SB_NAME_WORDS; i++)
        sb_store_relaxed(&words[i], copy[i]); /* whoever publishes the name releases it */
}

void sb_name_load(const sb_word words[SB_NAME_WORDS], char ret_name[SHMBUS_NAME_BYTES])
{
    uint64_t copy[SB_NAME_WORDS];

    for (size_t i = 0; i < SB_NAME_WORDS; i++)
        copy[i] = sb_load_relaxed(&words[i]);
    memcpy(ret_name, copy, SHMBUS_NAME_BYTES);
    ret_name[SHMBUS_NAME_BYTES - 1] = '\0';
    for (char *c = ret_name; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}
