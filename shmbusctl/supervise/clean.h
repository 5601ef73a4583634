/* SPDX-License-Identifier: MIT */
/*
 * State clean-up before a start: files of one directory that match a pattern and are old enough.
 * Done by the new process itself, as its user, before it becomes its command: it can remove no more
 * than that user may, and a directory that is slow holds up nobody else.
 */
#ifndef SHMBUSCTL_SUPERVISE_CLEAN_H
#define SHMBUSCTL_SUPERVISE_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "spec.h"

struct sup_cleaned {
    uint64_t files, bytes;
    uint64_t failed; /* could not be removed */
    int error;       /* of the last one of those, or of the directory; 0: none */
};

/* NULL, or why @pattern is none. */
const char *sup_clean_pattern_check(const char *pattern);
bool sup_clean_matches(const char *pattern, const char *name);
/* System calls only: it runs between fork and exec. */
struct sup_cleaned sup_clean(const struct sup_clean_spec *spec);

#endif
