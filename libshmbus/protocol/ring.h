/* SPDX-License-Identifier: MIT */
/*
 * What every ring answers, and what no message says yet.
 */
#ifndef SB_RING_H
#define SB_RING_H

#include <shmbus/shmbus.h>
#include <stddef.h>
#include <string.h>

#include "base/branch.h"

enum sb_ring_result {
    SB_RING_OK = 0,
    SB_RING_FULL,
    SB_RING_EMPTY,
    SB_RING_BUSY,
    SB_RING_CORRUPT,
    SB_RING_NOT_OWNER
};

_Static_assert(offsetof(struct shmbus_msg, opaque_) == offsetof(struct shmbus_msg, flags) + 16 &&
                   sizeof(struct shmbus_msg) == 96,
               "flags, reply_to, meta_bytes, expires_ns without a hole");

/* The fields for what is to come; all but the first at once. */
static SB_INLINE void sb_msg_no_more(struct shmbus_msg *msg)
{
    msg->priority = 0;
    memset(&msg->flags, 0, 16);
}

#endif
