/* SPDX-License-Identifier: MIT */
/*
 * Strict YAML, event by event; the only user of libyaml. What is not understood is an error that
 * says where it is and what was probably meant. Anchors, aliases and tags of one's own are refused,
 * and with them every way to blow up a small file; any other YAML 1.1 or 1.2 that people, editors
 * and templates write is read.
 */
#ifndef SB_YAML_READER_H
#define SB_YAML_READER_H

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

/* A key of a map: how to read its value into the struct behind @target. */
struct sb_yaml_key {
    const char *name;
    int (*read)(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
    size_t offset;
    uint64_t min, max;
};

/* One of the words that a value may be. */
struct sb_yaml_word {
    const char *name;
    int value;
    const char *refusal; /* for what is known and not supported */
};

/* All return 0 or a failure whose sentence has been said. */

/* @origin stands for the file's name and has to live as long. -ENOMEM. */
int sb_yaml_open(struct sb_yaml *y, const char *text, size_t bytes, const char *origin);
void sb_yaml_close(struct sb_yaml *y);

/* The whole file, pipe or terminal; *ret_text is to be freed. */
int sb_yaml_read_file(const char *path, char **ret_text, size_t *ret_bytes);

/* Reads the one document, which @read takes as it takes the value of a key. */
int sb_yaml_document(struct sb_yaml *y, int (*read)(struct sb_yaml *y));

/* -SHMBUS_ERR_CONFIG and the sentence "file:line:column: ...". */
#define sb_yaml_fail(y, mark, ...)                                                                 \
    sb_failed(-SHMBUS_ERR_CONFIG, sb_yaml_sentence((y), (mark), __VA_ARGS__))
int sb_yaml_sentence(const struct sb_yaml *y, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Where the next event begins. */
int sb_yaml_mark(struct sb_yaml *y, yaml_mark_t *ret);

/* The value of @key. */
int sb_yaml_text(struct sb_yaml *y, const char *key, struct sb_yaml_text *ret);

/* Enters the map that is the value of @key; @wanted says what it looks like. Nothing, as in `key:`
 * or `key: null`, is an empty one: then *ret_end is true and there is no key to ask for. */
int sb_yaml_enter_map(struct sb_yaml *y, const char *key, const char *wanted, bool *ret_end);
/* The next key, or *ret_end at the end of the map. */
int sb_yaml_next_key(struct sb_yaml *y, const char *map, struct sb_yaml_text *ret, bool *ret_end);
/* The same of a list; its items are read between the calls of sb_yaml_next_item(). */
int sb_yaml_enter_list(struct sb_yaml *y, const char *key, const char *wanted, bool *ret_end);
int sb_yaml_next_item(struct sb_yaml *y, bool *ret_end);

/* Reads a map with known keys. Bit i of *ret_seen: keys[i] was there. */
int sb_yaml_map(struct sb_yaml *y, const char *name, const struct sb_yaml_key *keys, size_t count,
                void *target, uint32_t *ret_seen);

/* Values, for struct sb_yaml_key. */
int sb_yaml_u32(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
int sb_yaml_u64(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
int sb_yaml_size(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
int sb_yaml_duration(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
int sb_yaml_bool(struct sb_yaml *y, const struct sb_yaml_key *key, void *target);
int sb_yaml_word(struct sb_yaml *y, const char *key, const struct sb_yaml_word *words, size_t count,
                 int *ret);
int sb_yaml_check_range(const struct sb_yaml *y, const struct sb_yaml_key *key,
                        const struct sb_yaml_text *t, uint64_t value);

static inline void *sb_yaml_field(void *target, const struct sb_yaml_key *key)
{
    return (char *)target + key->offset;
}

#endif
