/* SPDX-License-Identifier: MIT */
/* The options of create as a plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "create.h"
#include "ctl.h"
#include "text.h"

bool create_add(struct create_options *options, enum create_what what, const char *spec)
{
    struct create_item *items =
        reallocarray(options->items, options->item_count + 1, sizeof(*items));

    if (!items) {
        ctl_note("out of memory");
        return false;
    }
    items[options->item_count++] = (struct create_item){what, spec};
    options->items = items;
    return true;
}

void create_options_free(struct create_options *options)
{
    free(options->items);
}

static bool set_on_full(const char *value, uint32_t *ret_on_full)
{
    const char *const names[] = {shmbus_on_full_name(SHMBUS_FULL_BLOCK),
                                 shmbus_on_full_name(SHMBUS_FULL_REJECT),
                                 shmbus_on_full_name(SHMBUS_FULL_DROP_OLDEST), NULL};
    const char *near = ctl_nearest(value, names);

    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0) {
            *ret_on_full = (uint32_t)(SHMBUS_FULL_BLOCK + i);
            return true;
        }
    ctl_note("on_full: `%s` is none of block, reject, drop_oldest%s%s%s", value,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return false;
}

static bool set_number(const char *key, const char *value, uint32_t *ret_number)
{
    uint64_t number;

    if (!ctl_arg_count(key, value, 1, UINT32_MAX, &number))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool is_name(const char *key, const char *value)
{
    if (value[0] && strlen(value) < SHMBUS_NAME_BYTES)
        return true;
    ctl_note("%s: `%s` is not a name; 1 to %d characters", key, value, SHMBUS_NAME_BYTES - 1);
    return false;
}

/* The name stays where it was said. */
static bool set_name(const char *key, const char *value, const char **ret_name)
{
    *ret_name = value;
    return is_name(key, value);
}

static bool set_switch(const char *key, const char *value, uint32_t *ret_switch)
{
    bool yes;

    if (text_parse_bool(value, &yes)) {
        *ret_switch = yes ? SHMBUS_SWITCH_ON : SHMBUS_SWITCH_OFF;
        return true;
    }
    ctl_note("%s: `%s` is neither yes nor no", key, value);
    return false;
}

static bool unknown_key(const char *option, const char *key, const char *const *keys)
{
    const char *near = ctl_nearest(key, keys);

    if (near)
        ctl_note("%s: unknown key `%s`; did you mean `%s`?", option, key, near);
    else
        ctl_note("%s: unknown key `%s`", option, key);
    return false;
}

static bool set_order(const char *value, uint32_t *ret_order)
{
    static const enum shmbus_order orders[] = {SHMBUS_ORDER_TOTAL, SHMBUS_ORDER_PRODUCER};

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (strcmp(value, shmbus_order_name(orders[i])) == 0) {
            *ret_order = orders[i];
            return true;
        }
    ctl_note("order: `%s` is neither total nor producer", value);
    return false;
}

static bool set_queue_key(struct shmbus_channel_opts *channel, const char *key, const char *value)
{
    static const char *const keys[] = {
        "depth", "on_full",       "max_deliveries", "dead_letter", "endpoints", "timestamps",
        "order", "message_bytes", "producers",      "share",       NULL};

    if (strcmp(key, "depth") == 0)
        return set_number(key, value, &channel->depth);
    if (strcmp(key, "on_full") == 0)
        return set_on_full(value, &channel->on_full);
    if (strcmp(key, "max_deliveries") == 0)
        return set_number(key, value, &channel->max_deliveries);
    if (strcmp(key, "dead_letter") == 0)
        return set_name(key, value, &channel->dead_letter);
    if (strcmp(key, "endpoints") == 0)
        return set_number(key, value, &channel->endpoints);
    if (strcmp(key, "timestamps") == 0)
        return set_switch(key, value, &channel->timestamps);
    if (strcmp(key, "order") == 0)
        return set_order(value, &channel->order);
    if (strcmp(key, "message_bytes") == 0)
        return ctl_arg_size("message_bytes", value, &channel->message_bytes);
    if (strcmp(key, "producers") == 0)
        return set_number(key, value, &channel->producers);
    if (strcmp(key, "share") == 0)
        return set_number(key, value, &channel->share);
    return unknown_key("--queue", key, keys);
}

static bool set_stream_key(struct shmbus_channel_opts *channel, const char *key, const char *value)
{
    static const char *const keys[] = {"bytes", "timestamps", NULL};

    if (strcmp(key, "bytes") == 0)
        return ctl_arg_size("bytes", value, &channel->bytes);
    if (strcmp(key, "timestamps") == 0)
        return set_switch(key, value, &channel->timestamps);
    return unknown_key("--stream", key, keys);
}

/* What the library says about an item; a name given twice is wrong usage, too. */
static int added(int result, const char *name)
{
    if (result == -EEXIST)
        return ctl_fail(CTL_USAGE, "%s", ctl_detail(result));
    return result < 0 ? ctl_fail_bus(result, name) : CTL_DONE;
}

/* NAME[:key=value,...], cut up in place. */
static int add_channel(struct shmbus_plan *plan, enum create_what what, char *spec)
{
    const char *option = what == CREATE_QUEUE ? "--queue" : "--stream";
    struct shmbus_channel_opts channel = {
        .struct_bytes = sizeof(channel),
        .kind = what == CREATE_QUEUE ? SHMBUS_KIND_QUEUE : SHMBUS_KIND_STREAM,
        .depth = what == CREATE_QUEUE ? 1024 : 0,
        .bytes = what == CREATE_QUEUE ? 0 : 1u << 20,
    };
    char *name = strsep(&spec, ":"), *key;

    if (!is_name(option, name))
        return CTL_USAGE;
    while ((key = strsep(&spec, ",")) != NULL) {
        char *value = strchr(key, '=');

        if (!value)
            return ctl_fail(CTL_USAGE, "%s: `%s` is not key=value", option, key);
        *value++ = 0;
        if (!(what == CREATE_QUEUE ? set_queue_key : set_stream_key)(&channel, key, value))
            return CTL_USAGE;
    }
    return added(shmbus_plan_add_channel(plan, name, &channel), name);
}

/* NAME:SIZE */
static int add_region(struct shmbus_plan *plan, char *spec)
{
    const char *name = strsep(&spec, ":");
    struct shmbus_region_opts region = SHMBUS_REGION_OPTS_INIT;

    if (!spec)
        return ctl_fail(CTL_USAGE, "--region: `%s` is not NAME:SIZE", name);
    if (!ctl_arg_size("--region", spec, &region.bytes))
        return CTL_USAGE;
    return added(shmbus_plan_add_region(plan, name, &region), name);
}

/* SIZE:COUNT */
static int add_blocks(struct shmbus_plan *plan, char *spec)
{
    const char *size = strsep(&spec, ":");
    struct shmbus_block_opts blocks = SHMBUS_BLOCK_OPTS_INIT;

    if (!spec)
        return ctl_fail(CTL_USAGE, "--blocks: `%s` is not SIZE:COUNT", size);
    if (!ctl_arg_size("--blocks", size, &blocks.size_bytes) ||
        !ctl_arg_count("--blocks", spec, 1, 1u << 24, &blocks.count))
        return CTL_USAGE;
    return added(shmbus_plan_add_blocks(plan, &blocks), size);
}

static int add_item(struct shmbus_plan *plan, const struct create_item *item)
{
    char *spec = strdup(item->spec);
    int code;

    if (!spec)
        return ctl_fail(CTL_FAILED, "out of memory");
    if (item->what == CREATE_REGION)
        code = add_region(plan, spec);
    else if (item->what == CREATE_BLOCKS)
        code = add_blocks(plan, spec);
    else
        code = add_channel(plan, item->what, spec);
    free(spec);
    return code;
}

/* Dead-letter queues that nobody declared, as deep as the queue they serve; as in YAML. */
static int add_dead_letter_queues(struct shmbus_plan *plan)
{
    struct shmbus_channel_opts served = SHMBUS_CHANNEL_OPTS_INIT;

    for (uint32_t i = 0; shmbus_plan_get_channel(plan, i, NULL, &served) == 0; i++) {
        struct shmbus_channel_opts letters = SHMBUS_CHANNEL_OPTS_INIT;
        int result;

        if (!served.dead_letter)
            continue;
        letters.depth = served.depth;
        letters.timestamps = served.timestamps;
        letters.endpoints = served.endpoints;
        result = shmbus_plan_add_channel(plan, served.dead_letter, &letters);
        if (result < 0 && result != -EEXIST)
            return ctl_fail_bus(result, "--queue");
    }
    return CTL_DONE;
}

static bool has_blocks(const struct create_options *options)
{
    for (size_t i = 0; i < options->item_count; i++)
        if (options->items[i].what == CREATE_BLOCKS)
            return true;
    return false;
}

/* What is said of the whole segment. */
static int set_whole(struct shmbus_plan *plan, const struct create_options *options)
{
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    int result;

    if (options->mode_given && options->mode == 0)
        return ctl_fail(CTL_USAGE, "--mode: 0 gives nobody access; use 0600, 0660 or 0666");
    whole.processes = options->processes;
    whole.mode = options->mode_given ? options->mode : 0;
    if (options->spare_given)
        whole.spare_channels = options->spare ? options->spare : SHMBUS_SPARE_NONE;
    result = shmbus_plan_set(plan, &whole);
    return result < 0 ? ctl_fail_bus(result, "the plan") : CTL_DONE;
}

int create_plan(const struct create_options *options, struct shmbus_plan **ret_plan)
{
    struct shmbus_plan *plan;
    bool blocks = has_blocks(options);
    int result, code = CTL_DONE;

    if (options->memory_bytes && (options->config || blocks))
        return ctl_fail(CTL_USAGE, "--memory sizes the built-in blocks; leave it out with %s",
                        blocks ? "--blocks" : "--config");
    result = options->config ? shmbus_plan_load(options->config, &plan)
                             : shmbus_plan_new(options->memory_bytes, &plan);
    if (result < 0)
        return ctl_fail_bus(result, options->config ? options->config : "--memory");
    if (blocks && !options->config)
        shmbus_plan_clear_blocks(plan); /* those asked for stand in for the built-in ones */
    code = set_whole(plan, options);
    for (size_t i = 0; i < options->item_count && code == CTL_DONE; i++)
        code = add_item(plan, &options->items[i]);
    if (code == CTL_DONE)
        code = add_dead_letter_queues(plan);
    if (code == CTL_DONE)
        *ret_plan = plan;
    else
        shmbus_plan_free(plan);
    return code;
}
