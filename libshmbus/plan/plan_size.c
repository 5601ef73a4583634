/* SPDX-License-Identifier: MIT */
/*
 * How many blocks of which size a plan has that does not say so: those of the built-in plan, or as
 * many as fit a budget of memory.
 */
#include "plan/plan_size.h"

#include <inttypes.h>

#include "base/bits.h"
#include "base/error.h"
#include "layout/bounds.h"
#include "layout/layout.h"
#include "plan/kind_plan.h"

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

int sb_plan_add_built_in_blocks(struct shmbus_plan *plan)
{
    for (size_t i = 0; i < BUILT_IN_CLASSES; i++) {
        int r = sb_plan_add_blocks(plan, built_in_blocks[i].size_bytes, built_in_blocks[i].count);
        if (r < 0)
            return r;
    }
    plan->fit_blocks = true;
    return 0;
}

/* A block with its header and its bit in the bitmap. */
static uint64_t block_cost(uint64_t size_bytes)
{
    return sb_round_up(size_bytes, SB_LINE) + sizeof(struct sb_block) + 1;
}

/* What each channel has, of whatever kind. */
static uint64_t channel_cost(const struct shmbus_plan *plan, uint32_t endpoints)
{
    uint64_t rows = endpoints != 0 ? endpoints : 2ull * plan->processes;
    return sizeof(struct sb_channel) + rows * sizeof(struct sb_endpoint);
}

/* What the segment needs beside the blocks. */
static uint64_t fixed_cost(const struct shmbus_plan *plan)
{
    uint64_t sum = sizeof(struct sb_super) + plan->processes * sizeof(struct sb_proc);
    sum += plan->spare_channels *
           (channel_cost(plan, 0) + sb_power_of_two(plan->spare_depth) * sizeof(sb_word));
    for (size_t i = 0; i < plan->channel_count; i++) {
        const struct sb_channel_plan *channel = &plan->channels[i];
        sum += channel_cost(plan, channel->endpoints) + sb_plan_kind(channel)->cost(channel);
    }
    for (size_t i = 0; i < plan->region_count; i++)
        sum +=
            sizeof(struct sb_region) + 2 * sb_round_up(plan->regions[i].bytes, REGION_OFFSET_UNIT);
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
