/* SPDX-License-Identifier: MIT */
#include "plan/yaml_problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan/spelling.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* The line of @mark, without its end. */
static const char *line_of(const struct sb_yaml *y, size_t number, size_t *ret_bytes)
{
    const char *line = (const char *)y->text, *end = line + y->bytes, *stop;

    for (; number > 0 && line < end; number--) {
        stop = memchr(line, '\n', (size_t)(end - line));
        line = stop != NULL ? stop + 1 : end;
    }
    stop = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    *ret_bytes = (size_t)((stop != NULL ? stop : end) - line);
    return line;
}

/* What a template engine leaves when nobody runs it: {{ x }}, ${X}, <% x %>. */
static bool has_template(const struct sb_yaml *y, size_t line_number)
{
    static const char *const marks[] = {"{{", "${", "<%"};
    size_t bytes;
    const char *line = line_of(y, line_number, &bytes);

    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (memmem(line, bytes, marks[i], 2) != NULL) {
            return true;
        }
    }
    return false;
}

int sb_yaml_sentence(const struct sb_yaml *y, yaml_mark_t mark, const char *format, ...)
{
    char what[384];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return sb_sentence("%s:%zu:%zu: %s%s", y->origin, mark.line + 1, mark.column + 1, what,
                       has_template(y, mark.line) ? "; is this a template that was not filled in?"
                                                  : "");
}

int sb_yaml_fail_unknown(const struct sb_yaml *y, const struct sb_yaml_text *word, const char *what,
                         const char *const *known, size_t count)
{
    const char *nearest = sb_nearest_word(word->value, known, count);
    char list[256] = "";
    size_t used = 0;

    if (nearest != NULL) {
        return sb_yaml_fail(y, word->mark, "unknown %s `%s`; did you mean `%s`?", what, word->value,
                            nearest);
    }
    for (size_t i = 0; i < count && used < sizeof list; i++) {
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    return sb_yaml_fail(y, word->mark, "unknown %s `%s`; known: %s", what, word->value, list);
}

static yaml_mark_t mark_of_offset(const struct sb_yaml *y, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset && i < y->bytes; i++) {
        if (y->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((y->text[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* Bytes of the character at @c, of @left; 0: it is none. */
static size_t utf8_length(const unsigned char *c, size_t left)
{
    size_t length = *c < 0x80   ? 1
                    : *c < 0xC2 ? 0
                    : *c < 0xE0 ? 2
                    : *c < 0xF0 ? 3
                    : *c < 0xF5 ? 4
                                : 0;

    for (size_t i = 1; i < length; i++) {
        if (i >= left || (c[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* libyaml's reader knows a bad byte by an offset alone, and that of the one behind it. */
static int fail_bytes(const struct sb_yaml *y)
{
    size_t at = 0, length = 1;

    while (at < y->bytes && length > 0) {
        length = utf8_length(y->text + at, y->bytes - at);
        at += length;
    }
    if (at < y->bytes) {
        return sb_yaml_fail(y, mark_of_offset(y, at),
                            "the byte 0x%02x is no UTF-8: save the file as UTF-8", y->text[at]);
    }
    at = y->parser.problem_offset;
    return sb_yaml_fail(y, mark_of_offset(y, at),
                        "the control character 0x%02x has no place in YAML",
                        (unsigned)y->parser.problem_value);
}

/* Editors indent by tabs, YAML never: the most frequent mistake, and the words of libyaml for it do
 * not say so. */
static bool is_indented_by_tab(const struct sb_yaml *y, yaml_mark_t mark, yaml_mark_t *ret)
{
    size_t bytes;
    const char *line = line_of(y, mark.line, &bytes);

    for (size_t i = 0; i < bytes && strchr(" \t-?:", line[i]) != NULL && line[i] != '\0'; i++) {
        if (line[i] == '\t') {
            *ret = (yaml_mark_t){mark.index, mark.line, i};
            return true;
        }
    }
    return false;
}

/* Nothing but white space from there on. */
static bool is_at_end(const struct sb_yaml *y, yaml_mark_t mark)
{
    size_t bytes;
    const char *at = line_of(y, mark.line, &bytes), *end = (const char *)y->text + y->bytes;

    at += mark.column < bytes ? mark.column : bytes;
    while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0') {
        at++;
    }
    return at == end;
}

/* What libyaml says, and what it means; said of the place where the trouble begins, if wanted. */
static const struct {
    const char *problem, *sentence;
    bool at_begin;
} meanings[] = {
    {"did not find expected ',' or '}'", "a `,` or the closing `}` is missing", false},
    {"did not find expected ',' or ']'", "a `,` or the closing `]` is missing", false},
    {"did not find expected node content", "a value, or the closing `}` or `]`, is missing", false},
    {"found unexpected end of stream", "the quote that begins here is never closed", true},
    {"mapping values are not allowed",
     "no `:` can stand here: indent the line as those around it, "
     "or put a value with a colon in quotes",
     false},
    {"did not find expected key", "no key here: is it indented as the other lines of its map?",
     false},
    {"could not find expected ':'", "a key needs a `:` and a blank after it", false},
    {"found character that cannot start any token",
     "no value begins with this character: put it "
     "in quotes",
     false},
    {"found undefined tag handle", "tags of your own are not allowed; remove it", false},
};

int sb_yaml_fail_parser(const struct sb_yaml *y)
{
    const yaml_parser_t *p = &y->parser;
    const char *problem = p->problem != NULL ? p->problem : "not valid YAML";
    yaml_mark_t tab;

    if (p->error == YAML_MEMORY_ERROR) {
        return sb_fail(-ENOMEM, "%s: no memory to read it", y->origin);
    }
    if (p->error == YAML_READER_ERROR) {
        return fail_bytes(y);
    }
    if (is_indented_by_tab(y, p->problem_mark, &tab)) {
        return sb_yaml_fail(y, tab, "a tab where YAML wants spaces: indent with spaces");
    }
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (strncmp(problem, meanings[i].problem, strlen(meanings[i].problem)) != 0) {
            continue;
        }
        bool at_begin =
            p->context != NULL && (meanings[i].at_begin || is_at_end(y, p->problem_mark));
        return sb_yaml_fail(y, at_begin ? p->context_mark : p->problem_mark, "%s",
                            meanings[i].sentence);
    }
    return sb_yaml_fail(y, p->problem_mark, "%s%s%s", problem, p->context != NULL ? " " : "",
                        p->context != NULL ? p->context : "");
}
