/* SPDX-License-Identifier: MIT */
#include "plan/yaml_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plan/units.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* --------------------------------------------------------------------------------------- events */

/* Makes y->event the next event that was not taken yet. */
static int peek(struct sb_yaml *y)
{
    if (y->event.type != YAML_NO_EVENT) {
        return 0;
    }
    if (!yaml_parser_parse(&y->parser, &y->event)) {
        y->event.type = YAML_NO_EVENT;
        return sb_yaml_fail_parser(y);
    }
    if (y->event.type == YAML_ALIAS_EVENT) {
        return sb_yaml_fail(y, y->event.start_mark, "aliases are not allowed; repeat the value");
    }
    return 0;
}

static void next_event(struct sb_yaml *y)
{
    yaml_event_delete(&y->event);
    y->event.type = YAML_NO_EVENT;
}

int sb_yaml_mark(struct sb_yaml *y, yaml_mark_t *ret)
{
    int r = peek(y);

    if (r == 0) {
        *ret = y->event.start_mark;
    }
    return r;
}

static void marks_of(const yaml_event_t *e, const char **ret_anchor, const char **ret_tag)
{
    *ret_anchor = *ret_tag = NULL;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        *ret_anchor = (const char *)e->data.scalar.anchor;
        *ret_tag = (const char *)e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        *ret_anchor = (const char *)e->data.sequence_start.anchor;
        *ret_tag = (const char *)e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        *ret_anchor = (const char *)e->data.mapping_start.anchor;
        *ret_tag = (const char *)e->data.mapping_start.tag;
        break;
    default:
        break;
    }
}

/* `!!int 64` says what it is anyway; it cannot change what is asked for here. */
static int refuse_marks(struct sb_yaml *y)
{
    static const char own[] = "tag:yaml.org,2002:";
    const char *anchor, *tag;

    marks_of(&y->event, &anchor, &tag);
    if (anchor != NULL) {
        return sb_yaml_fail(y, y->event.start_mark, "anchors are not allowed; remove `&%s`",
                            anchor);
    }
    if (tag != NULL && strcmp(tag, "!") != 0 && strncmp(tag, own, sizeof own - 1) != 0) {
        return sb_yaml_fail(y, y->event.start_mark, "tags of your own are not allowed; remove `%s`",
                            tag);
    }
    return 0;
}

static bool is_null(const yaml_event_t *e)
{
    static const char *const names[] = {"", "~", "null", "Null", "NULL"};

    if (e->type != YAML_SCALAR_EVENT || !e->data.scalar.plain_implicit) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp((const char *)e->data.scalar.value, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *describe(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return is_null(e) ? "nothing" : "a single value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a map";
    default:
        return "nothing";
    }
}

/* Looks at an event of that type, or says what was found in its place. */
static int expect(struct sb_yaml *y, yaml_event_type_t type, const char *key, const char *wanted)
{
    int r = peek(y);

    if (r == 0) {
        r = refuse_marks(y);
    }
    if (r == 0 && y->event.type != type) {
        r = sb_yaml_fail(y, y->event.start_mark, "`%s` needs %s, not %s", key, wanted,
                         describe(&y->event));
    }
    return r;
}

/* A block scalar (`key: |`) ends with the newline of its last line. */
static size_t without_newlines(const char *value, size_t length)
{
    while (length > 0 && value[length - 1] == '\n') {
        length--;
    }
    return length;
}

int sb_yaml_text(struct sb_yaml *y, const char *key, struct sb_yaml_text *ret)
{
    const char *value;
    size_t length;
    int r = expect(y, YAML_SCALAR_EVENT, key, "a single value");

    if (r < 0) {
        return r;
    }
    value = (const char *)y->event.data.scalar.value;
    length = without_newlines(value, y->event.data.scalar.length);
    if (length == 0 || is_null(&y->event)) {
        return sb_yaml_fail(y, y->event.start_mark, "`%s` has no value", key);
    }
    if (length >= SB_YAML_TEXT_BYTES || strnlen(value, length) != length) {
        return sb_yaml_fail(y, y->event.start_mark, "the value of `%s` is too long", key);
    }
    memcpy(ret->value, value, length);
    ret->value[length] = '\0';
    ret->mark = y->event.start_mark;
    ret->plain = y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    next_event(y);
    return 0;
}

static int enter(struct sb_yaml *y, yaml_event_type_t type, const char *key, const char *wanted,
                 bool *ret_end)
{
    int r = peek(y);

    *ret_end = r == 0 && is_null(&y->event);
    if (r == 0 && !*ret_end) {
        r = expect(y, type, key, wanted);
    }
    if (r == 0) {
        next_event(y);
    }
    return r;
}

int sb_yaml_enter_map(struct sb_yaml *y, const char *key, const char *wanted, bool *ret_end)
{
    return enter(y, YAML_MAPPING_START_EVENT, key, wanted, ret_end);
}

int sb_yaml_enter_list(struct sb_yaml *y, const char *key, const char *wanted, bool *ret_end)
{
    return enter(y, YAML_SEQUENCE_START_EVENT, key, wanted, ret_end);
}

static int at_end(struct sb_yaml *y, yaml_event_type_t type, bool *ret_end)
{
    int r = peek(y);

    *ret_end = r == 0 && y->event.type == type;
    if (*ret_end) {
        next_event(y);
    }
    return r;
}

int sb_yaml_next_key(struct sb_yaml *y, const char *map, struct sb_yaml_text *ret, bool *ret_end)
{
    int r = at_end(y, YAML_MAPPING_END_EVENT, ret_end);

    if (r < 0 || *ret_end) {
        return r;
    }
    if (y->event.type != YAML_SCALAR_EVENT) {
        return sb_yaml_fail(y, y->event.start_mark, "a key of `%s` has to be a word, not %s", map,
                            describe(&y->event));
    }
    return sb_yaml_text(y, map, ret);
}

int sb_yaml_next_item(struct sb_yaml *y, bool *ret_end)
{
    return at_end(y, YAML_SEQUENCE_END_EVENT, ret_end);
}

/* --------------------------------------------------------------------------------------- values */

int sb_yaml_check_range(const struct sb_yaml *y, const struct sb_yaml_key *key,
                        const struct sb_yaml_text *t, uint64_t value)
{
    if (value >= key->min && value <= key->max) {
        return 0;
    }
    return sb_yaml_fail(y, t->mark, "`%s: %s` is not within %" PRIu64 " .. %" PRIu64, key->name,
                        t->value, key->min, key->max);
}

static int read_number(struct sb_yaml *y, const struct sb_yaml_key *key,
                       const char *(*parse)(const char *text, uint64_t *ret), uint64_t *ret)
{
    struct sb_yaml_text t;
    const char *why;
    int r = sb_yaml_text(y, key->name, &t);

    if (r < 0) {
        return r;
    }
    why = parse(t.value, ret);
    if (why != NULL) {
        return sb_yaml_fail(y, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    }
    return sb_yaml_check_range(y, key, &t, *ret);
}

int sb_yaml_u32(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    uint64_t value;
    int r = read_number(y, key, sb_parse_count, &value);

    if (r == 0) {
        *(uint32_t *)sb_yaml_field(target, key) = (uint32_t)value;
    }
    return r;
}

int sb_yaml_u64(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    uint64_t value;
    int r = read_number(y, key, sb_parse_count, &value);

    if (r == 0) {
        *(uint64_t *)sb_yaml_field(target, key) = value;
    }
    return r;
}

int sb_yaml_size(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    uint64_t value;
    int r = read_number(y, key, sb_parse_size, &value);

    if (r == 0) {
        *(uint64_t *)sb_yaml_field(target, key) = value;
    }
    return r;
}

int sb_yaml_duration(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_text t;
    const char *why;
    int64_t value;
    int r = sb_yaml_text(y, key->name, &t);

    if (r < 0) {
        return r;
    }
    why = sb_parse_duration(t.value, &value);
    if (why != NULL) {
        return sb_yaml_fail(y, t.mark, "`%s: %s`: %s", key->name, t.value, why);
    }
    if (value == 0) {
        return sb_yaml_fail(y, t.mark, "`%s` must be above zero", key->name);
    }
    *(int64_t *)sb_yaml_field(target, key) = value;
    return 0;
}

int sb_yaml_bool(struct sb_yaml *y, const struct sb_yaml_key *key, void *target)
{
    struct sb_yaml_text t;
    const char *why;
    int r = sb_yaml_text(y, key->name, &t);

    if (r < 0) {
        return r;
    }
    why = sb_parse_bool(t.value, sb_yaml_field(target, key));
    return why == NULL ? 0 : sb_yaml_fail(y, t.mark, "`%s: %s`: %s", key->name, t.value, why);
}

int sb_yaml_word(struct sb_yaml *y, const char *key, const struct sb_yaml_word *words, size_t count,
                 int *ret)
{
    const char *known[SB_YAML_KEYS_MAX];
    size_t usable = 0;
    struct sb_yaml_text t;
    int r = sb_yaml_text(y, key, &t);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        if (words[i].refusal == NULL) {
            known[usable++] = words[i].name;
        }
        if (strcmp(words[i].name, t.value) != 0) {
            continue;
        }
        if (words[i].refusal != NULL) {
            return sb_yaml_fail(y, t.mark, "`%s: %s` %s", key, t.value, words[i].refusal);
        }
        *ret = words[i].value;
        return 0;
    }
    return sb_yaml_fail_unknown(y, &t, key, known, usable);
}

int sb_yaml_map(struct sb_yaml *y, const char *name, const struct sb_yaml_key *keys, size_t count,
                void *target, uint32_t *ret_seen)
{
    const char *known[SB_YAML_KEYS_MAX];
    uint32_t seen = 0;
    bool end;
    int r = sb_yaml_enter_map(y, name, "a map of options", &end);

    for (size_t i = 0; i < count; i++) {
        known[i] = keys[i].name;
    }
    while (r == 0 && !end) {
        struct sb_yaml_text t;
        size_t i = 0;
        r = sb_yaml_next_key(y, name, &t, &end);
        if (r < 0 || end) {
            break;
        }
        while (i < count && strcmp(keys[i].name, t.value) != 0) {
            i++;
        }
        if (i == count) {
            return sb_yaml_fail_unknown(y, &t, "key", known, count);
        }
        if ((seen & (1u << i)) != 0) {
            return sb_yaml_fail(y, t.mark, "`%s` is there twice; remove one", t.value);
        }
        seen |= 1u << i;
        r = keys[i].read(y, &keys[i], target);
    }
    if (r == 0) {
        *ret_seen = seen;
    }
    return r;
}

/* ----------------------------------------------------------------------------------- the whole */

/* Skips documents with nothing in them: some programs begin or end with a `---` too many. */
static int next_document(struct sb_yaml *y, yaml_mark_t *ret_mark, bool *ret_end)
{
    for (;;) {
        int r = sb_yaml_mark(y, ret_mark);
        *ret_end = r == 0 && y->event.type == YAML_STREAM_END_EVENT;
        if (r < 0 || *ret_end) {
            return r;
        }
        next_event(y); /* the start of a document */
        r = peek(y);
        if (r < 0 || !is_null(&y->event)) {
            return r;
        }
        next_event(y);
        r = peek(y);
        if (r < 0) {
            return r;
        }
        next_event(y); /* its end */
    }
}

int sb_yaml_document(struct sb_yaml *y, int (*read)(struct sb_yaml *y))
{
    yaml_mark_t mark;
    bool end;
    int r = peek(y);

    if (r == 0) {
        next_event(y); /* the start of the stream */
        r = next_document(y, &mark, &end);
    }
    if (r == 0 && end) {
        return sb_yaml_fail(y, mark, "no configuration here; start with `bus: NAME`");
    }
    if (r == 0) {
        r = read(y);
    }
    if (r == 0) {
        r = peek(y);
    }
    if (r == 0) {
        next_event(y); /* the end of the document */
        r = next_document(y, &mark, &end);
    }
    if (r == 0 && !end) {
        return sb_yaml_fail(y, mark, "a second document begins here; remove it or the other one");
    }
    return r;
}

static size_t blanks_at(const unsigned char *text, size_t bytes)
{
    size_t count = 0;

    while (count < bytes && (text[count] == ' ' || text[count] == '\t')) {
        count++;
    }
    return count;
}

/* Lines of nothing but blanks are as good as empty; libyaml minds the tabs in them. */
static void clear_blank_lines(unsigned char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t blanks = blanks_at(text + at, bytes - at);
        unsigned char *end = memchr(text + at, '\n', bytes - at);
        if (at + blanks == bytes || text[at + blanks] == '\n' || text[at + blanks] == '\r') {
            memset(text + at, ' ', blanks);
        }
        at = end != NULL ? (size_t)(end - text) + 1 : bytes;
    }
}

int sb_yaml_open(struct sb_yaml *y, const char *text, size_t bytes, const char *origin)
{
    memset(y, 0, sizeof *y);
    y->origin = origin;
    y->bytes = bytes;
    y->text = malloc(bytes + 1);
    if (y->text == NULL || !yaml_parser_initialize(&y->parser)) {
        free(y->text);
        y->text = NULL;
        return sb_fail(-ENOMEM, "%s: no memory to read it", origin);
    }
    if (bytes > 0) {
        memcpy(y->text, text, bytes);
    }
    y->text[bytes] = '\0';
    clear_blank_lines(y->text, bytes);
    yaml_parser_set_input_string(&y->parser, y->text, bytes);
    return 0;
}

void sb_yaml_close(struct sb_yaml *y)
{
    next_event(y);
    yaml_parser_delete(&y->parser);
    free(y->text);
}
