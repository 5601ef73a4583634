/* SPDX-License-Identifier: MIT */
/*
 * The tables of a segment: what a creator writes, everybody else reads back; whatever was changed
 * since is refused, whether by accident (the hash tells) or on purpose (the limits tell).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/error.h"
#include "fixture.h"
#include "harness.h"
#include "layout/bounds.h"
#include "layout/format.h"
#include "layout/geometry.h"
#include "layout/name.h"
#include "layout/verify.h"
#include "plan/plan.h"
#include "plan/plan_geometry.h"
#include "protocol/block.h"

#define CONSTANT_BYTES offsetof(struct sb_super, shutdown)

/* A small segment in private memory, with one of everything. */
struct image {
    struct sb_geometry *geometry;
    uint8_t *base;
    uint64_t bytes;
};

static void add_channel(struct shmbus_plan *plan, const char *name, enum shmbus_kind kind,
                        uint32_t max_deliveries, const char *dead_letter)
{
    struct shmbus_channel_opts c = {
        .struct_bytes = sizeof c, .kind = kind, .depth = 5, .bytes = 5000, .endpoints = 3};
    c.dead_letter = dead_letter;
    c.max_deliveries = max_deliveries;
    T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
}

static struct shmbus_plan *small_plan(void)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    plan->block_count = 0;
    plan->processes = 3;
    plan->spare_channels = 2;
    plan->spare_depth = 9;
    T_OK_FATAL(t_add_blocks(plan, 100, 70));
    T_OK_FATAL(t_add_blocks(plan, 4096, 6));
    add_channel(plan, "tasks", SHMBUS_KIND_QUEUE, 5, "dead");
    add_channel(plan, "dead", SHMBUS_KIND_QUEUE, 0, "");
    add_channel(plan, "ticks", SHMBUS_KIND_STREAM, 0, "");
    T_OK_FATAL(t_add_region(plan, "area", 1001));
    return plan;
}

static void image_of(struct image *image, struct shmbus_plan *plan)
{
    T_OK_FATAL(sb_geometry_from_plan(plan, &image->geometry));
    shmbus_plan_free(plan);
    image->bytes = image->geometry->segment_bytes;
    image->base = aligned_alloc(SB_PAGE, image->bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(image->base);
    memset(image->base, 0, image->bytes);
    sb_layout_format(image->base, image->geometry);
}

static void image_free(struct image *image)
{
    sb_geometry_free(image->geometry);
    free(image->base);
}

/* What an attacher says about the image now. */
static int verdict(const struct image *image)
{
    struct sb_geometry *read = NULL;
    int r = sb_geometry_from_segment(image->base, image->bytes, &read);
    sb_geometry_free(read);
    return r;
}

static void check_equal(const struct sb_geometry *a, const struct sb_geometry *b)
{
    CU_ASSERT_EQUAL(a->processes, b->processes);
    CU_ASSERT_EQUAL(a->heartbeat_interval_ns, b->heartbeat_interval_ns);
    CU_ASSERT_EQUAL(a->heartbeat_timeout_ns, b->heartbeat_timeout_ns);
    CU_ASSERT_EQUAL(a->segment_bytes, b->segment_bytes);
    CU_ASSERT_EQUAL_FATAL(a->class_count, b->class_count);
    CU_ASSERT_EQUAL_FATAL(a->channel_count, b->channel_count);
    CU_ASSERT_EQUAL_FATAL(a->region_count, b->region_count);
    for (uint32_t i = 0; i < a->class_count; i++) {
        CU_ASSERT_EQUAL(a->classes[i].size_bytes, b->classes[i].size_bytes);
        CU_ASSERT_EQUAL(a->classes[i].count, b->classes[i].count);
        CU_ASSERT_EQUAL(a->classes[i].first, b->classes[i].first);
        CU_ASSERT_EQUAL(a->classes[i].header_off, b->classes[i].header_off);
        CU_ASSERT_EQUAL(a->classes[i].payload_off, b->classes[i].payload_off);
        CU_ASSERT_EQUAL(a->classes[i].bitmap_off, b->classes[i].bitmap_off);
    }
    CU_ASSERT_EQUAL(memcmp(a->channels, b->channels, a->channel_count * sizeof *a->channels), 0);
    CU_ASSERT_EQUAL(memcmp(a->regions, b->regions, a->region_count * sizeof *a->regions), 0);
}

/* ----------------------------------------------------------------------------------- geometry */

T_TEST(layout, what_was_planned_is_what_an_attacher_reads)
{
    struct image image;
    struct sb_geometry *read = NULL;
    image_of(&image, small_plan());
    T_OK_FATAL(sb_geometry_from_segment(image.base, image.bytes, &read));
    check_equal(image.geometry, read);
    CU_ASSERT_EQUAL(read->processes, 3);
    CU_ASSERT_EQUAL(read->class_count, 2);
    CU_ASSERT_EQUAL(read->channel_count, 5);
    CU_ASSERT_STRING_EQUAL(read->channels[2].name, "ticks");
    CU_ASSERT_STRING_EQUAL(read->channels[3].name, "");
    CU_ASSERT_STRING_EQUAL(read->regions[0].name, "area");
    sb_geometry_free(read);
    image_free(&image);
}

T_TEST(layout, sizes_are_rounded_up_as_the_header_says)
{
    struct image image;
    image_of(&image, small_plan());
    const struct sb_geometry *g = image.geometry;
    CU_ASSERT_EQUAL(g->classes[0].size_bytes, 128);
    CU_ASSERT_EQUAL(g->classes[1].size_bytes, 4096);
    CU_ASSERT_EQUAL(g->channels[0].depth, 8);
    CU_ASSERT_EQUAL(g->channels[0].bytes, 0);
    CU_ASSERT_EQUAL(g->channels[2].bytes, 8192);
    CU_ASSERT_EQUAL(g->channels[2].depth, 0);
    CU_ASSERT_EQUAL(g->channels[3].depth, 16);
    CU_ASSERT_EQUAL(g->channels[3].endpoints, 6); /* twice the processes */
    CU_ASSERT_EQUAL(g->channels[0].endpoints, 3);
    CU_ASSERT_EQUAL(g->channels[0].dead_letter, 1);
    CU_ASSERT_EQUAL(g->channels[1].dead_letter, SB_NONE);
    CU_ASSERT_EQUAL(g->regions[0].bytes, 1001);
    CU_ASSERT_EQUAL(g->segment_bytes % SB_PAGE, 0);
    image_free(&image);
}

T_TEST(layout, plan_check_tells_the_size_of_the_segment)
{
    struct shmbus_plan *plan = NULL;
    uint64_t bytes = 0;
    T_OK_FATAL(shmbus_plan_new(0, &plan));
    T_OK(shmbus_plan_check(plan, &bytes));
    CU_ASSERT_TRUE(bytes > 42u << 20 && bytes < 46u << 20);
    shmbus_plan_free(plan);
    struct image image;
    plan = small_plan();
    T_OK(shmbus_plan_check(plan, &bytes));
    image_of(&image, plan);
    CU_ASSERT_EQUAL(bytes, image.bytes);
    image_free(&image);
}

struct extent {
    uint64_t start, bytes, align;
};

static int by_start(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static size_t list_extents(const struct sb_geometry *g, struct extent *list)
{
    size_t n = 0;
    list[n++] = (struct extent){0, sizeof(struct sb_super), SB_PAGE};
    list[n++] = (struct extent){g->process_off, g->processes * sizeof(struct sb_proc), SB_PAIR};
    list[n++] = (struct extent){g->class_off, g->class_count * sizeof(struct sb_class), SB_LINE};
    list[n++] =
        (struct extent){g->channel_off, g->channel_count * sizeof(struct sb_channel), SB_PAIR};
    list[n++] = (struct extent){g->region_off, g->region_count * sizeof(struct sb_region), SB_PAIR};
    for (uint32_t i = 0; i < g->class_count; i++) {
        const struct sb_class_geometry *c = &g->classes[i];
        bool beside = c->size_bytes <= SB_SIDE_BY_SIDE_MAX;
        list[n++] = (struct extent){c->bitmap_off, (c->count + 63) / 64 * 8, SB_LINE};
        list[n++] = (struct extent){c->header_off, c->count * c->header_stride, SB_LINE};
        if (beside) {
            CU_ASSERT_EQUAL(c->payload_off, c->header_off + 64);
            CU_ASSERT_EQUAL(c->payload_stride, 64 + c->size_bytes);
            CU_ASSERT_EQUAL(c->header_stride, c->payload_stride);
        } else {
            list[n++] = (struct extent){c->payload_off, c->count * c->payload_stride,
                                        c->size_bytes >= SB_PAGE ? SB_PAGE : SB_LINE};
        }
    }
    for (uint32_t i = 0; i < g->channel_count; i++) {
        const struct sb_channel_geometry *c = &g->channels[i];
        list[n++] =
            (struct extent){c->endpoint_off, c->endpoints * sizeof(struct sb_endpoint), SB_LINE};
        list[n++] =
            (struct extent){c->ring_off,
                            c->kind == SHMBUS_KIND_STREAM ? c->bytes : c->depth * sizeof(sb_word),
                            SB_PAIR};
    }
    for (uint32_t i = 0; i < g->region_count; i++) {
        list[n++] = (struct extent){g->regions[i].data_off, (g->regions[i].bytes + 7) & ~7ull, 64};
        list[n++] = (struct extent){g->regions[i].undo_off, (g->regions[i].bytes + 7) & ~7ull, 64};
    }
    return n;
}

static void check_disjoint(const struct sb_geometry *g)
{
    struct extent list[256];
    size_t n = list_extents(g, list);
    uint64_t end = 0;
    qsort(list, n, sizeof list[0], by_start);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(list[i].start % list[i].align, 0);
        CU_ASSERT_TRUE(list[i].start >= end);
        end = list[i].start + list[i].bytes;
    }
    CU_ASSERT_TRUE(end <= g->segment_bytes);
}

static struct shmbus_plan *random_plan(void)
{
    struct shmbus_plan *plan = NULL;
    uint64_t size = 0;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    plan->block_count = 0;
    plan->processes = 1 + (uint32_t)t_random_below(SHMBUS_PROCESSES_MAX);
    plan->spare_channels = (uint32_t)t_random_below(8);
    plan->spare_share = (uint32_t)t_random_below(5);
    plan->spare_depth = 1 + (uint32_t)t_random_below(300);
    for (uint64_t i = 1 + t_random_below(SHMBUS_BLOCK_CLASSES_MAX); i > 0; i--) {
        size += 64 + t_random_below(3000);
        /* 7 spare and 6 other queues at most, each with a share of up to 4 */
        T_OK_FATAL(t_add_blocks(plan, size, 52 + t_random_below(500)));
    }
    for (uint64_t i = t_random_below(9); i > 0; i--) {
        char name[8] = {'c', (char)('0' + i), '\0'};
        struct shmbus_channel_opts c = {
            .struct_bytes = sizeof c, .kind = i % 3 == 0 ? SHMBUS_KIND_STREAM : SHMBUS_KIND_QUEUE};
        c.depth = 1 + (uint32_t)t_random_below(1000);
        c.bytes = SB_STREAM_BYTES_MIN + t_random_below(100000);
        c.endpoints = (uint32_t)t_random_below(50);
        if (c.kind == SHMBUS_KIND_QUEUE) {
            c.share = (uint32_t)t_random_below(5);
            c.message_bytes = t_random_below(size + 1);
        }
        T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
    }
    for (uint64_t i = t_random_below(5); i > 0; i--) {
        char name[8] = {'r', (char)('0' + i), '\0'};
        T_OK_FATAL(t_add_region(plan, name, 1 + t_random_below(20000)));
    }
    return plan;
}

T_TEST(layout, nothing_overlaps_and_everything_is_aligned)
{
    for (int i = 0; i < 200; i++) {
        struct image image;
        image_of(&image, random_plan());
        check_disjoint(image.geometry);
        T_OK(verdict(&image));
        image_free(&image);
    }
}

/* ------------------------------------------------------------------------------------- shares */

static struct sb_geometry *geometry_of(struct shmbus_plan *plan)
{
    struct sb_geometry *g = NULL;
    T_OK_FATAL(sb_geometry_from_plan(plan, &g));
    shmbus_plan_free(plan);
    return g;
}

T_TEST(layout, shares_lie_behind_the_common_blocks_in_the_order_of_the_queues)
{
    struct shmbus_plan *plan = small_plan();
    plan->channels[0].share = 2;
    plan->channels[0].message_bytes = 100;
    plan->channels[1].share = 3;
    plan->channels[1].message_bytes = 1; /* dead letters of tasks are larger: same class */
    struct sb_geometry *g = geometry_of(plan);
    CU_ASSERT_EQUAL(g->classes[0].common, 65);
    CU_ASSERT_EQUAL(g->classes[1].common, 4); /* each spare queue has one of the largest */
    CU_ASSERT_EQUAL(g->channels[0].own_class, 0);
    CU_ASSERT_EQUAL(g->channels[0].own_first, 0);
    CU_ASSERT_EQUAL(g->channels[1].own_class, 0);
    CU_ASSERT_EQUAL(g->channels[1].own_first, 2);
    CU_ASSERT_EQUAL(g->channels[2].share, 0); /* a stream */
    CU_ASSERT_EQUAL(g->channels[3].own_class, 1);
    CU_ASSERT_EQUAL(g->channels[3].own_first, 0);
    CU_ASSERT_EQUAL(g->channels[4].own_first, 1);
    sb_geometry_free(g);
}

T_TEST(layout, a_dead_letter_queue_has_blocks_for_whatever_may_be_set_aside)
{
    struct shmbus_plan *plan = small_plan();
    plan->channels[0].message_bytes = 4000;
    plan->channels[1].message_bytes = 10;
    struct sb_geometry *g = geometry_of(plan);
    CU_ASSERT_EQUAL(g->channels[1].own_class, 1);
    sb_geometry_free(g);
}

T_TEST(layout, a_queue_that_is_alone_has_all_blocks_and_no_share)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    plan->block_count = 0;
    plan->spare_channels = 0;
    T_OK_FATAL(t_add_blocks(plan, 64, 1));
    add_channel(plan, "only", SHMBUS_KIND_QUEUE, 0, "");
    add_channel(plan, "ticks", SHMBUS_KIND_STREAM, 0, "");
    struct sb_geometry *g = geometry_of(plan);
    CU_ASSERT_EQUAL(g->channels[0].share, 0);
    CU_ASSERT_EQUAL(g->classes[0].common, 1);
    sb_geometry_free(g);
}

T_TEST(layout, blocks_that_the_library_chose_suffice_for_every_queue_that_is_added)
{
    for (uint64_t memory = 0; memory <= 256 << 20; memory += 16 << 20) {
        struct shmbus_plan *plan = NULL;
        T_OK_FATAL(shmbus_plan_new(memory, &plan));
        CU_ASSERT_TRUE(plan->fit_blocks);
        for (int i = 0; i < 40; i++) {
            char name[8];
            snprintf(name, sizeof name, "q%d", i);
            add_channel(plan, name, SHMBUS_KIND_QUEUE, 0, "");
        }
        struct sb_geometry *g = geometry_of(plan);
        for (uint32_t c = 0; c < g->class_count; c++)
            CU_ASSERT_TRUE(g->classes[c].common >= 2);
        sb_geometry_free(g);
    }
}

T_TEST(layout, plans_beyond_the_limits_are_refused)
{
    struct shmbus_plan *plan = small_plan();
    uint64_t bytes = 7;
    plan->channels[0].depth = SB_RING_DEPTH_MAX + 1;
    T_FAILS(shmbus_plan_check(plan, &bytes), -SHMBUS_ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "tasks"));
    plan->channels[0].depth = SB_RING_DEPTH_MAX;
    T_OK(shmbus_plan_check(plan, &bytes));
    bytes = 7;
    plan->channels[2].bytes = SB_RING_BYTES_MAX + 1;
    T_FAILS(shmbus_plan_check(plan, &bytes), -SHMBUS_ERR_CONFIG);
    plan->channels[2].bytes = SB_RING_BYTES_MAX;
    T_OK(shmbus_plan_check(plan, &bytes));
    bytes = 7;
    plan->spare_depth = SB_RING_DEPTH_MAX + 1;
    T_FAILS(shmbus_plan_check(plan, &bytes), -SHMBUS_ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "spare"));
    plan->spare_depth = 1;
    plan->regions[0].bytes = SB_REGION_MAX + 1;
    T_FAILS(shmbus_plan_check(plan, &bytes), -SHMBUS_ERR_CONFIG);
    CU_ASSERT_EQUAL(bytes, 7);
    shmbus_plan_free(plan);
}

T_TEST(layout, a_segment_too_large_to_address_is_refused)
{
    struct shmbus_plan *plan = small_plan();
    uint64_t bytes = 0;
    plan->block_count = 0;
    T_OK_FATAL(t_add_blocks(plan, 1ull << 30, 60000));
    T_OK(shmbus_plan_check(plan, &bytes));
    CU_ASSERT_TRUE(bytes > 60000ull << 30);
    plan->blocks[0].count = 70000;
    T_FAILS(shmbus_plan_check(plan, &bytes), -SHMBUS_ERR_CONFIG);
    shmbus_plan_free(plan);
}

/* --------------------------------------------------------------------------------- formatting */

T_TEST(layout, a_fresh_segment_is_empty_and_all_blocks_are_free)
{
    struct image image;
    struct sb_view view;
    image_of(&image, small_plan());
    T_OK_FATAL(sb_view_make(image.base, image.geometry, &view));
    for (uint32_t i = 0; i < view.process_count; i++)
        CU_ASSERT_EQUAL(sb_load_relaxed(&view.processes[i].w), sb_proc_word(0, SB_PROC_FREE));
    for (uint32_t c = 0; c < view.channel_count; c++) {
        if (view.channels[c].kind != SHMBUS_KIND_QUEUE)
            continue;
        for (uint32_t i = 0; i < 1u << view.channels[c].depth_shift; i++)
            CU_ASSERT_EQUAL(sb_load_relaxed(&view.channels[c].slots[i]), SB_SLOT_EMPTY);
    }
    CU_ASSERT_EQUAL(view.blocks.count, 76);
    for (uint32_t i = 0; i < view.blocks.count; i++)
        CU_ASSERT_EQUAL(sb_load_relaxed(&sb_block_at(&view.blocks, i)->hdr), 0);
    CU_ASSERT_EQUAL(sb_load_relaxed(&view.blocks.classes[0].bitmap[0]), UINT64_MAX);
    CU_ASSERT_EQUAL(sb_load_relaxed(&view.blocks.classes[0].bitmap[1]), 0x3f);
    CU_ASSERT_EQUAL(sb_load_relaxed(&view.blocks.classes[1].bitmap[0]), 0x3f);
    sb_view_clear(&view);
    image_free(&image);
}

T_TEST(layout, named_channels_are_ready_and_spare_ones_are_not)
{
    struct image image;
    struct sb_view view;
    char name[SHMBUS_NAME_BYTES];
    image_of(&image, small_plan());
    T_OK_FATAL(sb_view_make(image.base, image.geometry, &view));
    CU_ASSERT_EQUAL(sb_load_relaxed(&view.channels[0].shared->dir),
                    sb_name_hash("tasks") << 8 | SB_DIR_READY);
    sb_name_load(view.channels[0].shared->name, name);
    CU_ASSERT_STRING_EQUAL(name, "tasks");
    CU_ASSERT_EQUAL(sb_load_relaxed(&view.channels[3].shared->dir), SB_DIR_SPARE);
    CU_ASSERT_PTR_NULL(view.channels[2].slots);
    CU_ASSERT_PTR_NOT_NULL(view.channels[2].ring);
    sb_view_clear(&view);
    image_free(&image);
}

/* The stocks of all processes together leave half of a class to others. */
static void check_stock(uint64_t count, uint64_t of_a_process)
{
    struct image image;
    struct sb_view view;
    struct shmbus_plan *plan = small_plan();
    plan->blocks[0].count = count;
    image_of(&image, plan);
    T_OK_FATAL(sb_view_make(image.base, image.geometry, &view));
    const struct sb_class_view *cls = &view.blocks.classes[0];
    CU_ASSERT_EQUAL(sb_load_relaxed(cls->stock_left), of_a_process);
    CU_ASSERT_TRUE(cls->stock_max <= of_a_process && cls->stock_max <= SB_STOCK_MAX);
    CU_ASSERT_EQUAL(cls->stock_max == 0, of_a_process == 0);
    sb_view_clear(&view);
    image_free(&image);
}

T_TEST(layout, stocks_are_limited_by_the_number_of_processes)
{
    check_stock(5, 0);
    check_stock(6, 1);
    check_stock(60, 10);
    check_stock(6000, 1000);
}

/* -------------------------------------------------------------------------------------- names */

T_TEST(layout, names_come_back_whole_cut_and_harmless)
{
    sb_word words[SB_NAME_WORDS];
    char name[SHMBUS_NAME_BYTES];
    char longest[80];
    memset(longest, 'x', sizeof longest);
    longest[79] = '\0';
    sb_name_store(words, longest);
    sb_name_load(words, name);
    CU_ASSERT_EQUAL(strlen(name), SHMBUS_NAME_BYTES - 1);
    sb_name_store(words, "a");
    sb_name_load(words, name);
    CU_ASSERT_STRING_EQUAL(name, "a");
    sb_name_store(words, "\033[2J\n\177\303\244");
    sb_name_load(words, name);
    CU_ASSERT_STRING_EQUAL(name, "?[2J????");
    for (size_t i = 0; i < SB_NAME_WORDS; i++)
        sb_store_relaxed(&words[i], UINT64_MAX); /* a hostile one without an end */
    sb_name_load(words, name);
    CU_ASSERT_EQUAL(strlen(name), SHMBUS_NAME_BYTES - 1);
}

T_TEST(layout, name_hashes_fit_their_word_and_are_never_zero)
{
    for (int i = 0; i < 100000; i++) {
        char name[SHMBUS_NAME_BYTES];
        snprintf(name, sizeof name, "channel.%d", i);
        uint64_t hash = sb_name_hash(name);
        CU_ASSERT_TRUE(hash != 0 && hash >> 56 == 0);
    }
    CU_ASSERT_NOT_EQUAL(sb_name_hash("a"), sb_name_hash("b"));
    CU_ASSERT_NOT_EQUAL(sb_name_hash(""), 0);
}

/* ------------------------------------------------------------------------------------ accidents */

T_TEST(layout, every_changed_byte_of_the_superblock_is_refused)
{
    struct image image;
    image_of(&image, small_plan());
    for (size_t i = 0; i < CONSTANT_BYTES; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            image.base[i] ^= (uint8_t)(1 << bit);
            int r = verdict(&image);
            CU_ASSERT_TRUE(r == -SHMBUS_ERR_CORRUPT || r == -SHMBUS_ERR_LAYOUT);
            if (r == 0)
                printf("byte %zu of the superblock is not checked\n", i);
            image.base[i] ^= (uint8_t)(1 << bit);
        }
    }
    T_OK(verdict(&image));
    image_free(&image);
}

T_TEST(layout, the_dynamic_part_of_the_superblock_is_not_looked_at)
{
    struct image image;
    image_of(&image, small_plan());
    memset(image.base + CONSTANT_BYTES, 0xa5, sizeof(struct sb_super) - CONSTANT_BYTES);
    T_OK(verdict(&image));
    image_free(&image);
}

static void check_refused(const struct image *image, uint64_t off, size_t bytes, const char *what)
{
    for (size_t i = 0; i < bytes; i++) {
        for (int bit = 0; bit < 8; bit++) {
            image->base[off + i] ^= (uint8_t)(1 << bit);
            int r = verdict(image);
            CU_ASSERT_EQUAL(r, -SHMBUS_ERR_CORRUPT);
            if (r != -SHMBUS_ERR_CORRUPT)
                printf("%s: byte %zu bit %d: %d\n", what, i, bit, r);
            image->base[off + i] ^= (uint8_t)(1 << bit);
        }
    }
}

/* One flipped bit anywhere in a number or a name. A directory word may also become "being named",
 * which takes more than one bit. */
T_TEST(layout, every_changed_field_of_the_tables_is_refused)
{
    struct image image;
    image_of(&image, small_plan());
    const struct sb_geometry *g = image.geometry;
    for (uint32_t i = 0; i < g->class_count; i++)
        check_refused(&image, g->class_off + i * sizeof(struct sb_class), 16, "class");
    for (uint32_t i = 0; i < g->channel_count; i++) {
        uint64_t off = g->channel_off + i * sizeof(struct sb_channel);
        size_t kind = offsetof(struct sb_channel, kind);
        check_refused(&image, off + kind, offsetof(struct sb_channel, pad0) - kind, "channel");
        check_refused(&image, off + offsetof(struct sb_channel, dir) + 1, 7, "hash of a name");
        if (g->channels[i].name[0] != '\0')
            check_refused(&image, off + offsetof(struct sb_channel, name),
                          strlen(g->channels[i].name), "channel name");
    }
    /* the last byte always counts as the end */
    check_refused(&image, g->region_off, SHMBUS_NAME_BYTES - 1, "region name");
    check_refused(&image, g->region_off + offsetof(struct sb_region, bytes), 8, "region bytes");
    T_OK(verdict(&image));
    image_free(&image);
}

T_TEST(layout, a_spare_channel_that_got_its_name_is_accepted)
{
    struct image image;
    struct sb_geometry *read = NULL;
    image_of(&image, small_plan());
    struct sb_channel *spare =
        (struct sb_channel *)(void *)(image.base + image.geometry->channel_off) + 3;
    sb_store_relaxed(&spare->dir, sb_name_hash("later") << 8 | SB_DIR_NAMING);
    T_OK(verdict(&image)); /* somebody is at it */
    sb_name_store(spare->name, "later");
    sb_store_relaxed(&spare->dir, sb_name_hash("later") << 8 | SB_DIR_READY);
    T_OK_FATAL(sb_geometry_from_segment(image.base, image.bytes, &read));
    CU_ASSERT_STRING_EQUAL(read->channels[3].name, "later");
    sb_geometry_free(read);
    image_free(&image);
}

/* ------------------------------------------------------------------------------------ versions */

static struct sb_super super_of(const struct image *image)
{
    struct sb_super super;
    memcpy(&super, image->base, sizeof super);
    return super;
}

T_TEST(layout, another_version_is_named_with_its_cure)
{
    struct image image;
    image_of(&image, small_plan());
    struct sb_super super = super_of(&image);
    super.layout_major = SB_LAYOUT_MAJOR + 7;
    super.segment_bytes = 1; /* a later version may mean something else by it */
    T_FAILS(sb_super_check(&super, image.bytes, false), -SHMBUS_ERR_LAYOUT);
    char theirs[32], ours[32];
    snprintf(theirs, sizeof theirs, "layout %u.%u", SB_LAYOUT_MAJOR + 7, SB_LAYOUT_MINOR);
    snprintf(ours, sizeof ours, "knows %u.%u", SB_LAYOUT_MAJOR, SB_LAYOUT_MINOR);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), theirs));
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), ours));
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "create it again"));
    image_free(&image);
}

T_TEST(layout, unknown_features_decide_who_may_attach)
{
    struct image image;
    image_of(&image, small_plan());
    struct sb_super super = super_of(&image);
    super.incompatible_features = 1;
    T_FAILS(sb_super_check(&super, image.bytes, true), -SHMBUS_ERR_LAYOUT);
    super = super_of(&image);
    super.read_only_features = 1ull << 63;
    T_FAILS(sb_super_check(&super, image.bytes, false), -SHMBUS_ERR_LAYOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "OBSERVE"));
    T_OK(sb_super_check(&super, image.bytes, true));
    super = super_of(&image);
    super.compatible_features = UINT64_MAX;
    super.layout_minor = SB_LAYOUT_MINOR + 1;
    T_OK(sb_super_check(&super, image.bytes, false));
    image_free(&image);
}

T_TEST(layout, another_machine_and_another_file_are_told_apart)
{
    struct image image;
    image_of(&image, small_plan());
    struct sb_super super = super_of(&image);
    super.fingerprint ^= 1;
    T_FAILS(sb_super_check(&super, image.bytes, false), -SHMBUS_ERR_LAYOUT);
    super = super_of(&image);
    super.magic[6] = '\n'; /* what a text-mode copy does to "\r\n" */
    T_FAILS(sb_super_check(&super, image.bytes, false), -SHMBUS_ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "not a shmbus segment"));
    super = super_of(&image);
    T_FAILS(sb_super_check(&super, image.bytes - SB_PAGE, false), -SHMBUS_ERR_CORRUPT);
    T_FAILS(sb_super_check(&super, image.bytes + SB_PAGE, false), -SHMBUS_ERR_CORRUPT);
    image_free(&image);
}

T_TEST(layout, two_segments_have_two_identities)
{
    struct image a, b;
    image_of(&a, small_plan());
    image_of(&b, small_plan());
    struct sb_super x = super_of(&a), y = super_of(&b);
    CU_ASSERT_NOT_EQUAL(memcmp(x.uuid, y.uuid, sizeof x.uuid), 0);
    CU_ASSERT_EQUAL(x.uuid[6] >> 4, 4);
    CU_ASSERT_EQUAL(memcmp(x.boot_id, y.boot_id, sizeof x.boot_id), 0);
    CU_ASSERT_TRUE(x.created_realtime_ns > 0);
    image_free(&a);
    image_free(&b);
}

/* ------------------------------------------------------------------------------------ attackers */

/* An attacker makes the hash right: here the creator's own code writes the bad number. */
static int verdict_of_forged(struct image *image)
{
    memset(image->base, 0, image->bytes);
    sb_layout_format(image->base, image->geometry);
    return verdict(image);
}

#define FORGE(field, value)                                                                        \
    do {                                                                                           \
        struct image image;                                                                        \
        image_of(&image, small_plan());                                                            \
        struct sb_geometry *g = image.geometry;                                                    \
        g->field = (value);                                                                        \
        CU_ASSERT_EQUAL(verdict_of_forged(&image), -SHMBUS_ERR_CORRUPT);                           \
        image_free(&image);                                                                        \
    } while (0)

T_TEST(layout, forged_classes_are_refused_with_a_right_hash)
{
    FORGE(classes[0].size_bytes, 0);
    FORGE(classes[0].size_bytes, 100);        /* no multiple of 64 */
    FORGE(classes[0].size_bytes, 4096);       /* not ascending */
    FORGE(classes[1].size_bytes, 2ull << 30); /* beyond the limit */
    FORGE(classes[1].size_bytes, UINT64_MAX - 63);
    FORGE(classes[1].count, 7); /* would reach beyond the end */
    FORGE(heartbeat_interval_ns, 0);
    FORGE(heartbeat_interval_ns, -1);
    FORGE(heartbeat_timeout_ns, 0);
}

T_TEST(layout, forged_channels_are_refused_with_a_right_hash)
{
    FORGE(channels[2].kind, 0);
    FORGE(channels[2].kind, 3);
    FORGE(channels[2].on_full, SHMBUS_FULL_DROP_OLDEST);
    FORGE(channels[2].bytes, 0);
    FORGE(channels[2].bytes, 8191);
    FORGE(channels[2].bytes, 1ull << 40);
    FORGE(channels[2].depth, 8);
    FORGE(channels[2].dead_letter, 1);
    FORGE(channels[0].on_full, 0);
    FORGE(channels[0].on_full, 4);
    FORGE(channels[0].bytes, 4097); /* more than the largest block */
    FORGE(channels[0].bytes, UINT64_MAX);
    FORGE(channels[0].share, 7); /* more than there are */
    FORGE(channels[0].share, UINT32_MAX);
    FORGE(channels[2].share, 1); /* a stream has no blocks */
    FORGE(channels[0].max_deliveries, 63);
    FORGE(channels[0].max_deliveries, 0);    /* a dead-letter queue without a limit */
    FORGE(channels[0].dead_letter, SB_NONE); /* a limit without a dead-letter queue */
    FORGE(channels[0].dead_letter, 0);       /* itself */
    FORGE(channels[0].dead_letter, 2);       /* a stream */
    FORGE(channels[0].dead_letter, 5);       /* behind the last */
    FORGE(channels[0].dead_letter, 0x7fffffff);
    FORGE(channels[0].flags, 4);
    FORGE(channels[0].endpoints, 0);
    FORGE(channels[0].endpoints, UINT32_MAX);
    FORGE(channels[0].name[0], '/');
    FORGE(regions[0].name[0], '\n');
    FORGE(regions[0].bytes, 0);
    FORGE(regions[0].bytes, UINT64_MAX);
    FORGE(regions[0].bytes, 1ull << 35);
}

T_TEST(layout, queues_without_blocks_are_refused_with_a_right_hash)
{
    struct image image;
    image_of(&image, small_plan());
    const uint64_t all = image.bytes;
    image.geometry->class_count = 0;
    CU_ASSERT_TRUE_FATAL(sb_geometry_place(image.geometry));
    image.bytes = image.geometry->segment_bytes;
    CU_ASSERT_EQUAL(verdict_of_forged(&image), -SHMBUS_ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "classes"));
    image.bytes = all;
    image_free(&image);
}

/* Numbers that format() cannot write without leaving the image: counts, depths and sizes that are
 * plausible by themselves but larger than the file. */
T_TEST(layout, counts_larger_than_the_file_are_refused_before_anything_is_read_there)
{
    struct image image;
    image_of(&image, small_plan());
    struct sb_super *super = (struct sb_super *)(void *)image.base;
    uint32_t *counts[] = {&super->processes, &super->classes, &super->channels, &super->regions};
    const uint32_t limits[] = {SHMBUS_PROCESSES_MAX, SHMBUS_BLOCK_CLASSES_MAX, SHMBUS_CHANNELS_MAX,
                               SHMBUS_REGIONS_MAX};
    for (size_t i = 0; i < 4; i++) {
        uint32_t good = *counts[i];
        for (uint64_t value = good + 1; value <= limits[i] + 2ull; value++) {
            *counts[i] = (uint32_t)value;
            CU_ASSERT_EQUAL(verdict(&image), -SHMBUS_ERR_CORRUPT);
        }
        *counts[i] = UINT32_MAX;
        CU_ASSERT_EQUAL(verdict(&image), -SHMBUS_ERR_CORRUPT);
        *counts[i] = good;
    }
    T_OK(verdict(&image));
    T_FAILS(sb_geometry_from_segment(image.base, 100, &image.geometry), -SHMBUS_ERR_CORRUPT);
    image_free(&image);
}

/* Whatever the bytes of the tables are: an answer, never a read outside (ASan watches). */
T_TEST(layout, random_damage_never_leads_outside)
{
    struct image image;
    unsigned accepted = 0;
    image_of(&image, small_plan());
    uint64_t tables = image.geometry->region_off + sizeof(struct sb_region);
    uint8_t *good = malloc(tables);
    CU_ASSERT_PTR_NOT_NULL_FATAL(good);
    memcpy(good, image.base, tables);
    for (int i = 0; i < 20000; i++) {
        for (uint64_t n = 1 + t_random_below(4); n > 0; n--) {
            uint64_t at = t_random_below(tables);
            image.base[at] = (uint8_t)t_random();
        }
        accepted += verdict(&image) == 0;
        memcpy(image.base, good, tables);
    }
    CU_ASSERT_TRUE(accepted > 0); /* there are bytes that mean nothing to an attacher */
    T_OK(verdict(&image));
    free(good);
    image_free(&image);
}
