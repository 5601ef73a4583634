/* SPDX-License-Identifier: MIT */
/*
 * What a call comes to that did not do what was asked for: counted and put into words, for all
 * kinds of channels alike.
 */
#ifndef SB_OUTCOME_H
#define SB_OUTCOME_H

#include <errno.h>

#include "base/error.h"
#include "channel/channel.h"
#include "channel/poll.h"

/* A send that did not happen. Other results than these have a sentence of their own and are passed
 * on: -EAGAIN, -ETIMEDOUT, -EINTR, -SHMBUS_ERR_SHUTDOWN, _PEER_DEAD, _PEER_CLOSED.
 * @text: "queue is full". */
int sb_refused(struct shmbus_channel *ch, int result, const char *text);

/* ch->shutdown is not 0: -SHMBUS_ERR_SHUTDOWN, -SHMBUS_ERR_REMOVED, or 0 if there is hope again. */
int sb_shut(struct shmbus_channel *ch);

/* A receive that found nothing, for another reason than that there is nothing yet. */
int sb_nothing_else(struct shmbus_channel *ch, int result);

/* A receive that found nothing. Polls come here often. @text: "queue is empty". */
static SB_INLINE int sb_nothing(struct shmbus_channel *ch, int result, const char *text)
{
    if (sb_unlikely(result != -EAGAIN || sb_load_relaxed(ch->shutdown) != 0)) {
        return sb_nothing_else(ch, result);
    }
    if (ch->poll != NULL) {
        sb_poll_rearm(ch->poll);
    }
    sb_channel_tick_idle(ch);
    return sb_fail_lazy(result, ch->name, text);
}

/* The message is not in hand any more. */
int sb_stale(const struct shmbus_channel *ch);

/* @limit: whose, as in "its largest block has". */
int sb_too_large(const struct shmbus_channel *ch, size_t size_bytes, const char *limit);

/* The call makes no sense with this message on this handle. */
int sb_wrong_kind(const struct shmbus_channel *ch, const char *call);

/* More than was reserved. */
int sb_over_reserved(const struct shmbus_channel *ch, size_t size_bytes, uint64_t reserved_bytes);

/* Words of the channel are not possible. @what: "slots". The compiler is to know the answer. */
void sb_say_corrupt(struct shmbus_channel *ch, const char *what);

static SB_INLINE int sb_corrupt(struct shmbus_channel *ch, const char *what)
{
    sb_say_corrupt(ch, what);
    return -SHMBUS_ERR_CORRUPT;
}

#endif
