/* SPDX-License-Identifier: MIT */
/*
 * Looking without touching: shared by the statistics, the peek and the health check. Everything
 * here works on a read-only mapping, bounds every loop and range-checks every value.
 */
#ifndef SB_INSPECT_H
#define SB_INSPECT_H

#include "layout/view.h"

/* A block at one instant. */
struct sb_block_snapshot {
    uint64_t hdr, loc, meta, stamp_ns, correlation_id;
    uint64_t holder; /* 0: in a stock */
};

/* False if the block changed hands all the time. @block must be below blocks->count. */
bool sb_block_snapshot(const struct sb_blocks *blocks, uint32_t block,
                       struct sb_block_snapshot *ret);

/* Whether the place that the block names has it: it is sent. Otherwise it is about to be, or was
 * taken. */
bool sb_block_is_in_slot(const struct sb_view *view, const struct sb_block_snapshot *look,
                         uint32_t block);

/* What the blocks of one class, channel or owner are doing. */
struct sb_block_counts {
    uint64_t free, queued, held, stock, redeliverable, dead_letters;
};
void sb_block_counts_add(struct sb_block_counts *census, const struct sb_view *view,
                         const struct sb_block_snapshot *look);

/* Whether the block waits as a dead letter: in a dead-letter queue, or for it. */
bool sb_is_letter(const struct sb_view *view, const struct sb_block_snapshot *look);

/* The queue whose receivers will get this block, which is ORPHAN or DEAD_LETTER; SB_NONE if
 * damaged. */
uint32_t sb_waits_for(const struct sb_view *view, const struct sb_block_snapshot *look);

/* The name of a channel; false while it has none. */
bool sb_channel_name(const struct sb_channel_view *channel, char ret_name[SHMBUS_NAME_BYTES]);

/* Whether an incarnation is in the table, dead or not: by the owner of a block header, and by an
 * owner64. Does not ask the kernel. */
bool sb_owner_is_listed(const struct sb_view *view, uint32_t owner);
bool sb_owner64_is_listed(const struct sb_view *view, uint64_t owner64);

#endif
