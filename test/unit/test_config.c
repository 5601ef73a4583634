/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "harness.h"
#include "plan/plan.h"

static struct shmbus_plan *parse(const char *yaml)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_parse(yaml, strlen(yaml), "t.yaml", &plan));
    return plan;
}

static void check_equal(const struct shmbus_plan *a, const struct shmbus_plan *b)
{
    CU_ASSERT_EQUAL(a->mode, b->mode);
    CU_ASSERT_EQUAL(a->group, b->group);
    CU_ASSERT_EQUAL(a->processes, b->processes);
    CU_ASSERT_EQUAL(a->spare_channels, b->spare_channels);
    CU_ASSERT_EQUAL(a->spare_depth, b->spare_depth);
    CU_ASSERT_EQUAL(a->heartbeat_interval_ns, b->heartbeat_interval_ns);
    CU_ASSERT_EQUAL(a->heartbeat_timeout_ns, b->heartbeat_timeout_ns);
    CU_ASSERT_EQUAL(a->channel_count, b->channel_count);
    CU_ASSERT_EQUAL(a->region_count, b->region_count);
    CU_ASSERT_STRING_EQUAL(a->name, b->name);
    CU_ASSERT_EQUAL_FATAL(a->block_count, b->block_count);
    for (size_t i = 0; i < a->block_count; i++) {
        CU_ASSERT_EQUAL(a->blocks[i].size_bytes, b->blocks[i].size_bytes);
        CU_ASSERT_EQUAL(a->blocks[i].count, b->blocks[i].count);
    }
}

T_TEST(config, default_yaml_is_the_built_in_plan)
{
    struct shmbus_plan *from_file = NULL, *built_in = NULL;
    T_OK_FATAL(shmbus_plan_load(t_source_path("config/default.yaml"), &from_file));
    T_OK_FATAL(shmbus_plan_new(0, &built_in));
    check_equal(from_file, built_in);
    shmbus_plan_free(from_file);
    shmbus_plan_free(built_in);
}

/* The example lines of default.yaml are comments; taken out of them they must be right, too. */
T_TEST(config, the_commented_examples_of_default_yaml_are_valid)
{
    FILE *file = fopen(t_source_path("config/default.yaml"), "re");
    char line[256], text[8192] = "";
    size_t used = 0;
    bool example = false;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "# channels:", 11) == 0 || strncmp(line, "# regions:", 10) == 0)
            example = true;
        else if (line[0] != '#')
            example = false;
        if (example)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", line + 2);
    }
    fclose(file);
    struct shmbus_plan *plan = parse(text);
    CU_ASSERT_EQUAL(plan->channel_count, 4); /* tasks, samples, ticks, tasks.dead */
    CU_ASSERT_EQUAL(plan->region_count, 1);
    shmbus_plan_free(plan);
}

T_TEST(config, demo_yaml_is_valid)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_load(t_source_path("config/demo.yaml"), &plan));
    CU_ASSERT_TRUE(plan->channel_count >= 2);
    CU_ASSERT_NOT_EQUAL(plan->name[0], '\0');
    shmbus_plan_free(plan);
}

T_TEST(config, every_key_arrives_in_the_plan)
{
    struct shmbus_plan *plan = parse("bus: demo\n"
                                     "mode: \"0660\"\n"
                                     "group: 1234\n"
                                     "processes: 7\n"
                                     "spare: { channels: 3, depth: 99, message_bytes: 64,\n"
                                     "         share: 4 }\n"
                                     "heartbeat: { interval: 250ms, timeout: 2s }\n"
                                     "blocks:\n"
                                     "  - { size: 4KiB, count: 10 }\n"
                                     "  - { count: 20, size: 64 }\n" /* 12 are shares */
                                     "channels:\n"
                                     "  tasks: { kind: queue, depth: 300, on_full: drop_oldest,\n"
                                     "           max_deliveries: 5, dead_letter: aside,\n"
                                     "           endpoints: 9, timestamps: false,\n"
                                     "           message_bytes: 1000, share: 7 }\n"
                                     "  aside: { on_full: reject }\n"
                                     "  ticks: { kind: stream, bytes: 2MiB, timestamps: true }\n"
                                     "  plain: {}\n"
                                     "  bare: { kind: stream }\n"
                                     "regions:\n"
                                     "  data: 1MiB\n");
    CU_ASSERT_STRING_EQUAL(plan->name, "demo");
    CU_ASSERT_EQUAL(plan->mode, 0660);
    CU_ASSERT_EQUAL(plan->group, 1234);
    CU_ASSERT_EQUAL(plan->processes, 7);
    CU_ASSERT_EQUAL(plan->spare_channels, 3);
    CU_ASSERT_EQUAL(plan->spare_depth, 99);
    CU_ASSERT_EQUAL(plan->spare_message_bytes, 64);
    CU_ASSERT_EQUAL(plan->spare_share, 4);
    CU_ASSERT_EQUAL(plan->heartbeat_interval_ns, 250000000);
    CU_ASSERT_EQUAL(plan->heartbeat_timeout_ns, 2000000000);
    CU_ASSERT_EQUAL_FATAL(plan->block_count, 2);
    CU_ASSERT_EQUAL(plan->blocks[0].size_bytes, 64);
    CU_ASSERT_EQUAL(plan->blocks[0].count, 20);
    CU_ASSERT_EQUAL(plan->blocks[1].size_bytes, 4096);
    CU_ASSERT_EQUAL_FATAL(plan->channel_count, 5);

    const struct sb_channel_plan *c = plan->channels;
    CU_ASSERT_STRING_EQUAL(c[0].name, "tasks");
    CU_ASSERT_EQUAL(c[0].kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(c[0].depth, 300);
    CU_ASSERT_EQUAL(c[0].on_full, SHMBUS_FULL_DROP_OLDEST);
    CU_ASSERT_EQUAL(c[0].max_deliveries, 5);
    CU_ASSERT_STRING_EQUAL(c[0].dead_letter, "aside");
    CU_ASSERT_EQUAL(c[0].endpoints, 9);
    CU_ASSERT_EQUAL(c[0].message_bytes, 1000);
    CU_ASSERT_EQUAL(c[0].share, 7);
    CU_ASSERT_EQUAL(c[0].timestamps, SHMBUS_SWITCH_OFF);
    CU_ASSERT_EQUAL(c[1].on_full, SHMBUS_FULL_REJECT);
    CU_ASSERT_EQUAL(c[2].kind, SHMBUS_KIND_STREAM);
    CU_ASSERT_EQUAL(c[2].bytes, 2 << 20);
    CU_ASSERT_EQUAL(c[2].timestamps, SHMBUS_SWITCH_ON);
    CU_ASSERT_EQUAL(c[3].kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(c[3].depth, 1024);
    CU_ASSERT_EQUAL(c[3].on_full, 0);
    CU_ASSERT_EQUAL(c[3].max_deliveries, 0);
    CU_ASSERT_EQUAL(c[3].timestamps, SHMBUS_SWITCH_DEFAULT);
    CU_ASSERT_EQUAL(c[4].bytes, 1 << 20);
    CU_ASSERT_EQUAL(c[4].timestamps, SHMBUS_SWITCH_DEFAULT);
    CU_ASSERT_EQUAL_FATAL(plan->region_count, 1);
    CU_ASSERT_STRING_EQUAL(plan->regions[0].name, "data");
    CU_ASSERT_EQUAL(plan->regions[0].bytes, 1 << 20);
    shmbus_plan_free(plan);
}

T_TEST(config, an_undeclared_dead_letter_queue_is_made_as_deep_as_its_queue)
{
    struct shmbus_plan *plan =
        parse("channels:\n"
              "  a: { depth: 77, max_deliveries: 3, dead_letter: gone, on_full: reject }\n"
              "  b: { depth: 88, max_deliveries: 4, dead_letter: gone }\n");
    CU_ASSERT_EQUAL_FATAL(plan->channel_count, 3);
    CU_ASSERT_STRING_EQUAL(plan->channels[2].name, "gone");
    CU_ASSERT_EQUAL(plan->channels[2].kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(plan->channels[2].depth, 77);
    CU_ASSERT_EQUAL(plan->channels[2].on_full, 0);
    CU_ASSERT_EQUAL(plan->channels[2].max_deliveries, 0);
    CU_ASSERT_STRING_EQUAL(plan->channels[2].dead_letter, "");
    shmbus_plan_free(plan);
}

T_TEST(config, order_and_what_belongs_to_it_arrive_in_the_plan)
{
    struct shmbus_plan *plan =
        parse("channels:\n"
              "  a: { order: producer, message_bytes: 4KiB, producers: 256, depth: 50 }\n"
              "  b: { kind: queue, producers: 1, message_bytes: 1, order: producer }\n"
              "  c: { order: producer, max_deliveries: 3, dead_letter: gone, on_full: reject }\n"
              "  d: { order: total }\n"
              "  e: {}\n");
    const struct sb_channel_plan *c = plan->channels;
    CU_ASSERT_EQUAL_FATAL(plan->channel_count, 6);
    CU_ASSERT_EQUAL(c[0].order, SHMBUS_ORDER_PRODUCER);
    CU_ASSERT_EQUAL(c[0].message_bytes, 4096);
    CU_ASSERT_EQUAL(c[0].producers, 256);
    CU_ASSERT_EQUAL(c[0].depth, 50);
    CU_ASSERT_EQUAL(c[1].order, SHMBUS_ORDER_PRODUCER);
    CU_ASSERT_EQUAL(c[1].message_bytes, 1);
    CU_ASSERT_EQUAL(c[1].producers, 1);
    CU_ASSERT_EQUAL(c[1].depth, 1024);
    CU_ASSERT_EQUAL(c[2].message_bytes, 208);
    CU_ASSERT_EQUAL(c[2].producers, 16);
    CU_ASSERT_EQUAL(c[3].order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(c[4].order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_STRING_EQUAL(c[5].name, "gone"); /* for whom it is made has another order */
    for (unsigned i = 3; i < 6; i++) {
        CU_ASSERT_EQUAL(c[i].order, SHMBUS_ORDER_TOTAL);
        CU_ASSERT_EQUAL(c[i].message_bytes, 0);
        CU_ASSERT_EQUAL(c[i].producers, 0);
    }
    T_OK(shmbus_plan_check(plan, &(uint64_t){0}));
    shmbus_plan_free(plan);
}

T_TEST(config, memory_sizes_the_blocks_around_lanes)
{
    struct shmbus_plan *plan = parse("memory: 64MiB\n"
                                     "channels: { a: { order: producer, message_bytes: 1000,\n"
                                     "                 producers: 32, depth: 1024 } }\n");
    uint64_t bytes = 0;
    T_OK(shmbus_plan_check(plan, &bytes));
    CU_ASSERT_TRUE(bytes > 60u << 20 && bytes < 68u << 20);
    shmbus_plan_free(plan);
}

T_TEST(config, memory_sizes_the_blocks_around_channels_and_regions)
{
    struct shmbus_plan *plan = parse("memory: 64MiB\n"
                                     "regions: { data: 4MiB }\n"
                                     "channels: { ticks: { kind: stream, bytes: 8MiB } }\n");
    uint64_t bytes = 0;
    T_OK(shmbus_plan_check(plan, &bytes));
    CU_ASSERT_TRUE(bytes > 60u << 20 && bytes < 68u << 20);
    shmbus_plan_free(plan);
}

T_TEST(config, a_group_is_found_by_name)
{
    struct shmbus_plan *plan = parse("group: root\n");
    CU_ASSERT_EQUAL(plan->group, 0);
    shmbus_plan_free(plan);
}

T_TEST(config, an_interval_alone_raises_the_timeout_with_it)
{
    struct shmbus_plan *plan = parse("heartbeat: { interval: 1m }\n");
    CU_ASSERT_EQUAL(plan->heartbeat_timeout_ns, 120000000000);
    shmbus_plan_free(plan);
    plan = parse("heartbeat: { interval: 9000000000s }\n"); /* twice that is no number any more */
    CU_ASSERT_EQUAL(plan->heartbeat_timeout_ns, INT64_MAX);
    shmbus_plan_free(plan);
}

/* Wrong input: the whole sentence is checked, because it is what people see. NULL: libyaml's. */
static const struct {
    const char *yaml, *sentence;
} wrong[] = {
    {"", "t.yaml:1:1: no configuration here; start with `bus: NAME`"},
    {"# only a comment\n", "t.yaml:2:1: no configuration here; start with `bus: NAME`"},
    {"just text\n", "t.yaml:1:1: `configuration` needs a map of options, not a single value"},
    {"- a\n", "t.yaml:1:1: `configuration` needs a map of options, not a list"},
    {"procesess: 4\n", "t.yaml:1:1: unknown key `procesess`; did you mean `processes`?"},
    {"colour: 4\n",
     "t.yaml:1:1: unknown key `colour`; known: bus, mode, group, memory, processes, spare, "
     "heartbeat, core, blocks, channels, regions"},
    {"bus: a\nbus: b\n", "t.yaml:2:1: `bus` is there twice; remove one"},
    {"bus: a b\n",
     "t.yaml:1:6: \"a b\" is no valid bus name: use 1 to 47 letters, digits, '.', '_' or '-', not "
     "starting with '.'"},
    {"bus:\n", "t.yaml:1:5: `bus` has no value"},
    {"bus: [a]\n", "t.yaml:1:6: `bus` needs a single value, not a list"},
    {"bus: &x a\n", "t.yaml:1:6: anchors are not allowed; remove `&x`"},
    {"bus: !name a\n", "t.yaml:1:6: tags of your own are not allowed; remove `!name`"},
    {"bus: !!binary\n  - a\n", "t.yaml:1:6: `bus` needs a single value, not a list"},
    {"bus: *x\n", "t.yaml:1:6: aliases are not allowed; repeat the value"},
    {"bus: a\n---\nbus: b\n",
     "t.yaml:2:1: a second document begins here; remove it or the other one"},
    {"mode: 0700\n",
     "t.yaml:1:7: `mode: 0700` is not possible: the owner needs read and write, nobody execute; "
     "use \"0600\", \"0660\" or \"0666\""},
    {"mode: rw\n", "t.yaml:1:7: `mode: rw`: expected an octal number such as \"0660\""},
    {"mode: \"432\"\n",
     "t.yaml:1:7: `mode: 432` is not possible: the owner needs read and write, nobody execute; use "
     "\"0600\", \"0660\" or \"0666\""},
    {"mode: 433\n",
     "t.yaml:1:7: `mode: 433` is not possible: the owner needs read and write, nobody execute; use "
     "\"0600\", \"0660\" or \"0666\""},
    {"group: no-such-group-here\n",
     "t.yaml:1:8: `group: no-such-group-here`: no such group here; use its number or `getent "
     "group`"},
    {"processes: 0\n", "t.yaml:1:12: `processes: 0` is not within 1 .. 1023"},
    {"processes: 1024\n", "t.yaml:1:12: `processes: 1024` is not within 1 .. 1023"},
    {"processes: many\n", "t.yaml:1:12: `processes: many`: expected a whole number"},
    {"processes: -1\n", "t.yaml:1:12: `processes: -1`: expected a whole number"},
    {"processes: 99999999999999999999\n",
     "t.yaml:1:12: `processes: 99999999999999999999`: the number is too large"},
    {"processes: 064\n",
     "t.yaml:1:12: `processes: 064`: a number with a leading 0 is octal to some and decimal to "
     "others; leave the 0 away, or write 0o for octal"},
    {"spare: 4\n", "t.yaml:1:8: `spare` needs a map of options, not a single value"},
    {"spare: { channel: 4 }\n", "t.yaml:1:10: unknown key `channel`; did you mean `channels`?"},
    {"heartbeat: { interval: PT5S }\n",
     "t.yaml:1:24: `interval: PT5S`: expected a duration such as 5s, 250ms, 10us, 1m30s, 2h or 1d; "
     "without a unit it is seconds"},
    {"heartbeat: { interval: 0s }\n", "t.yaml:1:24: `interval` must be above zero"},
    {"heartbeat: { interval: 5s, timeout: 1s }\n",
     "t.yaml:1:12: `timeout` must not be shorter than `interval`"},
    {"memory: 1KiB\n", "t.yaml:1:9: `memory: 1KiB` is not within 1048576 .. 72057594037927935"},
    {"memory: 32mb\n", "t.yaml:1:9: `memory: 32mb`: expected a size such as 256, 4KiB, 1MiB or "
                       "2GiB; K, M, G and T are powers of 1024, kB, MB, GB and TB of 1000"},
    {"memory: 32MiB\nblocks: [ { size: 64, count: 64 } ]\n",
     "t.yaml: `memory` and `blocks` exclude each other: memory chooses the blocks; remove one"},
    {"blocks: { size: 64, count: 64 }\n",
     "t.yaml:1:9: `blocks` needs a list such as [ { size: 4KiB, count: 1024 } ], not a map"},
    {"blocks:\n  - { size: 64 }\n", "t.yaml:2:5: a block class needs both `size` and `count`"},
    {"blocks:\n  - { size: 64, count: 1 }\n  - { size: 60, count: 1 }\n",
     "t.yaml:3:5: blocks of 64 and of 60 bytes are the same class: sizes are rounded up to 64; add "
     "up their counts"},
    {"blocks:\n  - { size: 2GiB, count: 1 }\n",
     "t.yaml:2:13: `size: 2GiB` is not within 1 .. 1073741824"},
    {"blocks: []\n", "t.yaml: blocks: queues need at least one block class"},
    {"channels: [ tasks ]\n",
     "t.yaml:1:11: `channels` needs a map such as { tasks: { kind: queue } }, not a list"},
    {"channels:\n  tasks: queue\n",
     "t.yaml:2:10: `tasks` needs a map of options, not a single value"},
    {"channels:\n  - name: tasks\n",
     "t.yaml:2:3: `channels` needs a map such as { tasks: { kind: queue } }, not a list"},
    {"channels:\n  tasks: { depth: {{ .Values.depth }} }\n",
     "t.yaml:2:19: `depth` needs a single value, not a map; is this a template that was not filled "
     "in?"},
    {"channels:\n  tasks: { depth: ${DEPTH} }\n",
     "t.yaml:2:19: `depth: $`: expected a whole number; is this a template that was not filled "
     "in?"},
    {"channels:\n  {{ .Values.name }}: {}\n",
     "t.yaml:2:3: a key of `channels` has to be a word, not a map; is this a template that was not "
     "filled in?"},
    {"channels:\n  .x: {}\n", "t.yaml:2:3: \".x\" is no valid channel name: use 1 to 47 letters, "
                              "digits, '.', '_' or '-', not "
                              "starting with '.'"},
    {"channels:\n  a: {}\n  a: {}\n", "t.yaml:3:3: channel \"a\" is there twice; remove one"},
    {"channels:\n  a: { detph: 4 }\n", "t.yaml:2:8: unknown key `detph`; did you mean `depth`?"},
    {"channels:\n  a: { kind: topic }\n",
     "t.yaml:2:14: `kind: topic` is not supported yet; use queue or stream"},
    {"channels:\n  a: { kind: streem }\n",
     "t.yaml:2:14: unknown kind `streem`; did you mean `stream`?"},
    {"channels:\n  a: { on_full: shed }\n",
     "t.yaml:2:17: `on_full: shed` is not supported yet; use block, reject or drop_oldest"},
    {"channels:\n  a: { on_full: explode }\n",
     "t.yaml:2:17: unknown on_full `explode`; known: block, reject, drop_oldest"},
    {"channels:\n  a: { depth: 0 }\n", "t.yaml:2:15: `depth: 0` is not within 1 .. 1048576"},
    {"channels:\n  a: { depth: 1048577 }\n",
     "t.yaml:2:15: `depth: 1048577` is not within 1 .. 1048576"},
    {"channels:\n  a: { kind: stream, bytes: 2GiB }\n",
     "t.yaml:2:29: `bytes: 2GiB` is not within 1024 .. 1073741824"},
    {"regions:\n  a: 32GiB\n", "t.yaml:2:6: `a: 32GiB` is not within 1 .. 34359738360"},
    {"channels:\n  a: { depth: 1KiB }\n", "t.yaml:2:15: `depth: 1KiB`: expected a whole number"},
    {"channels:\n  a: { bytes: 1MiB }\n", "t.yaml:2:3: channel \"a\": `bytes` is for streams; a "
                                          "queue has `depth`, or say `kind: stream`"},
    {"channels:\n  a: { kind: queue, bytes: 1MiB }\n",
     "t.yaml:2:3: channel \"a\": `bytes` is for streams; a queue has `depth`"},
    {"channels:\n  a: { kind: stream, depth: 4 }\n",
     "t.yaml:2:3: channel \"a\": `depth` is for queues; a stream has `bytes`"},
    {"channels:\n  a: { kind: stream, on_full: reject }\n",
     "t.yaml:2:3: channel \"a\": a stream blocks when full; remove `on_full`"},
    {"channels:\n  a: { max_deliveries: 5 }\n",
     "t.yaml:2:3: channel \"a\": `max_deliveries` needs a queue for what exceeds it; add "
     "`dead_letter: a.dead`"},
    {"channels:\n  a: { max_deliveries: 63, dead_letter: b }\n",
     "t.yaml:2:24: `max_deliveries: 63` is not within 0 .. 62"},
    {"channels:\n  a: { dead_letter: b }\n",
     "t.yaml:2:3: channel \"a\": `dead_letter` is never used without `max_deliveries`; add "
     "`max_deliveries: 5`"},
    {"channels:\n  a: { max_deliveries: 5, dead_letter: a }\n",
     "t.yaml:2:3: channel \"a\": `dead_letter` must be another queue"},
    {"channels:\n  a: { max_deliveries: 5, dead_letter: b }\n  b: { kind: stream }\n",
     "t.yaml: channel \"a\": dead_letter \"b\" must be another queue of the plan"},
    {"channels:\n  a: { order: any }\n",
     "t.yaml:2:15: unknown order `any`; known: total, producer"},
    {"channels:\n  a: { order: producers }\n",
     "t.yaml:2:15: unknown order `producers`; did you mean `producer`?"},
    {"channels:\n  a: { order: [total] }\n",
     "t.yaml:2:15: `order` needs a single value, not a list"},
    {"channels:\n  a: { message_bytes: 2MiB }\n",
     "t.yaml: channel \"a\": message_bytes 2097152 is above the largest block, 1048576; add "
     "larger `blocks`"},
    {"channels:\n  a: { share: 0 }\n", "t.yaml:2:15: `share: 0` is not within 1 .. 1048576"},
    {"channels:\n  a: { order: producer, share: 2 }\n",
     "t.yaml:2:3: channel \"a\": `share` is for queues whose messages lie in blocks; with `order: "
     "producer` all cells are the queue's own: remove it"},
    {"channels:\n  a: { kind: stream, share: 2 }\n",
     "t.yaml:2:3: channel \"a\": `share` is for queues; a stream has `bytes`"},
    {"blocks: [{ size: 64, count: 15 }]\n",
     "t.yaml: blocks: 15 of 64 bytes are fewer than the blocks that queues have for themselves "
     "(each 1, or its `share`, large enough for its largest message); raise that count, lower the "
     "number of `spare` queues, or give queues `message_bytes`"},
    {"channels:\n  a: { producers: 4 }\n",
     "t.yaml:2:3: channel \"a\": `producers` is for queues with `order: producer`; add that"},
    {"channels:\n  a: { order: total, producers: 4 }\n",
     "t.yaml:2:3: channel \"a\": `producers` is for queues with `order: producer`"},
    {"channels:\n  a: { kind: stream, order: producer }\n",
     "t.yaml:2:3: channel \"a\": `order` is for queues; a stream has `bytes`"},
    {"channels:\n  a: { kind: stream, message_bytes: 8 }\n",
     "t.yaml:2:3: channel \"a\": `message_bytes` is for queues; a stream has `bytes`"},
    {"channels:\n  a: { order: producer, message_bytes: 0 }\n",
     "t.yaml:2:40: `message_bytes: 0` is not within 1 .. 1073741824"},
    {"channels:\n  a: { order: producer, message_bytes: 2GiB }\n",
     "t.yaml:2:40: `message_bytes: 2GiB` is not within 1 .. 1073741824"},
    {"channels:\n  a: { order: producer, producers: 0 }\n",
     "t.yaml:2:36: `producers: 0` is not within 1 .. 256"},
    {"channels:\n  a: { order: producer, producers: 257 }\n",
     "t.yaml:2:36: `producers: 257` is not within 1 .. 256"},
    {"channels:\n  a: { order: producer, producers: 1KiB }\n",
     "t.yaml:2:36: `producers: 1KiB`: expected a whole number"},
    {"channels:\n  a: { order: producer, bytes: 1MiB }\n",
     "t.yaml:2:3: channel \"a\": `bytes` is for streams; a queue has `depth`, or say `kind: "
     "stream`"},
    {"channels:\n  a: { max_deliveries: 5, dead_letter: b }\n  b: { order: producer }\n",
     "t.yaml: channel \"a\": dead_letter \"b\" has `order: producer`; dead letters need `order: "
     "total`"},
    {"channels:\n  a: { timestamps: maybe }\n",
     "t.yaml:2:20: `timestamps: maybe`: expected true or false"},
    {"regions: { data: }\n", "t.yaml:1:18: `data` has no value"},
    {"regions: { data: 0 }\n", "t.yaml:1:18: `data: 0` is not within 1 .. 34359738360"},
    {"regions: { a: 1, a: 1 }\n", "t.yaml:1:18: region \"a\" is there twice; remove one"},
    {"bus: \"unfinished\n", "t.yaml:1:6: the quote that begins here is never closed"},
    {"bus: a\n\tmode: 0600\n", "t.yaml:2:1: a tab where YAML wants spaces: indent with spaces"},
    {"channels:\n\ttasks:\n\t\tdepth: 64\n",
     "t.yaml:2:1: a tab where YAML wants spaces: indent with spaces"},
    {"channels:\n  \ttasks: {}\n", "t.yaml:2:3: a tab where YAML wants spaces: indent with spaces"},
    {"blocks:\n  -\tsize: 64\n", "t.yaml:2:4: a tab where YAML wants spaces: indent with spaces"},
    {"{", "t.yaml:2:1: a value, or the closing `}` or `]`, is missing"},
    {"channels:\n  a: { depth: 4\n\n", "t.yaml:2:6: a `,` or the closing `}` is missing"},
    {"blocks: [ { size: 64, count: 64 }\n", "t.yaml:1:9: a `,` or the closing `]` is missing"},
    {"channels:\n  a:\n    depth: 4\n   kind: queue\n",
     "t.yaml:4:4: no key here: is it indented as the other lines of its map?"},
    {"bus: a: b\n", "t.yaml:1:7: no `:` can stand here: indent the line as those around it, or put "
                    "a value with a colon in quotes"},
    {"bus: a\nmode:0600\n", NULL},
    {"bus: @a\n", "t.yaml:1:6: no value begins with this character: put it in quotes"},
    {"bus: a\n# caf\xe9 in latin-1\n",
     "t.yaml:2:6: the byte 0xe9 is no UTF-8: save the file as UTF-8"},
    {"bus: a\n# \xc3\xa9 \xff\n", "t.yaml:2:5: the byte 0xff is no UTF-8: save the file as UTF-8"},
    {"bus: a\x01\n", "t.yaml:1:7: the control character 0x01 has no place in YAML"},
    {"%YAML 1.3\n---\nbus: a\n", NULL},
};

T_TEST(config, wrong_input_is_refused_with_its_place_and_a_cure)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct shmbus_plan *plan = (struct shmbus_plan *)&plan;
        int r = shmbus_plan_parse(wrong[i].yaml, strlen(wrong[i].yaml), "t.yaml", &plan);
        CU_ASSERT_PTR_EQUAL(plan, &plan);
        if (r == -SHMBUS_ERR_CONFIG && wrong[i].sentence == NULL) {
            CU_ASSERT_EQUAL(strncmp(shmbus_detail(), "t.yaml:", 7), 0);
        } else if (r != -SHMBUS_ERR_CONFIG || strcmp(shmbus_detail(), wrong[i].sentence) != 0) {
            printf("input %zu gave %d\n  got:    %s\n  wanted: %s\n", i, r, shmbus_detail(),
                   wrong[i].sentence);
            CU_FAIL("wrong input was not refused as it should be");
        }
    }
}

/* Valid YAML 1.1 or 1.2, as editors, templates and people write it: all of it means the same. */
T_TEST(config, what_editors_templates_and_people_write_is_read)
{
    static const char *const texts[] = {
        "bus: demo\nmode: \"0660\"\nprocesses: 64\nchannels:\n  tasks: { depth: 64 }\n",
        "{ \"bus\": \"demo\", \"mode\": 432, \"processes\": 64,\n"
        "\t\"channels\": { \"tasks\": { \"depth\": 64, \"timestamps\": true } } }\n",
        "---\nbus: demo\nmode: 0660\nchannels: {tasks: {depth: 64}}\n...\n",
        "%YAML 1.1\n---\nbus: demo\nmode: 660\nchannels: {tasks: {depth: 64}}\n---\n",
        "%YAML 1.2\n---\nbus: demo\nmode: 0o660\nchannels: {tasks: {depth: 64}}\n...\n---\n...\n",
        "---\n---\nbus: demo\nmode: 0660\nchannels: {tasks: {depth: 64}}\n",
        "\xef\xbb\xbf"
        "bus: demo\r\nmode: '0660'\r\n\t\r\nchannels:\r\n  tasks:\r\n    depth: 64\r\n",
        "bus: |\n  demo\nmode: 0660\nchannels:\n  ? tasks\n  : depth: 64",
        "bus: >-\n  demo\nmode: 0660 # all of us\n\t\nchannels:\n  tasks:   \n      depth: 64   \n "
        "  \n",
        "bus: !!str demo\nmode: 0660\nprocesses: 6.4e+01\nchannels:\n  tasks: !!map { depth: !!int "
        "64 }\n",
        "bus: demo\nmode: 0660\nregions: ~\nblocks: null\nspare:\nheartbeat: Null\n"
        "channels: { tasks: { depth: 0x40, timestamps: Yes } }\n",
        "bus: demo\nmode: 0660\ncore: Off\nprocesses: 0o100\nchannels: { tasks: { depth: 6_4 } }\n",
    };
    struct shmbus_plan *first = parse(texts[0]);

    for (size_t i = 1; i < sizeof texts / sizeof texts[0]; i++) {
        struct shmbus_plan *plan = parse(texts[i]);
        check_equal(first, plan);
        CU_ASSERT_EQUAL_FATAL(plan->channel_count, 1);
        CU_ASSERT_STRING_EQUAL(plan->channels[0].name, "tasks");
        CU_ASSERT_EQUAL(plan->channels[0].depth, 64);
        CU_ASSERT_NOT_EQUAL(plan->channels[0].timestamps, SHMBUS_SWITCH_OFF);
        shmbus_plan_free(plan);
    }
    shmbus_plan_free(first);
}

T_TEST(config, a_channel_without_options_has_the_defaults)
{
    struct shmbus_plan *nothing = parse("channels:\n  a:\n  b: ~\n  c: {}\n");

    CU_ASSERT_EQUAL_FATAL(nothing->channel_count, 3);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(nothing->channels[i].kind, SHMBUS_KIND_QUEUE);
        CU_ASSERT_EQUAL(nothing->channels[i].depth, nothing->channels[2].depth);
        CU_ASSERT_EQUAL(nothing->channels[i].timestamps, SHMBUS_SWITCH_DEFAULT);
    }
    shmbus_plan_free(nothing);
}

/* UTF-16, as some editors of Windows save it. */
T_TEST(config, wide_characters_are_read)
{
    static const char plain[] = "bus: demo\nprocesses: 7\n";
    char wide[2 * sizeof plain] = "\xff\xfe";
    struct shmbus_plan *plan = NULL;

    for (size_t i = 0; i + 1 < sizeof plain; i++)
        wide[2 + 2 * i] = plain[i];
    T_OK_FATAL(shmbus_plan_parse(wide, sizeof wide, "t", &plan));
    CU_ASSERT_STRING_EQUAL(plan->name, "demo");
    CU_ASSERT_EQUAL(plan->processes, 7);
    shmbus_plan_free(plan);
}

T_TEST(config, values_with_zero_bytes_or_beyond_all_limits_are_refused)
{
    static const char zero[] = "bus: \"a\\0b\"\n";
    struct shmbus_plan *plan = NULL;
    char longer[400];
    T_FAILS(shmbus_plan_parse(zero, sizeof zero - 1, "t", &plan), -SHMBUS_ERR_CONFIG);
    snprintf(longer, sizeof longer, "bus: %0300d\n", 7);
    T_FAILS(shmbus_plan_parse(longer, strlen(longer), "t", &plan), -SHMBUS_ERR_CONFIG);
    T_FAILS(shmbus_plan_parse(NULL, 4, "t", &plan), -EINVAL);
    T_FAILS(shmbus_plan_parse("bus: a\n", 7, "t", NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(plan);
}

/* Whatever the bytes: a plan or a refusal. ASan watches. */
T_TEST(config, damaged_text_never_does_harm)
{
    static const char whole[] =
        "bus: demo\nmode: \"0660\"\nspare: { channels: 3, depth: 99 }\n"
        "blocks:\n  - { size: 4KiB, count: 10 }\n"
        "channels:\n  tasks: { kind: queue, max_deliveries: 5, dead_letter: aside }\n"
        "  jobs: { order: producer, message_bytes: 1KiB, producers: 3 }\n"
        "regions:\n  data: 1MiB\n";
    static const char spice[] = "{}[]:,-&*!|>'\"%@`#? \n\t\x80\xff";
    char text[sizeof whole];

    for (int round = 0; round < 3000; round++) {
        struct shmbus_plan *plan = NULL;
        size_t length = sizeof whole - 1;
        memcpy(text, whole, sizeof whole);
        for (uint64_t n = 1 + t_random_below(4); n > 0; n--)
            text[t_random_below(length)] = spice[t_random_below(sizeof spice - 1)];
        if (t_random_below(4) == 0)
            length = t_random_below(length);
        int r = shmbus_plan_parse(text, length, "t", &plan);
        CU_ASSERT_TRUE(r == 0 || r == -SHMBUS_ERR_CONFIG);
        CU_ASSERT_EQUAL(r == 0, plan != NULL);
        shmbus_plan_free(plan);
    }
}

T_TEST(config, files_that_cannot_be_read_are_named)
{
    char path[256];
    struct shmbus_plan *plan = NULL;

    T_FAILS(shmbus_plan_load("/nonexistent/x.yaml", &plan), -ENOENT);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(),
                           "/nonexistent/x.yaml: cannot be read: no such file or directory");
    T_FAILS(shmbus_plan_load("/", &plan), -EINVAL);
    snprintf(path, sizeof path, "%s/huge", t_dir());
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 5 << 20), 0);
    close(fd);
    T_FAILS(shmbus_plan_load(path, &plan), -EINVAL);
    T_FAILS(shmbus_plan_load(NULL, &plan), -EINVAL);
    CU_ASSERT_PTR_NULL(plan);
}

T_TEST(config, a_plan_comes_out_of_a_pipe)
{
    static const char first[] = "bus: demo\nproc", second[] = "esses: 7\n";
    struct shmbus_plan *plan = NULL;
    int ends[2];
    char path[64];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bool good = write(ends[1], first, sizeof first - 1) == sizeof first - 1 &&
                    write(ends[1], second, sizeof second - 1) == sizeof second - 1;
        _exit(!good);
    }
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    T_OK_FATAL(shmbus_plan_load(path, &plan));
    CU_ASSERT_STRING_EQUAL(plan->name, "demo");
    CU_ASSERT_EQUAL(plan->processes, 7);
    close(ends[0]);
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
    shmbus_plan_free(plan);
    T_FAILS(shmbus_plan_load("/dev/null", &plan), -SHMBUS_ERR_CONFIG);
    T_FAILS(shmbus_plan_load("/dev/zero", &plan), -EINVAL); /* has no end */
}
