/* SPDX-License-Identifier: MIT */
#include "channel/outcome.h"

#include "base/error.h"
#include "bus/reach.h"

SB_COLD static int removed(const struct shmbus_channel *ch)
{
    return sb_fail(-SHMBUS_ERR_REMOVED,
                   "%s \"%s\": %s was %s, and nobody is left here who could end the wait; detach "
                   "and attach again, or attach with SHMBUS_ATTACH_UNLINKED",
                   ch->ops->noun, ch->name, ch->bus->segment.path,
                   sb_reach(ch->bus) == SB_REACH_REPLACED ? "replaced by another bus of that name"
                                                          : "removed");
}

SB_COLD int sb_shut(struct shmbus_channel *ch)
{
    if (ch->shutdown == &ch->bus->view.super->shutdown) {
        return sb_fail_static(-SHMBUS_ERR_SHUTDOWN, ch->name, "the bus is shutting down");
    }
    return sb_hope_tell(ch) == 0 ? 0 : removed(ch);
}

/* What ends a call of either side; another result has a sentence of its own. */
static int stopped(struct shmbus_channel *ch, int result)
{
    switch (result) {
    case -EINTR:
        return sb_fail_lazy(result, ch->name, "interrupted");
    case -SHMBUS_ERR_SHUTDOWN:
        return sb_fail_lazy(result, ch->name, "the bus is shutting down");
    case -SHMBUS_ERR_REMOVED:
        return removed(ch);
    case -SHMBUS_ERR_PEER_DEAD:
        return sb_fail_lazy(result, ch->name, "the other end of the stream died");
    case -SHMBUS_ERR_PEER_CLOSED:
        return sb_fail_lazy(result, ch->name, "the other end of the stream was closed");
    default:
        return result;
    }
}

SB_NOINLINE int sb_refused(struct shmbus_channel *ch, int result, const char *text)
{
    if (result == -EAGAIN) {
        sb_count(ch, SHMBUS_COUNT_rejected, 1);
        return sb_fail_lazy(result, ch->name, text);
    }
    if (result == -ETIMEDOUT) {
        sb_count(ch, SHMBUS_COUNT_send_timeouts, 1);
        return sb_fail_lazy(result, ch->name, "no room within the timeout");
    }
    return stopped(ch, result);
}

SB_NOINLINE int sb_nothing_else(struct shmbus_channel *ch, int result)
{
    if (result == -ETIMEDOUT) {
        sb_count(ch, SHMBUS_COUNT_recv_timeouts, 1);
        return sb_fail_lazy(result, ch->name, "no message within the timeout");
    }
    if (result == -EAGAIN) {
        int r = sb_shut(ch);
        return r < 0 ? r : sb_fail_lazy(result, ch->name, "there is no message");
    }
    return stopped(ch, result);
}

SB_COLD int sb_stale(const struct shmbus_channel *ch)
{
    return sb_fail(-SHMBUS_ERR_STALE,
                   "%s \"%s\": the message was released, committed or aborted before",
                   ch->ops->noun, ch->name);
}

SB_COLD int sb_too_large(const struct shmbus_channel *ch, size_t size_bytes, const char *limit)
{
    return sb_fail(-EMSGSIZE, "%s \"%s\": %zu bytes; %s %zu", ch->ops->noun, ch->name, size_bytes,
                   limit, ch->size_max);
}

SB_COLD int sb_wrong_kind(const struct shmbus_channel *ch, const char *call)
{
    return sb_fail(-SHMBUS_ERR_KIND, "%s: not possible with this message on \"%s\"", call,
                   ch->name);
}

SB_COLD int sb_over_reserved(const struct shmbus_channel *ch, size_t size_bytes,
                             uint64_t reserved_bytes)
{
    return sb_fail(-EMSGSIZE, "%s \"%s\": %zu bytes, but %llu were reserved", ch->ops->noun,
                   ch->name, size_bytes, (unsigned long long)reserved_bytes);
}

SB_COLD void sb_say_corrupt(struct shmbus_channel *ch, const char *what)
{
    sb_count(ch, SHMBUS_COUNT_errors, 1);
    sb_sentence("%s \"%s\": its %s are impossible; stop its users and create the bus again",
                ch->ops->noun, ch->name, what);
}
