/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a text in YAML, in words: where it is, what was probably meant, and for what
 * libyaml says, what it means. With yaml_reader.c the only user of libyaml.
 */
#ifndef SB_YAML_PROBLEM_H
#define SB_YAML_PROBLEM_H

#include <shmbus/shmbus.h>
#include <yaml.h>

#include "base/error.h"

enum { SB_YAML_TEXT_BYTES = 128, SB_YAML_KEYS_MAX = 16 };

/* One run over a text. */
struct sb_yaml {
    yaml_parser_t parser;
    yaml_event_t event; /* the one to look at; its type is YAML_NO_EVENT when there is none */
    const char *origin;
    unsigned char *text; /* a copy */
    size_t bytes;
};

/* A scalar, copied out of its event. */
struct sb_yaml_text {
    char value[SB_YAML_TEXT_BYTES];
    yaml_mark_t mark;
    bool plain; /* not in quotes */
};

/* -SHMBUS_ERR_CONFIG and the sentence "file:line:column: ...". */
#define sb_yaml_fail(y, mark, ...)                                                                 \
    sb_failed(-SHMBUS_ERR_CONFIG, sb_yaml_sentence((y), (mark), __VA_ARGS__))
int sb_yaml_sentence(const struct sb_yaml *y, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* "unknown Y `x`; did you mean `z`?", or the whole list when nothing is near. */
int sb_yaml_fail_unknown(const struct sb_yaml *y, const struct sb_yaml_text *word, const char *what,
                         const char *const *known, size_t count);

/* What the parser has just stopped at. */
int sb_yaml_fail_parser(const struct sb_yaml *y);

#endif
