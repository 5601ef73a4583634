/* SPDX-License-Identifier: MIT */
/*
 * What a forked child must not have.
 */
#ifndef SB_INHERIT_H
#define SB_INHERIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/* A page that is not there in a child (DROP), or all zero there (WIPE). Private memory that is to
 * be wiped must stay writable where this returns false. */
enum sb_inherit { SB_INHERIT_DROP, SB_INHERIT_WIPE };

/* True if the kernel sees to it in each child; false if fork() of the C library does, and a raw
 * clone() does not. */
bool sb_inherit_not(void *page, size_t bytes, enum sb_inherit how);

/* Before the page is unmapped. */
void sb_inherit_forget(const void *page);

/* A word that is @value here and 0 in each child of this process, until it is dropped. NULL: no
 * memory. */
const uint64_t *sb_mark_take(uint64_t value);
void sb_mark_drop(const uint64_t *mark); /* NULL is fine; a child may drop its parent's */

/* What is true of this process for as long as it lives, and of its children not: 0 until somebody
 * has stored it. NULL: no memory to remember it. */
enum sb_own { SB_OWN_PID_NAMESPACE, SB_OWN_START_TICKS, SB_OWN_COUNT };
sb_word *sb_own_word(enum sb_own what);

/* No fork() of the C library in between. For where there is nothing better. */
void sb_inherit_hold(void);
void sb_inherit_release(void);

#endif
