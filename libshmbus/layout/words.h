/* SPDX-License-Identifier: MIT */
/*
 * The words for what a queue does when it is full and which order it keeps: in YAML, on the command
 * line, in statistics and sentences. NULL for a number that is none.
 */
#ifndef SB_WORDS_H
#define SB_WORDS_H

#include <stddef.h>

#include <shmbus/shmbus.h>

static inline const char *sb_on_full_name(unsigned on_full)
{
    switch (on_full) {
    case SHMBUS_FULL_BLOCK:
        return "block";
    case SHMBUS_FULL_REJECT:
        return "reject";
    case SHMBUS_FULL_DROP_OLDEST:
        return "drop_oldest";
    default:
        return NULL;
    }
}

static inline const char *sb_order_name(unsigned order)
{
    switch (order) {
    case SHMBUS_ORDER_TOTAL:
        return "total";
    case SHMBUS_ORDER_PRODUCER:
        return "producer";
    default:
        return NULL;
    }
}

/* For the numbers of another's segment, which may be any. */
static inline const char *sb_word_or(const char *word, const char *otherwise)
{
    return word != NULL ? word : otherwise;
}

#endif
