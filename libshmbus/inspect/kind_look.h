/* SPDX-License-Identifier: MIT */
/*
 * A kind of channel as those see it who only look: loads only, bounded loops, a read-only mapping.
 */
#ifndef SB_KIND_LOOK_H
#define SB_KIND_LOOK_H

#include "layout/view.h"

struct sb_peek; /* inspect/peek.h */
struct check;   /* inspect/finding.h */

struct sb_kind_look {
    const char *noun; /* "a stream" */
    /* Capacity, depth, and what else there is to be said of the contents. */
    void (*stat)(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat);
    /* Whether a send may have to wait for room. */
    bool (*is_full)(const struct sb_channel_view *channel);
    /* Shows what waits, in the order of a receiver. 0 or -SHMBUS_ERR_CORRUPT. */
    int (*peek)(struct sb_peek *peek);
    /* Reports what is impossible, or is nobody's for good. @name: of the channel. */
    void (*check)(struct check *check, const struct sb_channel_view *channel, const char *name);
    /* How many cells may be in somebody's hands; NULL: it has none. */
    uint64_t (*cells)(const struct sb_channel_view *channel);
};

static inline const struct sb_kind_look *sb_look_of(const struct sb_channel_view *channel)
{
    return sb_kind_row(sb_view_kind(channel))->look;
}

/* Cells of a channel of any kind. */
static inline uint64_t sb_look_cells(const struct sb_channel_view *channel)
{
    const struct sb_kind_look *look = sb_look_of(channel);
    return look->cells != NULL ? look->cells(channel) : 0;
}

#endif
