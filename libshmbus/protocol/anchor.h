/* SPDX-License-Identifier: MIT */
/*
 * The anchor: an open file of the segment whose locks last exactly as long as this process's
 * memory, whoever forks meanwhile.
 */
#ifndef SB_ANCHOR_H
#define SB_ANCHOR_H

#include <stdint.h>

struct sb_anchor {
    int fd;     /* to lock with; -1 later */
    void *page; /* keeps the open file; one page, not accessible */
};

/* Another open file description of the segment that @fd is: for @flags O_RDONLY or O_RDWR. Never
 * descriptor 0, 1 or 2. -1 with errno. */
int sb_reopen(int fd, const char *path, int flags);

/* Moves a descriptor away from 0, 1 and 2, which belong to the application even where it closed
 * them. -1 with errno; -1 for -1. */
int sb_fd_above_standard(int fd);

/* In a thread with a descriptor table of its own, or between sb_inherit_hold() and the closing of
 * the descriptor. 0; -errno with detail. */
int sb_anchor_make(struct sb_anchor *ret, int segment_fd, const char *path);

/* The descriptor has done its work: only the mapping is left. */
void sb_anchor_close_fd(struct sb_anchor *anchor);
void sb_anchor_drop(struct sb_anchor *anchor);

/* 0; -EAGAIN: another open file has it; -errno. */
int sb_anchor_lock(const struct sb_anchor *anchor, int64_t byte);
void sb_anchor_unlock(const struct sb_anchor *anchor, int64_t byte);

/* 1: some open file other than @fd has a lock on it, 0: none; -errno. */
int sb_byte_is_locked(int fd, int64_t byte);

/* Says why a mapping of so many bytes failed with @error, and what to do. Returns a negative error
 * that does not say "try again". */
int sb_map_failed(const char *path, uint64_t bytes, int error);

#endif
