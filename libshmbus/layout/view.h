/* SPDX-License-Identifier: MIT */
/*
 * A process's private view of a segment: where everything is and how large. Made once by view.c
 * from validated numbers; from then on no limit is ever read from the segment again.
 */
#ifndef SB_VIEW_H
#define SB_VIEW_H

#include "layout/kinds.h"
#include "layout/layout.h"

/* Blocks of one size. Header i is at headers + i * header_stride, payload likewise; for small
 * classes both lie side by side (payload = headers + 64). */
struct sb_class_view {
    uint32_t first; /* index of the first block of the class */
    uint32_t count;
    uint32_t common_end; /* behind the last block that anybody may use: shares of queues follow */
    uint32_t stock_max;  /* blocks a handle may keep for itself; 0: none */
    sb_word *stock_left; /* of all that this process may keep; private; NULL: no such limit */
    uint64_t size_bytes;
    uint64_t header_stride;
    uint64_t payload_stride;
    uint8_t *headers;
    uint8_t *payloads;
    sb_word *bitmap; /* one hint bit a block: probably free */
};

/* The blocks that only one queue may use. None: count is 0. */
struct sb_share {
    uint32_t cls;
    uint32_t first; /* index of the first of them in its class */
    uint32_t count;
};

struct sb_blocks {
    uint32_t count; /* over all classes */
    uint32_t class_count;
    struct sb_event *freed; /* senders short of blocks sleep here */
    struct sb_class_view classes[SHMBUS_BLOCK_CLASSES_MAX];
};

struct sb_channel_view {
    struct sb_channel *shared;
    struct sb_endpoint *endpoints;
    uint32_t endpoint_count;
    uint32_t kind;
    uint32_t on_full;
    uint32_t max_deliveries;
    uint32_t dead_letter; /* channel index or SB_NONE */
    bool takes_letters;   /* it is the dead-letter queue of another one */
    uint32_t flags;
    uint32_t depth_shift;  /* queue: depth is 1 << depth_shift */
    sb_word *slots;        /* queue with total order */
    struct sb_share share; /* likewise */
    uint64_t message_max;  /* likewise: bytes of the largest message */
    uint32_t lane_count;   /* queue with order per producer; otherwise 0 */
    uint64_t cell_bytes;   /* lanes: from one cell to the next */
    struct sb_lane *lanes;
    uint8_t *cells;      /* lanes: those of lane 0, then those of lane 1, ... */
    uint64_t ring_bytes; /* stream: power of two */
    uint8_t *ring;       /* stream */
};

struct sb_region_view {
    struct sb_region *shared;
    uint64_t bytes;
    uint8_t *data;
    uint8_t *undo;
};

struct sb_view {
    uint8_t *base;
    uint64_t bytes;
    struct sb_super *super;
    struct sb_proc *processes;
    uint32_t process_count;
    uint32_t channel_count;
    uint32_t region_count;
    struct sb_blocks blocks;
    struct sb_channel_view *channels; /* private array */
    struct sb_region_view *regions;   /* private array */
    sb_word *stock_left;              /* private array, one for each class */
    int64_t heartbeat_interval_ns;
    int64_t heartbeat_timeout_ns;
};

static inline enum sb_kind_id sb_view_kind(const struct sb_channel_view *channel)
{
    return sb_kind_of(channel->kind, channel->lane_count);
}

struct sb_geometry;

/* The view of a mapping. -ENOMEM. */
int sb_view_make(uint8_t *base, const struct sb_geometry *geometry, struct sb_view *ret);
void sb_view_clear(struct sb_view *view);

static inline struct sb_cell *sb_cell_at(const struct sb_channel_view *channel, uint64_t cell)
{
    return (struct sb_cell *)(void *)(channel->cells + cell * channel->cell_bytes);
}

static inline void *sb_cell_payload(struct sb_cell *cell)
{
    return cell + 1;
}

/* All cells of a channel. */
static inline uint64_t sb_cell_count(const struct sb_channel_view *channel)
{
    return (uint64_t)channel->lane_count << channel->depth_shift;
}

/* The class of a block; @block must be below blocks->count. */
static inline const struct sb_class_view *sb_class_of(const struct sb_blocks *blocks,
                                                      uint32_t block)
{
    uint32_t c = blocks->class_count - 1;
    while (c > 0 && block < blocks->classes[c].first) {
        c--;
    }
    return &blocks->classes[c];
}

/* How many blocks of the class are anybody's. */
static inline uint32_t sb_common_of(const struct sb_class_view *cls)
{
    return cls->common_end - cls->first;
}

static inline struct sb_block *sb_block_in(const struct sb_class_view *cls, uint32_t block)
{
    return (struct sb_block *)(void *)(cls->headers +
                                       (uint64_t)(block - cls->first) * cls->header_stride);
}

static inline struct sb_block *sb_block_at(const struct sb_blocks *blocks, uint32_t block)
{
    return sb_block_in(sb_class_of(blocks, block), block);
}

static inline void *sb_payload_in(const struct sb_class_view *cls, uint32_t block)
{
    return cls->payloads + (uint64_t)(block - cls->first) * cls->payload_stride;
}

/* The process word of the incarnation that an owner64 names; 0 if it is no member any more. */
static inline uint64_t sb_owner64_word(const struct sb_view *view, uint64_t owner64)
{
    uint32_t slot = sb_owner64_slot(owner64);
    uint64_t w;

    if (slot >= view->process_count) {
        return 0;
    }
    w = sb_load_acquire(&view->processes[slot].w);
    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_owner64_make(slot, sb_proc_epoch(w)) != owner64) {
        return 0;
    }
    return w;
}

#endif
