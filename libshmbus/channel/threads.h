/* SPDX-License-Identifier: MIT */
/*
 * Handles and the threads they belong to: closing what an ended thread had.
 */
#ifndef SB_THREADS_H
#define SB_THREADS_H

#include "channel/channel.h"

/* From now on the end of the calling thread closes the handle. -SHMBUS_ERR_TOO_MANY, -ENOMEM. */
int sb_thread_bind(struct shmbus_channel *ch);

/* The bus goes: no thread's end is of interest any more. */
void sb_threads_forget(struct shmbus *bus);

/* How many of a channel's handles are open, by this process, and by threads of it that have ended
 * since. */
struct sb_handle_count {
    uint32_t all, own, left;
};
struct sb_handle_count sb_handle_count(const struct shmbus_channel *ch);

#endif
