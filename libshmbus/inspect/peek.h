/* SPDX-License-Identifier: MIT */
/*
 * What the kinds share of showing waiting messages.
 */
#ifndef SB_PEEK_H
#define SB_PEEK_H

#include "layout/view.h"

struct sb_peek {
    const struct sb_view *view;
    const struct sb_channel_view *channel;
    uint32_t index; /* of the channel */
    uint64_t *buffer;
    size_t max;
    size_t shown;
    shmbus_peek_fn each;
    void *context;
    bool stopped; /* @each wants no more, or there were enough */
};

/* Shows a cell of channel @origin if its word is @w, that of a waiting message, before and after
 * its payload was copied. */
void sb_peek_cell(struct sb_peek *peek, const struct sb_channel_view *origin, struct sb_cell *cell,
                  uint64_t w, uint64_t ticket);

int sb_queue_peek(struct sb_peek *peek);
int sb_lanes_peek(struct sb_peek *peek);
int sb_stream_peek(struct sb_peek *peek);

#endif
