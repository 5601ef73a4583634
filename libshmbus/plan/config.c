/*
 * YAML to plan; the only user of libyaml. Strict: what is not understood is an error that says
 * where it is and what was probably meant. Reads events, so that aliases, anchors and tags (and
 * with them every way to blow up a small file) can be refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "base/error.h"
#include "layout/bounds.h"
#include "layout/name.h"
#include "plan/plan.h"
#include "plan/units.h"

enum { TEXT_BYTES = 128, KEYS_MAX = 16 };
#define FILE_BYTES_MAX (4u << 20)

/* One run over a file. */
struct loader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one to look at; its type is YAML_NO_EVENT when there is none */
    const char *origin;
    struct shmbus_plan *plan;
    uint64_t memory_bytes; /* 0: not given */
    bool has_blocks;
};

/* A scalar, copied out of its event. */
struct text {
    char value[TEXT_BYTES];
    yaml_mark_t mark;
};

/* A key of a map: how to read its value into the struct behind @target. */
struct key {
    const char *name;
    int (*read)(struct loader *l, const struct key *key, void *target);
    size_t offset;
    uint64_t min, max;
};

/* ------------------------------------------------------------------------------------- failures */

/* -SHMBUS_ERR_CONFIG and the sentence "file:line:column: ...". */
#define fail_at(l, mark, ...) sb_failed(-SHMBUS_ERR_CONFIG, sentence_at((l), (mark), __VA_ARGS__))
static int sentence_at(const struct loader *l, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

static int sentence_at(const struct loader *l, yaml_mark_t mark, const char *format, ...)
{
    char what[384];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return sb_sentence("%s:%zu:%zu: %s", l->origin, mark.line + 1, mark.column + 1, what);
}

/* "`x` is no Y; did you mean `z`?", or the whole list when nothing is near. */
static int fail_unknown(const struct loader *l, const struct text *word, const char *what,
                        const char *const *known, size_t count)
{
    const char *nearest = sb_nearest_word(word->value, known, count);
    char list[256] = "";
    size_t used = 0;

    if (nearest != NULL) {
        return fail_at(l, word->mark, "unknown %s `%s`; did you mean `%s`?", what, word->value,
                       nearest);
    }
    for (size_t i = 0; i < count && used < sizeof list; i++) {
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    return fail_at(l, word->mark, "unknown %s `%s`; known: %s", what, word->value, list);
}

static int fail_parser(const struct loader *l)
{
    const yaml_parser_t *p = &l->parser;
    const char *problem = p->problem != NULL ? p->problem : "not valid YAML";

    if (p->error == YAML_MEMORY_ERROR)
        return sb_fail(-ENOMEM, "%s: no memory to read it", l->origin);
    if (p->error == YAML_READER_ERROR)
        return fail_at(l, p->mark, "%s near byte %zu", problem, p->problem_offset);
    return fail_at(l, p->problem_mark, "%s%s%s", problem, p->context != NULL ? " " : "",
                   p->context != NULL ? p->context : "");
}

/* --------------------------------------------------------------------------------------- events */

/* Makes l->event the next event that was not taken yet. */
static int peek(struct loader *l)
{
    if (l->event.type != YAML_NO_EVENT)
        return 0;
    if (!yaml_parser_parse(&l->parser, &l->event)) {
        l->event.type = YAML_NO_EVENT;
        return fail_parser(l);
    }
    if (l->event.type == YAML_ALIAS_EVENT)
        return fail_at(l, l->event.start_mark, "aliases are not allowed; repeat the value");
    return 0;
}

static void take(struct loader *l)
{
    yaml_event_delete(&l->event);
    l->event.type = YAML_NO_EVENT;
}

static bool has_anchor_or_tag(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static const char *describe(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.length == 0 ? "nothing" : "a single value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a map";
    default:
        return "nothing";
    }
}

/* Takes an event of that type, or says what was found in its place. */
static int expect(struct loader *l, yaml_event_type_t type, const char *key, const char *wanted)
{
    int r = peek(l);
    if (r < 0)
        return r;
    if (has_anchor_or_tag(&l->event))
        return fail_at(l, l->event.start_mark, "anchors and tags are not allowed; remove it");
    if (l->event.type != type) {
        return fail_at(l, l->event.start_mark, "`%s` needs %s, not %s", key, wanted,
                       describe(&l->event));
    }
    return 0;
}

static int read_text(struct loader *l, const char *key, struct text *ret)
{
    int r = expect(l, YAML_SCALAR_EVENT, key, "a single value");
    if (r < 0)
        return r;
    const char *value = (const char *)l->event.data.scalar.value;
    size_t length = l->event.data.scalar.length;
    if (length == 0)
        return fail_at(l, l->event.start_mark, "`%s` has no value", key);
    if (length >= TEXT_BYTES || strlen(value) != length)
        return fail_at(l, l->event.start_mark, "the value of `%s` is too long", key);
    memcpy(ret->value, value, length + 1);
    ret->mark = l->event.start_mark;
    take(l);
    return 0;
}

/* The next key of a map, or *ret_end at its end. */
static int next_key(struct loader *l, const char *map, struct text *ret, bool *ret_end)
{
    int r = peek(l);
    if (r < 0)
        return r;
    *ret_end = l->event.type == YAML_MAPPING_END_EVENT;
    if (*ret_end) {
        take(l);
        return 0;
    }
    return read_text(l, map, ret);
}

/* --------------------------------------------------------------------------------------- values */

static void *field(void *target, const struct key *key)
{
    return (char *)target + key->offset;
}

static int check_range(const struct loader *l, const struct key *key, const struct text *t,
                       uint64_t value)
{
    if (value >= key->min && value <= key->max)
        return 0;
    return fail_at(l, t->mark, "`%s: %s` is not within %" PRIu64 " .. %" PRIu64, key->name,
                   t->value, key->min, key->max);
}

static int read_u32(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    uint64_t value;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    const char *why = sb_parse_count(t.value, &value);
    if (why != NULL)
        return fail_at(l, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    r = check_range(l, key, &t, value);
    if (r == 0)
        *(uint32_t *)field(target, key) = (uint32_t)value;
    return r;
}

static int read_u64(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    uint64_t value;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    const char *why = sb_parse_count(t.value, &value);
    if (why != NULL)
        return fail_at(l, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    r = check_range(l, key, &t, value);
    if (r == 0)
        *(uint64_t *)field(target, key) = value;
    return r;
}

static int read_size(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    uint64_t value;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    const char *why = sb_parse_size(t.value, &value);
    if (why != NULL)
        return fail_at(l, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    r = check_range(l, key, &t, value);
    if (r == 0)
        *(uint64_t *)field(target, key) = value;
    return r;
}

static int read_duration(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    int64_t value;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    const char *why = sb_parse_duration(t.value, &value);
    if (why != NULL)
        return fail_at(l, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    if (value == 0)
        return fail_at(l, t.mark, "`%s` must be above zero", key->name);
    *(int64_t *)field(target, key) = value;
    return 0;
}

static int read_bool(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    bool value = strcmp(t.value, "true") == 0;
    if (!value && strcmp(t.value, "false") != 0)
        return fail_at(l, t.mark, "`%s: %s`: expected true or false", key->name, t.value);
    *(bool *)field(target, key) = value;
    return 0;
}

static int check_name(const struct loader *l, const struct text *t, const char *what)
{
    if (sb_name_is_valid(t->value))
        return 0;
    return fail_at(l, t->mark,
                   "`%s` is no valid %s name: use 1 to %d letters, digits, '.', '_' or '-', not "
                   "starting with '.'",
                   t->value, what, SHMBUS_NAME_BYTES - 1);
}

static int read_name(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    r = check_name(l, &t, key->name);
    if (r == 0)
        memcpy(field(target, key), t.value, strlen(t.value) + 1);
    return r;
}

static int read_mode(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    char *end;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    unsigned long mode = strtoul(t.value, &end, 8);
    if (strspn(t.value, "01234567") != strlen(t.value) || strlen(t.value) > 4)
        return fail_at(l, t.mark, "`mode: %s`: expected an octal number such as \"0660\"", t.value);
    if ((mode & ~0666ul) != 0 || (mode & 0600) != 0600) {
        return fail_at(l, t.mark,
                       "`mode: %s` is not possible: the owner needs read and write, nobody "
                       "execute; use \"0600\", \"0660\" or \"0666\"",
                       t.value);
    }
    *(mode_t *)field(target, key) = (mode_t)mode;
    return 0;
}

static int group_by_name(const struct loader *l, const struct text *t, gid_t *ret)
{
    struct group entry, *found = NULL;
    size_t bytes = 1024;
    char *buffer = NULL;
    int error;

    do {
        char *larger = realloc(buffer, bytes *= 2);
        if (larger == NULL) {
            free(buffer);
            return sb_fail(-ENOMEM, "%s: no memory to look up a group", l->origin);
        }
        buffer = larger;
        error = getgrnam_r(t->value, &entry, buffer, bytes, &found);
    } while (error == ERANGE && bytes < (1u << 20));
    if (found != NULL)
        *ret = found->gr_gid;
    free(buffer);
    if (found == NULL) {
        return fail_at(l, t->mark,
                       "`group: %s`: no such group here; use its number or `getent "
                       "group`",
                       t->value);
    }
    return 0;
}

static int read_group(struct loader *l, const struct key *key, void *target)
{
    struct text t;
    uint64_t number;
    int r = read_text(l, key->name, &t);
    if (r < 0)
        return r;
    if (sb_parse_count(t.value, &number) != NULL)
        return group_by_name(l, &t, field(target, key));
    r = check_range(l, key, &t, number);
    if (r == 0)
        *(gid_t *)field(target, key) = (gid_t)number;
    return r;
}

struct word {
    const char *name;
    int value;
    const char *refusal; /* for what is known and not supported */
};

static int read_word(struct loader *l, const char *key, const struct word *words, size_t count,
                     int *ret)
{
    const char *known[KEYS_MAX];
    size_t usable = 0;
    struct text t;
    int r = read_text(l, key, &t);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        if (words[i].refusal == NULL)
            known[usable++] = words[i].name;
        if (strcmp(words[i].name, t.value) != 0)
            continue;
        if (words[i].refusal != NULL)
            return fail_at(l, t.mark, "`%s: %s` %s", key, t.value, words[i].refusal);
        *ret = words[i].value;
        return 0;
    }
    return fail_unknown(l, &t, key, known, usable);
}

static int read_kind(struct loader *l, const struct key *key, void *target)
{
    static const struct word kinds[] = {
        {"queue", SHMBUS_KIND_QUEUE, NULL},
        {"stream", SHMBUS_KIND_STREAM, NULL},
        {"topic", 0, "is not supported yet; use queue or stream"},
    };
    int kind;
    int r = read_word(l, key->name, kinds, sizeof kinds / sizeof kinds[0], &kind);
    if (r == 0)
        *(enum shmbus_kind *)field(target, key) = (enum shmbus_kind)kind;
    return r;
}

static int read_on_full(struct loader *l, const struct key *key, void *target)
{
    static const struct word policies[] = {
        {"block", SHMBUS_FULL_BLOCK, NULL},
        {"reject", SHMBUS_FULL_REJECT, NULL},
        {"drop_oldest", SHMBUS_FULL_DROP_OLDEST, NULL},
        {"shed", 0, "is not supported yet; use block, reject or drop_oldest"},
    };
    int policy;
    int r = read_word(l, key->name, policies, sizeof policies / sizeof policies[0], &policy);
    if (r == 0)
        *(enum shmbus_on_full *)field(target, key) = (enum shmbus_on_full)policy;
    return r;
}

static int read_order(struct loader *l, const struct key *key, void *target)
{
    static const struct word orders[] = {
        {"total", SHMBUS_ORDER_TOTAL, NULL},
        {"producer", SHMBUS_ORDER_PRODUCER, NULL},
    };
    int order;
    int r = read_word(l, key->name, orders, sizeof orders / sizeof orders[0], &order);
    if (r == 0)
        *(enum shmbus_order *)field(target, key) = (enum shmbus_order)order;
    return r;
}

/* ----------------------------------------------------------------------------------------- maps */

/* Reads a map with known keys. Bit i of *ret_seen: keys[i] was there. */
static int read_map(struct loader *l, const char *name, const struct key *keys, size_t count,
                    void *target, uint32_t *ret_seen)
{
    const char *known[KEYS_MAX];
    uint32_t seen = 0;
    int r = expect(l, YAML_MAPPING_START_EVENT, name, "a map of options");
    if (r < 0)
        return r;
    take(l);
    for (size_t i = 0; i < count; i++)
        known[i] = keys[i].name;

    for (;;) {
        struct text t;
        bool end;
        size_t i = 0;
        r = next_key(l, name, &t, &end);
        if (r < 0 || end)
            break;
        while (i < count && strcmp(keys[i].name, t.value) != 0)
            i++;
        if (i == count)
            return fail_unknown(l, &t, "key", known, count);
        if ((seen & (1u << i)) != 0)
            return fail_at(l, t.mark, "`%s` is there twice; remove one", t.value);
        seen |= 1u << i;
        r = keys[i].read(l, &keys[i], target);
        if (r < 0)
            return r;
    }
    if (r == 0)
        *ret_seen = seen;
    return r;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static int read_spare(struct loader *l, const struct key *key, void *target)
{
    static const struct key keys[] = {
        {"channels", read_u32, offsetof(struct shmbus_plan, spare_channels), 0,
         SHMBUS_CHANNELS_MAX},
        {"depth", read_u32, offsetof(struct shmbus_plan, spare_depth), 1, SB_DEPTH_MAX},
        {"message_bytes", read_size, offsetof(struct shmbus_plan, spare_message_bytes), 1,
         SB_BLOCK_BYTES_MAX},
        {"share", read_u32, offsetof(struct shmbus_plan, spare_share), 1, SB_SHARE_MAX},
    };
    uint32_t seen;
    return read_map(l, key->name, keys, COUNT_OF(keys), target, &seen);
}

static int read_heartbeat(struct loader *l, const struct key *key, void *target)
{
    static const struct key keys[] = {
        {"interval", read_duration, offsetof(struct shmbus_plan, heartbeat_interval_ns), 0, 0},
        {"timeout", read_duration, offsetof(struct shmbus_plan, heartbeat_timeout_ns), 0, 0},
    };
    struct shmbus_plan *plan = target;
    uint32_t seen;
    int r = peek(l);
    if (r < 0)
        return r;
    yaml_mark_t mark = l->event.start_mark;
    r = read_map(l, key->name, keys, COUNT_OF(keys), target, &seen);
    if (r < 0)
        return r;
    /* Whoever sets the interval alone means "twice that" for the timeout, as by default. */
    if (seen == 1 && plan->heartbeat_timeout_ns / 2 < plan->heartbeat_interval_ns)
        plan->heartbeat_timeout_ns = plan->heartbeat_interval_ns > INT64_MAX / 2
                                         ? INT64_MAX
                                         : 2 * plan->heartbeat_interval_ns;
    if (plan->heartbeat_timeout_ns < plan->heartbeat_interval_ns)
        return fail_at(l, mark, "`timeout` must not be shorter than `interval`");
    return 0;
}

static int read_block(struct loader *l, const char *name)
{
    static const struct key keys[] = {
        {"size", read_size, offsetof(struct shmbus_block_plan, size_bytes), 1, SB_BLOCK_BYTES_MAX},
        {"count", read_u64, offsetof(struct shmbus_block_plan, count), 1, 16u << 20},
    };
    struct shmbus_block_plan block = {0, 0};
    yaml_mark_t mark = l->event.start_mark;
    uint32_t seen;
    int r = read_map(l, name, keys, COUNT_OF(keys), &block, &seen);
    if (r < 0)
        return r;
    if (seen != 3)
        return fail_at(l, mark, "a block class needs both `size` and `count`");
    r = shmbus_plan_add_blocks(l->plan, block.size_bytes, block.count);
    if (r == -EEXIST || r == -EINVAL)
        return fail_at(l, mark, "%s", shmbus_detail());
    return r;
}

static int read_blocks(struct loader *l, const struct key *key, void *target)
{
    (void)target;
    int r = expect(l, YAML_SEQUENCE_START_EVENT, key->name,
                   "a list such as [ { size: 4KiB, count: 1024 } ]");
    if (r < 0)
        return r;
    take(l);
    l->plan->block_count = 0;
    l->has_blocks = true;
    for (;;) {
        r = peek(l);
        if (r < 0)
            return r;
        if (l->event.type == YAML_SEQUENCE_END_EVENT) {
            take(l);
            return 0;
        }
        r = read_block(l, "blocks");
        if (r < 0)
            return r;
    }
}

enum {
    KIND,
    DEPTH,
    BYTES,
    ON_FULL,
    MAX_DELIVERIES,
    DEAD_LETTER,
    ENDPOINTS,
    TIMESTAMPS,
    ORDER,
    MESSAGE_BYTES,
    PRODUCERS,
    SHARE
};
#define BIT(i) (1u << (i))

#define CHANNEL(member) offsetof(struct shmbus_channel_plan, member)
static const struct key channel_keys[] = {
    [KIND] = {"kind", read_kind, CHANNEL(kind), 0, 0},
    [DEPTH] = {"depth", read_u32, CHANNEL(depth), 1, SB_DEPTH_MAX},
    [BYTES] = {"bytes", read_size, CHANNEL(bytes), SB_STREAM_BYTES_MIN, SB_STREAM_BYTES_MAX},
    [ON_FULL] = {"on_full", read_on_full, CHANNEL(on_full), 0, 0},
    [MAX_DELIVERIES] = {"max_deliveries", read_u32, CHANNEL(max_deliveries), 0,
                        SB_DELIVERIES_LIMIT_MAX},
    [DEAD_LETTER] = {"dead_letter", read_name, CHANNEL(dead_letter), 0, 0},
    [ENDPOINTS] = {"endpoints", read_u32, CHANNEL(endpoints), 0, SB_ENDPOINTS_MAX},
    [TIMESTAMPS] = {"timestamps", read_bool, CHANNEL(timestamps), 0, 0},
    [ORDER] = {"order", read_order, CHANNEL(order), 0, 0},
    [MESSAGE_BYTES] = {"message_bytes", read_size, CHANNEL(message_bytes), 1, SB_LANE_MESSAGE_MAX},
    [PRODUCERS] = {"producers", read_u32, CHANNEL(producers), 1, SB_LANES_MAX},
    [SHARE] = {"share", read_u32, CHANNEL(share), 1, SB_SHARE_MAX},
};
#undef CHANNEL

/* What fits a queue but not a stream, and the other way round. */
static int check_keys_fit(const struct loader *l, const struct text *name,
                          const struct shmbus_channel_plan *channel, uint32_t seen)
{
    const uint32_t queue_only = BIT(DEPTH) | BIT(MAX_DELIVERIES) | BIT(DEAD_LETTER) | BIT(ORDER) |
                                BIT(MESSAGE_BYTES) | BIT(PRODUCERS) | BIT(SHARE);
    uint32_t wrong = seen & (channel->kind == SHMBUS_KIND_STREAM ? queue_only : BIT(BYTES));

    if (wrong == 0)
        return 0;
    const char *key = channel_keys[__builtin_ctz(wrong)].name;
    if (channel->kind == SHMBUS_KIND_STREAM) {
        return fail_at(l, name->mark, "channel `%s`: `%s` is for queues; a stream has `bytes`",
                       name->value, key);
    }
    return fail_at(l, name->mark, "channel `%s`: `%s` is for streams; a queue has `depth`%s",
                   name->value, key, (seen & BIT(KIND)) == 0 ? ", or say `kind: stream`" : "");
}

static int check_order(const struct loader *l, const struct text *name,
                       const struct shmbus_channel_plan *channel, uint32_t seen)
{
    bool has_lanes = channel->order == SHMBUS_ORDER_PRODUCER;

    if (!has_lanes && (seen & BIT(PRODUCERS)) != 0) {
        return fail_at(l, name->mark,
                       "channel `%s`: `producers` is for queues with `order: producer`%s",
                       name->value, (seen & BIT(ORDER)) == 0 ? "; add that" : "");
    }
    if (has_lanes && (seen & BIT(SHARE)) != 0) {
        return fail_at(l, name->mark,
                       "channel `%s`: `share` is for queues whose messages lie in blocks; with "
                       "`order: producer` all cells are the queue's own: remove it",
                       name->value);
    }
    return 0;
}

static int check_dead_letter(const struct loader *l, const struct text *name,
                             const struct shmbus_channel_plan *channel)
{
    bool has_target = channel->dead_letter[0] != '\0';

    if (channel->max_deliveries > 0 && !has_target) {
        return fail_at(l, name->mark,
                       "channel `%s`: `max_deliveries` needs a queue for what exceeds it; add "
                       "`dead_letter: %.36s.dead`",
                       name->value, name->value);
    }
    if (has_target && channel->max_deliveries == 0) {
        return fail_at(l, name->mark,
                       "channel `%s`: `dead_letter` is never used without `max_deliveries`; add "
                       "`max_deliveries: 5`",
                       name->value);
    }
    if (has_target && strcmp(channel->dead_letter, name->value) == 0)
        return fail_at(l, name->mark, "channel `%s`: `dead_letter` must be another queue",
                       name->value);
    return 0;
}

static int read_channel(struct loader *l, const struct text *name)
{
    struct shmbus_channel_plan channel;
    uint32_t seen;

    memset(&channel, 0, sizeof channel);
    channel.kind = SHMBUS_KIND_QUEUE;
    int r = check_name(l, name, "channel");
    if (r == 0)
        r = read_map(l, name->value, channel_keys, COUNT_OF(channel_keys), &channel, &seen);
    if (r == 0)
        r = check_keys_fit(l, name, &channel, seen);
    if (r == 0)
        r = check_order(l, name, &channel, seen);
    if (r == 0)
        r = check_dead_letter(l, name, &channel);
    if (r < 0)
        return r;
    if ((seen & BIT(TIMESTAMPS)) == 0)
        channel.timestamps = channel.kind == SHMBUS_KIND_QUEUE;
    if (channel.kind == SHMBUS_KIND_STREAM && channel.on_full > SHMBUS_FULL_BLOCK) {
        return fail_at(l, name->mark, "channel `%s`: a stream blocks when full; remove `on_full`",
                       name->value);
    }
    memcpy(channel.name, name->value, strlen(name->value) + 1);
    r = shmbus_plan_add_channel(l->plan, &channel);
    if (r == -EEXIST)
        return fail_at(l, name->mark, "channel `%s` is there twice; remove one", name->value);
    return r;
}

static int read_channels(struct loader *l, const struct key *key, void *target)
{
    (void)target;
    int r =
        expect(l, YAML_MAPPING_START_EVENT, key->name, "a map such as { tasks: { kind: queue } }");
    if (r < 0)
        return r;
    take(l);
    for (;;) {
        struct text name;
        bool end;
        r = next_key(l, key->name, &name, &end);
        if (r < 0 || end)
            return r;
        r = read_channel(l, &name);
        if (r < 0)
            return r;
    }
}

static int read_regions(struct loader *l, const struct key *key, void *target)
{
    (void)target;
    int r = expect(l, YAML_MAPPING_START_EVENT, key->name, "a map such as { data: 1MiB }");
    if (r < 0)
        return r;
    take(l);
    for (;;) {
        struct text name;
        uint64_t bytes;
        bool end;
        r = next_key(l, key->name, &name, &end);
        if (r < 0 || end)
            return r;
        struct key size = {name.value, read_size, 0, 1, SB_REGION_BYTES_MAX};
        r = check_name(l, &name, "region");
        if (r == 0)
            r = read_size(l, &size, &bytes);
        if (r < 0)
            return r;
        r = shmbus_plan_add_region(l->plan, name.value, bytes);
        if (r == -EEXIST)
            return fail_at(l, name.mark, "region `%s` is there twice; remove one", name.value);
        if (r < 0)
            return r;
    }
}

static int read_memory(struct loader *l, const struct key *key, void *target)
{
    (void)target;
    return read_size(l, key, &l->memory_bytes);
}

/* ----------------------------------------------------------------------------------- the whole */

#define PLAN(member) offsetof(struct shmbus_plan, member)
static const struct key top_keys[] = {
    {"bus", read_name, PLAN(name), 0, 0},
    {"mode", read_mode, PLAN(mode), 0, 0},
    {"group", read_group, PLAN(group), 0, UINT32_MAX - 1u},
    {"memory", read_memory, 0, 1u << 20, UINT64_MAX >> 8},
    {"processes", read_u32, PLAN(processes), 1, SHMBUS_PROCESSES_MAX},
    {"spare", read_spare, 0, 0, 0},
    {"heartbeat", read_heartbeat, 0, 0, 0},
    {"core", read_bool, PLAN(core), 0, 0},
    {"blocks", read_blocks, 0, 0, 0},
    {"channels", read_channels, 0, 0, 0},
    {"regions", read_regions, 0, 0, 0},
};
#undef PLAN

/* Takes one event of the frame around the document. */
static int take_frame(struct loader *l, yaml_event_type_t type, const char *otherwise)
{
    int r = peek(l);
    if (r < 0)
        return r;
    if (l->event.type != type)
        return fail_at(l, l->event.start_mark, "%s", otherwise);
    take(l);
    return 0;
}

static int read_document(struct loader *l)
{
    static const char nothing[] = "no configuration here; start with `bus: NAME`";
    uint32_t seen;
    int r = take_frame(l, YAML_STREAM_START_EVENT, nothing);
    if (r == 0)
        r = take_frame(l, YAML_DOCUMENT_START_EVENT, nothing);
    if (r == 0)
        r = read_map(l, "configuration", top_keys, COUNT_OF(top_keys), l->plan, &seen);
    if (r == 0)
        r = take_frame(l, YAML_DOCUMENT_END_EVENT, "nothing may follow the options");
    if (r == 0)
        r = take_frame(l, YAML_STREAM_END_EVENT, "only one document a file; remove the others");
    return r;
}

/* A dead-letter queue that nobody declared is as deep as the queue it serves. */
static int add_dead_letter_queues(struct loader *l)
{
    size_t declared = l->plan->channel_count;

    for (size_t i = 0; i < declared; i++) {
        struct shmbus_channel_plan added = l->plan->channels[i];
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
        int r = shmbus_plan_add_channel(l->plan, &added);
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
                       l->origin);
    }
    int r = add_dead_letter_queues(l);
    if (r == 0 && l->memory_bytes != 0)
        r = sb_plan_size_blocks(l->plan, l->memory_bytes);
    if (r == 0)
        r = shmbus_plan_check(l->plan, NULL);
    return r < 0 ? sb_fail_prefix(r, "%s", l->origin) : 0;
}

int shmbus_plan_parse(const char *yaml, size_t yaml_bytes, const char *origin,
                      struct shmbus_plan **ret_plan)
{
    struct loader l;

    if ((yaml == NULL && yaml_bytes > 0) || ret_plan == NULL)
        return sb_fail(-EINVAL, "the text or ret_plan is NULL");
    memset(&l, 0, sizeof l);
    l.origin = origin != NULL ? origin : "configuration";
    int r = shmbus_plan_new(0, &l.plan);
    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&l.parser)) {
        shmbus_plan_free(l.plan);
        return sb_fail(-ENOMEM, "%s: no memory to read it", l.origin);
    }
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)(yaml_bytes > 0 ? yaml : ""),
                                 yaml_bytes);
    r = read_document(&l);
    if (r == 0)
        r = finish(&l);
    take(&l);
    yaml_parser_delete(&l.parser);
    if (r < 0) {
        shmbus_plan_free(l.plan);
        return r;
    }
    *ret_plan = l.plan;
    return 0;
}

/* The whole file; *ret_text is to be freed. */
static int read_file(const char *path, char **ret_text, size_t *ret_bytes)
{
    struct stat st;
    size_t have = 0;
    char *text = NULL;
    int r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */

    if (fd < 0 || fstat(fd, &st) != 0) {
        r = -errno;
        sb_fail(r, "%s: cannot be read: %s", path, shmbus_strerror(r));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_BYTES_MAX) {
        r = sb_fail(-EINVAL, "%s: not a regular file of at most %u bytes", path, FILE_BYTES_MAX);
        goto out;
    }
    text = malloc(FILE_BYTES_MAX + 1u);
    if (text == NULL) {
        r = sb_fail(-ENOMEM, "%s: no memory to read it", path);
        goto out;
    }
    while (have <= FILE_BYTES_MAX) {
        ssize_t n = read(fd, text + have, FILE_BYTES_MAX + 1u - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r = -errno;
            sb_fail(r, "%s: cannot be read: %s", path, shmbus_strerror(r));
            goto out;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    if (have > FILE_BYTES_MAX)
        r = sb_fail(-EINVAL, "%s: larger than %u bytes", path, FILE_BYTES_MAX);
out:
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_bytes = have;
    return 0;
}

int shmbus_plan_load(const char *path, struct shmbus_plan **ret_plan)
{
    char *text;
    size_t bytes;

    if (path == NULL || ret_plan == NULL)
        return sb_fail(-EINVAL, "the path or ret_plan is NULL");
    int r = read_file(path, &text, &bytes);
    if (r < 0)
        return r;
    r = shmbus_plan_parse(text, bytes, path, ret_plan);
    free(text);
    return r;
}
