/* SPDX-License-Identifier: MIT */
/*
 * Where everything in a segment lies. sb_geometry_place() is the only function that knows.
 */
#include "layout/geometry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/error.h"
#include "layout/bounds.h"
#include "layout/kinds.h"

/* ------------------------------------------------------------------------------------ placing */

bool sb_geometry_take(uint64_t *cursor, uint64_t align, uint64_t count, uint64_t size,
                      uint64_t *ret_off)
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

const struct sb_kind_layout *sb_geometry_kind(const struct sb_channel_geometry *ch)
{
    return sb_kind_is_known(ch->kind) ? sb_kind_row(sb_kind_of(ch->kind, ch->lanes))->layout : NULL;
}

static bool place_channel(struct sb_channel_geometry *ch, uint64_t *cursor)
{
    const struct sb_kind_layout *kind = sb_geometry_kind(ch);

    if (!sb_geometry_take(cursor, SB_PAIR, ch->endpoints, sizeof(struct sb_endpoint),
                          &ch->endpoint_off))
        return false;
    return kind == NULL || /* nothing is read yet: see read_tables() */
           kind->place(ch, cursor);
}

static bool place_region(struct sb_region_geometry *region, uint64_t *cursor)
{
    uint64_t bytes = sb_round_up(region->bytes, SB_LINE);
    uint64_t align = bytes >= SB_PAGE ? SB_PAGE : SB_PAIR;

    return sb_geometry_take(cursor, align, bytes, 1, &region->data_off) &&
           sb_geometry_take(cursor, align, bytes, 1, &region->undo_off);
}

static bool place_class(struct sb_class_geometry *cls, uint64_t *cursor)
{
    if (cls->size_bytes <= SB_SIDE_BY_SIDE_MAX) {
        cls->header_stride = sizeof(struct sb_block) + cls->size_bytes;
        cls->payload_stride = cls->header_stride;
        if (!sb_geometry_take(cursor, SB_PAIR, cls->count, cls->header_stride, &cls->header_off))
            return false;
        cls->payload_off = cls->header_off + sizeof(struct sb_block);
        return true;
    }
    cls->header_stride = sizeof(struct sb_block);
    cls->payload_stride = cls->size_bytes;
    return sb_geometry_take(cursor, SB_PAIR, cls->count, cls->header_stride, &cls->header_off) &&
           sb_geometry_take(cursor, cls->size_bytes >= SB_PAGE ? SB_PAGE : SB_PAIR, cls->count,
                            cls->payload_stride, &cls->payload_off);
}

static bool place_tables(struct sb_geometry *g, uint64_t *cursor)
{
    return sb_geometry_take(cursor, SB_PAGE, g->processes, sizeof(struct sb_proc),
                            &g->process_off) &&
           sb_geometry_take(cursor, SB_PAIR, g->class_count, sizeof(struct sb_class),
                            &g->class_off) &&
           sb_geometry_take(cursor, SB_PAIR, g->channel_count, sizeof(struct sb_channel),
                            &g->channel_off) &&
           sb_geometry_take(cursor, SB_PAIR, g->region_count, sizeof(struct sb_region),
                            &g->region_off);
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
        if (!sb_geometry_take(&cursor, SB_PAIR, (cls->count + 63) / 64, sizeof(sb_word),
                              &cls->bitmap_off))
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
    if (!sb_geometry_take(&cursor, SB_PAGE, 0, 1, &end))
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
    const struct sb_kind_layout *kind = sb_geometry_kind(ch);

    return kind != NULL && kind->in_blocks;
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

void sb_geometry_choose_classes(struct sb_geometry *g)
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

    sb_geometry_choose_classes(g);
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

/* ------------------------------------------------------------------------------------- tables */

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
