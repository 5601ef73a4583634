/* SPDX-License-Identifier: MIT */
/*
 * What a forked child must not have.
 */
#ifndef SB_INHERIT_H
#define SB_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

/* A page that is not there in a child (DROP), or all zero there (WIPE). Private memory that is to
 * be wiped must stay writable where this returns false. */
enum sb_inherit { SB_INHERIT_DROP, SB_INHERIT_WIPE };

/* True if the kernel sees to it in each child; false if fork() of the C library does, and a raw
 * clone() does not. */
bool sb_inherit_not(void *page, size_t bytes, enum sb_inherit how);

/* Before the page is unmapped. */
void sb_inherit_forget(const void *page);

/* No fork() of the C library in between. For where there is nothing better. */
void sb_inherit_hold(void);
void sb_inherit_release(void);

#endif
