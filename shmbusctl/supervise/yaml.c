/* SPDX-License-Identifier: MIT */
/* Strict YAML by tables of keys; the one user of libyaml in this program. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <yaml.h>

#include "../ctl.h"
#include "../text.h"
#include "memory.h"
#include "spec.h"
#include "yaml.h"

#define FILE_BYTES_MAX (1 << 20)
enum { KEYS_MAX = 32 };

struct sup_yaml {
    yaml_parser_t parser;
    yaml_event_t event; /* the one to look at; YAML_NO_EVENT: none yet */
    yaml_mark_t mark;   /* of the value read last */
    const char *path;
    FILE *file;
};

/* ------------------------------------------------------------------------------------- failures */

static bool fail_at(const struct sup_yaml *y, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

static bool fail_at(const struct sup_yaml *y, yaml_mark_t mark, const char *format, ...)
{
    char what[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    ctl_note("%s:%zu:%zu: %s", y->path, mark.line + 1, mark.column + 1, what);
    return false;
}

bool sup_yaml_fail(struct sup_yaml *y, const char *format, ...)
{
    char what[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return fail_at(y, y->mark, "%s", what);
}

static bool fail_parser(const struct sup_yaml *y)
{
    const yaml_parser_t *p = &y->parser;
    const char *problem = p->problem != NULL ? p->problem : "not valid YAML";

    if (p->error == YAML_READER_ERROR) {
        return fail_at(y, p->mark, "%s near byte %zu", problem, p->problem_offset);
    }
    return fail_at(y, p->problem_mark, "%s%s%s", problem, p->context != NULL ? " " : "",
                   p->context != NULL ? p->context : "");
}

/* "unknown key `x`; did you mean `z`?", or the whole list when nothing is near. */
static bool fail_unknown(const struct sup_yaml *y, const char *what, const char *word,
                         const char *const *known)
{
    const char *near = ctl_nearest(word, known);
    char list[512] = "";
    size_t used = 0;

    if (near != NULL) {
        return fail_at(y, y->mark, "unknown %s `%s`; did you mean `%s`?", what, word, near);
    }
    for (size_t i = 0; known[i] != NULL && used < sizeof list; i++) {
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    return fail_at(y, y->mark, "unknown %s `%s`; known: %s", what, word, list);
}

/* --------------------------------------------------------------------------------------- events */

static void take(struct sup_yaml *y)
{
    yaml_event_delete(&y->event);
    y->event.type = YAML_NO_EVENT;
}

static bool peek(struct sup_yaml *y)
{
    if (y->event.type != YAML_NO_EVENT) {
        return true;
    }
    if (!yaml_parser_parse(&y->parser, &y->event)) {
        y->event.type = YAML_NO_EVENT;
        return fail_parser(y);
    }
    y->mark = y->event.start_mark;
    if (y->event.type == YAML_ALIAS_EVENT) {
        return fail_at(y, y->mark, "aliases are not allowed; repeat the value");
    }
    return true;
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

static bool expect(struct sup_yaml *y, yaml_event_type_t type, const char *key, const char *wanted)
{
    if (!peek(y)) {
        return false;
    }
    if (has_anchor_or_tag(&y->event)) {
        return fail_at(y, y->mark, "anchors and tags are not allowed; remove it");
    }
    if (y->event.type != type) {
        return fail_at(y, y->mark, "`%s` needs %s, not %s", key, wanted, describe(&y->event));
    }
    return true;
}

char *sup_yaml_text(struct sup_yaml *y, const char *key)
{
    const char *value;
    char *copy;

    if (!expect(y, YAML_SCALAR_EVENT, key, "a single value")) {
        return NULL;
    }
    value = (const char *)y->event.data.scalar.value;
    if (strlen(value) != y->event.data.scalar.length) {
        fail_at(y, y->mark, "the value of `%s` has a null character in it", key);
        return NULL;
    }
    if (value[0] == 0 && y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        fail_at(y, y->mark, "`%s` has no value", key);
        return NULL;
    }
    copy = sup_strdup(value);
    take(y);
    return copy;
}

/* The next key of a map; *ret_end and NULL at its end; NULL alone: failed. */
static char *next_key(struct sup_yaml *y, const char *map, bool *ret_end)
{
    *ret_end = false;
    if (!peek(y)) {
        return NULL;
    }
    if (y->event.type == YAML_MAPPING_END_EVENT) {
        *ret_end = true;
        take(y);
        return NULL;
    }
    return sup_yaml_text(y, map);
}

/* ------------------------------------------------------------------------------------ documents */

struct sup_yaml *sup_yaml_open(const char *path, int *ret_code)
{
    struct sup_yaml *y = sup_zalloc(sizeof *y);
    struct stat file;

    *ret_code = CTL_USAGE;
    y->path = path;
    y->file = fopen(path, "re");
    if (y->file == NULL || fstat(fileno(y->file), &file) < 0) {
        *ret_code = ctl_fail(ctl_exit_of(-errno), "%s: %s", path, strerror(errno));
    } else if (S_ISDIR(file.st_mode) || file.st_size > FILE_BYTES_MAX) {
        ctl_note("%s: %s", path, S_ISDIR(file.st_mode) ? "is a directory" : "is larger than 1MiB");
    } else if (yaml_parser_initialize(&y->parser) == 0) {
        ctl_note("%s: no memory to read it", path);
    } else {
        yaml_parser_set_input_file(&y->parser, y->file);
        return y;
    }
    if (y->file != NULL) {
        fclose(y->file);
    }
    free(y);
    return NULL;
}

void sup_yaml_close(struct sup_yaml *y)
{
    yaml_event_delete(&y->event);
    yaml_parser_delete(&y->parser);
    fclose(y->file);
    free(y);
}

size_t sup_yaml_line(const struct sup_yaml *y)
{
    return y->mark.line + 1;
}

bool sup_yaml_document(struct sup_yaml *y, const struct sup_key *keys, void *target)
{
    if (!expect(y, YAML_STREAM_START_EVENT, "the file", "YAML")) {
        return false;
    }
    take(y);
    if (!peek(y)) {
        return false;
    }
    if (y->event.type != YAML_DOCUMENT_START_EVENT) {
        return fail_at(y, y->mark, "the file is empty; it needs `bus:` and `programs:`");
    }
    take(y);
    if (!sup_yaml_map(y, "the file", keys, target)) {
        return false;
    }
    if (!expect(y, YAML_DOCUMENT_END_EVENT, "the file", "an end")) {
        return false;
    }
    take(y);
    if (!peek(y)) {
        return false;
    }
    if (y->event.type != YAML_STREAM_END_EVENT) {
        return fail_at(y, y->mark, "a second document; one file describes one supervisor");
    }
    return true;
}

static const struct sup_key *find_key(struct sup_yaml *y, const char *word,
                                      const struct sup_key *keys)
{
    const char *known[KEYS_MAX + 1];
    size_t count = 0;

    for (const struct sup_key *k = keys; k->name != NULL; k++) {
        if (strcmp(k->name, word) == 0) {
            return k;
        }
        if (count < KEYS_MAX) {
            known[count++] = k->name;
        }
    }
    known[count] = NULL;
    fail_unknown(y, "key", word, known);
    return NULL;
}

static bool map_key(struct sup_yaml *y, char *word, const struct sup_key *keys, uint64_t *seen,
                    void *target)
{
    const struct sup_key *key = find_key(y, word, keys);
    uint64_t bit;

    if (key == NULL) {
        return false;
    }
    bit = (uint64_t)1 << (key - keys);
    if ((*seen & bit) != 0) {
        return fail_at(y, y->mark, "`%s` is there twice; keep one", word);
    }
    *seen |= bit;
    return key->read(y, key, target);
}

bool sup_yaml_map(struct sup_yaml *y, const char *what, const struct sup_key *keys, void *target)
{
    uint64_t seen = 0;
    bool end, good = true;
    char *word;

    if (!expect(y, YAML_MAPPING_START_EVENT, what, "a map")) {
        return false;
    }
    take(y);
    while (good && (word = next_key(y, what, &end)) != NULL) {
        good = map_key(y, word, keys, &seen, target);
        free(word);
    }
    return good && end;
}

static bool is_name(const char *word)
{
    size_t length = strlen(word);

    return length > 0 && length < SHMBUS_NAME_BYTES && word[0] != '.' &&
           strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

bool sup_yaml_names(struct sup_yaml *y, const char *what, sup_yaml_each each, void *target)
{
    bool end, good = true;
    char *word;

    if (!expect(y, YAML_MAPPING_START_EVENT, what, "a map")) {
        return false;
    }
    take(y);
    while (good && (word = next_key(y, what, &end)) != NULL) {
        if (!is_name(word)) {
            good = fail_at(y, y->mark,
                           "`%s` is no valid name: use 1 to %d letters, digits, '.', '_' or '-', "
                           "not starting with '.'",
                           word, SHMBUS_NAME_BYTES - 1);
        } else {
            good = each(y, word, target);
        }
        free(word);
    }
    return good && end;
}

/* --------------------------------------------------------------------------------------- values */

static void *field(void *target, const struct sup_key *key)
{
    return (char *)target + key->offset;
}

bool sup_read_text(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char **text = field(target, key);

    *text = sup_yaml_text(y, key->name);
    if (*text != NULL && (*text)[0] == 0) {
        return fail_at(y, y->mark, "`%s` is empty", key->name);
    }
    return *text != NULL;
}

bool sup_read_list(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char ***list = field(target, key), *text;
    yaml_mark_t begin;

    if (!expect(y, YAML_SEQUENCE_START_EVENT, key->name, "a list")) {
        return false;
    }
    begin = y->mark;
    take(y);
    for (;;) {
        if (!peek(y)) {
            return false;
        }
        if (y->event.type == YAML_SEQUENCE_END_EVENT) {
            break;
        }
        text = sup_yaml_text(y, key->name);
        if (text == NULL) {
            return false;
        }
        sup_list_add(list, text);
    }
    take(y);
    y->mark = begin;
    if (sup_list_count(*list) < key->min) {
        return fail_at(y, begin, "`%s` is an empty list", key->name);
    }
    return true;
}

static bool is_variable(const char *name)
{
    return name[0] != 0 && strchr(name, '=') == NULL;
}

bool sup_read_pairs(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char ***list = field(target, key), *name, *value;
    bool end;

    if (!expect(y, YAML_MAPPING_START_EVENT, key->name, "a map")) {
        return false;
    }
    take(y);
    while ((name = next_key(y, key->name, &end)) != NULL) {
        if (!is_variable(name)) {
            fail_at(y, y->mark, "`%s` is no name of a variable", name);
            free(name);
            return false;
        }
        value = sup_yaml_text(y, name);
        if (value != NULL) {
            sup_list_add(list, sup_printf("%s=%s", name, value));
        }
        free(name);
        if (value == NULL) {
            return false;
        }
        free(value);
    }
    return end;
}

/* False with a sentence; frees @text in any case. */
static bool number_of(struct sup_yaml *y, const struct sup_key *key, char *text, uint64_t *ret)
{
    bool good = text_parse_count(text, ret) && *ret >= key->min && *ret <= key->max;

    if (!good) {
        fail_at(y, y->mark, "`%s: %s`: expected a number from %ju to %ju", key->name, text,
                (uintmax_t)key->min, (uintmax_t)key->max);
    }
    free(text);
    return good;
}

bool sup_read_count(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name);
    uint64_t value;

    if (text == NULL || !number_of(y, key, text, &value)) {
        return false;
    }
    *(uint32_t *)field(target, key) = (uint32_t)value;
    return true;
}

bool sup_read_number(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name);

    return text != NULL && number_of(y, key, text, field(target, key));
}

/* The grammar of shmbus.yaml: a whole number and one of these units, after a blank or not. NULL: it
 * is not that; else without the blank, to be freed. (On a command line more is accepted.) */
static char *with_unit(const char *text, const char *const *units)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;

    unit += unit[0] == ' ' && unit[1] != 0;
    for (; digits > 0 && *units != NULL; units++) {
        if (strcmp(*units, unit) == 0) {
            return sup_printf("%.*s%s", (int)digits, text, unit);
        }
    }
    return NULL;
}

bool sup_read_size(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    static const char *const units[] = {"",    "B",   "kB",  "MB",  "GB",
                                        "KiB", "MiB", "GiB", "TiB", NULL};
    char *text = sup_yaml_text(y, key->name), *plain;
    uint64_t *out = field(target, key);
    bool good;

    if (text == NULL) {
        return false;
    }
    plain = with_unit(text, units);
    good = plain != NULL && text_parse_size(plain, out) && *out >= key->min;
    free(plain);
    if (!good) {
        fail_at(y, y->mark, "`%s: %s` is not a size above zero; write it like 64MiB", key->name,
                text);
    }
    free(text);
    return good;
}

/* From -max to max. */
bool sup_read_integer(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name), *end;
    long value, most = (long)key->max;
    bool good;

    if (text == NULL) {
        return false;
    }
    errno = 0;
    value = strtol(text, &end, 10);
    good = errno == 0 && end != text && *end == 0 && value >= -most && value <= most;
    if (!good) {
        fail_at(y, y->mark, "`%s: %s`: expected a number from -%ld to %ld", key->name, text, most,
                most);
    }
    *(int32_t *)field(target, key) = (int32_t)value;
    free(text);
    return good;
}

bool sup_read_duration(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h", NULL};
    char *text = sup_yaml_text(y, key->name), *plain;
    int64_t value = 0, *out = field(target, key);
    bool good;

    if (text == NULL) {
        return false;
    }
    plain = with_unit(text, units);
    good = plain != NULL && text_parse_duration(plain, &value);
    free(plain);
    if (!good) {
        fail_at(y, y->mark,
                "`%s: %s`: expected a duration with its unit, such as 250ms, 5s, 2m or 24h",
                key->name, text);
    } else if (value < (int64_t)key->min) {
        good = fail_at(y, y->mark, "`%s` must be above zero", key->name);
    }
    free(text);
    *out = value;
    return good;
}

bool sup_read_bool(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name);
    bool *out = field(target, key), good;

    if (text == NULL) {
        return false;
    }
    *out = strcmp(text, "true") == 0;
    good = *out || strcmp(text, "false") == 0;
    if (!good) {
        fail_at(y, y->mark, "`%s: %s`: expected true or false", key->name, text);
    }
    free(text);
    return good;
}

bool sup_read_mode(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name);
    uint32_t *out = field(target, key);
    bool good;

    if (text == NULL) {
        return false;
    }
    good = strlen(text) <= 4 && strspn(text, "01234567") == strlen(text);
    *out = (uint32_t)strtoul(text, NULL, 8);
    if (!good || *out > 0777) {
        good = fail_at(y, y->mark, "`%s: %s`: expected an octal number such as \"0660\"", key->name,
                       text);
    }
    free(text);
    return good;
}

bool sup_read_choice(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    const char *const *names = key->more;
    char *text = sup_yaml_text(y, key->name);
    int *out = field(target, key);
    bool found = false;

    if (text == NULL) {
        return false;
    }
    for (int i = 0; names[i] != NULL && !found; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            found = true;
        }
    }
    if (!found) {
        fail_unknown(y, key->name, text, names);
    }
    free(text);
    return found;
}

bool sup_read_signal(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    char *text = sup_yaml_text(y, key->name);
    int32_t *out = field(target, key);
    bool good;

    if (text == NULL) {
        return false;
    }
    *out = sup_signal_number(text);
    good = *out != 0;
    if (!good) {
        fail_at(y, y->mark, "`%s: %s` is not a signal; write it like TERM", key->name, text);
    }
    free(text);
    return good;
}

bool sup_read_codes(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    struct sup_codes *codes = field(target, key);
    const struct sup_key one = {.name = key->name, .max = 255};
    char **list = NULL;
    const struct sup_key as_list = {.name = key->name};
    bool good = sup_read_list(y, &as_list, &list);

    codes->count = 0;
    for (size_t i = 0; good && list != NULL && list[i] != NULL; i++) {
        uint64_t value;

        if (codes->count == SUP_CODES_MAX) {
            good = fail_at(y, y->mark, "`%s` has more than %d codes", key->name, SUP_CODES_MAX);
        } else {
            good = number_of(y, &one, sup_strdup(list[i]), &value);
        }
        if (good) {
            codes->values[codes->count++] = (uint32_t)value;
        }
    }
    sup_list_free(list);
    return good;
}

bool sup_read_map(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    return sup_yaml_map(y, key->name, key->more, target);
}
