/* SPDX-License-Identifier: MIT */
/*
 * Plans as programs of any version see them: what is said is taken, what is not said stays, and a
 * struct may be shorter or longer than the library's.
 */
#include <errno.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "fixture.h"
#include "harness.h"

static struct shmbus_plan *new_plan(void)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    return plan;
}

static struct shmbus_plan_opts whole_of(const struct shmbus_plan *plan)
{
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    T_OK_FATAL(shmbus_plan_get(plan, &whole));
    return whole;
}

static struct shmbus_channel_opts channel_of(const struct shmbus_plan *plan, uint32_t index,
                                             const char *name)
{
    struct shmbus_channel_opts channel = SHMBUS_CHANNEL_OPTS_INIT;
    const char *is = NULL;
    T_OK_FATAL(shmbus_plan_get_channel(plan, index, &is, &channel));
    CU_ASSERT_STRING_EQUAL(is, name);
    return channel;
}

static uint64_t bytes_of(const struct shmbus_plan *plan)
{
    uint64_t bytes = 0;
    T_OK_FATAL(shmbus_plan_check(plan, &bytes));
    return bytes;
}

T_TEST(plan_opts, a_new_plan_has_the_documented_defaults)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(0, &plan));
    struct shmbus_plan_opts whole = whole_of(plan);

    CU_ASSERT_PTR_NULL(whole.name);
    CU_ASSERT_EQUAL(whole.mode, 0600);
    CU_ASSERT_EQUAL(whole.group, 0);
    CU_ASSERT_EQUAL(whole.processes, 64);
    CU_ASSERT_EQUAL(whole.spare_channels, 16);
    CU_ASSERT_EQUAL(whole.spare_depth, 1024);
    CU_ASSERT_EQUAL(whole.heartbeat_interval_ns, 5 * T_S);
    CU_ASSERT_EQUAL(whole.heartbeat_timeout_ns, 10 * T_S);
    CU_ASSERT_EQUAL(whole.core, SHMBUS_SWITCH_OFF);
    T_FAILS(shmbus_plan_get_channel(plan, 0, NULL, NULL), -ENOENT);
    T_FAILS(shmbus_plan_get_region(plan, 0, NULL, NULL), -ENOENT);
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, set_changes_what_is_said_and_nothing_else)
{
    struct shmbus_plan_opts first = {sizeof first,
                                     .name = "trains",
                                     .mode = 0660,
                                     .group = SHMBUS_GROUP_ROOT,
                                     .processes = 7,
                                     .spare_channels = SHMBUS_SPARE_NONE,
                                     .core = SHMBUS_SWITCH_ON};
    struct shmbus_plan_opts second = {sizeof second, .spare_depth = 33, .spare_share = 2};
    struct shmbus_plan *plan = new_plan();
    struct shmbus_plan_opts now;

    T_OK(shmbus_plan_set(plan, &first));
    T_OK(shmbus_plan_set(plan, &second));
    now = whole_of(plan);
    CU_ASSERT_STRING_EQUAL(now.name, "trains");
    CU_ASSERT_EQUAL(now.mode, 0660);
    CU_ASSERT_EQUAL(now.group, SHMBUS_GROUP_ROOT);
    CU_ASSERT_EQUAL(now.processes, 7);
    CU_ASSERT_EQUAL(now.spare_channels, SHMBUS_SPARE_NONE);
    CU_ASSERT_EQUAL(now.core, SHMBUS_SWITCH_ON);
    CU_ASSERT_EQUAL(now.spare_depth, 33);
    CU_ASSERT_EQUAL(now.spare_share, 2);
    CU_ASSERT_EQUAL(plan->group, 0);
    CU_ASSERT_EQUAL(plan->spare_channels, 0);
    T_OK(shmbus_plan_set(plan, &now)); /* its own name, too */
    CU_ASSERT_STRING_EQUAL(whole_of(plan).name, "trains");
    first = (struct shmbus_plan_opts){sizeof first, .core = SHMBUS_SWITCH_OFF, .group = 12};
    T_OK(shmbus_plan_set(plan, &first));
    CU_ASSERT_EQUAL(whole_of(plan).core, SHMBUS_SWITCH_OFF);
    CU_ASSERT_EQUAL(whole_of(plan).group, 12);
    shmbus_plan_free(plan);
}

/* Read out of one plan, put into another: the same segment. */
static void copy_plan(const struct shmbus_plan *from, struct shmbus_plan *to)
{
    struct shmbus_plan_opts whole = whole_of(from);
    struct shmbus_channel_opts channel = SHMBUS_CHANNEL_OPTS_INIT;
    struct shmbus_region_opts region = SHMBUS_REGION_OPTS_INIT;
    struct shmbus_block_opts blocks = SHMBUS_BLOCK_OPTS_INIT;
    const char *name;

    T_OK(shmbus_plan_set(to, &whole));
    T_OK(shmbus_plan_clear_blocks(to));
    for (uint32_t i = 0; shmbus_plan_get_channel(from, i, &name, &channel) == 0; i++) {
        T_OK(shmbus_plan_add_channel(to, name, &channel));
    }
    for (uint32_t i = 0; shmbus_plan_get_region(from, i, &name, &region) == 0; i++) {
        T_OK(shmbus_plan_add_region(to, name, &region));
    }
    for (uint32_t i = 0; shmbus_plan_get_blocks(from, i, &blocks) == 0; i++) {
        T_OK(shmbus_plan_add_blocks(to, &blocks));
    }
}

T_TEST(plan_opts, what_get_says_makes_the_same_plan)
{
    static const char yaml[] =
        "bus: trains\nprocesses: 9\nmode: 0660\nspare: { channels: 0 }\n"
        "blocks: [ { size: 100, count: 90 }, { size: 4KiB, count: 30 } ]\n"
        "channels:\n"
        "  tasks: { depth: 9, on_full: reject, max_deliveries: 3, dead_letter: gone, share: 2 }\n"
        "  jobs: { order: producer, message_bytes: 99, producers: 3, timestamps: true }\n"
        "  ticks: { kind: stream, bytes: 9KiB, endpoints: 5 }\n"
        "regions: { data: 1MiB }\n";
    struct shmbus_plan *plan = NULL, *other = new_plan();

    T_OK_FATAL(shmbus_plan_parse(yaml, sizeof yaml - 1, "yaml", &plan));
    copy_plan(plan, other);
    CU_ASSERT_EQUAL(bytes_of(plan), bytes_of(other));
    CU_ASSERT_EQUAL_FATAL(plan->channel_count, other->channel_count);
    for (size_t i = 0; i < plan->channel_count; i++) {
        CU_ASSERT_EQUAL(memcmp(&plan->channels[i], &other->channels[i], sizeof *plan->channels), 0);
    }
    CU_ASSERT_EQUAL(memcmp(plan->regions, other->regions, sizeof *plan->regions), 0);
    CU_ASSERT_EQUAL(memcmp(plan->blocks, other->blocks, 2 * sizeof *plan->blocks), 0);
    CU_ASSERT_STRING_EQUAL(other->name, "trains");
    CU_ASSERT_EQUAL(other->spare_channels, 0);
    shmbus_plan_free(other);
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, a_channel_without_options_is_a_queue)
{
    struct shmbus_plan *plan = new_plan();
    struct shmbus_channel_opts c;

    T_OK(shmbus_plan_add_channel(plan, "tasks", NULL));
    c = channel_of(plan, 0, "tasks");
    CU_ASSERT_EQUAL(c.kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(c.depth, 1024);
    CU_ASSERT_EQUAL(c.order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(c.on_full, 0); /* settled when the bus is made */
    CU_ASSERT_PTR_NULL(c.dead_letter);
    T_OK(shmbus_plan_check(plan, NULL));
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, a_channel_can_be_changed_when_it_is_there)
{
    struct shmbus_channel_opts c = {sizeof c, .max_deliveries = 3, .dead_letter = "gone"};
    struct shmbus_plan *plan = new_plan();

    T_FAILS(shmbus_plan_set_channel(plan, "tasks", &c), -ENOENT);
    T_OK(shmbus_plan_add_channel(plan, "gone", NULL));
    T_OK(shmbus_plan_add_channel(plan, "tasks", &c));
    c = (struct shmbus_channel_opts){sizeof c, .depth = 7, .order = SHMBUS_ORDER_PRODUCER};
    T_OK(shmbus_plan_set_channel(plan, "tasks", &c));
    c = channel_of(plan, 1, "tasks");
    CU_ASSERT_EQUAL(c.depth, 7);
    CU_ASSERT_EQUAL(c.max_deliveries, 3);
    CU_ASSERT_STRING_EQUAL(c.dead_letter, "gone");
    CU_ASSERT_EQUAL(c.producers, 16);                 /* completed, as by adding */
    T_OK(shmbus_plan_set_channel(plan, "tasks", &c)); /* its own names */
    c.kind = 9;
    c.depth = 8;
    T_FAILS(shmbus_plan_set_channel(plan, "tasks", &c), -EINVAL);
    CU_ASSERT_EQUAL(channel_of(plan, 1, "tasks").depth, 7);
    T_FAILS(shmbus_plan_set_channel(plan, "tasks", NULL), -EINVAL);
    T_OK(shmbus_plan_check(plan, NULL));
    shmbus_plan_free(plan);
}

/* A name that the plan itself has handed out, while the plan grows. */
T_TEST(plan_opts, a_name_of_the_plan_may_go_into_it_again)
{
    struct shmbus_channel_opts c = {sizeof c, .max_deliveries = 3, .dead_letter = "gone"};
    struct shmbus_plan *plan = new_plan();

    T_OK(shmbus_plan_add_channel(plan, "tasks", &c));
    c = channel_of(plan, 0, "tasks");
    T_OK(shmbus_plan_add_channel(plan, c.dead_letter, NULL));
    (void)channel_of(plan, 1, "gone");
    T_OK(shmbus_plan_check(plan, NULL));
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, after_a_failure_the_plan_is_as_it_was)
{
    static const char longest[] = "12345678901234567890123456789012345678901234567";
    static const char longer[] = "123456789012345678901234567890123456789012345678";
    struct shmbus_plan_opts whole = {sizeof whole, .name = longer, .processes = 3};
    struct shmbus_channel_opts c = {sizeof c, .dead_letter = longer};
    struct shmbus_plan *plan = new_plan();

    T_FAILS(shmbus_plan_set(plan, &whole), -EINVAL);
    whole.name = longest;
    whole.core = 3;
    T_FAILS(shmbus_plan_set(plan, &whole), -EINVAL);
    whole.core = 0;
    whole.reserved_ = 1;
    T_FAILS(shmbus_plan_set(plan, &whole), -E2BIG);
    CU_ASSERT_EQUAL(whole_of(plan).processes, 64);
    CU_ASSERT_PTR_NULL(whole_of(plan).name);
    T_FAILS(shmbus_plan_add_channel(plan, "tasks", &c), -EINVAL);
    T_FAILS(shmbus_plan_add_channel(plan, longer, NULL), -EINVAL);
    T_FAILS(shmbus_plan_add_channel(plan, "a b", NULL), -EINVAL);
    c = (struct shmbus_channel_opts){sizeof c, .reserved_ = 1};
    T_FAILS(shmbus_plan_add_channel(plan, "tasks", &c), -E2BIG);
    c = (struct shmbus_channel_opts){sizeof c, .timestamps = 3};
    T_FAILS(shmbus_plan_add_channel(plan, "tasks", &c), -EINVAL);
    T_FAILS(shmbus_plan_get_channel(plan, 0, NULL, NULL), -ENOENT);
    T_OK(shmbus_plan_add_channel(plan, longest, NULL));
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, nothing_at_all_is_refused)
{
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_channel_opts c = SHMBUS_CHANNEL_OPTS_INIT;
    struct shmbus_region_opts region = SHMBUS_REGION_OPTS_INIT;
    struct shmbus_block_opts blocks = SHMBUS_BLOCK_OPTS_INIT;
    struct shmbus_plan *plan = new_plan();

    T_FAILS(shmbus_plan_set(NULL, &whole), -EINVAL);
    T_FAILS(shmbus_plan_set(plan, NULL), -EINVAL);
    T_FAILS(shmbus_plan_get(NULL, &whole), -EINVAL);
    T_FAILS(shmbus_plan_get(plan, NULL), -EINVAL);
    T_FAILS(shmbus_plan_add_channel(NULL, "c", &c), -EINVAL);
    T_FAILS(shmbus_plan_add_channel(plan, NULL, &c), -EINVAL);
    T_FAILS(shmbus_plan_set_channel(NULL, "c", &c), -EINVAL);
    T_FAILS(shmbus_plan_set_channel(plan, NULL, &c), -EINVAL);
    T_FAILS(shmbus_plan_get_channel(NULL, 0, NULL, &c), -EINVAL);
    T_FAILS(shmbus_plan_add_region(NULL, "r", &region), -EINVAL);
    T_FAILS(shmbus_plan_add_region(plan, "r", NULL), -EINVAL);
    T_FAILS(shmbus_plan_add_region(plan, "r", &region), -EINVAL); /* 0 bytes */
    T_FAILS(shmbus_plan_get_region(NULL, 0, NULL, &region), -EINVAL);
    T_FAILS(shmbus_plan_add_blocks(NULL, &blocks), -EINVAL);
    T_FAILS(shmbus_plan_add_blocks(plan, NULL), -EINVAL);
    T_FAILS(shmbus_plan_add_blocks(plan, &blocks), -EINVAL); /* of 0 bytes */
    T_FAILS(shmbus_plan_get_blocks(NULL, 0, &blocks), -EINVAL);
    T_FAILS(shmbus_plan_get_blocks(plan, 0, NULL), -EINVAL);
    T_FAILS(shmbus_plan_clear_blocks(NULL), -EINVAL);
    shmbus_plan_free(plan);
}

/* ---------------------------------------------------------------------- structs of other sizes */

/* A struct of options of a program that knows more, and of one that knows less. */
struct newer {
    struct shmbus_channel_opts channel;
    uint64_t unknown[2];
};
#define OLDER_BYTES offsetof(struct shmbus_channel_opts, order)

T_TEST(plan_opts, an_older_program_has_the_defaults_of_what_it_does_not_know)
{
    struct shmbus_channel_opts c;
    struct shmbus_plan *plan = new_plan();

    memset(&c, 0xa5, sizeof c); /* behind its struct lies something else */
    memset(&c, 0, OLDER_BYTES);
    c.struct_bytes = OLDER_BYTES;
    c.depth = 5;
    T_OK(shmbus_plan_add_channel(plan, "tasks", &c));
    c.depth = 6;
    T_OK(shmbus_plan_set_channel(plan, "tasks", &c));
    c = channel_of(plan, 0, "tasks");
    CU_ASSERT_EQUAL(c.depth, 6);
    CU_ASSERT_EQUAL(c.order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_PTR_NULL(c.dead_letter);
    CU_ASSERT_EQUAL(c.share, 0);
    c.struct_bytes = sizeof c.struct_bytes; /* knows nothing but that */
    T_OK(shmbus_plan_add_channel(plan, "others", &c));
    CU_ASSERT_EQUAL(channel_of(plan, 1, "others").depth, 1024);
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, a_newer_program_may_ask_for_nothing_that_is_not_there)
{
    struct newer c = {.channel = {sizeof c, .depth = 5}};
    struct shmbus_plan *plan = new_plan();

    T_OK(shmbus_plan_add_channel(plan, "tasks", &c.channel));
    c.unknown[1] = 1;
    c.channel.depth = 6;
    T_FAILS(shmbus_plan_add_channel(plan, "others", &c.channel), -E2BIG);
    T_FAILS(shmbus_plan_set_channel(plan, "tasks", &c.channel), -E2BIG);
    CU_ASSERT_EQUAL(channel_of(plan, 0, "tasks").depth, 5);
    T_FAILS(shmbus_plan_get_channel(plan, 1, NULL, NULL), -ENOENT);
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, an_answer_is_as_long_as_the_program_knows_it)
{
    struct newer c;
    struct shmbus_plan *plan = new_plan();

    T_OK(shmbus_plan_add_channel(plan, "tasks", NULL));
    memset(&c, 0xa5, sizeof c);
    c.channel.struct_bytes = OLDER_BYTES;
    T_OK(shmbus_plan_get_channel(plan, 0, NULL, &c.channel));
    CU_ASSERT_EQUAL(c.channel.struct_bytes, OLDER_BYTES);
    CU_ASSERT_EQUAL(c.channel.depth, 1024);
    CU_ASSERT_EQUAL(c.channel.order, 0xa5a5a5a5);
    c.channel.struct_bytes = sizeof c;
    T_OK(shmbus_plan_get_channel(plan, 0, NULL, &c.channel));
    CU_ASSERT_EQUAL(c.channel.order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(c.unknown[0], 0);
    CU_ASSERT_EQUAL(c.unknown[1], 0);
    shmbus_plan_free(plan);
}

static const size_t no_sizes[] = {0, 1, sizeof(size_t) - 1, 4097, SIZE_MAX};

T_TEST(plan_opts, a_size_that_was_never_set_is_refused)
{
    struct shmbus_plan *plan = new_plan();

    for (size_t i = 0; i < sizeof no_sizes / sizeof no_sizes[0]; i++) {
        struct shmbus_plan_opts whole = {no_sizes[i], .processes = 3};
        struct shmbus_channel_opts c = {no_sizes[i], .depth = 3};
        struct shmbus_region_opts region = {no_sizes[i], 3};
        struct shmbus_block_opts blocks = {no_sizes[i], 33, 3};
        struct shmbus_block_stat stat = {.struct_bytes = no_sizes[i], .size_bytes = 1};
        T_FAILS(shmbus_plan_set(plan, &whole), -EINVAL);
        T_FAILS(shmbus_plan_get(plan, &whole), -EINVAL);
        T_FAILS(shmbus_plan_add_channel(plan, "c", &c), -EINVAL);
        T_FAILS(shmbus_plan_add_region(plan, "r", &region), -EINVAL);
        T_FAILS(shmbus_plan_add_blocks(plan, &blocks), -EINVAL);
        T_FAILS(shmbus_plan_get_blocks(plan, 0, &blocks), -EINVAL);
        T_FAILS(shmbus_plan_block_stat(plan, 0, &stat), -EINVAL);
        CU_ASSERT_EQUAL(whole.processes, 3);
        CU_ASSERT_EQUAL(blocks.size_bytes, 33);
        CU_ASSERT_EQUAL(stat.size_bytes, 1);
    }
    T_FAILS(shmbus_plan_get_channel(plan, 0, NULL, NULL), -ENOENT);
    shmbus_plan_free(plan);
}

T_TEST(plan_opts, other_blocks_take_the_place_of_the_built_in_ones)
{
    struct shmbus_block_opts blocks = {sizeof blocks, 100, 40};
    struct shmbus_block_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_plan *plan = new_plan();

    T_OK(shmbus_plan_clear_blocks(plan));
    T_FAILS(shmbus_plan_get_blocks(plan, 0, &blocks), -ENOENT);
    T_OK(shmbus_plan_add_blocks(plan, &blocks));
    T_OK(shmbus_plan_get_blocks(plan, 0, &blocks));
    CU_ASSERT_EQUAL(blocks.size_bytes, 100); /* as asked for */
    CU_ASSERT_EQUAL(blocks.count, 40);
    T_OK(shmbus_plan_block_stat(plan, 0, &stat));
    CU_ASSERT_EQUAL(stat.size_bytes, 128); /* as it will be */
    CU_ASSERT_EQUAL(stat.count, 40);
    shmbus_plan_free(plan);
}
