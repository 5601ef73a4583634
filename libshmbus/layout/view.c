/* SPDX-License-Identifier: MIT */
#include "layout/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "layout/bounds.h"
#include "layout/geometry.h"

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* Stocks of all processes together leave half of the common blocks to those who are short. What a
 * process may keep goes to the handles that use the class first, a quarter at most to each. */
static void view_stock(struct sb_class_view *to, uint32_t processes, sb_word *stock_left)
{
    uint32_t fair = least(sb_common_of(to) / (2ull * processes), UINT32_MAX);

    to->stock_max = least((fair + 3ull) / 4, SB_STOCK_MAX);
    to->stock_left = stock_left;
    sb_store_relaxed(stock_left, fair);
}

static void view_classes(uint8_t *base, const struct sb_geometry *g, struct sb_view *view)
{
    struct sb_blocks *blocks = &view->blocks;

    blocks->class_count = g->class_count;
    for (uint32_t i = 0; i < g->class_count; i++) {
        const struct sb_class_geometry *from = &g->classes[i];
        struct sb_class_view *to = &blocks->classes[i];

        to->first = from->first;
        to->count = (uint32_t)from->count;
        to->common_end = from->first + (uint32_t)from->common;
        view_stock(to, g->processes, &view->stock_left[i]);
        to->size_bytes = from->size_bytes;
        to->header_stride = from->header_stride;
        to->payload_stride = from->payload_stride;
        to->headers = base + from->header_off;
        to->payloads = base + from->payload_off;
        to->bitmap = (sb_word *)(void *)(base + from->bitmap_off);
        blocks->count += to->count;
    }
}

static void view_channel(uint8_t *base, const struct sb_geometry *g,
                         const struct sb_channel_geometry *from, struct sb_channel *shared,
                         struct sb_channel_view *to)
{
    to->shared = shared;
    to->endpoints = (struct sb_endpoint *)(void *)(base + from->endpoint_off);
    to->endpoint_count = from->endpoints;
    to->kind = from->kind;
    to->on_full = from->on_full;
    to->max_deliveries = from->max_deliveries;
    to->dead_letter = from->dead_letter;
    to->flags = from->flags;
    sb_geometry_kind(from)->view(base, g, from, to);
}

int sb_view_make(uint8_t *base, const struct sb_geometry *g, struct sb_view *ret)
{
    struct sb_channel *channels = (struct sb_channel *)(void *)(base + g->channel_off);
    struct sb_region *regions = (struct sb_region *)(void *)(base + g->region_off);
    struct sb_view view = {0};

    view.channels = calloc(g->channel_count + 1u, sizeof *view.channels);
    view.regions = calloc(g->region_count + 1u, sizeof *view.regions);
    view.stock_left = calloc(g->class_count + 1u, sizeof *view.stock_left);
    if (view.channels == NULL || view.regions == NULL || view.stock_left == NULL) {
        sb_view_clear(&view);
        return sb_fail(-ENOMEM, "no memory for the view of a segment");
    }
    view.base = base;
    view.bytes = g->segment_bytes;
    view.super = (struct sb_super *)(void *)base;
    view.processes = (struct sb_proc *)(void *)(base + g->process_off);
    view.process_count = g->processes;
    view.channel_count = g->channel_count;
    view.region_count = g->region_count;
    view.heartbeat_interval_ns = g->heartbeat_interval_ns;
    view.heartbeat_timeout_ns = g->heartbeat_timeout_ns;
    view_classes(base, g, &view);
    view.blocks.freed = &view.super->blocks_freed;
    for (uint32_t i = 0; i < g->channel_count; i++)
        view_channel(base, g, &g->channels[i], &channels[i], &view.channels[i]);
    for (uint32_t i = 0; i < g->channel_count; i++)
        if (g->channels[i].dead_letter < g->channel_count)
            view.channels[g->channels[i].dead_letter].takes_letters = true;
    for (uint32_t i = 0; i < g->region_count; i++) {
        view.regions[i].shared = &regions[i];
        view.regions[i].bytes = g->regions[i].bytes;
        view.regions[i].data = base + g->regions[i].data_off;
        view.regions[i].undo = base + g->regions[i].undo_off;
    }
    *ret = view;
    return 0;
}

void sb_view_clear(struct sb_view *view)
{
    free(view->channels);
    free(view->regions);
    free(view->stock_left);
    memset(view, 0, sizeof *view);
}
