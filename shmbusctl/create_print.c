/* SPDX-License-Identifier: MIT */
/* A plan as text. */
#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../libshmbus/base/bits.h"
#include "../libshmbus/base/room.h"
#include "create.h"
#include "ctl.h"
#include "snapshot.h"
#include "table.h"
#include "text.h"

struct plan_row {
    char what[16], name[SHMBUS_NAME_BYTES + 16], detail[200];
    uint64_t bytes;
    bool has_bytes;
};

static uint64_t block_bytes(const struct shmbus_block_opts *block)
{
    return (block->size_bytes + 63) / 64 * 64;
}

void create_note_rounding(const struct create_view *plan)
{
    for (size_t i = 0; i < plan->channel_count; i++) {
        const struct shmbus_channel_opts *channel = &plan->channels[i].is;
        bool stream = channel->kind == SHMBUS_KIND_STREAM; /* all others count messages */
        uint64_t asked = stream ? channel->bytes : channel->depth, got = sb_power_of_two(asked);

        if (asked != got)
            ctl_note("%s: %s %ju -> %ju", plan->channels[i].name, stream ? "bytes" : "depth",
                     (uintmax_t)asked, (uintmax_t)got);
    }
    for (size_t i = 0; i < plan->block_count; i++)
        if (plan->blocks[i].size_bytes != block_bytes(&plan->blocks[i]))
            ctl_note("blocks: size %ju -> %ju", (uintmax_t)plan->blocks[i].size_bytes,
                     (uintmax_t)block_bytes(&plan->blocks[i]));
}

/* ------------------------------------------------------------------------------------ dry run */

static void fill_plan(struct table_cell *cell, const void *data, int arg,
                      const struct table_options *options)
{
    const struct plan_row *row = data;
    const char *const texts[] = {row->what, row->name, row->detail};

    if (arg < 3)
        snprintf(cell->text, sizeof(cell->text), "%s", texts[arg]);
    else if (row->has_bytes)
        text_size(row->bytes, options->exact_bytes, cell->text, sizeof(cell->text));
}

static const struct table_column plan_columns[] = {
    {"what", "WHAT", "", fill_plan, 0, false},    {"name", "NAME", "", fill_plan, 1, false},
    {"memory", "MEMORY", "", fill_plan, 3, true}, {"detail", "DETAIL", "", fill_plan, 2, false},
    {NULL, NULL, NULL, NULL, 0, false},
};

/* What the lanes of such a channel need: what it would save with total order, alone in a plan. */
static uint64_t lanes_bytes(const struct shmbus_channel_opts *lanes)
{
    struct shmbus_channel_opts total = SHMBUS_CHANNEL_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    uint64_t with = 0, without = 0;
    bool good = shmbus_plan_new(0, &plan) == 0;

    total.depth = lanes->depth;
    good = good && shmbus_plan_add_channel(plan, "lanes", &total) == 0 &&
           shmbus_plan_check(plan, &without) == 0;
    total.order = SHMBUS_ORDER_PRODUCER;
    total.message_bytes = lanes->message_bytes;
    total.producers = lanes->producers;
    good = good && shmbus_plan_set_channel(plan, "lanes", &total) == 0 &&
           shmbus_plan_check(plan, &with) == 0;
    shmbus_plan_free(plan);
    return good && with > without ? with - without : 0;
}

/* Behind what is there already. */
static void add_detail(struct plan_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_detail(struct plan_row *row, const char *format, ...)
{
    size_t used = strlen(row->detail);
    va_list args;

    va_start(args, format);
    vsnprintf(row->detail + used, sizeof(row->detail) - used, format, args);
    va_end(args);
}

/* As the library settles what the plan leaves open: see shmbus.h. */
static enum shmbus_on_full on_full_of(const struct create_view *plan, size_t index)
{
    const struct shmbus_channel_opts *channel = &plan->channels[index].is;

    if (channel->on_full)
        return channel->on_full;
    for (size_t i = 0; i < plan->channel_count; i++)
        if (plan->channels[i].is.dead_letter &&
            strcmp(plan->channels[i].is.dead_letter, plan->channels[index].name) == 0)
            return SHMBUS_FULL_DROP_OLDEST;
    return SHMBUS_FULL_BLOCK;
}

static struct plan_row channel_row_of(const struct create_view *plan, size_t index)
{
    const struct shmbus_channel_opts *channel = &plan->channels[index].is;
    struct plan_row row = {.has_bytes = channel->kind == SHMBUS_KIND_STREAM};

    snprintf(row.what, sizeof(row.what), "%s", shmbus_kind_name(channel->kind));
    snprintf(row.name, sizeof(row.name), "%s", plan->channels[index].name);
    if (row.has_bytes) {
        row.bytes = sb_power_of_two(channel->bytes);
        return row;
    }
    add_detail(&row, "depth=%ju on_full=%s", (uintmax_t)sb_power_of_two(channel->depth),
               shmbus_on_full_name(on_full_of(plan, index)));
    if (channel->order == SHMBUS_ORDER_PRODUCER) {
        row.has_bytes = true;
        row.bytes = lanes_bytes(channel);
        add_detail(&row, " order=producer message_bytes=%ju producers=%u",
                   (uintmax_t)channel->message_bytes, channel->producers);
    }
    if (channel->order != SHMBUS_ORDER_PRODUCER && channel->message_bytes)
        add_detail(&row, " message_bytes=%ju", (uintmax_t)channel->message_bytes);
    if (channel->share > 1)
        add_detail(&row, " share=%u", channel->share);
    if (channel->max_deliveries)
        add_detail(&row, " max_deliveries=%u dead_letter=%s", channel->max_deliveries,
                   channel->dead_letter);
    return row;
}

/* --------------------------------------------------------------------------- what is promised */

static bool has_blocks(const struct shmbus_channel_opts *channel)
{
    return channel->kind == SHMBUS_KIND_QUEUE && channel->order != SHMBUS_ORDER_PRODUCER;
}

/* Queues of the same share and largest message, from declared channel @from on; spare ones are
 * behind the last. */
struct promise {
    uint64_t message_bytes;
    uint32_t share, queues;
};

static struct promise promise_of(const struct create_view *plan, size_t index, uint64_t largest)
{
    bool spare = index == plan->channel_count;
    uint64_t bytes = spare ? plan->is.spare_message_bytes : plan->channels[index].is.message_bytes;
    uint32_t share = spare ? plan->is.spare_share : plan->channels[index].is.share;

    return (struct promise){
        .message_bytes = bytes ? bytes : largest,
        .share = share ? share : 1,
        .queues = spare ? plan->spare_channels : has_blocks(&plan->channels[index].is),
    };
}

/* A queue that is alone needs no share. */
static bool has_one_queue(const struct create_view *plan)
{
    uint32_t queues = 0;

    for (size_t i = 0; i <= plan->channel_count; i++)
        queues += promise_of(plan, i, 0).queues;
    return queues == 1;
}

static bool is_same(const struct promise *a, const struct promise *b)
{
    return a->message_bytes == b->message_bytes && a->share == b->share;
}

static void print_promise(const struct promise *promise)
{
    char size[TEXT_NUMBER_BYTES];

    text_size(promise->message_bytes, false, size, sizeof(size));
    printf("%s%u queue%s can always have %u message%s of up to %s, whatever waits elsewhere\n",
           promise->queues == 1 ? "" : "each of ", promise->queues, promise->queues == 1 ? "" : "s",
           promise->share, promise->share == 1 ? "" : "s", size);
}

/* What no other queue can take away. */
static void print_promises(const struct create_view *plan, uint64_t largest)
{
    for (size_t i = 0; i <= plan->channel_count; i++) {
        struct promise all = promise_of(plan, i, largest);
        bool is_first = all.queues > 0;

        for (size_t k = 0; k < i && is_first; k++) {
            struct promise before = promise_of(plan, k, largest);
            is_first = before.queues == 0 || !is_same(&before, &all);
        }
        for (size_t k = i + 1; k <= plan->channel_count && is_first; k++) {
            struct promise more = promise_of(plan, k, largest);
            all.queues += is_same(&more, &all) ? more.queues : 0;
        }
        if (is_first)
            print_promise(&all);
    }
}

static uint64_t largest_block(const struct create_view *plan)
{
    return plan->block_count ? block_bytes(&plan->blocks[plan->block_count - 1]) : 0;
}

/* How many messages of @bytes fit into the common blocks. */
static uint64_t common_room(const struct create_view *plan, uint64_t bytes)
{
    struct shmbus_block_stat block = {.struct_bytes = sizeof(block)};
    uint64_t room = 0;

    for (uint32_t i = 0; shmbus_plan_block_stat(plan->plan, i, &block) == 0; i++)
        room += block.size_bytes >= bytes ? block.common : 0;
    return room;
}

/* The depth counts messages, the blocks set a limit as well. Where the size of messages is not
 * declared, the smallest will do. */
void create_note_room(const struct create_view *plan)
{
    for (size_t i = 0; i < plan->channel_count; i++) {
        const struct shmbus_channel_opts *channel = &plan->channels[i].is;
        struct promise own = promise_of(plan, i, largest_block(plan));
        uint64_t bytes = channel->message_bytes ? channel->message_bytes : 1;
        uint64_t room = common_room(plan, bytes) + (has_one_queue(plan) ? 0 : own.share);

        if (own.queues == 0 || room >= channel->depth)
            continue;
        if (channel->message_bytes)
            ctl_note("%s: depth %u, but room for %ju messages of %ju bytes; raise the blocks",
                     plan->channels[i].name, channel->depth, (uintmax_t)room, (uintmax_t)bytes);
        else
            ctl_note("%s: depth %u, but room for %ju messages; raise the blocks",
                     plan->channels[i].name, channel->depth, (uintmax_t)room);
    }
}

static void print_room(const struct create_view *plan)
{
    struct shmbus_block_stat block = {.struct_bytes = sizeof(block)};

    if (has_one_queue(plan)) {
        printf("one queue, which has all blocks\n");
        return;
    }
    print_promises(plan, largest_block(plan));
    for (uint32_t i = 0; shmbus_plan_block_stat(plan->plan, i, &block) == 0; i++) {
        char size[TEXT_NUMBER_BYTES];

        text_size(block.size_bytes, false, size, sizeof(size));
        printf("%s%ju of %s", i == 0 ? "common blocks: " : ", ", (uintmax_t)block.common, size);
    }
    printf("%s", plan->block_count ? "\n" : "");
}

static bool add_row(struct table *table, const struct plan_row *row, uint64_t *sum)
{
    *sum += row->has_bytes ? row->bytes : 0;
    return table_add(table, row);
}

static bool add_rows(struct table *table, const struct create_view *plan, uint64_t total)
{
    struct shmbus_block_stat block = {.struct_bytes = sizeof(block)};
    struct shmbus_region_opts region = SHMBUS_REGION_OPTS_INIT;
    const char *name;
    uint64_t sum = 0;
    struct plan_row row;
    bool good = true;

    for (uint32_t i = 0; good && shmbus_plan_block_stat(plan->plan, i, &block) == 0; i++) {
        row = (struct plan_row){"blocks", "", "", block.size_bytes * block.count, true};
        text_size(block.size_bytes, false, row.name, sizeof(row.name));
        snprintf(row.detail, sizeof(row.detail), "count=%ju common=%ju", (uintmax_t)block.count,
                 (uintmax_t)block.common);
        good = add_row(table, &row, &sum);
    }
    for (size_t i = 0; i < plan->channel_count && good; i++) {
        row = channel_row_of(plan, i);
        good = add_row(table, &row, &sum);
    }
    for (uint32_t i = 0; good && shmbus_plan_get_region(plan->plan, i, &name, &region) == 0; i++) {
        row = (struct plan_row){"region", "", "", region.bytes, true};
        snprintf(row.name, sizeof(row.name), "%s", name);
        good = add_row(table, &row, &sum);
    }
    row = (struct plan_row){"tables", "", "", total - sum, true};
    snprintf(row.detail, sizeof(row.detail), "headers, rings, %u processes, %u spare queues",
             plan->is.processes, plan->spare_channels);
    good = good && add_row(table, &row, &sum);
    row = (struct plan_row){"total", "", "", total, true};
    return good && table_add(table, &row);
}

void create_note_place(const char *name)
{
    struct sb_room room;
    char dir[512];

    ctl_bus_dir(name, dir, sizeof(dir));
    if (sb_room_look(dir, &room) == 0 && room.type != TMPFS_MAGIC && room.type != RAMFS_MAGIC &&
        room.type != HUGETLBFS_MAGIC)
        ctl_note("%s is no tmpfs: every message is also written to a disk", dir);
}

/* Would it work now? Says what stands in the way. */
static int check_place(const char *name, uint64_t bytes)
{
    struct sb_room room;
    struct shmbus *bus;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    char dir[512], text[512];
    int result;

    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    result = shmbus_attach(name, &opts, &bus);
    if (result == 0) {
        shmbus_detach(bus);
        return ctl_fail(CTL_EXISTS, "%s exists already; remove it first: shmbusctl rm %s", name,
                        name);
    }
    ctl_bus_dir(name, dir, sizeof(dir));
    if (result != -ENOENT)
        return ctl_fail_bus(result, name);
    result = sb_room_look(dir, &room);
    if (result < 0)
        return ctl_fail(ctl_exit_of(result), "%s: %s", dir, strerror(-result));
    if (sb_room_check(&room, dir, bytes, text, sizeof(text)) == 0)
        return CTL_DONE;
    return ctl_fail(CTL_FAILED, "%s %s", name, text);
}

int create_dry_run(const char *name, const struct create_view *plan, uint64_t bytes)
{
    struct table_options options = {.width = table_width_of_output()};
    struct table table;
    int code = CTL_FAILED;

    if (!table_init(&table, plan_columns, "what,name,memory,detail", &options))
        return CTL_FAILED;
    if (add_rows(&table, plan, bytes)) {
        printf("plan of %s, nothing created: %u processes, mode %04o\n", name, plan->is.processes,
               (unsigned)plan->is.mode & 07777);
        table_print(&table, stdout);
        print_room(plan);
        create_note_rounding(plan);
        create_note_room(plan);
        create_note_place(name);
        code = check_place(name, bytes);
    }
    table_free(&table);
    return code;
}
