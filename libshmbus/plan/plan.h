/* SPDX-License-Identifier: MIT */
/*
 * Plans: what needs no geometry. plan_geometry.h turns a plan into offsets.
 */
#ifndef SB_PLAN_H
#define SB_PLAN_H

#include <stdbool.h>

#include <shmbus/shmbus.h>

struct sb_block_plan {
    uint64_t size_bytes;
    uint64_t count;
};

/* As struct shmbus_channel_opts, which is what programs see of it. */
struct sb_channel_plan {
    char name[SHMBUS_NAME_BYTES];
    enum shmbus_kind kind;
    uint32_t depth;
    uint64_t bytes;
    enum shmbus_on_full on_full; /* 0: see sb_plan_on_full() */
    uint32_t max_deliveries;
    char dead_letter[SHMBUS_NAME_BYTES]; /* or "" */
    uint32_t endpoints;                  /* 0: the default */
    enum shmbus_switch timestamps;
    enum shmbus_order order;
    uint64_t message_bytes;
    uint32_t producers;
    uint32_t share; /* see sb_plan_share() */
};

struct sb_region_plan {
    char name[SHMBUS_NAME_BYTES];
    uint64_t bytes;
};

/* Everything a segment will ever hold. Opaque for programs: see plan_opts.c. */
struct shmbus_plan {
    char name[SHMBUS_NAME_BYTES]; /* of the bus, or "" */
    mode_t mode;
    gid_t group; /* (gid_t)-1: the creator's */
    uint32_t processes;
    uint32_t spare_channels;
    uint32_t spare_depth;
    uint32_t spare_share;
    uint64_t spare_message_bytes;
    int64_t heartbeat_interval_ns;
    int64_t heartbeat_timeout_ns;
    struct sb_block_plan *blocks;
    size_t block_count;
    struct sb_channel_plan *channels;
    size_t channel_count;
    struct sb_region_plan *regions;
    size_t region_count;
    bool fit_blocks; /* the library chose the blocks, and adds what the shares of queues need */
    bool core;
};

/* As the public calls do, from what is ours already. 0; -EEXIST, -EINVAL, -ENOMEM. */
int sb_plan_add_channel(struct shmbus_plan *plan, const struct sb_channel_plan *channel);
int sb_plan_add_region(struct shmbus_plan *plan, const char *name, uint64_t bytes);
int sb_plan_add_blocks(struct shmbus_plan *plan, uint64_t size_bytes, uint64_t count);

/* What its kind, which must be known, has to say: kind_plan.h. */
const struct sb_kind_plan *sb_plan_kind(const struct sb_channel_plan *channel);

/* An empty plan, but for numbers that need no thought. */
void sb_plan_fill_defaults(struct shmbus_plan *plan);

/* Defaults in place of what is left open and does not depend on the rest of the plan. -EINVAL: a
 * kind or a switch that there is not. */
int sb_plan_settle_channel(struct sb_channel_plan *channel);

/* What a queue does when it is full, its default if the plan does not say: see shmbus.h. */
enum shmbus_on_full sb_plan_on_full(const struct shmbus_plan *plan,
                                    const struct sb_channel_plan *channel);

/* How many blocks a queue has to itself: as the plan says, which says 0 for the default. */
uint32_t sb_plan_share(uint32_t share);

/* A cell of a lane: header and the largest message, in whole lines. */
uint64_t sb_cell_bytes(uint64_t message_bytes);

/* The channel of that name, or NULL. */
struct sb_channel_plan *sb_plan_channel(const struct shmbus_plan *plan, const char *name);

#endif
