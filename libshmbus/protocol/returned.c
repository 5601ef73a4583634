/* SPDX-License-Identifier: MIT */
/*
 * The oldest of what was given back, for a receiver of blocks (mpmc_redelivery.c) or of cells
 * (lane_redelivery.c):
 *   N1 acquire  orphan_seq of its queue
 *   N2 acquire  the header of each block, or the word of each cell, that lies there for it; the
 *               oldest ones are kept
 *   N3 acquire  orphan_seq: as in N1, or again from N1
 *   N4          or until two looks found the same oldest one, which then stands alone
 * then O1 (ring_mpmc.c) on each, in their order.
 *
 * What was given back comes before all that waits, by its tickets. So a receiver takes the oldest
 * that a look finds. Whoever gives back several messages of a queue does so oldest first, each with
 * its Q2 (ring_mpmc.c, I6). So the look may miss an older one of the same giver only if that came
 * back behind its back: then it sees in N3 the Q2 of that, too, as it has seen the header of a
 * later one; and if orphan_seq has not changed, it has missed none. If others give back without an
 * end (N4), the oldest of two looks is right: what came back before it was there before the first
 * of these looks had seen it, and the second would have found it. A list holds until orphan_seq
 * changes; each receiver has its own, O1 decides.
 *
 * Killed anywhere: nothing, it only looks.
 * Checked by: test/process/test_order.c, test/model
 */
#include "protocol/returned.h"

#define LOOKS 8u /* while others give back without an end */

void sb_returned_clear(struct sb_returned *list)
{
    list->at = list->count = 0;
    list->more = false;
}

static bool is_before(const struct sb_returned_item *a, const struct sb_returned_item *b)
{
    if (a->group != b->group) {
        return a->group < b->group;
    }
    return (int64_t)((a->place - b->place) << 16) < 0;
}

void sb_returned_add(struct sb_returned *list, const struct sb_returned_item *item)
{
    uint32_t at = list->count;

    if (at == SB_RETURNED_MAX) {
        list->more = true;
        if (!is_before(item, &list->items[at - 1u])) {
            return;
        }
        at--;
    } else {
        list->count++;
    }
    for (; at > 0 && is_before(item, &list->items[at - 1u]); at--) {
        list->items[at] = list->items[at - 1u];
    }
    list->items[at] = *item;
}

/* Whether two looks found the same message in the same state. */
static bool is_same(const struct sb_returned_item *a, const struct sb_returned_item *b)
{
    return a->group == b->group && a->number == b->number && a->word == b->word;
}

/* The others are to be looked for again. */
static void keep_first(struct sb_returned *list)
{
    list->more = list->more || list->count > 1;
    list->count = 1;
}

void sb_returned_find(struct sb_returned *list, const sb_word *orphan_seq, uint64_t seq,
                      sb_returned_look_fn look, void *receiver)
{
    if (list->want == seq && (list->at < list->count || !list->more)) {
        return; /* nothing new */
    }
    for (uint32_t n = 0; n < LOOKS; n++) {
        struct sb_returned_item before = list->items[0];
        uint64_t now;

        list->want = seq;                  /* N1 */
        look(receiver);                    /* N2 */
        now = sb_load_acquire(orphan_seq); /* N3 */
        if (now == seq) {
            return;
        }
        if (n > 0 && list->count > 0 && is_same(&list->items[0], &before)) { /* N4 */
            keep_first(list);
            return;
        }
        seq = now;
    }
}
