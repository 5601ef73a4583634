/* SPDX-License-Identifier: MIT */
/*
 * Strict YAML by tables of keys: what is not understood is an error with file, line and column and
 * the nearest known word. Anchors, aliases and tags are refused.
 */
#ifndef SHMBUSCTL_SUPERVISE_YAML_H
#define SHMBUSCTL_SUPERVISE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_yaml;

/* How to read the value of one key into the struct behind @target. */
struct sup_key {
    const char *name;
    bool (*read)(struct sup_yaml *y, const struct sup_key *key, void *target);
    size_t offset;
    uint64_t min, max;
    const void *more; /* names of a choice, keys of a map */
};

/* NULL: cannot be read, said so, with the exit code. */
struct sup_yaml *sup_yaml_open(const char *path, int *ret_code);
void sup_yaml_close(struct sup_yaml *y);

/* The whole document is one map of these keys (which end with a NULL name). Every function that
 * returns false has said what is wrong. */
bool sup_yaml_document(struct sup_yaml *y, const struct sup_key *keys, void *target);
bool sup_yaml_map(struct sup_yaml *y, const char *what, const struct sup_key *keys, void *target);
/* A map whose keys are names: @each reads the value. */
typedef bool (*sup_yaml_each)(struct sup_yaml *y, const char *name, void *target);
bool sup_yaml_names(struct sup_yaml *y, const char *what, sup_yaml_each each, void *target);
size_t sup_yaml_line(const struct sup_yaml *y); /* of the value read last */
bool sup_yaml_fail(struct sup_yaml *y, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold)); /* at the value read last; false */

/* Readers for tables. */
bool sup_read_text(struct sup_yaml *y, const struct sup_key *key, void *target);     /* char * */
bool sup_read_list(struct sup_yaml *y, const struct sup_key *key, void *target);     /* char ** */
bool sup_read_pairs(struct sup_yaml *y, const struct sup_key *key, void *target);    /* char ** */
bool sup_read_count(struct sup_yaml *y, const struct sup_key *key, void *target);    /* uint32_t */
bool sup_read_integer(struct sup_yaml *y, const struct sup_key *key, void *target);  /* int32_t */
bool sup_read_duration(struct sup_yaml *y, const struct sup_key *key, void *target); /* int64_t */
bool sup_read_number(struct sup_yaml *y, const struct sup_key *key, void *target);   /* uint64_t */
bool sup_read_size(struct sup_yaml *y, const struct sup_key *key, void *target);     /* uint64_t */
bool sup_read_bool(struct sup_yaml *y, const struct sup_key *key, void *target);     /* bool */
bool sup_read_mode(struct sup_yaml *y, const struct sup_key *key, void *target);     /* uint32_t */
bool sup_read_choice(struct sup_yaml *y, const struct sup_key *key, void *target);   /* enum */
bool sup_read_signal(struct sup_yaml *y, const struct sup_key *key, void *target);   /* int32_t */
bool sup_read_codes(struct sup_yaml *y, const struct sup_key *key, void *target);    /* sup_codes */
bool sup_read_map(struct sup_yaml *y, const struct sup_key *key, void *target); /* ->more: keys */
/* One value of any length; NULL: said so. To be freed. */
char *sup_yaml_text(struct sup_yaml *y, const char *key);

#endif
