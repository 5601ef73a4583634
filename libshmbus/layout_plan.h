/*
 * From a plan to a geometry, from a geometry to a view. The same function computes the offsets
 * for the creator and for everybody who attaches, so no offset is ever taken from the segment.
 */
#ifndef SB_LAYOUT_PLAN_H
#define SB_LAYOUT_PLAN_H

#include "plan.h"
#include "view.h"

/* Limits of the layout; what a plan may ask for is checked against them. */
#define SB_RING_DEPTH_MAX SB_DEPTH_MAX
#define SB_RING_BYTES_MIN 4096ull
#define SB_RING_BYTES_MAX SB_STREAM_BYTES_MAX
#define SB_REGION_MAX SB_REGION_BYTES_MAX
#define SB_CELL_BYTES_MAX (SB_LANE_MESSAGE_MAX + SB_LINE)
#define SB_SEGMENT_MAX (1ull << 46)
#define SB_PAGE 4096u
#define SB_SIDE_BY_SIDE_MAX 1024u /* payloads up to this size lie behind their header */

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

/* Validated geometry of a plan. -SHMBUS_ERR_CONFIG with detail, -ENOMEM. */
int sb_geometry_from_plan(const struct shmbus_plan *plan, struct sb_geometry **ret);

/* Geometry of an existing segment from its mapped tables (@bytes mapped, superblock already
 * checked by sb_super_check()). Every number is read once. -SHMBUS_ERR_CORRUPT, -ENOMEM. */
int sb_geometry_from_segment(const uint8_t *base, uint64_t bytes, struct sb_geometry **ret);
void sb_geometry_free(struct sb_geometry *geometry); /* NULL is fine */

/* For both: empty arrays of the counts in @geometry; -ENOMEM. */
int sb_geometry_alloc(struct sb_geometry *geometry);
/* For both: every offset and segment_bytes from sizes and counts. False: larger than
 * SB_SEGMENT_MAX. */
bool sb_geometry_place(struct sb_geometry *geometry);
/* For both: which blocks are common and which are whose. The class whose blocks do not suffice,
 * SB_NONE if there is none. */
uint32_t sb_geometry_share(struct sb_geometry *geometry);
/* Whether messages of the channel lie in blocks. */
bool sb_geometry_uses_blocks(const struct sb_channel_geometry *channel);

/* Word size, byte order and cache line as one number; equal where a segment can be shared. */
uint32_t sb_fingerprint(void);

/* Fills a fresh, zeroed mapping: tables, bitmaps, rings, block headers, superblock. */
void sb_layout_format(uint8_t *base, const struct sb_geometry *geometry);

/* Checks a private copy of the superblock. -SHMBUS_ERR_LAYOUT or _CORRUPT with detail. */
int sb_super_check(const struct sb_super *super, uint64_t file_bytes, bool read_only);

/* The view of a mapping. -ENOMEM. */
int sb_view_make(uint8_t *base, const struct sb_geometry *geometry, struct sb_view *ret);
void sb_view_clear(struct sb_view *view);

#endif
