/* SPDX-License-Identifier: MIT */
/* Memory without an answer "no": see memory.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ctl.h"
#include "memory.h"

static void *there(void *memory)
{
    if (memory == NULL) {
        exit(ctl_fail(CTL_FAILED, "out of memory; the workers go on, start the supervisor again"));
    }
    return memory;
}

void *sup_zalloc(size_t bytes)
{
    return there(calloc(1, bytes));
}

void *sup_realloc(void *old, size_t count, size_t bytes)
{
    return there(reallocarray(old, count > 0 ? count : 1, bytes));
}

char *sup_strdup(const char *text)
{
    return there(strdup(text));
}

char *sup_printf(const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) {
        text = NULL;
    }
    va_end(list);
    return there(text);
}

size_t sup_list_count(char *const *list)
{
    size_t count = 0;

    while (list != NULL && list[count] != NULL) {
        count++;
    }
    return count;
}

void sup_list_add(char ***list, char *owned_text)
{
    size_t count = sup_list_count(*list);

    *list = sup_realloc(*list, count + 2, sizeof **list);
    (*list)[count] = owned_text;
    (*list)[count + 1] = NULL;
}

void sup_list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}
