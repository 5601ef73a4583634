/* SPDX-License-Identifier: MIT */
/* The segment that the contestants made of this library measure on: one per run, own name. */
#ifndef BENCH_SHMBUS_SEGMENT_H
#define BENCH_SHMBUS_SEGMENT_H

#include <shmbus/shmbus.h>

#include "../harness/bench.h"

#ifndef SHMBUS_ORDER
#define SHMBUS_ORDER SHMBUS_ORDER_TOTAL
#endif
#define SEGMENT_PROCESSES 16
#define SEGMENT_HELD 64 /* blocks that a process may have in its hands and its stock */

static char segment_name[SHMBUS_NAME_BYTES];

static int segment_failed(struct bench *b, const char *what, int error)
{
    snprintf(b->shared->error, sizeof(b->shared->error), "%s: %s", what,
             *shmbus_detail() ? shmbus_detail() : shmbus_strerror(error));
    return -1;
}

static int segment_channels(struct bench *b, struct shmbus_plan *plan)
{
    int error = 0;

    for (unsigned i = 0; i < b->channels && error == 0; i++) {
        struct shmbus_channel_opts channel = SHMBUS_CHANNEL_OPTS_INIT;
        char name[SHMBUS_NAME_BYTES];

        snprintf(name, sizeof(name), "c%u", i);
        channel.on_full = SHMBUS_FULL_BLOCK;
        channel.kind = b->many ? SHMBUS_KIND_QUEUE : SHMBUS_KIND_STREAM;
        channel.depth = b->many ? b->depth : 0;
        if (b->many && SHMBUS_ORDER == SHMBUS_ORDER_PRODUCER) {
            channel.order = SHMBUS_ORDER_PRODUCER;
            channel.message_bytes = b->size_bytes;
            channel.producers = SEGMENT_PROCESSES;
        }
        channel.bytes = b->many ? 0 : (uint64_t)b->depth * (b->size_bytes + 16);
        error = shmbus_plan_add_channel(plan, name, &channel);
    }
    return error;
}

/* Nothing of the built-in plan's blocks and channels: only what is measured. */
static int segment_create(struct bench *b)
{
    uint64_t count = b->depth + SEGMENT_PROCESSES * SEGMENT_HELD;
    struct shmbus_block_opts blocks = {sizeof(blocks), b->size_bytes, b->many ? count : 1};
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    int error = shmbus_plan_new(0, &plan);

    if (error < 0)
        return segment_failed(b, "shmbus_plan_new", error);
    whole.processes = SEGMENT_PROCESSES;
    whole.spare_channels = SHMBUS_SPARE_NONE;
    error = shmbus_plan_set(plan, &whole);
    if (error == 0)
        error = shmbus_plan_clear_blocks(plan);
    if (error == 0)
        error = shmbus_plan_add_blocks(plan, &blocks);
    if (error == 0)
        error = segment_channels(b, plan);
    snprintf(segment_name, sizeof(segment_name), "shmbus-bench.%d", (int)getpid());
    if (error == 0)
        error = shmbus_create(segment_name, plan, NULL);
    shmbus_plan_free(plan);
    return error < 0 ? segment_failed(b, "shmbus_create", error) : 0;
}

static struct shmbus *segment_attach(struct bench *b)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    int error;

    opts.flags = SHMBUS_ATTACH_EXISTING;
    opts.spin_ns = SHMBUS_SPIN_NONE;
    error = shmbus_attach(segment_name, &opts, &bus);
    if (error < 0)
        bench_fail(b, "shmbus_attach: %s", shmbus_detail());
    return bus;
}
#endif
