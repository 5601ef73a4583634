/* SPDX-License-Identifier: MIT */
/*
 * What a plan may ask of a kind of channel.
 */
#ifndef SB_KIND_PLAN_H
#define SB_KIND_PLAN_H

#include "layout/geometry.h"

struct sb_channel_plan; /* plan.h */

/* What YAML says of a channel, in the order of config.c. */
enum sb_plan_key {
    SB_KEY_KIND,
    SB_KEY_DEPTH,
    SB_KEY_BYTES,
    SB_KEY_ON_FULL,
    SB_KEY_MAX_DELIVERIES,
    SB_KEY_DEAD_LETTER,
    SB_KEY_ENDPOINTS,
    SB_KEY_TIMESTAMPS,
    SB_KEY_ORDER,
    SB_KEY_MESSAGE_BYTES,
    SB_KEY_PRODUCERS,
    SB_KEY_SHARE,
};
#define SB_KEY(name) (1u << SB_KEY_##name)

struct sb_kind_plan {
    const char *room;   /* the key that says how much it holds */
    uint32_t keys;      /* that not every kind has: SB_KEY() */
    bool always_blocks; /* when it is full: there is no other on_full */
    /* Defaults in place of what is left open. */
    void (*settle)(struct sb_channel_plan *channel);
    /* Every limit. 0 or -SHMBUS_ERR_CONFIG. */
    int (*validate)(const struct shmbus_plan *plan, const struct sb_channel_plan *channel);
    /* What the segment needs for it beside blocks, handles and what each channel has. */
    uint64_t (*cost)(const struct sb_channel_plan *channel);
    /* Its numbers, rounded as the header says; the others are there. */
    void (*take)(const struct sb_channel_plan *channel, struct sb_channel_geometry *ret);
};

#endif
