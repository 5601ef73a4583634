/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "harness.h"
#include "layout/bounds.h"
#include "layout/name.h"
#include "plan/plan.h"
#include "plan/plan_check.h"

static struct shmbus_plan *new_plan(void)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(0, &plan));
    return plan;
}

static void copy(char *to, const char *name)
{
    snprintf(to, SHMBUS_NAME_BYTES, "%s", name);
}

static struct sb_channel_plan queue_named(const char *name)
{
    struct sb_channel_plan c = {.kind = SHMBUS_KIND_QUEUE};
    copy(c.name, name);
    return c;
}

T_TEST(plan, the_built_in_plan_has_the_documented_limits_and_is_valid)
{
    struct shmbus_plan *plan = new_plan();
    CU_ASSERT_EQUAL(plan->mode, 0600);
    CU_ASSERT_EQUAL(plan->group, (gid_t)-1);
    CU_ASSERT_EQUAL(plan->processes, 64);
    CU_ASSERT_EQUAL(plan->spare_channels, 16);
    CU_ASSERT_EQUAL(plan->spare_depth, 1024);
    CU_ASSERT_EQUAL(plan->heartbeat_interval_ns, 5000000000);
    CU_ASSERT_EQUAL(plan->heartbeat_timeout_ns, 10000000000);
    CU_ASSERT_EQUAL(plan->block_count, 5);
    CU_ASSERT_EQUAL(plan->blocks[4].size_bytes, 1048576);
    CU_ASSERT_EQUAL(plan->channel_count, 0);
    CU_ASSERT_EQUAL(plan->region_count, 0);
    CU_ASSERT_STRING_EQUAL(plan->name, "");
    T_OK(sb_plan_validate(plan));
    shmbus_plan_free(plan);
    shmbus_plan_free(NULL);
}

T_TEST(plan, a_budget_is_met_within_a_tenth_from_a_mebibyte_to_a_tebibyte)
{
    for (unsigned shift = 20; shift <= 40; shift++) {
        for (unsigned part = 0; part < 3; part++) {
            uint64_t budget = (1ull << shift) + part * ((1ull << shift) / 3);
            struct shmbus_plan *plan = NULL;
            uint64_t bytes = 0;
            T_OK_FATAL(shmbus_plan_new(budget, &plan));
            T_OK(sb_plan_validate(plan));
            T_OK_FATAL(shmbus_plan_check(plan, &bytes));
            CU_ASSERT_TRUE(bytes <= budget + budget / 10);
            CU_ASSERT_TRUE(bytes >= budget - budget / 10);
            shmbus_plan_free(plan);
        }
    }
}

T_TEST(plan, the_built_in_plan_needs_about_44_mebibytes)
{
    struct shmbus_plan *plan = new_plan();
    uint64_t bytes = 0;
    T_OK(shmbus_plan_check(plan, &bytes));
    CU_ASSERT_TRUE(bytes > 43u << 20 && bytes < 45u << 20);
    shmbus_plan_free(plan);
}

T_TEST(plan, a_budget_under_a_mebibyte_is_refused_and_leaves_the_result_alone)
{
    struct shmbus_plan *plan = (struct shmbus_plan *)&plan;
    T_FAILS(shmbus_plan_new(1, &plan), -EINVAL);
    T_FAILS(shmbus_plan_new((1 << 20) - 1, &plan), -EINVAL);
    CU_ASSERT_PTR_EQUAL(plan, &plan);
    T_FAILS(shmbus_plan_new(0, NULL), -EINVAL);
}

T_TEST(plan, channels_are_copied_completed_and_unique)
{
    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named("tasks");
    c.kind = 0;
    T_OK(sb_plan_add_channel(plan, &c));
    c.name[0] = 'X';
    CU_ASSERT_STRING_EQUAL(plan->channels[0].name, "tasks");
    CU_ASSERT_EQUAL(plan->channels[0].kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(plan->channels[0].depth, 1024);
    CU_ASSERT_EQUAL(plan->channels[0].on_full, 0); /* settled when the bus is made */
    c = queue_named("tasks");
    T_FAILS(sb_plan_add_channel(plan, &c), -EEXIST);
    c = queue_named("ticks");
    c.kind = SHMBUS_KIND_STREAM;
    T_OK(sb_plan_add_channel(plan, &c));
    CU_ASSERT_EQUAL(plan->channels[1].bytes, 1 << 20);
    c = queue_named("odd");
    c.kind = (enum shmbus_kind)9;
    T_FAILS(sb_plan_add_channel(plan, &c), -EINVAL);
    CU_ASSERT_EQUAL(plan->channel_count, 2);
    T_OK(sb_plan_validate(plan));
    shmbus_plan_free(plan);
}

T_TEST(plan, a_queue_with_order_per_producer_is_completed)
{
    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named("tasks");
    T_OK(sb_plan_add_channel(plan, &c));
    CU_ASSERT_EQUAL(plan->channels[0].order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(plan->channels[0].message_bytes, 0);
    CU_ASSERT_EQUAL(plan->channels[0].producers, 0);
    c = queue_named("jobs");
    c.order = SHMBUS_ORDER_PRODUCER;
    T_OK(sb_plan_add_channel(plan, &c));
    CU_ASSERT_EQUAL(plan->channels[1].message_bytes, 208);
    CU_ASSERT_EQUAL(plan->channels[1].producers, 16);
    CU_ASSERT_EQUAL(plan->channels[1].depth, 1024);
    T_OK(sb_plan_validate(plan));
    shmbus_plan_free(plan);
}

T_TEST(plan, lanes_cost_producers_times_depth_times_cell)
{
    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named("jobs");
    uint64_t without = 0, with = 0, cells = 12ull * 512 * 1088; /* 48 + 1000, up to 64 */
    T_OK(sb_plan_add_channel(plan, &c));
    T_OK(shmbus_plan_check(plan, &without));
    plan->channels[0].order = SHMBUS_ORDER_PRODUCER;
    plan->channels[0].depth = 500;
    plan->channels[0].message_bytes = 1000;
    plan->channels[0].producers = 12;
    T_OK(shmbus_plan_check(plan, &with));
    CU_ASSERT_TRUE(with > without + cells - 8 * 1024 - 4096);
    CU_ASSERT_TRUE(with < without + cells + 12 * 256 + 4096);
    plan->channels[0].depth = SB_DEPTH_MAX;
    plan->channels[0].message_bytes = SB_LANE_MESSAGE_MAX;
    plan->channels[0].producers = SB_LANES_MAX;
    T_FAILS(shmbus_plan_check(plan, &with), -SHMBUS_ERR_CONFIG); /* no number overflows */
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "the segment would be larger than"));
    shmbus_plan_free(plan);
}

T_TEST(plan, names_are_checked)
{
    static const char *const good[] = {
        "a", "Task-1_x.dead", "0", "_", "-", "12345678901234567890123456789012345678901234567"};
    static const char *const bad[] = {
        "",    ".",        ".hidden", "a b",
        "a/b", "\xc3\xa4", "a\n",     "123456789012345678901234567890123456789012345678",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_TRUE(sb_name_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_FALSE(sb_name_is_valid(bad[i]));

    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named(".hidden");
    T_FAILS(sb_plan_add_channel(plan, &c), -EINVAL);
    memset(c.name, 'x', sizeof c.name); /* not terminated */
    T_FAILS(sb_plan_add_channel(plan, &c), -EINVAL);
    T_FAILS(sb_plan_add_region(plan, "a b", 1), -EINVAL);
    shmbus_plan_free(plan);
}

T_TEST(plan, regions_are_unique_and_within_their_limits)
{
    struct shmbus_plan *plan = new_plan();
    T_OK(sb_plan_add_region(plan, "data", 1));
    T_FAILS(sb_plan_add_region(plan, "data", 2), -EEXIST);
    T_FAILS(sb_plan_add_region(plan, "none", 0), -EINVAL);
    T_FAILS(sb_plan_add_region(plan, "huge", SB_REGION_BYTES_MAX + 1), -EINVAL);
    T_FAILS(sb_plan_add_region(plan, NULL, 1), -EINVAL);
    CU_ASSERT_EQUAL(plan->region_count, 1);
    shmbus_plan_free(plan);
}

T_TEST(plan, block_classes_are_kept_in_order_and_apart)
{
    struct shmbus_plan *plan = new_plan();
    plan->block_count = 0;
    T_OK(sb_plan_add_blocks(plan, 4096, 2));
    T_OK(sb_plan_add_blocks(plan, 100, 3));
    T_OK(sb_plan_add_blocks(plan, 1000, 4));
    T_FAILS(sb_plan_add_blocks(plan, 128, 1), -EEXIST); /* 100 becomes 128 */
    T_FAILS(sb_plan_add_blocks(plan, 0, 1), -EINVAL);
    T_FAILS(sb_plan_add_blocks(plan, 64, 0), -EINVAL);
    T_FAILS(sb_plan_add_blocks(plan, SB_BLOCK_BYTES_MAX + 1, 1), -EINVAL);
    T_FAILS(sb_plan_add_blocks(plan, 64, 1ull << 40), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(plan->block_count, 3);
    CU_ASSERT_EQUAL(plan->blocks[0].size_bytes, 100);
    CU_ASSERT_EQUAL(plan->blocks[1].size_bytes, 1000);
    CU_ASSERT_EQUAL(plan->blocks[2].size_bytes, 4096);
    CU_ASSERT_EQUAL(plan->blocks[0].count, 3);
    for (uint64_t size = 8192; plan->block_count < SHMBUS_BLOCK_CLASSES_MAX; size *= 2)
        T_OK(sb_plan_add_blocks(plan, size, 1));
    T_FAILS(sb_plan_add_blocks(plan, 1 << 30, 1), -EINVAL);
    T_OK(sb_plan_validate(plan));
    shmbus_plan_free(plan);
}

/* One change of a valid plan that makes it invalid, and a word of the sentence about it. */
struct damage {
    void (*apply)(struct shmbus_plan *plan);
    const char *word;
};

static void no_processes(struct shmbus_plan *p)
{
    p->processes = 0;
}
static void many_processes(struct shmbus_plan *p)
{
    p->processes = SHMBUS_PROCESSES_MAX + 1;
}
static void executable(struct shmbus_plan *p)
{
    p->mode = 0700;
}
static void unreadable(struct shmbus_plan *p)
{
    p->mode = 0060;
}
static void no_interval(struct shmbus_plan *p)
{
    p->heartbeat_interval_ns = 0;
}
static void short_timeout(struct shmbus_plan *p)
{
    p->heartbeat_timeout_ns = p->heartbeat_interval_ns - 1;
}
static void no_blocks(struct shmbus_plan *p)
{
    p->block_count = 0;
}
static void many_blocks(struct shmbus_plan *p)
{
    p->blocks[0].count = 16000000;
    p->blocks[1].count = 16000000;
}
static void unordered_blocks(struct shmbus_plan *p)
{
    p->blocks[1].size_bytes = p->blocks[0].size_bytes;
}
static void many_spare(struct shmbus_plan *p)
{
    p->spare_channels = SHMBUS_CHANNELS_MAX;
}
static void no_spare_depth(struct shmbus_plan *p)
{
    p->spare_depth = 0;
}
static void bad_bus(struct shmbus_plan *p)
{
    copy(p->name, "a b");
}
static void deep(struct shmbus_plan *p)
{
    p->channels[0].depth = SB_DEPTH_MAX + 1;
}
static void bad_on_full(struct shmbus_plan *p)
{
    p->channels[0].on_full = (enum shmbus_on_full)7;
}
static void bad_kind(struct shmbus_plan *p)
{
    p->channels[0].kind = (enum shmbus_kind)7;
}
static void many_deliveries(struct shmbus_plan *p)
{
    p->channels[0].max_deliveries = 63;
}
static void no_dead_letter(struct shmbus_plan *p)
{
    p->channels[0].dead_letter[0] = '\0';
}
static void unknown_dead_letter(struct shmbus_plan *p)
{
    copy(p->channels[0].dead_letter, "nowhere");
}
static void own_dead_letter(struct shmbus_plan *p)
{
    copy(p->channels[0].dead_letter, "tasks");
}
static void stream_dead_letter(struct shmbus_plan *p)
{
    copy(p->channels[0].dead_letter, "ticks");
}
static void idle_dead_letter(struct shmbus_plan *p)
{
    p->channels[0].max_deliveries = 0;
}
static void chained_dead_letter(struct shmbus_plan *p)
{
    p->channels[1].max_deliveries = 3;
    copy(p->channels[1].dead_letter, "tasks");
}
static void duplicate_channel(struct shmbus_plan *p)
{
    copy(p->channels[2].name, "tasks");
}
static void bad_channel_name(struct shmbus_plan *p)
{
    memset(p->channels[2].name, 'x', sizeof p->channels[2].name);
}
static void rejecting_stream(struct shmbus_plan *p)
{
    p->channels[2].on_full = SHMBUS_FULL_REJECT;
}
static void small_stream(struct shmbus_plan *p)
{
    p->channels[2].bytes = 1;
}
static void counting_stream(struct shmbus_plan *p)
{
    p->channels[2].max_deliveries = 1;
}
static void many_endpoints(struct shmbus_plan *p)
{
    p->channels[2].endpoints = SB_ENDPOINTS_MAX + 1;
}
static void empty_region(struct shmbus_plan *p)
{
    p->regions[0].bytes = 0;
}
static void duplicate_region(struct shmbus_plan *p)
{
    copy(p->regions[1].name, p->regions[0].name);
}
static void bad_order(struct shmbus_plan *p)
{
    p->channels[0].order = (enum shmbus_order)3;
}
static void message_above_the_largest_block(struct shmbus_plan *p)
{
    p->channels[0].message_bytes = (1 << 20) + 1;
}
static void large_share(struct shmbus_plan *p)
{
    p->channels[0].share = SB_SHARE_MAX + 1;
}
static void large_spare_share(struct shmbus_plan *p)
{
    p->spare_share = SB_SHARE_MAX + 1;
}
static void large_spare_message(struct shmbus_plan *p)
{
    p->spare_message_bytes = (1 << 20) + 1;
}
static void stream_with_share(struct shmbus_plan *p)
{
    p->channels[2].share = 1;
}
static void producers_without_order(struct shmbus_plan *p)
{
    p->channels[0].producers = 8;
}
static void lanes(struct shmbus_plan *p, uint64_t message_bytes, uint32_t producers)
{
    p->channels[0].order = SHMBUS_ORDER_PRODUCER;
    p->channels[0].message_bytes = message_bytes;
    p->channels[0].producers = producers;
}
static void empty_message(struct shmbus_plan *p)
{
    lanes(p, 0, 8);
}
static void huge_message(struct shmbus_plan *p)
{
    lanes(p, SB_LANE_MESSAGE_MAX + 1, 8);
}
static void no_producers(struct shmbus_plan *p)
{
    lanes(p, 8, 0);
}
static void many_producers(struct shmbus_plan *p)
{
    lanes(p, 8, SB_LANES_MAX + 1);
}
static void dead_letter_with_lanes(struct shmbus_plan *p)
{
    p->channels[1].order = SHMBUS_ORDER_PRODUCER;
    p->channels[1].message_bytes = 8;
    p->channels[1].producers = 8;
}
static void lanes_with_share(struct shmbus_plan *p)
{
    lanes(p, 8, 8);
    p->channels[0].share = 1;
}
static void stream_with_lanes(struct shmbus_plan *p)
{
    p->channels[2].order = SHMBUS_ORDER_PRODUCER;
}
static void stream_with_producers(struct shmbus_plan *p)
{
    p->channels[2].producers = 2;
}

static const struct damage damages[] = {
    {no_processes, "processes"},
    {many_processes, "processes"},
    {executable, "mode"},
    {unreadable, "mode"},
    {no_interval, "interval"},
    {short_timeout, "timeout"},
    {no_blocks, "blocks"},
    {many_blocks, "count"},
    {unordered_blocks, "size"},
    {many_spare, "spare"},
    {no_spare_depth, "spare depth"},
    {bad_bus, "bus"},
    {deep, "depth"},
    {bad_on_full, "on_full"},
    {bad_kind, "kind"},
    {many_deliveries, "max_deliveries"},
    {no_dead_letter, "dead_letter: tasks.dead"},
    {unknown_dead_letter, "nowhere"},
    {own_dead_letter, "another queue"},
    {stream_dead_letter, "another queue"},
    {idle_dead_letter, "max_deliveries"},
    {chained_dead_letter, "dead_letter itself"},
    {duplicate_channel, "twice"},
    {bad_channel_name, "name"},
    {rejecting_stream, "on_full"},
    {small_stream, "bytes"},
    {counting_stream, "dead letters"},
    {many_endpoints, "endpoints"},
    {empty_region, "region"},
    {duplicate_region, "twice"},
    {bad_order, "order 3 is unknown"},
    {message_above_the_largest_block, "the largest block, 1048576"},
    {large_share, "share 1048577"},
    {large_spare_share, "\"spare\": share"},
    {large_spare_message, "\"spare\": message_bytes"},
    {stream_with_share, "share"},
    {lanes_with_share, "share"},
    {producers_without_order, "order: producer"},
    {empty_message, "message_bytes 0"},
    {huge_message, "message_bytes"},
    {no_producers, "producers 0"},
    {many_producers, "producers 257"},
    {dead_letter_with_lanes, "dead letters need `order: total`"},
    {stream_with_lanes, "a stream has one producer"},
    {stream_with_producers, "a stream has one producer"},
};

T_TEST(plan, each_broken_limit_is_named)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct shmbus_plan *plan = new_plan();
        struct sb_channel_plan c = queue_named("tasks");
        c.max_deliveries = 5;
        copy(c.dead_letter, "dead");
        T_OK(sb_plan_add_channel(plan, &c));
        c = queue_named("dead");
        T_OK(sb_plan_add_channel(plan, &c));
        c = queue_named("ticks");
        c.kind = SHMBUS_KIND_STREAM;
        T_OK(sb_plan_add_channel(plan, &c));
        T_OK(sb_plan_add_region(plan, "data", 100));
        T_OK(sb_plan_add_region(plan, "more", 100));
        T_OK_FATAL(sb_plan_validate(plan));

        damages[i].apply(plan);
        T_FAILS(sb_plan_validate(plan), -SHMBUS_ERR_CONFIG);
        if (strstr(shmbus_detail(), damages[i].word) == NULL) {
            printf("damage %zu: `%s` is not in: %s\n", i, damages[i].word, shmbus_detail());
            CU_FAIL("the sentence does not name the option");
        }
        shmbus_plan_free(plan);
    }
}

T_TEST(plan, an_unknown_policy_is_refused)
{
    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named("tasks");
    c.on_full = (enum shmbus_on_full)4;
    T_OK(sb_plan_add_channel(plan, &c));
    T_FAILS(sb_plan_validate(plan), -SHMBUS_ERR_CONFIG);
    shmbus_plan_free(plan);
}

T_TEST(plan, a_switch_that_is_neither_on_nor_off_is_refused)
{
    struct shmbus_plan *plan = new_plan();
    struct sb_channel_plan c = queue_named("tasks");
    c.timestamps = (enum shmbus_switch)3;
    T_FAILS(sb_plan_add_channel(plan, &c), -EINVAL);
    CU_ASSERT_EQUAL(plan->channel_count, 0);
    shmbus_plan_free(plan);
}

T_TEST(plan, a_plan_without_queues_needs_no_blocks)
{
    struct shmbus_plan *plan = new_plan();
    plan->block_count = 0;
    plan->spare_channels = 0;
    T_OK(sb_plan_validate(plan));
    shmbus_plan_free(plan);
}
