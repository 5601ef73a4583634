/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "layout/bounds.h"
#include "layout/layout.h"
#include "layout/name.h"
#include "plan/kind_plan.h"

#define NS_PER_S 1000000000ll
#define MEMORY_MIN_BYTES (1ull << 20)
#define REGION_OFFSET_UNIT 64u

/* About 43 MiB of blocks; the tables and sixteen spare queues make it 44. Of the largest each queue
 * has one for itself, see geometry.c. config/default.yaml says the same in words. */
static const struct sb_block_plan built_in_blocks[] = {
    {64, 16384}, {256, 16384}, {4096, 1024}, {65536, 128}, {1048576, 24},
};
enum { BUILT_IN_CLASSES = sizeof built_in_blocks / sizeof built_in_blocks[0] };

#define COMMON_MIN 2u /* blocks of a class that is there at all */

/* A class never gets more than this: the sum of all must fit the 24 bits of a ring slot. */
#define CLASS_COUNT_MAX (SB_BLOCKS_MAX / (BUILT_IN_CLASSES + 1))

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t power_of_two_above(uint64_t value)
{
    uint64_t power = 1;
    while (power < value)
        power <<= 1;
    return power;
}

/* --------------------------------------------------------------------------- making and filling */

static void fill_defaults(struct shmbus_plan *plan)
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

static int add_built_in_blocks(struct shmbus_plan *plan)
{
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        int r = sb_plan_add_blocks(plan, built_in_blocks[i].size_bytes, built_in_blocks[i].count);
        if (r < 0)
            return r;
    }
    plan->fit_blocks = true;
    return 0;
}

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

    fill_defaults(plan);
    int r = memory_bytes == 0 ? add_built_in_blocks(plan) : sb_plan_size_blocks(plan, memory_bytes);
    if (r < 0) {
        shmbus_plan_free(plan);
        return r;
    }
    *ret_plan = plan;
    return 0;
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
    return sb_fail(-EINVAL,
                   "`%.*s` is no valid %s name: use 1 to %d letters, digits, '.', '_' or '-', not "
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
        return sb_fail(-EINVAL, "channel `%s`: kind %d is none of enum shmbus_kind", channel->name,
                       (int)channel->kind);
    }
    if ((unsigned)channel->timestamps > SHMBUS_SWITCH_OFF) {
        return sb_fail(-EINVAL, "channel `%s`: timestamps %u is no enum shmbus_switch",
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
        return sb_fail(-EEXIST, "channel `%s` is already in the plan", added.name);
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
        return sb_fail(-EINVAL, "region `%s`: %" PRIu64 " bytes is not within 1 .. %llu", name,
                       bytes, SB_REGION_BYTES_MAX);
    }
    for (size_t i = 0; i < plan->region_count; i++) {
        if (strncmp(plan->regions[i].name, name, SHMBUS_NAME_BYTES) == 0)
            return sb_fail(-EEXIST, "region `%s` is already in the plan", name);
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
           round_up(plan->blocks[at].size_bytes, SB_LINE) < round_up(size_bytes, SB_LINE))
        at++;
    if (at < plan->block_count &&
        round_up(plan->blocks[at].size_bytes, SB_LINE) == round_up(size_bytes, SB_LINE)) {
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

/* -------------------------------------------------------------------------------------- sizing */

/* A block with its header and its bit in the bitmap. */
static uint64_t block_cost(uint64_t size_bytes)
{
    return round_up(size_bytes, SB_LINE) + sizeof(struct sb_block) + 1;
}

/* What each channel has, of whatever kind. */
static uint64_t channel_cost(const struct shmbus_plan *plan, uint32_t endpoints)
{
    uint64_t rows = endpoints != 0 ? endpoints : 2ull * plan->processes;
    return sizeof(struct sb_channel) + rows * sizeof(struct sb_endpoint);
}

uint32_t sb_plan_share(uint32_t share)
{
    return share != 0 ? share : 1;
}

uint64_t sb_cell_bytes(uint64_t message_bytes)
{
    return round_up(sizeof(struct sb_cell) + message_bytes, SB_LINE);
}

/* What the segment needs beside the blocks. */
static uint64_t fixed_cost(const struct shmbus_plan *plan)
{
    uint64_t sum = sizeof(struct sb_super) + plan->processes * sizeof(struct sb_proc);
    sum += plan->spare_channels *
           (channel_cost(plan, 0) + power_of_two_above(plan->spare_depth) * sizeof(sb_word));
    for (size_t i = 0; i < plan->channel_count; i++) {
        const struct sb_channel_plan *channel = &plan->channels[i];
        sum += channel_cost(plan, channel->endpoints) + sb_plan_kind(channel)->cost(channel);
    }
    for (size_t i = 0; i < plan->region_count; i++)
        sum += sizeof(struct sb_region) + 2 * round_up(plan->regions[i].bytes, REGION_OFFSET_UNIT);
    return sum;
}

/* The class of the built-in plan that a queue's own blocks are of, if @top is the largest. */
static size_t built_in_class(uint64_t message_bytes, size_t top)
{
    size_t i = 0;

    while (i < top && (message_bytes == 0 || built_in_blocks[i].size_bytes < message_bytes))
        i++;
    return i;
}

/* The least a class is good for: what queues have to themselves, and two common ones. */
static uint64_t least_of(const struct shmbus_plan *plan, size_t cls, size_t top)
{
    uint64_t least = COMMON_MIN;

    for (size_t i = 0; i < plan->channel_count; i++) {
        const struct sb_channel_plan *c = &plan->channels[i];
        if (c->kind == SHMBUS_KIND_QUEUE && c->order != SHMBUS_ORDER_PRODUCER &&
            built_in_class(c->message_bytes, top) == cls)
            least += sb_plan_share(c->share);
    }
    if (built_in_class(plan->spare_message_bytes, top) == cls)
        least += (uint64_t)plan->spare_channels * sb_plan_share(plan->spare_share);
    return least;
}

/* Whether class @top may be the largest: the least of it leaves enough for the smaller ones. */
static bool may_be_largest(const struct shmbus_plan *plan, size_t top, uint64_t bytes)
{
    uint64_t cost = block_cost(built_in_blocks[top].size_bytes);

    return top == 0 || least_of(plan, top, top) <= bytes / 8 * 5 / cost;
}

/* The parts of the classes are those of the built-in plan. The largest class is the largest of
 * which there is the least it is good for. What a class cannot use goes to the next smaller one,
 * and what exceeds the limit of a small class goes to the next larger one. */
static void share_out(const struct shmbus_plan *plan, uint64_t bytes,
                      uint64_t ret_counts[BUILT_IN_CLASSES])
{
    uint64_t share[BUILT_IN_CLASSES];
    uint64_t whole = 0, first;
    size_t top = BUILT_IN_CLASSES - 1;

    while (!may_be_largest(plan, top, bytes))
        top--;
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        share[i] = built_in_blocks[i].count * block_cost(built_in_blocks[i].size_bytes);
        whole += share[i];
    }
    first = least_of(plan, top, top) * block_cost(built_in_blocks[top].size_bytes);
    if ((double)bytes * (double)share[top] / (double)whole >= (double)first)
        first = 0; /* it gets more anyway */
    else
        whole -= share[top];
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        share[i] = i == top && first > 0
                       ? first
                       : (uint64_t)((double)(bytes - first) * (double)share[i] / (double)whole);
    }
    for (size_t i = BUILT_IN_CLASSES - 1; i > 0; i--) {
        uint64_t cost = block_cost(built_in_blocks[i].size_bytes);
        bool is_kept = i <= top && share[i] >= least_of(plan, i, top) * cost;
        uint64_t unused = is_kept ? share[i] % cost : share[i];
        share[i] -= unused;
        share[i - 1] += unused;
    }
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        uint64_t cost = block_cost(built_in_blocks[i].size_bytes);
        ret_counts[i] = share[i] / cost < CLASS_COUNT_MAX ? share[i] / cost : CLASS_COUNT_MAX;
        if (i + 1 < BUILT_IN_CLASSES && ret_counts[i] == CLASS_COUNT_MAX)
            share[i + 1] += share[i] - CLASS_COUNT_MAX * cost;
    }
}

/* Spare queues have a share of the largest blocks: rather fewer of them than no large blocks. */
static void spare_for_large(struct shmbus_plan *plan, uint64_t memory_bytes)
{
    uint32_t wanted = plan->spare_channels;

    while (fixed_cost(plan) < memory_bytes &&
           !may_be_largest(plan, BUILT_IN_CLASSES - 1, memory_bytes - fixed_cost(plan))) {
        if (plan->spare_channels <= 2) { /* in vain */
            plan->spare_channels = wanted;
            return;
        }
        plan->spare_channels /= 2;
    }
}

int sb_plan_size_blocks(struct shmbus_plan *plan, uint64_t memory_bytes)
{
    uint64_t counts[BUILT_IN_CLASSES];

    /* The spare queues are a convenience; a small segment has fewer of them. */
    while (plan->spare_channels > 2 && fixed_cost(plan) > memory_bytes / 4)
        plan->spare_channels /= 2;
    spare_for_large(plan, memory_bytes);
    uint64_t fixed = fixed_cost(plan);
    if (fixed > memory_bytes / 4 * 3) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "memory of %" PRIu64 " bytes is too small: the tables, channels and regions "
                       "need %" PRIu64
                       " of it and leave too little for blocks; raise memory to %" PRIu64,
                       memory_bytes, fixed, fixed * 4 / 3 + 1);
    }
    share_out(plan, memory_bytes - fixed, counts);
    plan->block_count = 0;
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        if (counts[i] == 0)
            continue;
        int r = sb_plan_add_blocks(plan, built_in_blocks[i].size_bytes, counts[i]);
        if (r < 0)
            return r;
    }
    plan->fit_blocks = true;
    return 0;
}

/* ---------------------------------------------------------------------------------- validation */

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
        if (round_up(b->size_bytes, SB_LINE) <= previous) {
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
        previous = round_up(b->size_bytes, SB_LINE);
        total += b->count;
    }
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

static int validate_dead_letter(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    const char *name = c->name, *target_name = c->dead_letter;

    if (c->max_deliveries > SB_DELIVERIES_LIMIT_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: max_deliveries %u is above %u", name,
                       c->max_deliveries, SB_DELIVERIES_LIMIT_MAX);
    }
    if (c->max_deliveries > 0 && target_name[0] == '\0') {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: max_deliveries needs a queue for what exceeds it; add "
                       "`dead_letter: %.36s.dead`",
                       name, name);
    }
    if (target_name[0] == '\0')
        return 0;
    if (!sb_name_is_valid(target_name))
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: dead_letter is no valid name", name);
    if (c->max_deliveries == 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: dead_letter is never used without max_deliveries; add "
                       "`max_deliveries: 5` or remove it",
                       name);
    }
    const struct sb_channel_plan *target = sb_plan_channel(plan, target_name);
    if (target == NULL || target->kind != SHMBUS_KIND_QUEUE || target == c) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: dead_letter `%s` must be another queue of the plan", name,
                       target_name);
    }
    if (target->order == SHMBUS_ORDER_PRODUCER) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: dead_letter `%s` has `order: producer`; dead letters need "
                       "`order: total`",
                       name, target_name);
    }
    if (target->dead_letter[0] != '\0') {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: dead_letter `%s` has a dead_letter itself; remove that one",
                       name, target_name);
    }
    return 0;
}

/* The largest message of a queue whose messages lie in blocks, and its own blocks. */
static int validate_message(const struct shmbus_plan *plan, const char *name,
                            uint64_t message_bytes, uint32_t share)
{
    uint64_t largest = plan->blocks[plan->block_count - 1].size_bytes;

    if (message_bytes > round_up(largest, SB_LINE)) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: message_bytes %" PRIu64
                       " is above the largest block, %" PRIu64 "; add larger `blocks`",
                       name, message_bytes, largest);
    }
    if (share > SB_SHARE_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: share %u is not within 1 .. %u", name,
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
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: producers is for a queue with `order: producer`; add that or "
                       "remove it",
                       c->name);
    default:
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: order %d is unknown", c->name,
                       (int)c->order);
    }
    if (c->message_bytes == 0 || c->message_bytes > SB_LANE_MESSAGE_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: message_bytes %" PRIu64 " is not within 1 .. %llu", c->name,
                       c->message_bytes, SB_LANE_MESSAGE_MAX);
    }
    if (c->producers == 0 || c->producers > SB_LANES_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: producers %u is not within 1 .. %u",
                       c->name, c->producers, SB_LANES_MAX);
    }
    if (c->share != 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: share is for a queue whose messages lie in blocks; with "
                       "`order: producer` all cells are the queue's own: remove it",
                       c->name);
    }
    return 0;
}

int sb_plan_validate_queue(const struct shmbus_plan *plan, const struct sb_channel_plan *c)
{
    if (c->depth == 0 || c->depth > SB_DEPTH_MAX) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: depth %u is not within 1 .. %u", c->name,
                       c->depth, SB_DEPTH_MAX);
    }
    switch ((int)c->on_full) {
    case 0:
    case SHMBUS_FULL_BLOCK:
    case SHMBUS_FULL_REJECT:
    case SHMBUS_FULL_DROP_OLDEST:
        break;
    default:
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: on_full %d is unknown", c->name,
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
                       "channel `%s`: bytes %" PRIu64 " is not within %llu .. %llu", c->name,
                       c->bytes, SB_STREAM_BYTES_MIN, SB_STREAM_BYTES_MAX);
    }
    if (c->on_full != SHMBUS_FULL_BLOCK)
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: a stream blocks; remove on_full",
                       c->name);
    if (c->order == SHMBUS_ORDER_PRODUCER || c->message_bytes != 0 || c->producers != 0 ||
        c->share != 0) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: a stream has one producer, its order and no blocks; remove "
                       "order, message_bytes, producers and share, or make it a queue",
                       c->name);
    }
    if (c->max_deliveries != 0 || c->dead_letter[0] != '\0') {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "channel `%s`: a stream has no dead letters; remove max_deliveries and "
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
            return sb_fail(-SHMBUS_ERR_CONFIG, "%s `%.*s`: the name is not valid", what,
                           SHMBUS_NAME_BYTES, names[i]);
        }
    }
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&names[i - 1], &names[i]) == 0)
            return sb_fail(-SHMBUS_ERR_CONFIG, "%s `%s` is there twice", what, names[i]);
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
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: endpoints %u is above %u", c->name,
                       c->endpoints, SB_ENDPOINTS_MAX);
    }
    if (!sb_kind_is_known(c->kind)) {
        return sb_fail(-SHMBUS_ERR_CONFIG, "channel `%s`: kind %d is unknown", c->name,
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
                        "region `%s`: %" PRIu64 " bytes is not within 1 .. %llu", region->name,
                        region->bytes, SB_REGION_BYTES_MAX);
        }
    }
    return r;
}
