/* SPDX-License-Identifier: MIT */
/*
 * Strict YAML, event by event. What is not understood is an error that says where it is and what
 * was probably meant. Anchors, aliases and tags of one's own are refused, and with them every way
 * to blow up a small file; any other YAML 1.1 or 1.2 that people, editors and templates write is
 * read.
 */
#ifndef SB_YAML_READER_H
#define SB_YAML_READER_H

#include "plan/yaml_problem.h"

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

/* Reads the one document, which @read takes as it takes the value of a key. */
int sb_yaml_document(struct sb_yaml *y, int (*read)(struct sb_yaml *y));

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
