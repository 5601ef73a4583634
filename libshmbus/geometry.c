/*
 * Where everything in a segment lies. sb_geometry_place() is the only function that knows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "error.h"
#include "layout_plan.h"
#include "plan.h"
#include "stat.h"

#define FIT_COMMON 2u /* blocks that are common where the library fits their number */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t power_of_two(uint64_t value)
{
    return value <= 1 ? 1 : 1ull << (64 - __builtin_clzll(value - 1));
}

/* ------------------------------------------------------------------------------------ placing */

/* Takes room for @count elements at the next multiple of @align. */
static bool take(uint64_t *cursor, uint64_t align, uint64_t count, uint64_t size, uint64_t *ret_off)
{
    uint64_t start, bytes, end;

    if (__builtin_add_overflow(*cursor, align - 1, &start))
        return false;
    start &= ~(align - 1);
    if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(start, bytes, &end) ||
        end > SB_SEGMENT_MAX)
        return false;
    *ret_off = start;
    *cursor = end;
    return true;
}

static bool place_channel(struct sb_channel_geometry *ch, uint64_t *cursor)
{
    if (!take(cursor, SB_PAIR, ch->endpoints, sizeof(struct sb_endpoint), &ch->endpoint_off))
        return false;
    if (ch->kind == SHMBUS_STREAM)
        return take(cursor, SB_PAIR, ch->bytes, 1, &ch->ring_off);
    if (ch->lanes > 0) {
        return take(cursor, SB_PAIR, ch->lanes, sizeof(struct sb_lane), &ch->ring_off) &&
               take(cursor, SB_PAIR, (uint64_t)ch->lanes * ch->depth, ch->bytes, &ch->cells_off);
    }
    return take(cursor, SB_PAIR, ch->depth, sizeof(sb_word), &ch->ring_off);
}

static bool place_region(struct sb_region_geometry *region, uint64_t *cursor)
{
    uint64_t bytes = round_up(region->bytes, SB_LINE);
    uint64_t align = bytes >= SB_PAGE ? SB_PAGE : SB_PAIR;

    return take(cursor, align, bytes, 1, &region->data_off) &&
           take(cursor, align, bytes, 1, &region->undo_off);
}

static bool place_class(struct sb_class_geometry *cls, uint64_t *cursor)
{
    if (cls->size_bytes <= SB_SIDE_BY_SIDE_MAX) {
        cls->header_stride = sizeof(struct sb_block) + cls->size_bytes;
        cls->payload_stride = cls->header_stride;
        if (!take(cursor, SB_PAIR, cls->count, cls->header_stride, &cls->header_off))
            return false;
        cls->payload_off = cls->header_off + sizeof(struct sb_block);
        return true;
    }
    cls->header_stride = sizeof(struct sb_block);
    cls->payload_stride = cls->size_bytes;
    return take(cursor, SB_PAIR, cls->count, cls->header_stride, &cls->header_off) &&
           take(cursor, cls->size_bytes >= SB_PAGE ? SB_PAGE : SB_PAIR, cls->count,
                cls->payload_stride, &cls->payload_off);
}

static bool place_tables(struct sb_geometry *g, uint64_t *cursor)
{
    return take(cursor, SB_PAGE, g->processes, sizeof(struct sb_proc), &g->process_off) &&
           take(cursor, SB_PAIR, g->class_count, sizeof(struct sb_class), &g->class_off) &&
           take(cursor, SB_PAIR, g->channel_count, sizeof(struct sb_channel), &g->channel_off) &&
           take(cursor, SB_PAIR, g->region_count, sizeof(struct sb_region), &g->region_off);
}

bool sb_geometry_place(struct sb_geometry *g)
{
    uint64_t cursor = sizeof(struct sb_super);
    uint64_t end;
    uint32_t first = 0;

    if (!place_tables(g, &cursor))
        return false;
    for (uint32_t i = 0; i < g->class_count; i++) {
        struct sb_class_geometry *cls = &g->classes[i];
        cls->first = first;
        first += (uint32_t)cls->count; /* the sum is at most SB_BLOCKS_MAX */
        if (!take(&cursor, SB_PAIR, (cls->count + 63) / 64, sizeof(sb_word), &cls->bitmap_off))
            return false;
    }
    for (uint32_t i = 0; i < g->channel_count; i++) {
        if (!place_channel(&g->channels[i], &cursor))
            return false;
    }
    for (uint32_t i = 0; i < g->region_count; i++) {
        if (!place_region(&g->regions[i], &cursor))
            return false;
    }
    for (uint32_t i = 0; i < g->class_count; i++) {
        if (!place_class(&g->classes[i], &cursor))
            return false;
    }
    if (!take(&cursor, SB_PAGE, 0, 1, &end))
        return false;
    g->segment_bytes = end;
    return true;
}

/* ------------------------------------------------------------------------------------- sharing
 *
 * Whose a block is follows from its position: in each class the common ones come first, then the
 * own blocks of queue 0, of queue 1, ... So there is no count that could be wrong, and nothing to
 * repair. A queue's own blocks are of the class that holds its largest message; a dead-letter
 * queue's hold the largest message of any queue that buries there. */

bool sb_geometry_uses_blocks(const struct sb_channel_geometry *ch)
{
    return ch->kind == SHMBUS_QUEUE && ch->lanes == 0;
}

/* The smallest class that holds @bytes, the largest one for more and for 0, "no limit". */
static uint32_t class_for(const struct sb_geometry *g, uint64_t bytes)
{
    uint32_t c = 0;

    while (c + 1 < g->class_count && (bytes == 0 || g->classes[c].size_bytes < bytes))
        c++;
    return c;
}

static uint32_t message_class(const struct sb_geometry *g, const struct sb_channel_geometry *ch)
{
    return class_for(g, ch->lanes > 0 ? ch->bytes - sizeof(struct sb_cell) : ch->bytes);
}

static void choose_classes(struct sb_geometry *g)
{
    for (uint32_t i = 0; i < g->channel_count; i++)
        g->channels[i].own_class = message_class(g, &g->channels[i]);
    for (uint32_t i = 0; i < g->channel_count; i++) {
        const struct sb_channel_geometry *ch = &g->channels[i];
        uint32_t needed = message_class(g, ch);
        if (ch->dead_letter < g->channel_count && g->channels[ch->dead_letter].own_class < needed)
            g->channels[ch->dead_letter].own_class = needed;
    }
}

uint32_t sb_geometry_share(struct sb_geometry *g)
{
    uint64_t own[SHMBUS_BLOCK_CLASSES_MAX] = {0};

    choose_classes(g);
    for (uint32_t i = 0; i < g->channel_count; i++) {
        struct sb_channel_geometry *ch = &g->channels[i];
        if (!sb_geometry_uses_blocks(ch))
            continue;
        ch->own_first = own[ch->own_class];
        own[ch->own_class] += ch->share;
    }
    for (uint32_t c = 0; c < g->class_count; c++) {
        if (own[c] > g->classes[c].count)
            return c;
        g->classes[c].common = g->classes[c].count - own[c];
    }
    return SB_NONE;
}

/* ---------------------------------------------------------------------------------- from a plan */

int sb_geometry_alloc(struct sb_geometry *g)
{
    g->channels = calloc(g->channel_count + 1u, sizeof *g->channels);
    g->regions = calloc(g->region_count + 1u, sizeof *g->regions);
    if (g->channels == NULL || g->regions == NULL)
        return sb_fail(-ENOMEM, "no memory for the tables of a segment");
    return 0;
}

void sb_geometry_free(struct sb_geometry *g)
{
    if (g == NULL)
        return;
    free(g->channels);
    free(g->regions);
    free(g);
}

static int by_size(const void *a, const void *b)
{
    const struct sb_class_geometry *x = a, *y = b;

    return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static int take_classes(struct sb_geometry *g, const struct shmbus_plan *plan)
{
    for (uint32_t i = 0; i < g->class_count; i++) {
        g->classes[i].size_bytes = round_up(plan->blocks[i].size_bytes, SB_LINE);
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
    const struct shmbus_channel_plan *found = name[0] == '\0' ? NULL : sb_plan_channel(plan, name);

    return found == NULL ? SB_NONE : (uint32_t)(found - plan->channels);
}

static void take_channel(const struct shmbus_plan *plan, const struct shmbus_channel_plan *from,
                         struct sb_channel_geometry *to)
{
    memcpy(to->name, from->name, sizeof to->name);
    to->kind = from->kind;
    to->on_full = sb_plan_on_full(plan, from);
    to->max_deliveries = from->max_deliveries;
    to->dead_letter = channel_index(plan, from->dead_letter);
    to->endpoints = from->endpoints != 0 ? from->endpoints : 2 * plan->processes;
    to->flags = from->timestamps ? SB_CHANNEL_TIMESTAMPS : 0;
    if (from->kind == SHMBUS_STREAM) {
        to->bytes = power_of_two(from->bytes);
        if (to->bytes < SB_RING_BYTES_MIN)
            to->bytes = SB_RING_BYTES_MIN;
    } else {
        to->depth = (uint32_t)power_of_two(from->depth);
    }
    if (from->kind == SHMBUS_QUEUE && from->order == SHMBUS_ORDER_PRODUCER) {
        to->lanes = from->producers;
        to->bytes = sb_cell_bytes(from->message_bytes);
    } else if (from->kind == SHMBUS_QUEUE) {
        to->bytes = from->message_bytes;
        to->share = sb_plan_share(from->share);
    }
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

    choose_classes(g);
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
    const struct shmbus_channel_plan spare = {
        .kind = SHMBUS_QUEUE,
        .depth = plan->spare_depth,
        .on_full = SHMBUS_BLOCK,
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
        const struct shmbus_region_plan *region = &plan->regions[i];
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

    if (plan == NULL || ret_stat == NULL || ret_stat->struct_bytes < 2 * sizeof(size_t))
        return sb_fail(-EINVAL, "the plan or the result is NULL, or struct_bytes is not set");
    int r = sb_geometry_from_plan(plan, &g);
    if (r < 0)
        return r;
    if (index < g->class_count) {
        stat.size_bytes = g->classes[index].size_bytes;
        stat.count = stat.free = g->classes[index].count;
        stat.common = stat.common_free = g->classes[index].common;
        sb_stat_give(ret_stat, &stat, sizeof stat);
    } else {
        r = sb_fail_quick(-ENOENT, "the plan", "no more block classes");
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
