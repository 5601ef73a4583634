/* SPDX-License-Identifier: MIT */
/* Building and printing JSON; every call after a failed allocation is harmless. */
#ifndef SHMBUSCTL_JSON_H
#define SHMBUSCTL_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_SCHEMA 1 /* raised when a field changes its meaning; new fields do not */

void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_count(struct json_object *object, const char *key, uint64_t value);
void json_add_signed(struct json_object *object, const char *key, int64_t value);
void json_add_number(struct json_object *object, const char *key, double value);
void json_add_bool(struct json_object *object, const char *key, bool value);
void json_add(struct json_object *object, const char *key, struct json_object *value);

/* A new object with "schema" in it. */
struct json_object *json_document(void);
/* One line on stdout, or indented when @pretty; frees @object. False: no memory, said so. */
bool json_print(struct json_object *object, bool pretty);

#endif
