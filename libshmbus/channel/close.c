/*
 * The end of a handle: closed by the application, with its bus, or by the end of its thread.
 */
#include "channel/close.h"

#include <stdlib.h>

#include "channel/lanes.h"
#include "channel/poll.h"
#include "channel/queue.h"
#include "channel/stream.h"

static void leave(struct shmbus_channel *ch)
{
    switch (ch->kind) {
    case SB_BLOCKS:
        sb_queue_close(ch);
        break;
    case SB_LANES:
        sb_lanes_close(ch);
        break;
    default:
        sb_stream_ch_close(ch);
    }
}

void sb_channel_shut(struct shmbus_channel *ch)
{
    sb_poll_close(ch->poll);
    if (sb_bus_is_ours(ch->bus)) {
        leave(ch);
        sb_channel_beat(ch);
        sb_store_release(&ch->row->w, 0); /* last: counters and holder mark are ours until then */
    }
    free(ch);
}
