/* SPDX-License-Identifier: MIT */
/*
 * From a plan to a geometry: sizes rounded, dead letters resolved, blocks shared out.
 */
#include "plan/plan_geometry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/sized.h"
#include "layout/bounds.h"
#include "plan/kind_plan.h"
#include "plan/plan.h"
#include "plan/plan_check.h"

#define FIT_COMMON 2u /* blocks that are common where the library fits their number */

static int by_size(const void *a, const void *b)
{
    const struct sb_class_geometry *x = a, *y = b;

    return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static int take_classes(struct sb_geometry *g, const struct shmbus_plan *plan)
{
    for (uint32_t i = 0; i < g->class_count; i++) {
        g->classes[i].size_bytes = sb_round_up(plan->blocks[i].size_bytes, SB_LINE);
        g->classes[i].count = plan->blocks[i].count;
    }
    qsort(g->classes, g->class_count, sizeof g->classes[0], by_size);
    for (uint32_t i = 1; i < g->class_count; i++) {
        if (g->classes[i].size_bytes == g->classes[i - 1].size_bytes) {
            return sb_fail(-SHMBUS_ERR_CONFIG,
                           "blocks: size %" PRIu64 " is there twice (sizes are rounded up to %u)",
                           g->classes[i].size_bytes, SB_LINE);
        }
    }
    return 0;
}

static uint32_t channel_index(const struct shmbus_plan *plan, const char *name)
{
    const struct sb_channel_plan *found = name[0] == '\0' ? NULL : sb_plan_channel(plan, name);

    return found == NULL ? SB_NONE : (uint32_t)(found - plan->channels);
}

static void take_channel(const struct shmbus_plan *plan, const struct sb_channel_plan *from,
                         struct sb_channel_geometry *to)
{
    memcpy(to->name, from->name, sizeof to->name);
    to->kind = from->kind;
    to->on_full = sb_plan_on_full(plan, from);
    to->max_deliveries = from->max_deliveries;
    to->dead_letter = channel_index(plan, from->dead_letter);
    to->endpoints = from->endpoints != 0 ? from->endpoints : 2 * plan->processes;
    to->flags = from->timestamps == SHMBUS_SWITCH_ON ? SB_CHANNEL_TIMESTAMPS : 0;
    to->flags |= from->name[0] == '\0' ? SB_CHANNEL_SPARE : 0;
    sb_plan_kind(from)->take(from, to);
}

/* A queue that is alone has all blocks to itself. */
static void share_nothing_if_alone(struct sb_geometry *g)
{
    struct sb_channel_geometry *last = NULL;
    uint32_t queues = 0;

    for (uint32_t i = 0; i < g->channel_count; i++) {
        if (sb_geometry_uses_blocks(&g->channels[i])) {
            last = &g->channels[i];
            queues++;
        }
    }
    if (queues == 1)
        last->share = 0;
}

/* Blocks that the library chose are as many as the shares need, and two common ones. */
static void fit_blocks(struct sb_geometry *g)
{
    uint64_t own[SHMBUS_BLOCK_CLASSES_MAX] = {0};

    sb_geometry_choose_classes(g);
    for (uint32_t i = 0; i < g->channel_count; i++)
        own[g->channels[i].own_class] += g->channels[i].share;
    for (uint32_t c = 0; c < g->class_count; c++) {
        if (own[c] > 0 && g->classes[c].count < own[c] + FIT_COMMON)
            g->classes[c].count = own[c] + FIT_COMMON;
    }
}

static int share_blocks(struct sb_geometry *g, bool fit)
{
    uint32_t c;
    uint64_t total = 0;

    share_nothing_if_alone(g);
    if (fit)
        fit_blocks(g);
    c = sb_geometry_share(g);
    if (c != SB_NONE) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "blocks: %" PRIu64 " of %" PRIu64 " bytes are fewer than the blocks that "
                       "queues have for themselves (each 1, or its `share`, large enough for its "
                       "largest message); raise that count, lower the number of `spare` queues, or "
                       "give queues `message_bytes`",
                       g->classes[c].count, g->classes[c].size_bytes);
    }
    for (uint32_t i = 0; i < g->class_count; i++)
        total += g->classes[i].count;
    if (total > SB_BLOCKS_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "blocks: with those of the queues' shares there are more than %u in all",
                       SB_BLOCKS_MAX);
    }
    return 0;
}

static void take_channels(struct sb_geometry *g, const struct shmbus_plan *plan)
{
    const struct sb_channel_plan spare = {
        .kind = SHMBUS_KIND_QUEUE,
        .depth = plan->spare_depth,
        .on_full = SHMBUS_FULL_BLOCK,
        .message_bytes = plan->spare_message_bytes,
        .share = plan->spare_share,
    };

    for (uint32_t i = 0; i < g->channel_count; i++) {
        bool is_named = i < plan->channel_count;
        take_channel(plan, is_named ? &plan->channels[i] : &spare, &g->channels[i]);
    }
}

static void take_regions(struct sb_geometry *g, const struct shmbus_plan *plan)
{
    for (uint32_t i = 0; i < g->region_count; i++) {
        const struct sb_region_plan *region = &plan->regions[i];
        memcpy(g->regions[i].name, region->name, sizeof g->regions[i].name);
        g->regions[i].bytes = region->bytes;
    }
}

static int take_plan(struct sb_geometry *g, const struct shmbus_plan *plan)
{
    g->processes = plan->processes;
    g->class_count = (uint32_t)plan->block_count;
    g->channel_count = (uint32_t)plan->channel_count + plan->spare_channels;
    g->region_count = (uint32_t)plan->region_count;
    g->heartbeat_interval_ns = plan->heartbeat_interval_ns;
    g->heartbeat_timeout_ns = plan->heartbeat_timeout_ns;
    g->core = plan->core;

    int r = sb_geometry_alloc(g);
    if (r == 0)
        r = take_classes(g, plan);
    if (r < 0)
        return r;
    take_channels(g, plan);
    take_regions(g, plan);
    r = share_blocks(g, plan->fit_blocks);
    if (r < 0)
        return r;
    if (!sb_geometry_place(g)) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "the segment would be larger than %llu bytes; lower blocks, channels or "
                       "regions",
                       SB_SEGMENT_MAX);
    }
    return 0;
}

int sb_geometry_from_plan(const struct shmbus_plan *plan, struct sb_geometry **ret)
{
    int r = sb_plan_validate(plan);
    if (r < 0)
        return r;
    struct sb_geometry *g = calloc(1, sizeof *g);
    if (g == NULL)
        return sb_fail(-ENOMEM, "no memory for the tables of a segment");
    r = take_plan(g, plan);
    if (r < 0) {
        sb_geometry_free(g);
        return r;
    }
    *ret = g;
    return 0;
}

int shmbus_plan_block_stat(const struct shmbus_plan *plan, uint32_t index,
                           struct shmbus_block_stat *ret_stat)
{
    struct shmbus_block_stat stat = {0};
    struct sb_geometry *g;

    if (plan == NULL)
        return sb_fail(-EINVAL, "the plan is NULL");
    int r = sb_check_sized(ret_stat, "shmbus_plan_block_stat");
    if (r < 0)
        return r;
    r = sb_geometry_from_plan(plan, &g);
    if (r < 0)
        return r;
    if (index < g->class_count) {
        stat.size_bytes = g->classes[index].size_bytes;
        stat.count = stat.free = g->classes[index].count;
        stat.common = stat.common_free = g->classes[index].common;
        sb_give(ret_stat, &stat, sizeof stat);
    } else {
        r = sb_fail_static(-ENOENT, "the plan", "no more block classes");
    }
    sb_geometry_free(g);
    return r;
}

int shmbus_plan_check(const struct shmbus_plan *plan, uint64_t *ret_bytes)
{
    struct sb_geometry *g;

    if (plan == NULL)
        return sb_fail(-EINVAL, "the plan is NULL");
    int r = sb_geometry_from_plan(plan, &g);
    if (r < 0)
        return r;
    if (ret_bytes != NULL)
        *ret_bytes = g->segment_bytes;
    sb_geometry_free(g);
    return 0;
}
