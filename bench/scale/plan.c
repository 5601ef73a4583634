/* SPDX-License-Identifier: MIT */
/* The segment of a row: exactly what is measured, nothing of the built-in plan. */
#include "scale.h"

struct shmbus_plan *scale_plan_new(uint32_t processes, uint64_t block_bytes, uint64_t blocks)
{
    struct shmbus_plan_opts whole = {
        .struct_bytes = sizeof(whole), .processes = processes, .spare_channels = SHMBUS_SPARE_NONE};
    struct shmbus_block_opts some = {sizeof(some), block_bytes, blocks};
    struct shmbus_plan *plan = NULL;

    scale_must(shmbus_plan_new(0, &plan), "plan");
    scale_must(shmbus_plan_set(plan, &whole), "plan of the segment");
    scale_must(shmbus_plan_clear_blocks(plan), "plan of no blocks");
    scale_must(shmbus_plan_add_blocks(plan, &some), "plan of the blocks");
    return plan;
}

void scale_plan_add_queue(struct shmbus_plan *plan, const char *name, uint32_t depth)
{
    struct shmbus_channel_opts channel = {.struct_bytes = sizeof(channel), .depth = depth};

    scale_must(shmbus_plan_add_channel(plan, name, &channel), "plan of a queue");
}

void scale_create(const struct shmbus_plan *plan)
{
    scale_must(shmbus_create(scale_name, plan, NULL), "create");
}

struct shmbus *scale_attach(unsigned flags)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;

    opts.flags = SHMBUS_ATTACH_EXISTING | flags;
    scale_must(shmbus_attach(scale_name, &opts, &bus), "attach");
    return bus;
}

struct shmbus_channel *scale_open(struct shmbus *bus, const char *name, unsigned mode)
{
    struct shmbus_channel *channel = NULL;

    scale_must(shmbus_channel_open(bus, name, mode | SHMBUS_OPEN_EXISTING, NULL, &channel), "open");
    return channel;
}
