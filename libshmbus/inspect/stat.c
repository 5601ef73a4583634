/* SPDX-License-Identifier: MIT */
/*
 * Channels, processes, blocks and regions in numbers. Every counter has one writer, so a sum over
 * the rows is exact; every row keeps counting after its handle was closed, so sums never go back.
 */
#include "inspect/stat.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/left.h"
#include "inspect/life.h"
#include "inspect/spsc_inspect.h"
#include "layout/name.h"
#include "protocol/region_lock.h"
#include "protocol/ring_lanes.h"
#include "protocol/ring_mpmc.h"
#include "protocol/ring_spsc.h"

/* -------------------------------------------------------------------------------- the basics */

/* What is left of the file: somebody may have cut it since we attached. */
static uint64_t file_bytes(struct shmbus *bus)
{
    uint64_t bytes = bus->segment.bytes;
    struct stat st;

    pthread_mutex_lock(&bus->liveness_lock);
    if (sb_liveness_stat(&bus->liveness, &st)) {
        bytes = (uint64_t)st.st_size;
    }
    pthread_mutex_unlock(&bus->liveness_lock);
    return bytes;
}

static int check_length(struct shmbus *bus)
{
    uint64_t bytes = file_bytes(bus);
    if (bytes >= bus->segment.bytes) {
        return 0;
    }
    return sb_fail(-SHMBUS_ERR_CORRUPT,
                   "%s was cut to %llu of its %llu bytes while in use: touching the rest is a "
                   "SIGBUS; stop its users, remove it and create it again",
                   bus->segment.path, (unsigned long long)bytes,
                   (unsigned long long)bus->segment.bytes);
}

int sb_look_check(struct shmbus *bus)
{
    if (bus == NULL) {
        return sb_fail(-EINVAL, "the bus to look at is NULL");
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail_static(-SHMBUS_ERR_FORKED, bus->segment.name,
                              shmbus_strerror(SHMBUS_ERR_FORKED));
    }
    return check_length(bus);
}

int sb_stat_check(struct shmbus *bus, const void *ret)
{
    int r = sb_check_sized(ret, "statistics");

    return r < 0 ? r : sb_look_check(bus);
}

/* ---------------------------------------------------------------------------------- channels */

/* Handles, counters and high-water mark from the rows of the endpoints. */
static void add_endpoints(const struct sb_view *view, const struct sb_channel_view *ch,
                          struct shmbus_channel_stat *stat)
{
    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        const struct sb_endpoint *row = &ch->endpoints[i];
        uint64_t owner64 = sb_load_acquire(&row->w);
        uint64_t high = sb_load_relaxed(&row->depth_max);
        if (owner64 != 0 && sb_owner64_is_listed(view, owner64)) {
            uint64_t mode = sb_load_relaxed(&row->mode);
            stat->senders += (mode & SHMBUS_OPEN_SEND) != 0;
            stat->receivers += (mode & SHMBUS_OPEN_RECV) != 0;
        }
        stat->depth_max = high > stat->depth_max ? high : stat->depth_max;
        for (unsigned c = 0; c < SHMBUS_COUNTERS_MAX; c++) {
            stat->counters[c] += sb_load_relaxed(&row->counters[c]);
        }
    }
    /* Recovery sets messages aside, too, and has no row. */
    stat->counters[SHMBUS_COUNT_dead_lettered] = sb_load_relaxed(&ch->shared->dead_lettered);
    /* Whoever sets one aside throws away the oldest, in a queue of which it may have no handle. */
    stat->counters[SHMBUS_COUNT_dropped] += sb_load_relaxed(&ch->shared->letters_dropped);
}

/* A dead letter that waits for the receivers of this queue. */
static void add_letter(struct shmbus_channel_stat *stat, uint64_t stamp_ns, int64_t now_ns)
{
    int64_t age_ns = stamp_ns != 0 ? now_ns - (int64_t)stamp_ns : -1;

    stat->dead_letters++;
    if (age_ns > stat->letter_age_ns) {
        stat->letter_age_ns = age_ns;
    }
}

/* What the blocks say about one queue. */
static void add_blocks(const struct sb_view *view, uint32_t channel,
                       struct shmbus_channel_stat *stat)
{
    int64_t now_ns = sb_now_ns();

    for (uint32_t b = 0; b < view->blocks.count; b++) {
        struct sb_block_snapshot look;
        if (!sb_block_snapshot(&view->blocks, b, &look)) {
            continue;
        }
        if (sb_is_letter(view, &look)) {
            if (sb_waits_for(view, &look) == channel) {
                add_letter(stat, look.stamp_ns, now_ns);
            }
            stat->letters_kept += sb_hdr_state(look.hdr) == SB_BLOCK_DEAD_LETTER &&
                                  sb_loc_channel(look.loc) == channel;
        } else if (sb_loc_channel(look.loc) == channel) {
            stat->held += sb_hdr_state(look.hdr) == SB_BLOCK_RECEIVED ||
                          sb_hdr_state(look.hdr) == SB_BLOCK_EXCHANGED;
            stat->redeliverable += sb_hdr_state(look.hdr) == SB_BLOCK_ORPHAN;
        }
    }
}

/* What the cells say about one queue: its own, and those of which it is the dead-letter queue. */
static void add_cells(const struct sb_view *view, uint32_t channel,
                      struct shmbus_channel_stat *stat)
{
    int64_t now_ns = sb_now_ns();

    for (uint32_t c = 0; c < view->channel_count; c++) {
        const struct sb_channel_view *ch = &view->channels[c];
        uint64_t end = sb_cells_used(ch);
        if (c != channel && ch->dead_letter != channel) {
            continue;
        }
        for (uint64_t i = 0; i < end; i++) {
            const struct sb_cell *cell = sb_cell_at(ch, i);
            enum sb_block_state state = sb_hdr_state(sb_load_acquire(&cell->w));
            stat->held += c == channel && state == SB_BLOCK_RECEIVED;
            stat->redeliverable += c == channel && state == SB_BLOCK_ORPHAN;
            stat->letters_kept += c == channel && state == SB_BLOCK_DEAD_LETTER;
            if (c != channel && state == SB_BLOCK_DEAD_LETTER) {
                add_letter(stat, sb_load_relaxed(&cell->stamp_ns), now_ns);
            }
        }
    }
}

void sb_queue_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat)
{
    const struct sb_channel_view *ch = &view->channels[channel];

    stat->order = SHMBUS_ORDER_TOTAL;
    stat->capacity = 1ull << ch->depth_shift;
    stat->depth = sb_mpmc_depth(ch);
    add_blocks(view, channel, stat);
    add_cells(view, channel, stat);
}

void sb_lanes_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat)
{
    const struct sb_channel_view *ch = &view->channels[channel];

    stat->order = SHMBUS_ORDER_PRODUCER;
    stat->lanes = ch->lane_count;
    stat->lanes_used = sb_lane_used(ch);
    stat->capacity = (uint64_t)stat->lanes_used << ch->depth_shift;
    stat->depth = sb_lane_depth(ch);
    add_cells(view, channel, stat);
}

/* Its sender looks at the receiver's words, and writes its mark down, only when that may have risen
 * by a step. So the mark and a step is what was never exceeded; and it never falls. */
static uint64_t stream_high(const struct sb_channel_view *ch,
                            const struct shmbus_channel_stat *stat)
{
    uint64_t high = stat->depth_max + ch->ring_bytes / SB_SPSC_DEPTH_STEPS;

    if (stat->counters[SHMBUS_COUNT_sent] == 0) {
        return 0;
    }
    return high < ch->ring_bytes ? high : ch->ring_bytes;
}

void sb_stream_stat(const struct sb_view *view, uint32_t channel, struct shmbus_channel_stat *stat)
{
    const struct sb_channel_view *ch = &view->channels[channel];

    stat->capacity = ch->ring_bytes;
    stat->depth_max = stream_high(ch, stat);
    stat->depth = sb_spsc_depth(ch);
}

int shmbus_channel_stat(struct shmbus *bus, uint32_t index, struct shmbus_channel_stat *ret_stat)
{
    struct shmbus_channel_stat stat = {0};
    const struct sb_channel_view *ch;
    int result = sb_stat_check(bus, ret_stat);
    if (result < 0) {
        return result;
    }
    if (index >= bus->view.channel_count) {
        return sb_fail_static(-ENOENT, bus->segment.name, "no more channels");
    }
    ch = &bus->view.channels[index];
    if (!sb_channel_name(ch, stat.name)) {
        return sb_fail_static(-ENODATA, bus->segment.name, "spare channel without a name");
    }
    stat.letter_age_ns = -1;
    stat.kind = (enum shmbus_kind)ch->kind;
    stat.on_full = (enum shmbus_on_full)ch->on_full;
    stat.max_deliveries = ch->max_deliveries;
    if (ch->dead_letter < bus->view.channel_count) {
        sb_channel_name(&bus->view.channels[ch->dead_letter], stat.dead_letter);
    }
    add_endpoints(&bus->view, ch, &stat);
    sb_look_of(ch)->stat(&bus->view, index, &stat);
    sb_give(ret_stat, &stat, sizeof stat);
    return 0;
}

/* --------------------------------------------------------------------------------- processes */

static int64_t age_ns(const struct sb_proc *proc, const struct sb_here *here,
                      const sb_word *stamp_ns)
{
    return sb_age_ns(here, sb_load_relaxed(&proc->time_namespace),
                     (int64_t)sb_load_relaxed(&proc->clock_offset_ns),
                     (int64_t)sb_load_relaxed(stamp_ns));
}

static void add_identity(const struct sb_proc *proc, const struct sb_here *here,
                         struct shmbus_process_stat *stat)
{
    sb_name_load(proc->name, stat->name);
    stat->pid = (pid_t)(sb_load_relaxed(&proc->pid) & INT32_MAX);
    stat->pid_namespace = sb_load_relaxed(&proc->pid_namespace);
    stat->same_pid_namespace =
        here->pid_namespace != 0 && here->pid_namespace == stat->pid_namespace;
    stat->start_time_ticks = sb_load_relaxed(&proc->start_time_ticks);
    stat->uid = (uid_t)sb_load_relaxed(&proc->uid);
    stat->attached_age_ns = age_ns(proc, here, &proc->attached_ns);
    stat->heartbeat_age_ns = age_ns(proc, here, &proc->heartbeat_ns);
    stat->progress = sb_load_relaxed(&proc->progress);
}

/* Whether somebody stopped it is nobody's guess where its number means the same here. */
static bool is_stopped(const struct shmbus_process_stat *stat)
{
    char state = stat->same_pid_namespace ? sb_process_state(stat->pid, stat->start_time_ticks) : 0;
    return state == 'T' || state == 't';
}

static void add_hands(const struct sb_view *view, const struct sb_hands *hands,
                      struct shmbus_process_stat *stat)
{
    stat->held_blocks = hands->messages;
    stat->stock_blocks = hands->stock;
    stat->half_sent = (uint32_t)hands->half_sent;
    stat->regions_locked = hands->regions;
    stat->waiting_calls = hands->calls;
    if (hands->waits_in < view->channel_count) {
        sb_channel_name(&view->channels[hands->waits_in], stat->waits_in);
    }
    stat->handles = hands->handles;
}

/* What its handles have counted since they were opened. */
static void add_counters(const struct sb_view *view, uint64_t owner64,
                         struct shmbus_process_stat *stat)
{
    for (uint32_t c = 0; c < view->channel_count; c++) {
        const struct sb_channel_view *ch = &view->channels[c];
        for (uint32_t i = 0; i < ch->endpoint_count; i++) {
            const struct sb_endpoint *row = &ch->endpoints[i];
            if (sb_load_acquire(&row->w) != owner64) {
                continue;
            }
            for (unsigned k = 0; k < SHMBUS_COUNTERS_MAX; k++) {
                stat->counters[k] +=
                    sb_load_relaxed(&row->counters[k]) - sb_load_relaxed(&row->at_open[k]);
            }
        }
    }
}

int shmbus_process_stat(struct shmbus *bus, uint32_t index, struct shmbus_process_stat *ret_stat)
{
    struct shmbus_process_stat stat = {0};
    const struct sb_proc *proc;
    struct sb_here here;
    uint64_t w;
    int result = sb_stat_check(bus, ret_stat);
    if (result < 0) {
        return result;
    }
    if (index >= bus->view.process_count) {
        return sb_fail_static(-ENOENT, bus->segment.name, "no more process slots");
    }
    proc = &bus->view.processes[index];
    w = sb_load_acquire(&proc->w);
    if (sb_proc_state(w) == SB_PROC_ACTIVE) {
        struct sb_hands hands = sb_hands(&bus->view, index, w);
        here = sb_here();
        add_identity(proc, &here, &stat);
        stat.slot = index;
        stat.epoch = sb_proc_epoch(w);
        stat.life = sb_life(bus, index, w, &here, &hands);
        stat.stopped = stat.life != SHMBUS_LIFE_DEAD && is_stopped(&stat);
        add_counters(&bus->view, sb_owner64_make(index, stat.epoch), &stat);
        add_hands(&bus->view, &hands, &stat);
        sb_left_behind(&bus->view, w, &stat);
    }
    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_load_acquire(&proc->w) != w) {
        return sb_fail_static(-ENODATA, bus->segment.name, "free process slot");
    }
    sb_give(ret_stat, &stat, sizeof stat);
    return 0;
}

/* ------------------------------------------------------------------------ blocks and regions */

int shmbus_block_stat(struct shmbus *bus, uint32_t index, struct shmbus_block_stat *ret_stat)
{
    struct shmbus_block_stat stat = {0};
    struct sb_block_counts census = {0}, own = {0};
    const struct sb_class_view *cls;
    int result = sb_stat_check(bus, ret_stat);
    if (result < 0) {
        return result;
    }
    if (index >= bus->view.blocks.class_count) {
        return sb_fail_static(-ENOENT, bus->segment.name, "no more block classes");
    }
    cls = &bus->view.blocks.classes[index];
    for (uint32_t b = cls->first; b < cls->first + cls->count; b++) {
        struct sb_block_snapshot look;
        sb_block_snapshot(&bus->view.blocks, b,
                          &look); /* changing all the time: any state will do */
        sb_block_counts_add(&census, &bus->view, &look);
        if (b >= cls->common_end) {
            sb_block_counts_add(&own, &bus->view, &look);
        }
    }
    stat.common = sb_common_of(cls);
    stat.common_free = census.free - own.free;
    stat.size_bytes = cls->size_bytes;
    stat.count = cls->count;
    stat.free = census.free;
    stat.queued = census.queued;
    stat.held = census.held;
    stat.stock = census.stock;
    stat.redeliverable = census.redeliverable;
    stat.dead_letters = census.dead_letters;
    sb_give(ret_stat, &stat, sizeof stat);
    return 0;
}

int shmbus_region_stat(struct shmbus *bus, uint32_t index, struct shmbus_region_stat *ret_stat)
{
    struct shmbus_region_stat stat = {0};
    const struct sb_region_view *region;
    int result = sb_stat_check(bus, ret_stat);
    if (result < 0) {
        return result;
    }
    if (index >= bus->view.region_count) {
        return sb_fail_static(-ENOENT, bus->segment.name, "no more regions");
    }
    region = &bus->view.regions[index];
    sb_name_load(region->shared->name, stat.name);
    stat.bytes = region->bytes;
    stat.rollbacks = sb_load_acquire(&region->shared->rollbacks);
    stat.writes = sb_region_writes(region->shared);
    sb_give(ret_stat, &stat, sizeof stat);
    return 0;
}
