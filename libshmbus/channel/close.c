/* SPDX-License-Identifier: MIT */
/*
 * The end of a handle: closed by the application, with its bus, or by the end of its thread.
 */
#include "channel/close.h"

#include <stdlib.h>

#include "channel/poll.h"

void sb_channel_shut(struct shmbus_channel *ch)
{
    sb_poll_close(ch->poll);
    if (sb_bus_is_ours(ch->bus)) {
        ch->ops->close(ch);
        sb_channel_beat(ch);
        sb_store_release(&ch->row->w, 0); /* last: counters and holder mark are ours until then */
    }
    free(ch);
}
