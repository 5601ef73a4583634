/* SPDX-License-Identifier: MIT */
/*
 * Memory without an answer "no". A supervisor that cannot get some hundred bytes ends with one
 * line; its workers go on, and the next one started with the same FILE takes them over.
 */
#ifndef SHMBUSCTL_SUPERVISE_MEMORY_H
#define SHMBUSCTL_SUPERVISE_MEMORY_H

#include <stddef.h>

void *sup_zalloc(size_t bytes);
void *sup_realloc(void *old, size_t count, size_t bytes);
char *sup_strdup(const char *text);
char *sup_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Lists of texts, NULL at the end; NULL is an empty one. */
size_t sup_list_count(char *const *list);
void sup_list_add(char ***list, char *owned_text);
void sup_list_free(char **list);

#endif
