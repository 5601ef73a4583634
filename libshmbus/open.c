/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing channels: a row for the handle's counters, the part of its kind, its place in
 * the bus's list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/here.h"
#include "base/sized.h"
#include "bus/bus.h"
#include "channel/channel.h"
#include "channel/close.h"
#include "channel/threads.h"
#include "layout/name.h"
#include "protocol/directory.h"

/* A row for this handle's counters. */
static int claim_row(struct shmbus_channel *ch, uint64_t owner64)
{
    for (uint32_t i = 0; i < ch->view->endpoint_count; i++) {
        struct sb_endpoint *row = &ch->view->endpoints[i];
        if (sb_load_relaxed(&row->w) != 0 || !sb_cas(&row->w, 0, owner64)) {
            continue;
        }
        ch->row = row;
        sb_store_relaxed(&row->mode, ch->mode & (SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV));
        sb_store_relaxed(&row->waits, SB_WAITS_NOT);
        sb_store_relaxed(&row->thread, sb_own_thread());
        for (uint32_t k = 0; k < SHMBUS_COUNTERS_MAX; k++) {
            sb_store_relaxed(&row->at_open[k], sb_load_relaxed(&row->counters[k]));
        }
        ch->holder = sb_holder_make(ch->owner, ch->index, i);
        return 0;
    }
    return -SHMBUS_ERR_TOO_MANY;
}

/* Whose they are decides what helps. */
static int no_row(const struct shmbus_channel *ch)
{
    struct sb_handle_count count = sb_handle_count(ch);

    if (count.left > 0) {
        return sb_fail(-SHMBUS_ERR_TOO_MANY,
                       "channel \"%s\": %u handles are open already, %u of them by this process, "
                       "%u of those by threads that have ended; close handles before the thread "
                       "ends, or open them with SHMBUS_OPEN_THREAD",
                       ch->name, count.all, count.own, count.left);
    }
    return sb_fail(-SHMBUS_ERR_TOO_MANY,
                   "channel \"%s\": %u handles are open already, %u of them by this process; "
                   "create the bus with more (`endpoints`)",
                   ch->name, count.all, count.own);
}

static int open_handle(struct shmbus_channel *ch)
{
    int r = claim_row(ch, ch->bus->member.owner64);
    if (r < 0) {
        /* Perhaps some belong to processes that have just died, and perhaps somebody else was
         * faster to clean up after them. */
        sb_bus_sweep(ch->bus);
        r = claim_row(ch, ch->bus->member.owner64);
        if (r < 0) {
            return no_row(ch);
        }
    }
    r = ch->ops->open(ch);
    if (r < 0) {
        sb_store_release(&ch->row->w, 0);
    }
    return r;
}

static int check_open(struct shmbus *bus, const char *channel, unsigned mode,
                      struct shmbus_channel **ret_ch)
{
    const unsigned kinds = SHMBUS_OPEN_QUEUE | SHMBUS_OPEN_STREAM;
    const unsigned known = SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV | SHMBUS_OPEN_EXISTING |
                           SHMBUS_OPEN_THREAD | SHMBUS_OPEN_GIVE_BACK | kinds;

    if (bus == NULL || channel == NULL || ret_ch == NULL) {
        return sb_fail(-EINVAL, "shmbus_channel_open: an argument is NULL");
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED,
                       "shmbus_channel_open: the handle is the parent's; attach again");
    }
    if (bus->observer) {
        return sb_fail(-EROFS, "channel \"%s\": an observer cannot open channels", channel);
    }
    if (!sb_name_is_valid(channel)) {
        return sb_fail(-EINVAL,
                       "channel name \"%.60s\" is not valid: 1 to %u letters, digits, '.', '_', "
                       "'-', not starting with '.'",
                       channel, SHMBUS_NAME_BYTES - 1);
    }
    if ((mode & kinds) == kinds) {
        return sb_fail(-EINVAL, "channel \"%s\": a queue and a stream are asked for; choose one",
                       channel);
    }
    if ((mode & ~known) != 0 || (mode & (SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV)) == 0) {
        return sb_fail(-EINVAL,
                       "channel \"%s\": mode %#x: use SHMBUS_OPEN_SEND, SHMBUS_OPEN_RECV or both",
                       channel, mode);
    }
    return 0;
}

static int check_kind(struct shmbus *bus, uint32_t index, const char *channel, unsigned mode)
{
    uint32_t kind = bus->view.channels[index].kind;
    unsigned wanted = (mode & SHMBUS_OPEN_QUEUE) != 0    ? SHMBUS_KIND_QUEUE
                      : (mode & SHMBUS_OPEN_STREAM) != 0 ? SHMBUS_KIND_STREAM
                                                         : kind;

    if (wanted == kind) {
        return 0;
    }
    return sb_fail(-SHMBUS_ERR_KIND,
                   "channel \"%s\": is a %s, not a %s; the bus was made with another plan, or "
                   "somebody who did not know of one opened it first",
                   channel, shmbus_kind_name(kind), shmbus_kind_name(wanted));
}

/* With the part of its kind behind it; all zero. */
static struct shmbus_channel *make_handle(const struct sb_kind *kind, const struct sb_view *view,
                                          uint32_t index)
{
    size_t bytes = sizeof(struct shmbus_channel) + kind->part_bytes;
    struct shmbus_channel *ch;

    bytes += kind->more_bytes != NULL ? kind->more_bytes(view, index) : 0;
    bytes = (bytes + SB_LINE - 1) / SB_LINE * SB_LINE;
    ch = aligned_alloc(SB_LINE, bytes);
    return ch == NULL ? NULL : memset(ch, 0, bytes);
}

/* What does not change while the handle is open. */
static void bind_to(struct shmbus_channel *ch, const struct sb_kind *kind, struct shmbus *bus,
                    uint32_t index, unsigned mode)
{
    ch->bus = bus;
    ch->view = &bus->view.channels[index];
    ch->shared = ch->view->shared;
    ch->cookie = bus->cookie;
    ch->shutdown = &bus->view.super->shutdown;
    ch->msg_tag = (uint64_t)bus->id << 40;
    ch->index = index;
    ch->owner = bus->member.owner;
    ch->mode = mode;
    ch->gives_back = (mode & SHMBUS_OPEN_GIVE_BACK) != 0;
    ch->ops = kind;
    ch->kind = ch->ops->id;
    ch->slot = bus->member.slot;
    ch->timestamps = (ch->view->flags & SB_CHANNEL_TIMESTAMPS) != 0;
    ch->size_max = ch->ops->size_max(ch);
    ch->ops_left = ch->ops_period = 1;
}

int shmbus_channel_open(struct shmbus *bus, const char *channel, unsigned mode,
                        const struct shmbus_open_opts *opts, struct shmbus_channel **ret_ch)
{
    struct shmbus_open_opts o;
    const struct sb_kind *kind;
    struct shmbus_channel *ch;
    uint32_t index = 0;
    int r = check_open(bus, channel, mode, ret_ch);

    if (r == 0) {
        r = sb_take_opts(&o, sizeof o, opts, "shmbus_channel_open");
    }
    if (r < 0) {
        return r;
    }
    if ((mode & (SHMBUS_OPEN_EXISTING | SHMBUS_OPEN_STREAM)) != 0) {
        r = sb_directory_find(&bus->view, channel, &index);
    } else {
        r = sb_directory_claim(&bus->view, channel, &index);
    }
    if (r == 0) {
        r = check_kind(bus, index, channel, mode);
    }
    if (r < 0) {
        return r;
    }
    kind = sb_kind_row(sb_view_kind(&bus->view.channels[index]))->calls;
    ch = make_handle(kind, &bus->view, index);
    if (ch == NULL) {
        return sb_fail(-ENOMEM, "channel \"%s\": out of memory", channel);
    }
    bind_to(ch, kind, bus, index, mode);
    memcpy(ch->name, channel, strlen(channel) + 1);
    r = (mode & SHMBUS_OPEN_THREAD) != 0 ? sb_thread_bind(ch) : 0;
    if (r == 0) {
        r = open_handle(ch);
    }
    if (r < 0) {
        free(ch);
        return r;
    }
    pthread_mutex_lock(&bus->lock);
    ch->next = bus->channels;
    bus->channels = ch;
    pthread_mutex_unlock(&bus->lock);
    *ret_ch = ch;
    return 0;
}

static void take_off_list(struct shmbus_channel *ch)
{
    for (struct shmbus_channel **p = &ch->bus->channels; *p != NULL; p = &(*p)->next) {
        if (*p == ch) {
            *p = ch->next;
            return;
        }
    }
}

void shmbus_channel_close(struct shmbus_channel *ch)
{
    int state;

    if (ch == NULL) {
        return;
    }
    state = sb_cancel_off();
    if (sb_bus_is_ours(ch->bus)) {
        pthread_mutex_lock(&ch->bus->lock);
        take_off_list(ch);
        pthread_mutex_unlock(&ch->bus->lock);
    } else {
        take_off_list(ch); /* a forked child: the lock may be held forever, and it is alone */
    }
    sb_channel_shut(ch);
    sb_cancel_back(state);
}

size_t shmbus_channel_size_max(const struct shmbus_channel *ch)
{
    return ch == NULL ? 0 : ch->size_max;
}

const char *shmbus_channel_name(const struct shmbus_channel *ch)
{
    return ch == NULL ? "" : ch->name;
}

struct shmbus *shmbus_channel_bus(const struct shmbus_channel *ch)
{
    return ch == NULL ? NULL : ch->bus;
}

int shmbus_channel_counters(const struct shmbus_channel *ch, uint64_t *ret_counters, size_t count)
{
    if (ch == NULL || ret_counters == NULL) {
        return sb_fail(-EINVAL, "shmbus_channel_counters: an argument is NULL");
    }
    if (!sb_bus_is_ours(ch->bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "shmbus_channel_counters: \"%s\" is the parent's",
                       ch->name);
    }
    count = count < SHMBUS_COUNTER_COUNT ? count : SHMBUS_COUNTER_COUNT;
    for (size_t i = 0; i < count; i++) {
        ret_counters[i] =
            sb_load_relaxed(&ch->row->counters[i]) - sb_load_relaxed(&ch->row->at_open[i]);
    }
    return (int)count;
}
