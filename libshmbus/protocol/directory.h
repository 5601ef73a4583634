/* SPDX-License-Identifier: MIT */
/*
 * Names of channels. The protocol is at the top of directory.c.
 */
#ifndef SB_DIRECTORY_H
#define SB_DIRECTORY_H

#include "layout/view.h"

/* The channel of that name: 0 with its index, -ENOENT; -EEXIST if two names share a hash. */
int sb_directory_find(const struct sb_view *view, const char *name, uint32_t *ret_index);

/* The same, naming a spare queue if there is none: -SHMBUS_ERR_TOO_MANY. */
int sb_directory_claim(const struct sb_view *view, const char *name, uint32_t *ret_index);

#endif
