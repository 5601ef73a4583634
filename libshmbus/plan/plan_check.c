/* SPDX-License-Identifier: MIT */
/*
 * Whether a plan can be: every limit that needs no geometry, with a sentence that names the option.
 */
#include "plan/plan_check.h"

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

static int bad(const char *option, const char *why)
{
    return sb_fail(-SHMBUS_ERR_CONFIG, "%s: %s", option, why);
}

static int validate_limits(const struct shmbus_plan *plan)
{
    if ((plan->mode & ~(mode_t)0666) != 0 || (plan->mode & 0600) != 0600) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "mode: 0%o is not possible: the owner needs read and write, nobody execute; "
                       "use 0600, 0660 or 0666",
                       (unsigned)plan->mode);
    }
    if (plan->processes == 0 || plan->processes > SHMBUS_PROCESSES_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "processes: %u is not within 1 .. %d", plan->processes,
                       SHMBUS_PROCESSES_MAX);
    }
    if (plan->spare_channels > 0 && (plan->spare_depth == 0 || plan->spare_depth > SB_DEPTH_MAX)) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "spare depth: %u is not within 1 .. %u",
                       plan->spare_depth, SB_DEPTH_MAX);
    }
    if (plan->heartbeat_interval_ns <= 0)
        return bad("heartbeat interval", "must be above zero");
    if (plan->heartbeat_timeout_ns < plan->heartbeat_interval_ns)
        return bad("heartbeat timeout", "must not be shorter than the heartbeat interval");
    if (plan->name[0] != '\0' && !sb_name_is_valid(plan->name))
        return bad("bus", "the name is not valid");
    if (plan->region_count > SHMBUS_REGIONS_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "regions: %zu are more than %d", plan->region_count,
                       SHMBUS_REGIONS_MAX);
    }
    if (plan->channel_count > SHMBUS_CHANNELS_MAX ||
        plan->spare_channels > SHMBUS_CHANNELS_MAX - plan->channel_count) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channels: %zu and %u spare channels are more than %d in all; lower spare",
                       plan->channel_count, plan->spare_channels, SHMBUS_CHANNELS_MAX);
    }
    return 0;
}

static bool needs_blocks(const struct shmbus_plan *plan)
{
    for (size_t i = 0; i < plan->channel_count; i++) {
        if (plan->channels[i].kind == SHMBUS_KIND_QUEUE)
            return true;
    }
    return plan->spare_channels > 0;
}

static int validate_blocks(const struct shmbus_plan *plan)
{
    uint64_t total = 0, previous = 0;

    if (plan->block_count == 0 && needs_blocks(plan))
        return bad("blocks", "queues need at least one block class");
    if (plan->block_count > SHMBUS_BLOCK_CLASSES_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "blocks: %zu classes are more than %d",
                       plan->block_count, SHMBUS_BLOCK_CLASSES_MAX);
    }
    for (size_t i = 0; i < plan->block_count; i++) {
        const struct sb_block_plan *b = &plan->blocks[i];
        if (b->size_bytes == 0 || b->size_bytes > SB_BLOCK_BYTES_MAX) {
            return sb_fail(-SHMBUS_ERR_CONFIG, "blocks: size %" PRIu64 " is not within 1 .. %llu",
                           b->size_bytes, SB_BLOCK_BYTES_MAX);
        }
        if (sb_round_up(b->size_bytes, SB_LINE) <= previous) {
            return sb_fail(-SHMBUS_ERR_CONFIG,
                           "blocks: size %" PRIu64 " must be above the size before it (sizes are "
                           "rounded up to %u)",
                           b->size_bytes, SB_LINE);
        }
        if (b->count == 0 || b->count > SB_BLOCKS_MAX - total) {
            return sb_fail(-SHMBUS_ERR_CONFIG,
                           "blocks: count %" PRIu64 " of size %" PRIu64 " is zero or makes more "
                           "than %u in all",
                           b->count, b->size_bytes, SB_BLOCKS_MAX);
        }
        previous = sb_round_up(b->size_bytes, SB_LINE);
        total += b->count;
    }
    return 0;
}

static int validate_dead_letter(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    const char *name = c->name, *target_name = c->dead_letter;

    if (c->max_deliveries > SB_DELIVERIES_LIMIT_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": max_deliveries %u is above %u", name,
                       c->max_deliveries, SB_DELIVERIES_LIMIT_MAX);
    }
    if (c->max_deliveries > 0 && target_name[0] == '\0') {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": max_deliveries needs a queue for what exceeds it; add "
                       "`dead_letter: %.36s.dead`",
                       name, name);
    }
    if (target_name[0] == '\0')
        return 0;
    if (!sb_name_is_valid(target_name))
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": dead_letter is no valid name", name);
    if (c->max_deliveries == 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": dead_letter is never used without max_deliveries; add "
                       "`max_deliveries: 5` or remove it",
                       name);
    }
    const struct sb_channel_plan *target = sb_plan_channel(plan, target_name);
    if (target == NULL || target->kind != SHMBUS_KIND_QUEUE || target == c) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": dead_letter \"%s\" must be another queue of the plan", name,
                       target_name);
    }
    if (target->order == SHMBUS_ORDER_PRODUCER) {
        return sb_fail(
            -SHMBUS_ERR_CONFIG,
            "channel \"%s\": dead_letter \"%s\" has `order: producer`; dead letters need "
            "`order: total`",
            name, target_name);
    }
    if (target->dead_letter[0] != '\0') {
        return sb_fail(
            -SHMBUS_ERR_CONFIG,
            "channel \"%s\": dead_letter \"%s\" has a dead_letter itself; remove that one", name,
            target_name);
    }
    return 0;
}

/* The largest message of a queue whose messages lie in blocks, and its own blocks. */
static int validate_message(const struct shmbus_plan *plan, const char *name,
                            uint64_t message_bytes, uint32_t share)
{
    uint64_t largest = plan->blocks[plan->block_count - 1].size_bytes;

    if (message_bytes > sb_round_up(largest, SB_LINE)) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": message_bytes %" PRIu64
                       " is above the largest block, %" PRIu64 "; add larger `blocks`",
                       name, message_bytes, largest);
    }
    if (share > SB_SHARE_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": share %u is not within 1 .. %u", name,
                       share, SB_SHARE_MAX);
    }
    return 0;
}

/* What depends on the order a queue keeps. */
static int validate_order(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    switch ((int)c->order) {
    case SHMBUS_ORDER_PRODUCER:
        break;
    case 0:
    case SHMBUS_ORDER_TOTAL:
        if (c->producers == 0)
            return validate_message(plan, c->name, c->message_bytes, c->share);
        return sb_fail(
            -SHMBUS_ERR_CONFIG,
            "channel \"%s\": producers is for a queue with `order: producer`; add that or "
            "remove it",
            c->name);
    default:
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": order %d is unknown", c->name,
                       (int)c->order);
    }
    if (c->message_bytes == 0 || c->message_bytes > SB_LANE_MESSAGE_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": message_bytes %" PRIu64 " is not within 1 .. %llu", c->name,
                       c->message_bytes, SB_LANE_MESSAGE_MAX);
    }
    if (c->producers == 0 || c->producers > SB_LANES_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": producers %u is not within 1 .. %u",
                       c->name, c->producers, SB_LANES_MAX);
    }
    if (c->share != 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": share is for a queue whose messages lie in blocks; with "
                       "`order: producer` all cells are the queue's own: remove it",
                       c->name);
    }
    return 0;
}

int sb_plan_validate_queue(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    if (c->depth == 0 || c->depth > SB_DEPTH_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": depth %u is not within 1 .. %u",
                       c->name, c->depth, SB_DEPTH_MAX);
    }
    switch ((int)c->on_full) {
    case 0:
    case SHMBUS_FULL_BLOCK:
    case SHMBUS_FULL_REJECT:
    case SHMBUS_FULL_DROP_OLDEST:
        break;
    default:
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": on_full %d is unknown", c->name,
                       (int)c->on_full);
    }
    int r = validate_order(plan, c);
    return r < 0 ? r : validate_dead_letter(plan, c);
}

int sb_plan_validate_stream(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    (void)plan;
    if (c->bytes < SB_STREAM_BYTES_MIN || c->bytes > SB_STREAM_BYTES_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": bytes %" PRIu64 " is not within %llu .. %llu", c->name,
                       c->bytes, SB_STREAM_BYTES_MIN, SB_STREAM_BYTES_MAX);
    }
    if (c->on_full != SHMBUS_FULL_BLOCK)
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": a stream blocks; remove on_full",
                       c->name);
    if (c->order == SHMBUS_ORDER_PRODUCER || c->message_bytes != 0 || c->producers != 0 ||
        c->share != 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": a stream has one producer, its order and no blocks; remove "
                       "order, message_bytes, producers and share, or make it a queue",
                       c->name);
    }
    if (c->max_deliveries != 0 || c->dead_letter[0] != '\0') {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel \"%s\": a stream has no dead letters; remove max_deliveries and "
                       "dead_letter, or make it a queue",
                       c->name);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strncmp(*(const char *const *)a, *(const char *const *)b, SHMBUS_NAME_BYTES);
}

/* Sorted, because four thousand names compared pairwise would be noticed. */
static int validate_names(const char *what, const char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sb_name_is_valid(names[i])) {
            return sb_fail(-SHMBUS_ERR_CONFIG, "%s \"%.*s\": the name is not valid", what,
                           SHMBUS_NAME_BYTES, names[i]);
        }
    }
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&names[i - 1], &names[i]) == 0)
            return sb_fail(-SHMBUS_ERR_CONFIG, "%s \"%s\" is there twice", what, names[i]);
    }
    return 0;
}

static int validate_all_names(const struct shmbus_plan *plan)
{
    size_t most =
        plan->channel_count > plan->region_count ? plan->channel_count : plan->region_count;
    const char **names = calloc(most + 1, sizeof *names);
    if (names == NULL)
        return sb_fail(-ENOMEM, "no memory to check a plan");

    for (size_t i = 0; i < plan->channel_count; i++)
        names[i] = plan->channels[i].name;
    int r = validate_names("channel", names, plan->channel_count);
    if (r == 0) {
        for (size_t i = 0; i < plan->region_count; i++)
            names[i] = plan->regions[i].name;
        r = validate_names("region", names, plan->region_count);
    }
    free(names);
    return r;
}

static int validate_channel(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    if (c->endpoints > SB_ENDPOINTS_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": endpoints %u is above %u", c->name,
                       c->endpoints, SB_ENDPOINTS_MAX);
    }
    if (!sb_kind_is_known(c->kind)) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel \"%s\": kind %d is unknown", c->name,
                       (int)c->kind);
    }
    return sb_plan_kind(c)->validate(plan, c);
}

int sb_plan_validate(const struct shmbus_plan *plan)
{
    int r = validate_limits(plan);
    if (r == 0)
        r = validate_blocks(plan);
    if (r == 0)
        r = validate_all_names(plan);
    if (r == 0 && plan->spare_channels > 0)
        r = validate_message(plan, "spare", plan->spare_message_bytes, plan->spare_share);
    for (size_t i = 0; r == 0 && i < plan->channel_count; i++)
        r = validate_channel(plan, &plan->channels[i]);
    for (size_t i = 0; r == 0 && i < plan->region_count; i++) {
        const struct sb_region_plan *region = &plan->regions[i];
        if (region->bytes == 0 || region->bytes > SB_REGION_BYTES_MAX) {
            r = sb_fail(-SHMBUS_ERR_CONFIG,
                        "region \"%s\": %" PRIu64 " bytes is not within 1 .. %llu", region->name,
                        region->bytes, SB_REGION_BYTES_MAX);
        }
    }
    return r;
}
