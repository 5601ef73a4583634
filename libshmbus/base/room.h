/* SPDX-License-Identifier: MIT */
/*
 * Room for a file of memory: what the file system, the memory cgroups and the limits of this
 * process allow. Knows nothing of segments; shmbusctl is built with this file as well, so that its
 * dry run and doctor look at the same things as the creation of a bus.
 */
#ifndef SB_ROOM_H
#define SB_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_room {
    long type;                      /* of the file system: linux/magic.h */
    uint64_t block_bytes;           /* its unit */
    uint64_t free_bytes, all_bytes; /* both UINT64_MAX: it has no limit of its own */
    bool no_inodes;                 /* none left */
    uint64_t memory_bytes;          /* the tightest memory cgroup still has; UINT64_MAX: no limit */
    uint64_t memory_limit;          /* of that cgroup */
    char memory_group[128];         /* its name */
    uint64_t file_limit;            /* largest file of this process */
};

/* 0; -errno when @dir cannot be looked at. */
int sb_room_look(const char *dir, struct sb_room *ret);

/* 0: a file of that many bytes should fit. Otherwise -errno, and @text goes on after the name of
 * the file: "needs 44.0 MiB, but ...", with the cure. */
int sb_room_check(const struct sb_room *room, const char *dir, uint64_t bytes, char *text,
                  size_t text_bytes);

/* The kernel gave no memory although there is room: which limits are left that it may mean. */
void sb_room_other_limit(const char *dir, uint64_t bytes, char *text, size_t text_bytes);

#endif
