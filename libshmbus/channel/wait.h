/* SPDX-License-Identifier: MIT */
/*
 * Waiting for something on a channel: spin, then sleep, with everything that may end it.
 */
#ifndef SB_WAIT_H
#define SB_WAIT_H

#include "channel/channel.h"

/* The longest that a thread of this process may sleep without looking again. */
int64_t sb_wait_slice_ns(struct shmbus *bus);

/* 0: done; -EAGAIN: nothing yet; -SHMBUS_ERR_NO_BLOCKS: no block free; else the failure. */
typedef int (*sb_attempt_fn)(struct shmbus_channel *ch, void *job);

/* With SHMBUS_ATTACH_EINTR a wait comes back that often, whatever happens: the handler may have run
 * in the very moment before the sleep. */
#define SB_SIGNALS_NS 1000000000

/* Repeats @attempt until it is done or fails, or the time is over: -ETIMEDOUT, or what the attempt
 * said if @timeout_ns is 0; -EINVAL if it would have to wait for a negative time; -EINTR after
 * shmbus_interrupt(), or SHMBUS_ATTACH_EINTR. @event is what wakes us. */
int sb_wait(struct shmbus_channel *ch, struct sb_event *event, int64_t timeout_ns,
            sb_attempt_fn attempt, void *job);

#endif
