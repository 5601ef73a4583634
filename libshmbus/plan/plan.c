/* SPDX-License-Identifier: MIT */
/*
 * A plan filled: defaults, channels, regions, block classes. Whether it can be is plan_check.c, how
 * many blocks fit a budget plan_size.c, what programs see of it plan_opts.c.
 */
#include "plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "layout/bounds.h"
#include "layout/layout.h"
#include "layout/name.h"
#include "plan/kind_plan.h"

#define NS_PER_S 1000000000ll

void sb_plan_fill_defaults(struct shmbus_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    plan->mode = 0600;
    plan->group = (gid_t)-1;
    plan->processes = 64;
    plan->spare_channels = 16;
    plan->spare_depth = SB_DEPTH_DEFAULT;
    plan->heartbeat_interval_ns = 5 * NS_PER_S;
    plan->heartbeat_timeout_ns = 10 * NS_PER_S;
}

void shmbus_plan_free(struct shmbus_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->blocks);
    free(plan->channels);
    free(plan->regions);
    free(plan);
}

/* The array with room for one more element, or NULL. */
static void *grow(void *array, size_t count, size_t element_bytes)
{
    void *larger = reallocarray(array, count + 1, element_bytes);
    if (larger == NULL)
        sb_sentence("no memory for a plan");
    return larger;
}

struct sb_channel_plan *sb_plan_channel(const struct shmbus_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->channel_count; i++) {
        if (strncmp(plan->channels[i].name, name, SHMBUS_NAME_BYTES) == 0)
            return &plan->channels[i];
    }
    return NULL;
}

static int check_new_name(const char *what, const char *name)
{
    if (sb_name_is_valid(name))
        return 0;
    return sb_fail(
        -EINVAL,
        "\"%.*s\" is no valid %s name: use 1 to %d letters, digits, '.', '_' or '-', not "
        "starting with '.'",
        SHMBUS_NAME_BYTES, name, what, SHMBUS_NAME_BYTES - 1);
}

const struct sb_kind_plan *sb_plan_kind(const struct sb_channel_plan *channel)
{
    return sb_kind_row(sb_kind_of(channel->kind, channel->order == SHMBUS_ORDER_PRODUCER))->plan;
}

int sb_plan_settle_channel(struct sb_channel_plan *channel)
{
    if (channel->kind != 0 && !sb_kind_is_known(channel->kind)) {
        return sb_fail(-EINVAL, "channel \"%s\": kind %d is none of enum shmbus_kind",
                       channel->name, (int)channel->kind);
    }
    if ((unsigned)channel->timestamps > SHMBUS_SWITCH_OFF) {
        return sb_fail(-EINVAL, "channel \"%s\": timestamps %u is no enum shmbus_switch",
                       channel->name, (unsigned)channel->timestamps);
    }
    if (channel->kind == 0)
        channel->kind = SHMBUS_KIND_QUEUE;
    if (channel->order == 0)
        channel->order = SHMBUS_ORDER_TOTAL;
    if (channel->on_full == 0 && sb_plan_kind(channel)->always_blocks)
        channel->on_full = SHMBUS_FULL_BLOCK; /* that of a queue: see sb_plan_on_full() */
    sb_plan_kind(channel)->settle(channel);
    return 0;
}

int sb_plan_add_channel(struct shmbus_plan *plan, const struct sb_channel_plan *channel)
{
    struct sb_channel_plan added = *channel;
    int r = check_new_name("channel", added.name);
    if (r == 0)
        r = sb_plan_settle_channel(&added);
    if (r < 0)
        return r;
    if (sb_plan_channel(plan, added.name) != NULL)
        return sb_fail(-EEXIST, "channel \"%s\" is already in the plan", added.name);
    struct sb_channel_plan *channels = grow(plan->channels, plan->channel_count, sizeof *channels);
    if (channels == NULL)
        return -ENOMEM;
    plan->channels = channels;
    plan->channels[plan->channel_count++] = added;
    return 0;
}

int sb_plan_add_region(struct shmbus_plan *plan, const char *name, uint64_t bytes)
{
    if (plan == NULL || name == NULL)
        return sb_fail(-EINVAL, "the plan or the name is NULL");
    int r = check_new_name("region", name);
    if (r < 0)
        return r;
    if (bytes == 0 || bytes > SB_REGION_BYTES_MAX) {
        return sb_fail(-EINVAL, "region \"%s\": %" PRIu64 " bytes is not within 1 .. %llu", name,
                       bytes, SB_REGION_BYTES_MAX);
    }
    for (size_t i = 0; i < plan->region_count; i++) {
        if (strncmp(plan->regions[i].name, name, SHMBUS_NAME_BYTES) == 0)
            return sb_fail(-EEXIST, "region \"%s\" is already in the plan", name);
    }
    struct sb_region_plan *regions = grow(plan->regions, plan->region_count, sizeof *regions);
    if (regions == NULL)
        return -ENOMEM;
    plan->regions = regions;

    struct sb_region_plan *added = &plan->regions[plan->region_count++];
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, strlen(name) + 1);
    added->bytes = bytes;
    return 0;
}

/* Keeps the classes in ascending order. */
int sb_plan_add_blocks(struct shmbus_plan *plan, uint64_t size_bytes, uint64_t count)
{
    if (plan == NULL)
        return sb_fail(-EINVAL, "the plan is NULL");
    if (size_bytes == 0 || size_bytes > SB_BLOCK_BYTES_MAX) {
        return sb_fail(-EINVAL, "blocks of %" PRIu64 " bytes: the size must be within 1 .. %llu",
                       size_bytes, SB_BLOCK_BYTES_MAX);
    }
    if (count == 0 || count > SB_BLOCKS_MAX) {
        return sb_fail(-EINVAL,
                       "%" PRIu64 " blocks of %" PRIu64 " bytes: the count must be within "
                       "1 .. %u",
                       count, size_bytes, SB_BLOCKS_MAX);
    }
    size_t at = 0;
    while (at < plan->block_count &&
           sb_round_up(plan->blocks[at].size_bytes, SB_LINE) < sb_round_up(size_bytes, SB_LINE))
        at++;
    if (at < plan->block_count &&
        sb_round_up(plan->blocks[at].size_bytes, SB_LINE) == sb_round_up(size_bytes, SB_LINE)) {
        return sb_fail(-EEXIST,
                       "blocks of %" PRIu64 " and of %" PRIu64 " bytes are the same class: sizes "
                       "are rounded up to %u; add up their counts",
                       plan->blocks[at].size_bytes, size_bytes, SB_LINE);
    }
    if (plan->block_count >= SHMBUS_BLOCK_CLASSES_MAX)
        return sb_fail(-EINVAL, "more than %d block classes", SHMBUS_BLOCK_CLASSES_MAX);
    struct sb_block_plan *blocks = grow(plan->blocks, plan->block_count, sizeof *blocks);
    if (blocks == NULL)
        return -ENOMEM;
    plan->blocks = blocks;

    memmove(&blocks[at + 1], &blocks[at], (plan->block_count - at) * sizeof *blocks);
    blocks[at] = (struct sb_block_plan){size_bytes, count};
    plan->block_count++;
    plan->fit_blocks = false;
    return 0;
}

enum shmbus_on_full sb_plan_on_full(const struct shmbus_plan *plan,
                                    const struct sb_channel_plan *channel)
{
    if (channel->on_full != 0)
        return channel->on_full;
    for (size_t i = 0; i < plan->channel_count; i++) {
        if (strncmp(plan->channels[i].dead_letter, channel->name, SHMBUS_NAME_BYTES) == 0)
            return SHMBUS_FULL_DROP_OLDEST;
    }
    return SHMBUS_FULL_BLOCK;
}

uint32_t sb_plan_share(uint32_t share)
{
    return share != 0 ? share : 1;
}

uint64_t sb_cell_bytes(uint64_t message_bytes)
{
    return sb_round_up(sizeof(struct sb_cell) + message_bytes, SB_LINE);
}
