#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apart.h"
#include "block.h"
#include "cancel.h"
#include "clock.h"
#include "directory.h"
#include "error.h"
#include "event.h"
#include "here.h"
#include "lanes.h"
#include "name.h"
#include "poll.h"
#include "role.h"
#include "threads.h"
#include "stream.h"
#include "watcher.h"

#define CENSUS_NS 100000000
#define BEAT_SHORT_NS 10000000
#define BEAT_LONG_NS 100000000
#define BEAT_PERIOD_MAX 256u /* a slow stretch after a fast one has so many without a beat */
#ifdef SB_DEBUG /* sanitizers: children of a program with threads may hang or not start any */
#define WATCHED_PERIOD 0u /* never */
#else
#define WATCHED_PERIOD 8u /* who is that fast may be slow next, and have no beat for long */
#endif
/* From here on the high-water mark may lag by 1/16 of the depth. */
#define HURRY_PERIOD BEAT_PERIOD_MAX

/* The clock is too dear to be read with every message. So it is read every ops_period operations,
 * and that number follows the pace: the heartbeat is then at most a fraction of a second old as
 * long as the loop turns, whether it does ten operations a second or ten million. */
SB_SELDOM void sb_channel_beat(struct shmbus_channel *ch)
{
    struct sb_proc *proc = &ch->bus->view.processes[ch->bus->member.slot];
    int64_t now = sb_now_ns();
    int64_t passed = now - ch->beat_ns;

    sb_store_relaxed(&proc->heartbeat_ns, (uint64_t)now);
    sb_own_add(&proc->progress, ch->ops_period);
    if (passed > BEAT_LONG_NS) {
        ch->ops_period = 1;
    } else if (passed < BEAT_SHORT_NS && ch->ops_period < BEAT_PERIOD_MAX) {
        ch->ops_period *= 2;
        if (ch->ops_period == WATCHED_PERIOD) {
            sb_watcher_start(ch->bus);
        }
    }
    ch->ops_left = ch->ops_period;
    ch->beat_ns = now;
    if (now - ch->thread_ns > BEAT_LONG_NS) { /* it may have been handed on */
        ch->thread_ns = now;
        sb_store_relaxed(&ch->row->thread, sb_own_thread());
    }
    sb_bus_look(ch->bus, now); /* who never sleeps looks here */
    if (ch->kind == SB_BLOCKS) {
        ch->ring.depth_slack =
            ch->ops_period < HURRY_PERIOD ? 0 : (1ull << ch->view->depth_shift) / 16;
    }
}

bool sb_census_is_due(struct shmbus_channel *ch)
{
    int64_t now = sb_now_ns();
    bool due = ch->census[0] == '\0' || now - ch->census_ns >= CENSUS_NS;

    ch->census_ns = due ? now : ch->census_ns;
    return due;
}

/* A row for this handle's counters. */
static int claim_row(struct shmbus_channel *ch, uint64_t owner64)
{
    for (uint32_t i = 0; i < ch->view->endpoint_count; i++) {
        struct sb_endpoint *row = &ch->view->endpoints[i];
        if (sb_load_relaxed(&row->w) != 0 || !sb_cas(&row->w, 0, owner64)) {
            continue;
        }
        ch->row = row;
        sb_store_relaxed(&row->mode, ch->mode & (SHMBUS_SEND | SHMBUS_RECV));
        sb_store_relaxed(&row->waits, SB_WAITS_NOT);
        sb_store_relaxed(&row->thread, sb_own_thread());
        for (uint32_t k = 0; k < SHMBUS_COUNTER_COUNT; k++) {
            sb_store_relaxed(&row->at_open[k], sb_load_relaxed(&row->counters[k]));
        }
        /* With the owner in it, a mark that a dead process left is nobody's. */
        ch->holder = ((uint64_t)ch->owner << 32) | ((ch->index + 1u) << 16) | (i + 1u);
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
                       "ends, or open them with SHMBUS_THREAD",
                       ch->name, count.all, count.own, count.left);
    }
    return sb_fail(-SHMBUS_ERR_TOO_MANY,
                   "channel \"%s\": %u handles are open already, %u of them by this process; "
                   "create the bus with more (`endpoints`)",
                   ch->name, count.all, count.own);
}

static bool buries_cells(const struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;

    for (uint32_t i = 0; i < view->channel_count; i++) {
        if (view->channels[i].dead_letter == ch->index && view->channels[i].lane_count > 0) {
            return true;
        }
    }
    return false;
}

static int open_queue(struct shmbus_channel *ch)
{
    ch->buries_cells = buries_cells(ch);
    sb_lane_scan_init(&ch->lanes.scan, &ch->bus->view, ch->index, ch->owner);
    sb_ring_init(&ch->ring, &ch->bus->view, ch->index, ch->owner);
    ch->stock.own = ch->view->share;
    ch->away_pauses = SB_AWAY_PAUSES;
    ch->ring.depth_mark = &ch->row->depth_max;
    ch->ring.depth_max = sb_load_relaxed(&ch->row->depth_max);
    return 0;
}

static int busy_end(const struct shmbus_channel *ch, uint64_t holder)
{
    uint32_t slot = sb_owner64_slot(holder);
    uint64_t pid = 0;
    bool is_near = true;
    if (slot < ch->bus->view.process_count) {
        const struct sb_proc *proc = &ch->bus->view.processes[slot];
        pid = sb_load_relaxed(&proc->pid);
        is_near = sb_load_relaxed(&proc->pid_namespace) == sb_own_pid_namespace();
    }
    return sb_fail(-EBUSY, "stream \"%s\" has a %s already: process %llu%s in slot %u", ch->name,
                   (ch->mode & SHMBUS_SEND) != 0 ? "sender" : "receiver",
                   (unsigned long long)pid, is_near ? "" : " of another pid namespace", slot);
}

static sb_word *own_end(const struct shmbus_channel *ch)
{
    return (ch->mode & SHMBUS_SEND) != 0 ? &ch->view->shared->sender : &ch->view->shared->receiver;
}

static int open_stream(struct shmbus_channel *ch)
{
    uint64_t holder = 0;
    enum sb_ring_result r;

    if ((ch->mode & SHMBUS_SEND) != 0 && (ch->mode & SHMBUS_RECV) != 0) {
        return sb_fail(-EINVAL, "stream \"%s\": open it for sending or for receiving, not both",
                       ch->name);
    }
    if (!sb_role_take(own_end(ch), ch->bus->member.owner64, &holder)) {
        /* Perhaps it belongs to somebody who has just died. */
        sb_bus_sweep(ch->bus);
        if (!sb_role_take(own_end(ch), ch->bus->member.owner64, &holder)) {
            return busy_end(ch, holder);
        }
    }
    if ((ch->mode & SHMBUS_SEND) != 0) {
        r = sb_stream_tx_init(&ch->tx, ch->view);
        sb_stream_ch_departure_told(ch);
    } else {
        r = sb_stream_rx_init(&ch->rx, ch->view);
        ch->rx.mark = sb_msg_mark(ch, SB_MSG_STREAM_RX, 0);
        /* A sender that left before us is news only if it left something. */
        ch->departure_seen = 0;
        if (r == SB_OK && !sb_stream_readable(&ch->rx)) {
            sb_stream_ch_departure_told(ch);
        }
    }
    if (r != SB_OK) {
        sb_role_leave(own_end(ch), ch->bus->member.owner64, SB_ROLE_CLOSED);
        return sb_fail(-SHMBUS_ERR_CORRUPT, "stream \"%s\": its positions are impossible",
                       ch->name);
    }
    return 0;
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
    switch (ch->kind) {
    case SB_BLOCKS:
        r = open_queue(ch);
        break;
    case SB_LANES:
        r = sb_lanes_open(ch);
        break;
    default:
        r = open_stream(ch);
    }
    if (r < 0) {
        sb_store_release(&ch->row->w, 0);
    }
    return r;
}

static int check_open(struct shmbus *bus, const char *channel, unsigned mode,
                      struct shmbus_channel **ret_ch)
{
    const unsigned known = SHMBUS_SEND | SHMBUS_RECV | SHMBUS_EXISTING | SHMBUS_THREAD;

    if (bus == NULL || channel == NULL || ret_ch == NULL) {
        return sb_fail(-EINVAL, "shmbus_open: an argument is NULL");
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "shmbus_open: the handle is the parent's; attach again");
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
    if ((mode & ~known) != 0 || (mode & (SHMBUS_SEND | SHMBUS_RECV)) == 0) {
        return sb_fail(-EINVAL, "channel \"%s\": mode %#x: use SHMBUS_SEND, SHMBUS_RECV or both",
                       channel, mode);
    }
    return 0;
}

static size_t size_max_of(const struct shmbus_channel *ch)
{
    if (ch->kind == SHMBUS_STREAM) {
        return (size_t)sb_stream_size_max(ch->view->ring_bytes, ch->timestamps);
    }
    if (ch->kind == SB_LANES) {
        return (size_t)ch->view->cell_bytes - sizeof(struct sb_cell);
    }
    return (size_t)ch->view->message_max;
}

/* What does not change while the handle is open. */
static void bind_to(struct shmbus_channel *ch, struct shmbus *bus, uint32_t index, unsigned mode)
{
    ch->bus = bus;
    ch->view = &bus->view.channels[index];
    ch->shared = ch->view->shared;
    ch->cookie = bus->cookie;
    ch->shutdown = &bus->view.super->shutdown;
    ch->mark = (uint64_t)bus->id << 40;
    ch->index = index;
    ch->owner = bus->member.owner;
    ch->mode = mode;
    ch->kind = ch->view->lane_count > 0 ? SB_LANES : ch->view->kind;
    ch->slot = bus->member.slot;
    ch->timestamps = (ch->view->flags & SB_CHANNEL_TIMESTAMPS) != 0;
    ch->size_max = size_max_of(ch);
    ch->ops_left = ch->ops_period = 1;
}

int shmbus_open(struct shmbus *bus, const char *channel, unsigned mode,
                struct shmbus_channel **ret_ch)
{
    struct shmbus_channel *ch;
    uint32_t index = 0;
    int r = check_open(bus, channel, mode, ret_ch);

    if (r < 0) {
        return r;
    }
    r = (mode & SHMBUS_EXISTING) != 0 ? sb_directory_find(&bus->view, channel, &index)
                                      : sb_directory_claim(&bus->view, channel, &index);
    if (r < 0) {
        return r;
    }
    ch = aligned_alloc(SB_LINE, (sizeof *ch + SB_LINE - 1) / SB_LINE * SB_LINE);
    if (ch == NULL) {
        return sb_fail(-ENOMEM, "channel \"%s\": out of memory", channel);
    }
    memset(ch, 0, sizeof *ch);
    bind_to(ch, bus, index, mode);
    memcpy(ch->name, channel, strlen(channel) + 1);
    r = (mode & SHMBUS_THREAD) != 0 ? sb_thread_bind(ch) : 0;
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

/* What this handle gave to the application and did not get back: received messages go back to
 * their queue, reservations are freed. */
static void give_back_held(struct shmbus_channel *ch)
{
    const struct sb_blocks *blocks = &ch->bus->view.blocks;
    for (uint32_t block = 0; block < blocks->count; block++) {
        struct sb_block *b = sb_block_at(blocks, block);
        uint64_t hdr = sb_load_acquire(&b->hdr);
        if (sb_hdr_owner(hdr) != ch->owner || sb_load_relaxed(&b->holder) != ch->holder) {
            continue;
        }
        if (sb_hdr_state(hdr) == SB_HRX) {
            uint32_t where = sb_ring_requeue(&ch->ring, block, hdr, false);
            if (where != SB_NONE) {
                sb_event_wake(&ch->bus->view.channels[where].shared->readable);
            }
        } else if (sb_hdr_state(hdr) == SB_HTX) {
            sb_block_free(blocks, &ch->stock, block, ch->owner);
        }
    }
}

static void leave_stream(struct shmbus_channel *ch)
{
    struct sb_channel *shared = ch->view->shared;
    bool sender = (ch->mode & SHMBUS_SEND) != 0;

    if (sender) {
        sb_store_relaxed(&ch->row->depth_max, ch->tx.depth_max);
    }
    sb_role_leave(own_end(ch), ch->bus->member.owner64, SB_ROLE_CLOSED);
    sb_event_wake(sender ? &shared->readable : &shared->writable);
}

static void leave(struct shmbus_channel *ch)
{
    switch (ch->kind) {
    case SB_BLOCKS:
        give_back_held(ch);
        sb_lanes_give_back(ch);
        sb_stock_close(&ch->bus->view.blocks, &ch->stock);
        break;
    case SB_LANES:
        sb_lanes_close(ch);
        break;
    default:
        leave_stream(ch);
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

static void take_off_list(struct shmbus_channel *ch)
{
    for (struct shmbus_channel **p = &ch->bus->channels; *p != NULL; p = &(*p)->next) {
        if (*p == ch) {
            *p = ch->next;
            return;
        }
    }
}

void shmbus_close(struct shmbus_channel *ch)
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
        take_off_list(ch); /* a forked child: the lock may be held for ever, and it is alone */
    }
    sb_channel_shut(ch);
    sb_cancel_back(state);
}

size_t shmbus_size_max(const struct shmbus_channel *ch)
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

int shmbus_counters(const struct shmbus_channel *ch, uint64_t *ret_counters, size_t count)
{
    if (ch == NULL || ret_counters == NULL) {
        return sb_fail(-EINVAL, "shmbus_counters: an argument is NULL");
    }
    if (!sb_bus_is_ours(ch->bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "shmbus_counters: \"%s\" is the parent's", ch->name);
    }
    count = count < SHMBUS_COUNTER_COUNT ? count : SHMBUS_COUNTER_COUNT;
    for (size_t i = 0; i < count; i++) {
        ret_counters[i] =
            sb_load_relaxed(&ch->row->counters[i]) - sb_load_relaxed(&ch->row->at_open[i]);
    }
    return (int)count;
}
