/*
 * Plans: what needs no geometry. layout_plan.h turns a plan into offsets.
 */
#ifndef SB_PLAN_H
#define SB_PLAN_H

#include <shmbus/shmbus.h>

#define SB_DEPTH_DEFAULT 1024u
#define SB_DEPTH_MAX (1u << 20)
#define SB_LANES_DEFAULT 16u /* producers of a queue with order per producer */
#define SB_LANES_MAX 256u
#define SB_LANE_MESSAGE_DEFAULT 208ull /* with its header four lines */
#define SB_LANE_MESSAGE_MAX (1ull << 30)
#define SB_STREAM_BYTES_DEFAULT (1ull << 20)
#define SB_STREAM_BYTES_MIN 1024ull
#define SB_STREAM_BYTES_MAX (1ull << 30)
#define SB_REGION_BYTES_MAX (UINT32_MAX * 8ull) /* what sb_region.undo can name */
#define SB_BLOCK_BYTES_MAX (1ull << 30)
#define SB_SHARE_MAX SB_DEPTH_MAX /* a queue of that depth never needs more */
#define SB_DELIVERIES_LIMIT_MAX (SHMBUS_DELIVERIES_MAX - 1u)
#define SB_ENDPOINTS_MAX 65535u

/* Whether @name may name a bus, channel or region: 1 .. 47 of letters, digits, '.', '_', '-', not
 * starting with '.'. Reads at most SHMBUS_NAME_BYTES bytes. */
bool sb_name_is_valid(const char *name);

/* Checks every limit that needs no geometry. 0; -SHMBUS_ERR_CONFIG, or -ENOTSUP for what is not
 * supported yet, with the option to change in shmbus_detail(). */
int sb_plan_validate(const struct shmbus_plan *plan);

/* What a queue does when it is full, its default if the plan does not say: see shmbus.h. */
enum shmbus_on_full sb_plan_on_full(const struct shmbus_plan *plan,
                                    const struct shmbus_channel_plan *channel);

/* How many blocks a queue has to itself: as the plan says, which says 0 for the default. */
uint32_t sb_plan_share(uint32_t share);

/* A cell of a lane: header and the largest message, in whole lines. */
uint64_t sb_cell_bytes(uint64_t message_bytes);

/* The channel of that name, or NULL. */
struct shmbus_channel_plan *sb_plan_channel(const struct shmbus_plan *plan, const char *name);

/* Replaces the block classes by the built-in ones, in numbers that make the whole segment, with
 * the channels and regions that the plan has now, about @memory_bytes large.
 * -SHMBUS_ERR_CONFIG when these alone need more; -ENOMEM. */
int sb_plan_size_blocks(struct shmbus_plan *plan, uint64_t memory_bytes);

#endif
