/* SPDX-License-Identifier: MIT */
#ifndef SB_YAML_FILE_H
#define SB_YAML_FILE_H

#include <stddef.h>

/* The whole file, pipe or terminal; *ret_text is to be freed. A failure has its sentence. */
int sb_yaml_read_file(const char *path, char **ret_text, size_t *ret_bytes);

#endif
