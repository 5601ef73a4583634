/* SPDX-License-Identifier: MIT */
/*
 * The plan as programs see it: structs of options in, structs of options out. What a plan really is
 * (plan.h) nobody outside knows, so that it can grow.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/sized.h"
#include "plan/plan.h"
#include "plan/plan_size.h"

#define MEMORY_MIN_BYTES (1ull << 20)

/* The caller's name into ours; NULL leaves what is there. */
static int take_name(char ret_name[SHMBUS_NAME_BYTES], const char *name, const char *call,
                     const char *what)
{
    size_t length = name == NULL ? 0 : strnlen(name, SHMBUS_NAME_BYTES);

    if (length == SHMBUS_NAME_BYTES) {
        return sb_fail(-EINVAL, "%s: %s \"%.60s\" is longer than %d characters", call, what, name,
                       SHMBUS_NAME_BYTES - 1);
    }
    if (name != NULL) {
        memmove(ret_name, name, length + 1); /* may be what is there */
    }
    return 0;
}

static const char *name_or_null(const char *name)
{
    return name[0] != '\0' ? name : NULL;
}

/* Numbers of which 0 leaves what is there. */
#define TAKE(to, from, member)                                                                     \
    do {                                                                                           \
        if ((from)->member != 0) {                                                                 \
            (to)->member = (from)->member;                                                         \
        }                                                                                          \
    } while (0)

/* -------------------------------------------------------------------------- the plan as a whole */

int shmbus_plan_new(uint64_t memory_bytes, struct shmbus_plan **ret_plan)
{
    if (ret_plan == NULL)
        return sb_fail(-EINVAL, "ret_plan is NULL");
    if (memory_bytes != 0 && memory_bytes < MEMORY_MIN_BYTES) {
        return sb_fail(-EINVAL, "a memory budget of %" PRIu64 " bytes is under the least, %llu",
                       memory_bytes, MEMORY_MIN_BYTES);
    }
    struct shmbus_plan *plan = malloc(sizeof *plan);
    if (plan == NULL)
        return sb_fail(-ENOMEM, "no memory for a plan");

    sb_plan_fill_defaults(plan);
    int r = memory_bytes == 0 ? sb_plan_add_built_in_blocks(plan)
                              : sb_plan_size_blocks(plan, memory_bytes);
    if (r < 0) {
        shmbus_plan_free(plan);
        return r;
    }
    *ret_plan = plan;
    return 0;
}

static void take_plan(struct shmbus_plan *plan, const struct shmbus_plan_opts *o)
{
    TAKE(plan, o, mode);
    TAKE(plan, o, processes);
    TAKE(plan, o, spare_channels);
    TAKE(plan, o, spare_depth);
    TAKE(plan, o, spare_share);
    TAKE(plan, o, spare_message_bytes);
    TAKE(plan, o, heartbeat_interval_ns);
    TAKE(plan, o, heartbeat_timeout_ns);
    if (o->spare_channels == SHMBUS_SPARE_NONE) {
        plan->spare_channels = 0;
    }
    if (o->group != 0) {
        plan->group = o->group == SHMBUS_GROUP_ROOT ? 0 : o->group;
    }
    if (o->core != SHMBUS_SWITCH_DEFAULT) {
        plan->core = o->core == SHMBUS_SWITCH_ON;
    }
}

int shmbus_plan_set(struct shmbus_plan *plan, const struct shmbus_plan_opts *opts)
{
    struct shmbus_plan_opts o;
    int r;

    if (plan == NULL || opts == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_set: the plan or the options are NULL");
    }
    r = sb_take_opts(&o, sizeof o, opts, "shmbus_plan_set");
    if (r == 0) {
        r = sb_check_reserved(o.reserved_, "shmbus_plan_set");
    }
    if (r == 0 && o.core > SHMBUS_SWITCH_OFF) {
        r = sb_fail(-EINVAL, "shmbus_plan_set: core %u is no enum shmbus_switch", o.core);
    }
    if (r == 0) {
        r = take_name(plan->name, o.name, "shmbus_plan_set", "the name");
    }
    if (r == 0) {
        take_plan(plan, &o);
    }
    return r;
}

int shmbus_plan_get(const struct shmbus_plan *plan, struct shmbus_plan_opts *ret_opts)
{
    struct shmbus_plan_opts o = {0};
    int r;

    if (plan == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_get: the plan is NULL");
    }
    r = sb_check_sized(ret_opts, "shmbus_plan_get");
    if (r < 0) {
        return r;
    }
    o.name = name_or_null(plan->name);
    o.mode = plan->mode;
    o.group = plan->group == (gid_t)-1 ? 0 : plan->group == 0 ? SHMBUS_GROUP_ROOT : plan->group;
    o.processes = plan->processes;
    o.spare_channels = plan->spare_channels == 0 ? SHMBUS_SPARE_NONE : plan->spare_channels;
    o.spare_depth = plan->spare_depth;
    o.spare_share = plan->spare_share;
    o.spare_message_bytes = plan->spare_message_bytes;
    o.heartbeat_interval_ns = plan->heartbeat_interval_ns;
    o.heartbeat_timeout_ns = plan->heartbeat_timeout_ns;
    o.core = plan->core ? SHMBUS_SWITCH_ON : SHMBUS_SWITCH_OFF;
    sb_give(ret_opts, &o, sizeof o);
    return 0;
}

/* ------------------------------------------------------------------------------------- channels */

/* What @opts say, on top of what is in @channel. */
static int take_channel(struct sb_channel_plan *channel, const struct shmbus_channel_opts *opts,
                        const char *call)
{
    struct shmbus_channel_opts o;
    int r = sb_take_opts(&o, sizeof o, opts, call);

    if (r == 0) {
        r = sb_check_reserved(o.reserved_, call);
    }
    if (r == 0) {
        r = take_name(channel->dead_letter, o.dead_letter, call, "dead_letter");
    }
    if (r < 0) {
        return r;
    }
    TAKE(channel, &o, kind);
    TAKE(channel, &o, depth);
    TAKE(channel, &o, bytes);
    TAKE(channel, &o, on_full);
    TAKE(channel, &o, order);
    TAKE(channel, &o, max_deliveries);
    TAKE(channel, &o, endpoints);
    TAKE(channel, &o, message_bytes);
    TAKE(channel, &o, producers);
    TAKE(channel, &o, share);
    TAKE(channel, &o, timestamps);
    return 0;
}

int shmbus_plan_add_channel(struct shmbus_plan *plan, const char *name,
                            const struct shmbus_channel_opts *opts)
{
    struct sb_channel_plan channel = {0};
    int r;

    if (plan == NULL || name == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_add_channel: the plan or the name is NULL");
    }
    r = take_name(channel.name, name, "shmbus_plan_add_channel", "the name");
    if (r == 0) {
        r = take_channel(&channel, opts, "shmbus_plan_add_channel");
    }
    return r == 0 ? sb_plan_add_channel(plan, &channel) : r;
}

int shmbus_plan_set_channel(struct shmbus_plan *plan, const char *name,
                            const struct shmbus_channel_opts *opts)
{
    struct sb_channel_plan *there, changed;
    int r;

    if (plan == NULL || name == NULL || opts == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_set_channel: an argument is NULL");
    }
    there = sb_plan_channel(plan, name);
    if (there == NULL) {
        return sb_fail(-ENOENT, "channel \"%.60s\" is not in the plan", name);
    }
    changed = *there;
    r = take_channel(&changed, opts, "shmbus_plan_set_channel");
    if (r == 0) {
        r = sb_plan_settle_channel(&changed);
    }
    if (r == 0) {
        *there = changed;
    }
    return r;
}

static struct shmbus_channel_opts channel_opts_of(const struct sb_channel_plan *channel)
{
    return (struct shmbus_channel_opts){
        .kind = channel->kind,
        .depth = channel->depth,
        .bytes = channel->bytes,
        .on_full = channel->on_full,
        .order = channel->order,
        .dead_letter = name_or_null(channel->dead_letter),
        .max_deliveries = channel->max_deliveries,
        .endpoints = channel->endpoints,
        .message_bytes = channel->message_bytes,
        .producers = channel->producers,
        .share = channel->share,
        .timestamps = channel->timestamps,
    };
}

/* Whether item @index can be handed out: 0, -ENOENT, -EINVAL. */
static int check_get(const struct shmbus_plan *plan, uint32_t index, size_t count,
                     const void *ret_opts, const char *call)
{
    if (plan == NULL) {
        return sb_fail(-EINVAL, "%s: the plan is NULL", call);
    }
    if (index >= count) {
        return sb_fail_static(-ENOENT, "the plan", "no more of them");
    }
    return ret_opts != NULL ? sb_check_sized(ret_opts, call) : 0;
}

int shmbus_plan_get_channel(const struct shmbus_plan *plan, uint32_t index, const char **ret_name,
                            struct shmbus_channel_opts *ret_opts)
{
    int r = check_get(plan, index, plan != NULL ? plan->channel_count : 0, ret_opts,
                      "shmbus_plan_get_channel");

    if (r < 0) {
        return r;
    }
    if (ret_opts != NULL) {
        struct shmbus_channel_opts o = channel_opts_of(&plan->channels[index]);
        sb_give(ret_opts, &o, sizeof o);
    }
    if (ret_name != NULL) {
        *ret_name = plan->channels[index].name;
    }
    return 0;
}

/* --------------------------------------------------------------------------- regions and blocks */

int shmbus_plan_add_region(struct shmbus_plan *plan, const char *name,
                           const struct shmbus_region_opts *opts)
{
    struct shmbus_region_opts o;
    int r;

    if (opts == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_add_region: the options are NULL: bytes is needed");
    }
    r = sb_take_opts(&o, sizeof o, opts, "shmbus_plan_add_region");
    return r == 0 ? sb_plan_add_region(plan, name, o.bytes) : r;
}

int shmbus_plan_get_region(const struct shmbus_plan *plan, uint32_t index, const char **ret_name,
                           struct shmbus_region_opts *ret_opts)
{
    int r = check_get(plan, index, plan != NULL ? plan->region_count : 0, ret_opts,
                      "shmbus_plan_get_region");

    if (r < 0) {
        return r;
    }
    if (ret_opts != NULL) {
        struct shmbus_region_opts o = {.bytes = plan->regions[index].bytes};
        sb_give(ret_opts, &o, sizeof o);
    }
    if (ret_name != NULL) {
        *ret_name = plan->regions[index].name;
    }
    return 0;
}

int shmbus_plan_add_blocks(struct shmbus_plan *plan, const struct shmbus_block_opts *opts)
{
    struct shmbus_block_opts o;
    int r;

    if (opts == NULL) {
        return sb_fail(-EINVAL,
                       "shmbus_plan_add_blocks: the options are NULL: size and count are needed");
    }
    r = sb_take_opts(&o, sizeof o, opts, "shmbus_plan_add_blocks");
    return r == 0 ? sb_plan_add_blocks(plan, o.size_bytes, o.count) : r;
}

int shmbus_plan_get_blocks(const struct shmbus_plan *plan, uint32_t index,
                           struct shmbus_block_opts *ret_opts)
{
    struct shmbus_block_opts o = {0};
    int r = check_get(plan, index, plan != NULL ? plan->block_count : 0, NULL,
                      "shmbus_plan_get_blocks");

    if (r == 0) {
        r = sb_check_sized(ret_opts, "shmbus_plan_get_blocks");
    }
    if (r < 0) {
        return r;
    }
    o.size_bytes = plan->blocks[index].size_bytes;
    o.count = plan->blocks[index].count;
    sb_give(ret_opts, &o, sizeof o);
    return 0;
}

int shmbus_plan_clear_blocks(struct shmbus_plan *plan)
{
    if (plan == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_clear_blocks: the plan is NULL");
    }
    plan->block_count = 0;
    plan->fit_blocks = false;
    return 0;
}
