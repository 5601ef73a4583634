/* SPDX-License-Identifier: MIT */
/*
 * Names of buses, channels and regions: which are valid, and how they are stored in the segment,
 * word by word, so that a reader racing with the writer of a name sees old or new words and never a
 * torn access.
 */
#ifndef SB_NAME_H
#define SB_NAME_H

#include "layout/layout.h"

/* Whether @name may name a bus, channel or region: 1 .. 47 of letters, digits, '.', '_', '-', not
 * starting with '.'. Reads at most SHMBUS_NAME_BYTES bytes. */
bool sb_name_is_valid(const char *name);

/* 56-bit hash of a name, never 0. */
uint64_t sb_name_hash(const char *name);

/* Stores at most SHMBUS_NAME_BYTES - 1 bytes of @name and zeroes behind them. */
void sb_name_store(sb_word words[SB_NAME_WORDS], const char *name);

/* Always terminated; whatever a terminal could take for a command becomes '?'. */
void sb_name_load(const sb_word words[SB_NAME_WORDS], char ret_name[SHMBUS_NAME_BYTES]);

#endif
