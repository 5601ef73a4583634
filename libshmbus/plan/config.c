/* SPDX-License-Identifier: MIT */
/*
 * What a plan looks like in YAML: its keys, what fits together, what is left to defaults.
 * yaml_reader.c has the YAML.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "layout/bounds.h"
#include "layout/name.h"
#include "layout/words.h"
#include "plan/kind_plan.h"
#include "plan/plan.h"
#include "plan/plan_size.h"
#include "plan/units.h"
#include "plan/yaml_file.h"
#include "plan/yaml_reader.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define NO_MODE UINT64_MAX

/* One run over a file. */
struct loader {
    struct sb_yaml yaml; /* first: readers of values get a pointer to it */
    struct shmbus_plan *plan;
    uint64_t memory_bytes; /* 0: not given */
    bool has_blocks;
};

static struct loader *loader_of(struct sb_yaml *y)
{
    return (struct loader *)y;
}

/* --------------------------------------------------------------------------------------- values */

static int check_name(const struct sb_yaml *y, const struct sb_yaml_text *t, const char *what)
{
    if (sb_name_is_valid(t->value))
        return 0;
    return sb_yaml_fail(
        y, t->mark,
        "\"%s\" is no valid %s name: use 1 to %d letters, digits, '.', '_' or '-', not "
        "starting with '.'",
        t->value, what, SHMBUS_NAME_BYTES - 1);
}

static int read_name(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_text t;
    int r = sb_yaml_text(y, key->name, &t);
    if (r < 0)
        return r;
    r = check_name(y, &t, key->name);
    if (r == 0)
        memcpy(sb_yaml_field(target, key), t.value, strlen(t.value) + 1);
    return r;
}

static bool is_mode(uint64_t mode)
{
    return (mode & ~0666ull) == 0 && (mode & 0600) == 0600;
}

/* As it is written: octal, with and without 0 or 0o. A program that had 0660 from YAML 1.1 writes
 * the number 432, which is no mode in octal: the owner's digit would be less than 6. */
static bool parse_mode(const struct sb_yaml_text *t, uint64_t *ret)
{
    const char *digits = strncmp(t->value, "0o", 2) == 0 ? t->value + 2 : t->value;
    uint64_t decimal;

    if (strlen(digits) <= 4 && digits[strspn(digits, "01234567")] == '\0') {
        *ret = strtoul(digits, NULL, 8);
    }
    if (!is_mode(*ret) && t->plain && sb_parse_count(t->value, &decimal) == NULL &&
        is_mode(decimal)) {
        *ret = decimal;
    }
    return *ret != NO_MODE;
}

static int read_mode(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_text t;
    uint64_t mode = NO_MODE;
    int r = sb_yaml_text(y, key->name, &t);

    if (r < 0)
        return r;
    if (!parse_mode(&t, &mode)) {
        return sb_yaml_fail(y, t.mark, "`mode: %s`: expected an octal number such as \"0660\"",
                            t.value);
    }
    if (!is_mode(mode)) {
        return sb_yaml_fail(y, t.mark,
                            "`mode: %s` is not possible: the owner needs read and write, nobody "
                            "execute; use \"0600\", \"0660\" or \"0666\"",
                            t.value);
    }
    *(mode_t *)sb_yaml_field(target, key) = (mode_t)mode;
    return 0;
}

static int group_by_name(const struct sb_yaml *y, const struct sb_yaml_text *t, gid_t *ret)
{
    struct group entry, *found = NULL;
    size_t bytes = 1024;
    char *buffer = NULL;
    int error;

    do {
        char *larger = realloc(buffer, bytes *= 2);
        if (larger == NULL) {
            free(buffer);
            return sb_fail(-ENOMEM, "%s: no memory to look up a group", y->origin);
        }
        buffer = larger;
        error = getgrnam_r(t->value, &entry, buffer, bytes, &found);
    } while (error == ERANGE && bytes < (1u << 20));
    if (found != NULL)
        *ret = found->gr_gid;
    free(buffer);
    if (found == NULL) {
        return sb_yaml_fail(y, t->mark,
                            "`group: %s`: no such group here; use its number or `getent "
                            "group`",
                            t->value);
    }
    return 0;
}

static int read_group(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_text t;
    uint64_t number;
    int r = sb_yaml_text(y, key->name, &t);
    if (r < 0)
        return r;
    if (sb_parse_count(t.value, &number) != NULL)
        return group_by_name(y, &t, sb_yaml_field(target, key));
    r = sb_yaml_check_range(y, key, &t, number);
    if (r == 0)
        *(gid_t *)sb_yaml_field(target, key) = (gid_t)number;
    return r;
}

static int read_kind(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_word kinds[SB_KIND_COUNT + 1u] = {
        {"topic", 0, "is not supported yet; use queue or stream"},
    };
    size_t count = 1;
    int kind;
    int r;

    for (unsigned k = SHMBUS_KIND_QUEUE; sb_kind_is_known(k); k++)
        kinds[count++] = (struct sb_yaml_word){sb_kind_name(k), (int)k, NULL};
    r = sb_yaml_word(y, key->name, kinds, count, &kind);
    if (r == 0)
        *(enum shmbus_kind *)sb_yaml_field(target, key) = (enum shmbus_kind)kind;
    return r;
}

static int read_on_full(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    const struct sb_yaml_word policies[] = {
        {sb_on_full_name(SHMBUS_FULL_BLOCK), SHMBUS_FULL_BLOCK, NULL},
        {sb_on_full_name(SHMBUS_FULL_REJECT), SHMBUS_FULL_REJECT, NULL},
        {sb_on_full_name(SHMBUS_FULL_DROP_OLDEST), SHMBUS_FULL_DROP_OLDEST, NULL},
        {"shed", 0, "is not supported yet; use block, reject or drop_oldest"},
    };
    int policy;
    int r = sb_yaml_word(y, key->name, policies, COUNT_OF(policies), &policy);
    if (r == 0)
        *(enum shmbus_on_full *)sb_yaml_field(target, key) = (enum shmbus_on_full)policy;
    return r;
}

static int read_order(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    const struct sb_yaml_word orders[] = {
        {sb_order_name(SHMBUS_ORDER_TOTAL), SHMBUS_ORDER_TOTAL, NULL},
        {sb_order_name(SHMBUS_ORDER_PRODUCER), SHMBUS_ORDER_PRODUCER, NULL},
    };
    int order;
    int r = sb_yaml_word(y, key->name, orders, COUNT_OF(orders), &order);
    if (r == 0)
        *(enum shmbus_order *)sb_yaml_field(target, key) = (enum shmbus_order)order;
    return r;
}

/* ----------------------------------------------------------------------------------------- maps */

static int read_spare(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    static const struct sb_yaml_key keys[] = {
        {"channels", sb_yaml_u32, offsetof(struct shmbus_plan, spare_channels), 0,
         SHMBUS_CHANNELS_MAX},
        {"depth", sb_yaml_u32, offsetof(struct shmbus_plan, spare_depth), 1, SB_DEPTH_MAX},
        {"message_bytes", sb_yaml_size, offsetof(struct shmbus_plan, spare_message_bytes), 1,
         SB_BLOCK_BYTES_MAX},
        {"share", sb_yaml_u32, offsetof(struct shmbus_plan, spare_share), 1, SB_SHARE_MAX},
    };
    uint32_t seen;
    return sb_yaml_map(y, key->name, keys, COUNT_OF(keys), target, &seen);
}

static int read_heartbeat(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    static const struct sb_yaml_key keys[] = {
        {"interval", sb_yaml_duration, offsetof(struct shmbus_plan, heartbeat_interval_ns), 0, 0},
        {"timeout", sb_yaml_duration, offsetof(struct shmbus_plan, heartbeat_timeout_ns), 0, 0},
    };
    struct shmbus_plan *plan = target;
    uint32_t seen;
    yaml_mark_t mark;
    int r = sb_yaml_mark(y, &mark);
    if (r < 0)
        return r;
    r = sb_yaml_map(y, key->name, keys, COUNT_OF(keys), target, &seen);
    if (r < 0)
        return r;
    /* Whoever sets the interval alone means "twice that" for the timeout, as by default. */
    if (seen == 1 && plan->heartbeat_timeout_ns / 2 < plan->heartbeat_interval_ns)
        plan->heartbeat_timeout_ns = plan->heartbeat_interval_ns > INT64_MAX / 2
                                         ? INT64_MAX
                                         : 2 * plan->heartbeat_interval_ns;
    if (plan->heartbeat_timeout_ns < plan->heartbeat_interval_ns)
        return sb_yaml_fail(y, mark, "`timeout` must not be shorter than `interval`");
    return 0;
}

static int read_block(struct sb_yaml *y, const char *name)
{
    static const struct sb_yaml_key keys[] = {
        {"size", sb_yaml_size, offsetof(struct sb_block_plan, size_bytes), 1, SB_BLOCK_BYTES_MAX},
        {"count", sb_yaml_u64, offsetof(struct sb_block_plan, count), 1, 16u << 20},
    };
    struct sb_block_plan block = {0, 0};
    yaml_mark_t mark;
    uint32_t seen = 0;
    int r = sb_yaml_mark(y, &mark);
    if (r == 0)
        r = sb_yaml_map(y, name, keys, COUNT_OF(keys), &block, &seen);
    if (r < 0)
        return r;
    if (seen != 3)
        return sb_yaml_fail(y, mark, "a block class needs both `size` and `count`");
    r = sb_plan_add_blocks(loader_of(y)->plan, block.size_bytes, block.count);
    if (r == -EEXIST || r == -EINVAL)
        return sb_yaml_fail(y, mark, "%s", shmbus_detail());
    return r;
}

static int read_blocks(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    bool end, nothing;
    int r = sb_yaml_enter_list(y, key->name, "a list such as [ { size: 4KiB, count: 1024 } ]",
                               &nothing);

    (void)target;
    if (r < 0 || nothing)
        return r;
    loader_of(y)->plan->block_count = 0;
    loader_of(y)->has_blocks = true;
    r = sb_yaml_next_item(y, &end);
    while (r == 0 && !end) {
        r = read_block(y, key->name);
        if (r == 0)
            r = sb_yaml_next_item(y, &end);
    }
    return r;
}

static int read_switch(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    const struct sb_yaml_key here = {key->name, sb_yaml_bool, 0, 0, 0};
    bool on;
    int r = sb_yaml_bool(y, &here, &on);

    if (r == 0)
        *(enum shmbus_switch *)sb_yaml_field(target, key) =
            on ? SHMBUS_SWITCH_ON : SHMBUS_SWITCH_OFF;
    return r;
}

#define CHANNEL(member) offsetof(struct sb_channel_plan, member)
static const struct sb_yaml_key channel_keys[] = {
    [SB_KEY_KIND] = {"kind", read_kind, CHANNEL(kind), 0, 0},
    [SB_KEY_DEPTH] = {"depth", sb_yaml_u32, CHANNEL(depth), 1, SB_DEPTH_MAX},
    [SB_KEY_BYTES] = {"bytes", sb_yaml_size, CHANNEL(bytes), SB_STREAM_BYTES_MIN,
                      SB_STREAM_BYTES_MAX},
    [SB_KEY_ON_FULL] = {"on_full", read_on_full, CHANNEL(on_full), 0, 0},
    [SB_KEY_MAX_DELIVERIES] = {"max_deliveries", sb_yaml_u32, CHANNEL(max_deliveries), 0,
                               SB_DELIVERIES_LIMIT_MAX},
    [SB_KEY_DEAD_LETTER] = {"dead_letter", read_name, CHANNEL(dead_letter), 0, 0},
    [SB_KEY_ENDPOINTS] = {"endpoints", sb_yaml_u32, CHANNEL(endpoints), 0, SB_ENDPOINTS_MAX},
    [SB_KEY_TIMESTAMPS] = {"timestamps", read_switch, CHANNEL(timestamps), 0, 0},
    [SB_KEY_ORDER] = {"order", read_order, CHANNEL(order), 0, 0},
    [SB_KEY_MESSAGE_BYTES] = {"message_bytes", sb_yaml_size, CHANNEL(message_bytes), 1,
                              SB_LANE_MESSAGE_MAX},
    [SB_KEY_PRODUCERS] = {"producers", sb_yaml_u32, CHANNEL(producers), 1, SB_LANES_MAX},
    [SB_KEY_SHARE] = {"share", sb_yaml_u32, CHANNEL(share), 1, SB_SHARE_MAX},
};
#undef CHANNEL

/* The first kind that has key @key, and 0 for keys that all have. */
static unsigned kind_of_key(uint32_t key)
{
    unsigned kind = SHMBUS_KIND_QUEUE;

    while (sb_kind_is_known(kind) &&
           (sb_kind_row(sb_kind_of(kind, 0))->plan->keys & (1u << key)) == 0) {
        kind++;
    }
    return sb_kind_is_known(kind) ? kind : 0;
}

/* What fits one kind but not this one. */
static int check_keys_fit(const struct sb_yaml *y, const struct sb_yaml_text *name,
                          const struct sb_channel_plan *channel, uint32_t seen)
{
    const struct sb_kind_plan *kind = sb_plan_kind(channel);

    for (uint32_t key = 0; key < COUNT_OF(channel_keys); key++) {
        unsigned other = kind_of_key(key);
        if ((seen & (1u << key)) == 0 || (kind->keys & (1u << key)) != 0 || other == 0)
            continue;
        return sb_yaml_fail(y, name->mark, "channel \"%s\": `%s` is for %ss; a %s has `%s`%s%s%s",
                            name->value, channel_keys[key].name, sb_kind_name(other),
                            sb_kind_name(channel->kind), kind->room,
                            (seen & SB_KEY(KIND)) == 0 ? ", or say `kind: " : "",
                            (seen & SB_KEY(KIND)) == 0 ? sb_kind_name(other) : "",
                            (seen & SB_KEY(KIND)) == 0 ? "`" : "");
    }
    return 0;
}

static int check_order(const struct sb_yaml *y, const struct sb_yaml_text *name,
                       const struct sb_channel_plan *channel, uint32_t seen)
{
    bool has_lanes = channel->order == SHMBUS_ORDER_PRODUCER;

    if (!has_lanes && (seen & SB_KEY(PRODUCERS)) != 0) {
        return sb_yaml_fail(y, name->mark,
                            "channel \"%s\": `producers` is for queues with `order: producer`%s",
                            name->value, (seen & SB_KEY(ORDER)) == 0 ? "; add that" : "");
    }
    if (has_lanes && (seen & SB_KEY(SHARE)) != 0) {
        return sb_yaml_fail(
            y, name->mark,
            "channel \"%s\": `share` is for queues whose messages lie in blocks; with "
            "`order: producer` all cells are the queue's own: remove it",
            name->value);
    }
    return 0;
}

static int check_dead_letter(const struct sb_yaml *y, const struct sb_yaml_text *name,
                             const struct sb_channel_plan *channel)
{
    bool has_target = channel->dead_letter[0] != '\0';

    if (channel->max_deliveries > 0 && !has_target) {
        return sb_yaml_fail(
            y, name->mark,
            "channel \"%s\": `max_deliveries` needs a queue for what exceeds it; add "
            "`dead_letter: %.36s.dead`",
            name->value, name->value);
    }
    if (has_target && channel->max_deliveries == 0) {
        return sb_yaml_fail(
            y, name->mark,
            "channel \"%s\": `dead_letter` is never used without `max_deliveries`; add "
            "`max_deliveries: 5`",
            name->value);
    }
    if (has_target && strcmp(channel->dead_letter, name->value) == 0)
        return sb_yaml_fail(y, name->mark, "channel \"%s\": `dead_letter` must be another queue",
                            name->value);
    return 0;
}

static int read_channel(struct sb_yaml *y, const struct sb_yaml_text *name)
{
    struct sb_channel_plan channel;
    uint32_t seen;

    memset(&channel, 0, sizeof channel);
    channel.kind = SHMBUS_KIND_QUEUE;
    int r = check_name(y, name, "channel");
    if (r == 0)
        r = sb_yaml_map(y, name->value, channel_keys, COUNT_OF(channel_keys), &channel, &seen);
    if (r == 0)
        r = check_keys_fit(y, name, &channel, seen);
    if (r == 0)
        r = check_order(y, name, &channel, seen);
    if (r == 0)
        r = check_dead_letter(y, name, &channel);
    if (r < 0)
        return r;
    if (sb_plan_kind(&channel)->always_blocks && channel.on_full > SHMBUS_FULL_BLOCK) {
        return sb_yaml_fail(y, name->mark,
                            "channel \"%s\": a %s blocks when full; remove `on_full`", name->value,
                            sb_kind_name(channel.kind));
    }
    memcpy(channel.name, name->value, strlen(name->value) + 1);
    r = sb_plan_add_channel(loader_of(y)->plan, &channel);
    if (r == -EEXIST)
        return sb_yaml_fail(y, name->mark, "channel \"%s\" is there twice; remove one",
                            name->value);
    return r;
}

static int read_channels(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    bool end;
    int r = sb_yaml_enter_map(y, key->name, "a map such as { tasks: { kind: queue } }", &end);

    (void)target;
    while (r == 0 && !end) {
        struct sb_yaml_text name;
        r = sb_yaml_next_key(y, key->name, &name, &end);
        if (r == 0 && !end)
            r = read_channel(y, &name);
    }
    return r;
}

static int read_region(struct sb_yaml *y, const struct sb_yaml_text *name)
{
    const struct sb_yaml_key size = {name->value, sb_yaml_size, 0, 1, SB_REGION_BYTES_MAX};
    uint64_t bytes;
    int r = check_name(y, name, "region");

    if (r == 0)
        r = sb_yaml_size(y, &size, &bytes);
    if (r < 0)
        return r;
    r = sb_plan_add_region(loader_of(y)->plan, name->value, bytes);
    if (r == -EEXIST)
        return sb_yaml_fail(y, name->mark, "region \"%s\" is there twice; remove one", name->value);
    return r;
}

static int read_regions(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    bool end;
    int r = sb_yaml_enter_map(y, key->name, "a map such as { data: 1MiB }", &end);

    (void)target;
    while (r == 0 && !end) {
        struct sb_yaml_text name;
        r = sb_yaml_next_key(y, key->name, &name, &end);
        if (r == 0 && !end)
            r = read_region(y, &name);
    }
    return r;
}

static int read_memory(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    (void)target;
    return sb_yaml_size(y, key, &loader_of(y)->memory_bytes);
}

/* ----------------------------------------------------------------------------------- the whole */

#define PLAN(member) offsetof(struct shmbus_plan, member)
static const struct sb_yaml_key top_keys[] = {
    {"bus", read_name, PLAN(name), 0, 0},
    {"mode", read_mode, PLAN(mode), 0, 0},
    {"group", read_group, PLAN(group), 0, UINT32_MAX - 1u},
    {"memory", read_memory, 0, 1u << 20, UINT64_MAX >> 8},
    {"processes", sb_yaml_u32, PLAN(processes), 1, SHMBUS_PROCESSES_MAX},
    {"spare", read_spare, 0, 0, 0},
    {"heartbeat", read_heartbeat, 0, 0, 0},
    {"core", sb_yaml_bool, PLAN(core), 0, 0},
    {"blocks", read_blocks, 0, 0, 0},
    {"channels", read_channels, 0, 0, 0},
    {"regions", read_regions, 0, 0, 0},
};
#undef PLAN

static int read_options(struct sb_yaml *y)
{
    uint32_t seen;

    return sb_yaml_map(y, "configuration", top_keys, COUNT_OF(top_keys), loader_of(y)->plan, &seen);
}

/* A dead-letter queue that nobody declared is as deep as the queue it serves. */
static int add_dead_letter_queues(struct loader *l)
{
    size_t declared = l->plan->channel_count;

    for (size_t i = 0; i < declared; i++) {
        struct sb_channel_plan added = l->plan->channels[i];
        if (added.dead_letter[0] == '\0' || sb_plan_channel(l->plan, added.dead_letter) != NULL)
            continue;
        memcpy(added.name, added.dead_letter, sizeof added.name);
        memset(added.dead_letter, 0, sizeof added.dead_letter);
        added.on_full = 0;
        added.max_deliveries = 0;
        added.order = SHMBUS_ORDER_TOTAL;
        added.message_bytes = 0;
        added.producers = 0;
        added.share = 0;
        int r = sb_plan_add_channel(l->plan, &added);
        if (r < 0)
            return r;
    }
    return 0;
}

static int finish(struct loader *l)
{
    if (l->memory_bytes != 0 && l->has_blocks) {
        return sb_fail(-SHMBUS_ERR_CONFIG,
                       "%s: `memory` and `blocks` exclude each other: memory chooses the blocks; "
                       "remove one",
                       l->yaml.origin);
    }
    int r = add_dead_letter_queues(l);
    if (r == 0 && l->memory_bytes != 0)
        r = sb_plan_size_blocks(l->plan, l->memory_bytes);
    if (r == 0)
        r = shmbus_plan_check(l->plan, NULL);
    return r < 0 ? sb_fail_prefix(r, "%s", l->yaml.origin) : 0;
}

int shmbus_plan_parse(const char *yaml, size_t yaml_bytes, const char *origin,
                      struct shmbus_plan **ret_plan)
{
    struct loader l;
    int r;

    if ((yaml == NULL && yaml_bytes > 0) || ret_plan == NULL)
        return sb_fail(-EINVAL, "the text or ret_plan is NULL");
    memset(&l, 0, sizeof l);
    r = shmbus_plan_new(0, &l.plan);
    if (r < 0)
        return r;
    r = sb_yaml_open(&l.yaml, yaml, yaml_bytes, origin != NULL ? origin : "configuration");
    if (r == 0) {
        r = sb_yaml_document(&l.yaml, read_options);
        if (r == 0)
            r = finish(&l);
        sb_yaml_close(&l.yaml);
    }
    if (r < 0) {
        shmbus_plan_free(l.plan);
        return r;
    }
    *ret_plan = l.plan;
    return 0;
}

int shmbus_plan_load(const char *path, struct shmbus_plan **ret_plan)
{
    char *text;
    size_t bytes;

    if (path == NULL || ret_plan == NULL)
        return sb_fail(-EINVAL, "the path or ret_plan is NULL");
    int r = sb_yaml_read_file(path, &text, &bytes);
    if (r < 0)
        return r;
    r = shmbus_plan_parse(text, bytes, path, ret_plan);
    free(text);
    return r;
}
