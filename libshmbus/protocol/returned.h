/* SPDX-License-Identifier: MIT */
/*
 * The oldest of the messages that were given back, or are to be, as one look at all blocks or cells
 * finds them: for whoever delivers them again, and for whoever gives several back, as both go by
 * age. The words decide; this is private and says only what to try first.
 */
#ifndef SB_RETURNED_H
#define SB_RETURNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

#ifndef SB_RETURNED_MAX /* more need another look; a model is built with fewer */
#define SB_RETURNED_MAX 64u
#endif

struct sb_returned_item {
    uint64_t group;  /* lower ones first: a queue, a lane */
    uint64_t place;  /* within the group: a ticket, of which 48 bits count, in a circle */
    uint64_t word;   /* as it was seen: who finds another one was too late */
    uint32_t number; /* of the block or cell */
};

struct sb_returned {
    uint32_t at;    /* the next one */
    uint32_t count; /* those before were used up */
    bool more;      /* there were others, all of them behind these */
    uint64_t want;  /* orphan_seq before the last look of a receiver */
    struct sb_returned_item items[SB_RETURNED_MAX];
};

void sb_returned_clear(struct sb_returned *list);

/* Keeps the list sorted and the first ones. Only while none was used up. */
void sb_returned_add(struct sb_returned *list, const struct sb_returned_item *item);

/* Looks at all blocks or cells: clears the list and adds what lies there for the receiver. */
typedef void (*sb_returned_look_fn)(void *receiver);

/* N1 to N4: the list of a receiver, oldest first. @seq: orphan_seq of its queue, read before. */
void sb_returned_find(struct sb_returned *list, const sb_word *orphan_seq, uint64_t seq,
                      sb_returned_look_fn look, void *receiver);

/* The next one, NULL behind the last. list->at + 1 uses it up. */
static inline const struct sb_returned_item *sb_returned_next(const struct sb_returned *list)
{
    return list->at < list->count ? &list->items[list->at] : NULL;
}

#endif
