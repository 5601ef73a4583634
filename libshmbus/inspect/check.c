/* SPDX-License-Identifier: MIT */
/*
 * The health check: everything that can be found out by looking. A state that is wrong only for an
 * instant while others work (a block between two owners, a hint that lags) is looked at again
 * before it is reported.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/sized.h"
#include "inspect/census.h"
#include "inspect/check.h"
#include "inspect/check_limits.h"
#include "inspect/check_process.h"
#include "inspect/finding.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/lanes_inspect.h"
#include "inspect/standstill.h"
#include "inspect/stat.h"
#include "layout/geometry.h"
#include "layout/name.h"

#define LOOKS 3u         /* a suspicion is reported if it is seen this many times */
#define FULL_PERCENT 90u /* of a channel, and of the file system */
#define USED_PERCENT 100u
#define FREE_BYTES_LOW (16u << 20)

/* ------------------------------------------------------------------------------ file and bus */

static void check_file(struct check *check)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    if (shmbus_bus_stat(check->bus, &stat) < 0) {
        return;
    }
    if (stat.unlinked && stat.other_uuid[0] != '\0') {
        cure(check, "restart the processes that use this one (shmbusctl ps lists those of the "
                    "other); they find the other one then");
        found(check, SHMBUS_SEVERITY_WARNING,
              "%.120s was replaced by another bus of that name (uuid %s); this one (uuid %s) goes "
              "on among those who have it, and nobody new can join",
              stat.path, stat.other_uuid, stat.uuid);
    } else if (stat.unlinked) {
        cure(check, "restart the processes that use it, unless it was removed on purpose");
        found(check, SHMBUS_SEVERITY_WARNING,
              "%.120s was removed (uuid %s, inode %" PRIu64
              "): it goes on among those who have it, and nobody new can join",
              stat.path, stat.uuid, stat.inode);
    }
    if ((stat.mode & S_IWOTH) != 0) {
        cure(check, "chmod o-rwx %s; for several users set mode 0660 and a group in the plan",
             stat.path);
        found(check, SHMBUS_SEVERITY_WARNING,
              "every user of this machine may write to the segment (%04o)", (unsigned)stat.mode);
    }
    if (stat.shutting_down) {
        cure(check, "wait until the others are gone; shmbus_shutdown(bus, false) calls it off");
        found(check, SHMBUS_SEVERITY_NOTE, "the bus is shutting down: sends are refused");
    }
}

static void check_space(struct check *check)
{
    struct statvfs fs;
    uint64_t total, available;
    if (statvfs(check->bus->segment.path, &fs) != 0 || fs.f_blocks == 0) {
        return;
    }
    total = (uint64_t)fs.f_blocks * fs.f_frsize;
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (available / (100 - FULL_PERCENT) < total / 100 && available < FREE_BYTES_LOW) {
        cure(check, "remove files there or enlarge it: mount -o remount,size=SIZE DIRECTORY");
        found(check, SHMBUS_SEVERITY_NOTE,
              "the file system of the segment has only %" PRIu64 " KiB left: creating a bus may "
              "fail (this one is safe, its memory is reserved)",
              available / 1024);
    }
}

/* ---------------------------------------------------------------------------------- channels */

/* The slot @i tickets behind the head: between EMPTY of that lap and what may have been sent
 * meanwhile. */
static bool slot_is_possible(const struct sb_view *view, const struct sb_channel_view *ch,
                             uint64_t i)
{
    for (unsigned n = 0; n < LOOKS; n++) {
        uint64_t head = sb_load_acquire(&ch->shared->head);
        uint64_t ticket = head + i;
        uint64_t slot = sb_load_acquire(&ch->slots[sb_slot_index(ticket, ch->depth_shift)]);
        int64_t ahead =
            sb_lap_distance(sb_slot_lap(slot), sb_lap_of(ticket, ch->depth_shift), ch->depth_shift);
        uint32_t block = sb_slot_block(slot);
        bool good =
            ahead >= 0 && ahead <= 2 && (block == SB_SLOT_EMPTY || block < view->blocks.count);
        if (good || sb_load_acquire(&ch->shared->head) != head) {
            return true; /* or it moves, and so do the numbers */
        }
    }
    return false;
}

void sb_queue_check(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint64_t damaged = 0;
    for (uint64_t i = 0; i < 1ull << ch->depth_shift; i++) {
        damaged += !slot_is_possible(&check->bus->view, ch, i);
    }
    if (damaged > 0) {
        cure(check, "stop its users and create the bus again: shmbusctl rm %s", bus_name(check));
        found(check, SHMBUS_SEVERITY_CRITICAL,
              "queue \"%s\" has %" PRIu64 " slots with impossible contents", name, damaged);
    }
}

void sb_stream_check(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    for (unsigned n = 0; n < LOOKS; n++) {
        uint64_t acked = sb_load_acquire(&ch->shared->acked);
        uint64_t tail = sb_load_relaxed(&ch->shared->tail_hint);
        uint64_t room = sb_load_relaxed(&ch->shared->room);
        bool good = ((acked | tail | room) & 7u) == 0 &&
                    (int64_t)(tail - acked) <= (int64_t)ch->ring_bytes &&
                    acked - room <= ch->ring_bytes;
        if (good || sb_load_acquire(&ch->shared->acked) != acked) {
            return;
        }
    }
    cure(check, "stop its users and create the bus again: shmbusctl rm %s", bus_name(check));
    found(check, SHMBUS_SEVERITY_CRITICAL, "stream \"%s\" has impossible positions", name);
}

static void check_cells(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint64_t end = sb_cells_used(ch), damaged = 0, leaked = 0;
    for (uint64_t i = 0; i < end; i++) {
        damaged += !sb_cell_is_possible(ch, i);
        leaked += sb_cell_is_leaked(&check->bus->view, ch, i);
    }
    if (damaged > 0) {
        cure(check, "stop its users and create the bus again: shmbusctl rm %s", bus_name(check));
        found(check, SHMBUS_SEVERITY_CRITICAL,
              "queue \"%s\" has %" PRIu64 " cells with impossible contents", name, damaged);
    }
    if (leaked > 0) {
        cure(check, "shmbusctl reclaim %s; if they stay, create the bus again", bus_name(check));
        found(check, SHMBUS_SEVERITY_CRITICAL,
              "queue \"%s\": %" PRIu64 " received messages are held by no process", name, leaked);
    }
}

static bool is_nearly_full(const struct check *check, uint64_t depth, uint64_t capacity)
{
    return is_at_limit(check->limits.full_percent, depth, capacity);
}

/* "lane 2 of NAME (slot 5)", "lane 2 of nobody" */
static void name_lane(const struct check *check, const struct sb_channel_view *ch, uint32_t lane,
                      char ret_text[TEXT_BYTES])
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    uint64_t owner64 = sb_load_acquire(&ch->lanes[lane].owner);
    if (owner64 == 0 || shmbus_process_stat(check->bus, sb_owner64_slot(owner64), &stat) < 0) {
        snprintf(ret_text, TEXT_BYTES, "lane %" PRIu32 " of nobody", lane);
        return;
    }
    snprintf(ret_text, TEXT_BYTES, "lane %" PRIu32 " of %s (slot %" PRIu32 ")", lane, stat.name,
             stat.slot);
}

/* Its dead letters give way to a producer who finds it full: see ring_lanes.c, D2. */
static bool gives_way(const struct check *check, const struct sb_channel_view *ch, uint32_t lane)
{
    const struct sb_view *view = &check->bus->view;
    uint64_t first = (uint64_t)lane << ch->depth_shift;

    if (ch->dead_letter >= view->channel_count ||
        view->channels[ch->dead_letter].on_full != SHMBUS_FULL_DROP_OLDEST) {
        return false;
    }
    for (uint64_t i = first; i < first + (1ull << ch->depth_shift); i++) {
        if (sb_hdr_state(sb_load_acquire(&sb_cell_at(ch, i)->w)) == SB_BLOCK_DEAD_LETTER) {
            return true;
        }
    }
    return false;
}

/* A producer waits, and not because its messages do. */
static void check_held_lane(struct check *check, const struct sb_channel_view *ch, uint32_t lane,
                            const char *lane_name, const char *name)
{
    uint64_t capacity = (uint64_t)sb_lane_used(ch) << ch->depth_shift;
    uint32_t index = (uint32_t)(ch - check->bus->view.channels);
    char who[SB_CENSUS_BYTES];

    if (is_nearly_full(check, sb_lane_depth(ch), capacity) || gives_way(check, ch, lane)) {
        return; /* check_waiting() tells */
    }
    sb_census_of_lane(&check->bus->view, index, lane, who);
    cure(check, "let those who hold them go on, and receive the dead letters");
    found(check, SHMBUS_SEVERITY_WARNING,
          "queue \"%s\": %.200s is full, but not of what waits: of its cells %s", name, lane_name,
          who);
}

/* One producer waits while others have room; all of them: check_waiting(). */
static void check_full_lanes(struct check *check, const struct sb_channel_view *ch,
                             const char *name)
{
    uint32_t used = sb_lane_used(ch), full = 0, first = 0;
    char lane_name[TEXT_BYTES];
    for (uint32_t i = used; i > 0; i--) {
        if (sb_lane_is_full(ch, i - 1)) {
            first = i - 1;
            full++;
        }
    }
    if (full == 0) {
        return;
    }
    name_lane(check, ch, first, lane_name);
    if (full == used) {
        check_held_lane(check, ch, first, lane_name, name);
        return;
    }
    cure(check,
         "let producers of %s send at the same rate, start more receivers, or give it more "
         "depth in the plan",
         name);
    found(check, SHMBUS_SEVERITY_WARNING,
          "queue \"%s\": %" PRIu32 " of %" PRIu32 " lanes are full, the others have room: %.200s",
          name, full, used, lane_name);
}

void sb_lanes_check(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint32_t leaked = 0;
    for (uint32_t i = 0; i < ch->lane_count; i++) {
        leaked += sb_lane_is_leaked(&check->bus->view, ch, i);
    }
    if (leaked > 0) {
        cure(check, "create the bus again if producers find no lane: shmbusctl rm %s",
             bus_name(check));
        found(check, SHMBUS_SEVERITY_CRITICAL,
              "queue \"%s\": %" PRIu32 " of %" PRIu32 " lanes belong to no process", name, leaked,
              ch->lane_count);
    }
    check_cells(check, ch, name);
    check_full_lanes(check, ch, name);
}

/* ", set aside by tasks (5), jobs (2)": which queues have set messages aside for this one. */
static void name_origins(const struct check *check, const char *letters, char ret_text[TEXT_BYTES])
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};
    size_t used = 0;

    ret_text[0] = '\0';
    for (uint32_t i = 0; i < check->bus->view.channel_count && used < TEXT_BYTES / 2; i++) {
        if (shmbus_channel_stat(check->bus, i, &stat) == 0 &&
            strcmp(stat.dead_letter, letters) == 0 &&
            stat.counters[SHMBUS_COUNT_dead_lettered] > 0) {
            used += (size_t)snprintf(
                ret_text + used, TEXT_BYTES - used, "%s%s (%" PRIu64 "%s)",
                used == 0 ? "; set aside so far by " : ", ", stat.name,
                stat.counters[SHMBUS_COUNT_dead_lettered],
                stat.letters_kept > 0 ? ", some of which it still has: there is no room here" : "");
        }
    }
}

static void check_letters(struct check *check, const struct shmbus_channel_stat *stat)
{
    char age[64] = "", origins[TEXT_BYTES];

    if (stat->letter_age_ns >= 0) {
        snprintf(age, sizeof age, ", the oldest sent %.0f s ago",
                 (double)stat->letter_age_ns / 1e9);
    }
    name_origins(check, stat->name, origins);
    cure(check, "look at them with shmbusctl peek %s %s and take them with shmbusctl recv",
         bus_name(check), stat->name);
    found(check, SHMBUS_SEVERITY_WARNING, "queue \"%s\": %" PRIu64 " dead letters wait%s%.200s",
          stat->name, stat->dead_letters, age, origins);
}

static void check_waiting(struct check *check, const struct shmbus_channel_stat *stat)
{
    if (stat->redeliverable > 0 && stat->receivers == 0) {
        cure(check, "start a receiver of %s", stat->name);
        found(check, SHMBUS_SEVERITY_WARNING,
              "queue \"%s\": %" PRIu64 " messages wait to be delivered again and nobody receives",
              stat->name, stat->redeliverable);
    }
    if (stat->dead_letters > 0 && stat->dead_letters >= check->limits.dead_letters) {
        check_letters(check, stat);
    }
    /* One that drops its oldest is full by design, and one that rejects tells its senders. */
    if (stat->on_full != SHMBUS_FULL_DROP_OLDEST &&
        is_nearly_full(check, stat->depth, stat->capacity)) {
        cure(check,
             stat->receivers == 0 ? "start a receiver of %s"
                                  : "start more receivers of %s, or give it more room in the plan",
             stat->name);
        found(check,
              stat->on_full == SHMBUS_FULL_REJECT && stat->receivers > 0 ? SHMBUS_SEVERITY_NOTE
                                                                         : SHMBUS_SEVERITY_WARNING,
              "%s \"%s\" is %.0f %% full, %" PRIu32 " receivers", sb_kind_name(stat->kind),
              stat->name, 100.0 * (double)stat->depth / (double)stat->capacity, stat->receivers);
    }
}

static void check_channel(struct check *check, uint32_t index)
{
    const struct sb_channel_view *ch = &check->bus->view.channels[index];
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};
    if (shmbus_channel_stat(check->bus, index, &stat) < 0) {
        return;
    }
    check_waiting(check, &stat);
    sb_look_of(ch)->check(check, ch, stat.name);
}

/* ------------------------------------------------------------------------------------ blocks */

/* Whether nobody will ever give this block back: its owner is no incarnation in the table. */
static bool is_leaked(const struct sb_view *view, uint32_t block)
{
    for (unsigned n = 0; n < LOOKS; n++) {
        struct sb_block_snapshot look;
        enum sb_block_state state;
        if (!sb_block_snapshot(&view->blocks, block, &look)) {
            return false;
        }
        state = sb_hdr_state(look.hdr);
        if (state == SB_BLOCK_FREE || state == SB_BLOCK_ORPHAN || state == SB_BLOCK_DEAD_LETTER ||
            sb_owner_is_listed(view, sb_hdr_owner(look.hdr))) {
            return state > SB_BLOCK_EXCHANGED;
        }
        if ((state == SB_BLOCK_QUEUED || state == SB_BLOCK_FORWARDED) &&
            sb_block_is_in_slot(view, &look, block)) {
            return false;
        }
    }
    return true;
}

/* Whether the block is free and the bitmap does not say so, for longer than a free takes. */
static bool is_hidden(const struct sb_class_view *cls, uint32_t block)
{
    uint32_t at = block - cls->first;
    uint64_t hdr = sb_load_acquire(&sb_block_in(cls, block)->hdr);
    for (unsigned n = 0; n < LOOKS; n++) {
        if (sb_hdr_state(hdr) != SB_BLOCK_FREE ||
            (sb_load_acquire(&cls->bitmap[at / 64]) >> (at % 64) & 1u) != 0 ||
            sb_load_acquire(&sb_block_in(cls, block)->hdr) != hdr) {
            return false;
        }
    }
    return true;
}

/* What is common is used up; what is left belongs to single queues. */
static void check_common(struct check *check, const struct shmbus_block_stat *stat, const char *who)
{
    uint64_t own = stat->count - stat->common;

    if (stat->common == 0 || stat->common_free > 0) {
        return;
    }
    cure(check, "let those who have them go on or receive, or raise the count of that class in the "
                "plan");
    found(check, SHMBUS_SEVERITY_NOTE,
          "none of the %" PRIu64 " common blocks of %" PRIu64
          " bytes is free: %s; queues live on their shares, of which %" PRIu64 " of %" PRIu64
          " blocks are in use",
          stat->common, stat->size_bytes, who, own - stat->free, own);
}

static void check_exhausted(struct check *check, uint32_t index)
{
    struct shmbus_block_stat stat = {.struct_bytes = sizeof stat}, larger = stat;
    char who[SB_CENSUS_BYTES];
    bool other = false;
    if (shmbus_block_stat(check->bus, index, &stat) < 0 || stat.common_free > 0) {
        return;
    }
    sb_census_of_blocks(&check->bus->view, index, SB_NONE, who);
    if (stat.free > 0) {
        check_common(check, &stat, who);
        return;
    }
    for (uint32_t i = index + 1; !other && shmbus_block_stat(check->bus, i, &larger) == 0; i++) {
        other = larger.free > 0;
    }
    cure(check, "let those who have them go on or receive, or raise the count of that class in the "
                "plan; shmbusctl stats --blocks counts them");
    found(check, other || stat.stock > 0 ? SHMBUS_SEVERITY_NOTE : SHMBUS_SEVERITY_WARNING,
          "none of the %" PRIu64 " blocks of %" PRIu64 " bytes is free%s%s", stat.count,
          stat.size_bytes, stat.common < stat.count ? ", of the common ones " : ": ", who);
}

static void check_class(struct check *check, uint32_t index)
{
    const struct sb_class_view *cls = &check->bus->view.blocks.classes[index];
    uint64_t leaked = 0, hidden = 0;
    for (uint32_t b = cls->first; b < cls->first + cls->count; b++) {
        leaked += is_leaked(&check->bus->view, b);
        hidden += is_hidden(cls, b);
    }
    if (leaked > 0) {
        cure(check, "shmbusctl reclaim %s; if they stay, create the bus again", bus_name(check));
        found(check, SHMBUS_SEVERITY_CRITICAL,
              "%" PRIu64 " blocks of %" PRIu64 " bytes belong to no process and lie in no queue",
              leaked, cls->size_bytes);
    }
    if (hidden > 0) {
        cure(check, "none needed: the next recovery makes them known again");
        found(check, SHMBUS_SEVERITY_NOTE,
              "%" PRIu64 " free blocks of %" PRIu64 " bytes are not on offer", hidden,
              cls->size_bytes);
    }
    check_exhausted(check, index);
}

/* ----------------------------------------------------------------------------------- regions */

static void check_region(struct check *check, uint32_t index)
{
    const struct sb_region *region = check->bus->view.regions[index].shared;
    char name[SHMBUS_NAME_BYTES];
    for (unsigned n = 0; n < LOOKS; n++) {
        uint64_t version = sb_load_acquire(&region->version);
        uint64_t holder = sb_load_acquire(&region->lock);
        if ((holder == 0 && version % 2 == 0) ||
            (holder != 0 && !sb_bus_owner64_is_dead(check->bus, holder)) ||
            sb_load_acquire(&region->version) != version ||
            sb_load_acquire(&region->lock) != holder) {
            return;
        }
    }
    sb_name_load(region->name, name);
    cure(check, "shmbusctl reclaim %s, or any read or write of the region", bus_name(check));
    found(check, SHMBUS_SEVERITY_WARNING,
          "region \"%s\": a process died while it was writing there", name);
}

/* A name without its directory would be another bus. */
static void set_name(struct check *check)
{
    const struct sb_segment *segment = &check->bus->segment;
    const char *file = strrchr(segment->path, '/');
    int dir_bytes = file != NULL ? (int)(file - segment->path) : 0;
    bool is_default = dir_bytes == (int)strlen(SHMBUS_DIR_DEFAULT) &&
                      strncmp(segment->path, SHMBUS_DIR_DEFAULT, (size_t)dir_bytes) == 0;

    if (is_default) {
        snprintf(check->name, sizeof check->name, "%s", segment->name);
    } else {
        snprintf(check->name, sizeof check->name, "%.*s/%s", dir_bytes, segment->path,
                 segment->name);
    }
}

static void check_standstill(struct check *check)
{
    char who[SB_STANDSTILL_BYTES];
    uint32_t n = sb_standstill(&check->bus->view, who);

    if (n == 0) {
        return;
    }
    cure(check, "let one of them give up: send with a timeout, or release what it holds before it "
                "sends; stopping and starting one ends this time only");
    found(check, SHMBUS_SEVERITY_WARNING,
          n == 1 ? "%" PRIu32 " living process waits for what nobody gives back: %s"
                 : "%" PRIu32 " living processes wait for each other: %s",
          n, who);
}

static uint32_t limit(uint32_t wanted, uint32_t usual)
{
    return wanted == 0 ? usual : wanted;
}

static int take_limits(const struct shmbus_check_opts *opts, struct shmbus_check_opts *ret)
{
    int r = sb_take_opts(ret, sizeof *ret, opts, "shmbus_check_with");

    if (r < 0) {
        return r;
    }
    ret->full_percent = limit(ret->full_percent, FULL_PERCENT);
    ret->used_percent = limit(ret->used_percent, USED_PERCENT);
    ret->dead_letters = limit(ret->dead_letters, 1);
    if ((ret->full_percent > 100 && ret->full_percent != SHMBUS_CHECK_NEVER) ||
        (ret->used_percent > 100 && ret->used_percent != SHMBUS_CHECK_NEVER)) {
        return sb_fail(-EINVAL,
                       "shmbus_check_with: %" PRIu32 " %% is no limit: 1 .. 100, or "
                       "SHMBUS_CHECK_NEVER",
                       ret->full_percent > 100 ? ret->full_percent : ret->used_percent);
    }
    return 0;
}

int shmbus_check(struct shmbus *bus, shmbus_finding_fn each, void *context)
{
    return shmbus_check_with(bus, NULL, each, context);
}

int shmbus_check_with(struct shmbus *bus, const struct shmbus_check_opts *opts,
                      shmbus_finding_fn each, void *context)
{
    struct check check = {.bus = bus, .each = each, .context = context};
    int result = sb_look_check(bus);
    int state;
    if (result == 0) {
        result = take_limits(opts, &check.limits);
    }
    if (result < 0) {
        return result;
    }
    if (each == NULL) {
        return sb_fail(-EINVAL, "the check needs a function to call for each finding");
    }
    state = sb_cancel_off();
    set_name(&check);
    check_file(&check);
    sb_check_boot(&check);
    check_space(&check);
    sb_check_processes(&check);
    sb_check_limits(&check);
    for (uint32_t i = 0; i < bus->view.channel_count; i++) {
        check_channel(&check, i);
    }
    check_standstill(&check);
    for (uint32_t i = 0; i < bus->view.blocks.class_count; i++) {
        check_class(&check, i);
    }
    for (uint32_t i = 0; i < bus->view.region_count; i++) {
        check_region(&check, i);
    }
    sb_cancel_back(state);
    return check.bad;
}
