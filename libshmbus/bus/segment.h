/* SPDX-License-Identifier: MIT */
/*
 * The file: created whole or not at all, checked before use, mapped once.
 */
#ifndef SB_SEGMENT_H
#define SB_SEGMENT_H

#include "layout/geometry.h"

struct sb_segment {
    char path[SHMBUS_PATH_BYTES];
    char name[SHMBUS_NAME_BYTES];
    int fd; /* the one used for mapping; closed after attaching */
    bool read_only;
    uint8_t *base;
    uint64_t bytes;
    uint64_t device, inode;
    uid_t owner_uid;
    mode_t mode;
};

/* "/dev/shm/shmbus.NAME" for "NAME" and "shmbus.NAME", "/dir/shmbus.NAME" for "/dir/NAME". -EINVAL
 * with detail. */
int sb_segment_path(const char *name, char *ret_path, size_t path_bytes,
                    char ret_name[SHMBUS_NAME_BYTES]);

int sb_segment_create(const char *name, const struct shmbus_plan *plan);

/* Opens, checks and maps. On success the caller owns fd and mapping (sb_segment_close()). */
int sb_segment_open(const char *name, bool read_only, bool any_owner, struct sb_segment *ret,
                    struct sb_geometry **ret_geometry);
void sb_segment_close(struct sb_segment *segment);

#endif
