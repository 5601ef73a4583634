/* SPDX-License-Identifier: MIT */
/* Building and printing JSON. */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "text.h"

void json_add(struct json_object *object, const char *key, struct json_object *value)
{
    if (!object || json_object_object_add(object, key, value) != 0)
        json_object_put(value);
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
    char clean[512];

    text_clean(text, clean, sizeof(clean));
    json_add(object, key, json_object_new_string(clean));
}

void json_add_count(struct json_object *object, const char *key, uint64_t value)
{
    json_add(object, key, json_object_new_uint64(value));
}

void json_add_signed(struct json_object *object, const char *key, int64_t value)
{
    json_add(object, key, json_object_new_int64(value));
}

void json_add_number(struct json_object *object, const char *key, double value)
{
    char text[40];

    snprintf(text, sizeof(text), "%.3f", value);
    json_add(object, key, json_object_new_double_s(value, text));
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
    json_add(object, key, json_object_new_boolean(value));
}

struct json_object *json_document(void)
{
    struct json_object *object = json_object_new_object();

    json_add_count(object, "schema", JSON_SCHEMA);
    return object;
}

bool json_print(struct json_object *object, bool pretty)
{
    int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
                (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : 0);
    const char *text = object ? json_object_to_json_string_ext(object, flags) : NULL;

    if (text)
        printf("%s\n", text);
    else
        ctl_note("out of memory");
    json_object_put(object);
    return text != NULL;
}
