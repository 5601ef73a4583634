/* SPDX-License-Identifier: MIT */
/*
 * Where everything in a segment lies, in private memory: offsets from sizes and counts. The same
 * function computes them for the creator and for everybody who attaches, so no offset is ever taken
 * from the segment.
 */
#ifndef SB_GEOMETRY_H
#define SB_GEOMETRY_H

#include "layout/kinds.h"
#include "layout/layout.h"

/* What a segment holds, in private memory: validated, rounded, with dead letters resolved. */
struct sb_class_geometry {
    uint64_t size_bytes, count;
    uint64_t common; /* the first so many; then the own blocks of queue after queue */
    uint64_t header_off, header_stride, payload_off, payload_stride, bitmap_off;
    uint32_t first;
};
struct sb_channel_geometry {
    char name[SHMBUS_NAME_BYTES]; /* "" for a spare one */
    uint32_t kind, on_full, depth, max_deliveries, dead_letter, endpoints, flags, lanes, share;
    uint64_t bytes;
    uint32_t own_class; /* of the blocks of its share */
    uint64_t own_first; /* number of the first of them in its class, common ones left out */
    uint64_t endpoint_off, ring_off, cells_off;
};
struct sb_region_geometry {
    char name[SHMBUS_NAME_BYTES];
    uint64_t bytes;
    uint64_t data_off, undo_off;
};
struct sb_geometry {
    uint32_t processes, class_count, channel_count, region_count;
    int64_t heartbeat_interval_ns, heartbeat_timeout_ns;
    bool core; /* may go into core dumps */
    struct sb_class_geometry classes[SHMBUS_BLOCK_CLASSES_MAX];
    struct sb_channel_geometry *channels;
    struct sb_region_geometry *regions;
    uint64_t process_off, class_off, channel_off, region_off;
    uint64_t segment_bytes;
};

struct sb_channel_view;

/* A kind of channel as it lies in the segment. */
struct sb_kind_layout {
    const char *name; /* as in YAML and in sentences */
    bool in_blocks;   /* its messages; then it has a share of them */
    /* Takes its memory with sb_geometry_take(). */
    bool (*place)(struct sb_channel_geometry *channel, uint64_t *cursor);
    /* Numbers out of the segment, in private memory: all that place() and view() rely on. 0 or what
     * sb_damaged() returns. */
    int (*check)(const struct sb_channel_geometry *channel);
    /* Its memory, which is zero; NULL: that is right. */
    void (*format)(uint8_t *base, const struct sb_channel_geometry *channel);
    void (*view)(uint8_t *base, const struct sb_geometry *geometry,
                 const struct sb_channel_geometry *channel, struct sb_channel_view *ret);
};

/* Of a kind that there is. */
static inline const char *sb_kind_name(uint32_t kind)
{
    return sb_kind_row(sb_kind_of(kind, 0))->layout->name;
}

/* Empty arrays of the counts in @geometry; -ENOMEM. */
int sb_geometry_alloc(struct sb_geometry *geometry);
void sb_geometry_free(struct sb_geometry *geometry); /* NULL is fine */

/* Room for @count elements at the next multiple of @align. False: beyond SB_SEGMENT_MAX. */
bool sb_geometry_take(uint64_t *cursor, uint64_t align, uint64_t count, uint64_t size,
                      uint64_t *ret_off);

/* Every offset and segment_bytes from sizes and counts. False: larger than SB_SEGMENT_MAX. */
bool sb_geometry_place(struct sb_geometry *geometry);

/* NULL: it is of no kind that there is. */
const struct sb_kind_layout *sb_geometry_kind(const struct sb_channel_geometry *channel);

/* Whether messages of the channel lie in blocks. */
bool sb_geometry_uses_blocks(const struct sb_channel_geometry *channel);

/* For each channel the class of its own blocks: that of its largest message. */
void sb_geometry_choose_classes(struct sb_geometry *geometry);

/* Which blocks are common and which are whose. The class whose blocks do not suffice, SB_NONE if
 * there is none. */
uint32_t sb_geometry_share(struct sb_geometry *geometry);

#endif
