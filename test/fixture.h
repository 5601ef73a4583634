/* SPDX-License-Identifier: MIT */
/*
 * Buses for tests: plans in one line, messages that are numbers, and the accounts of the blocks.
 * Everything goes through the public header but what says so.
 */
#ifndef T_FIXTURE_H
#define T_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "bus/bus.h"
#include "bus/watcher.h"
#include "channel/channel.h"
#include "harness.h"
#include "plan/plan.h"
#include "protocol/directory.h"

#define T_MS 1000000ll
#define T_S 1000000000ll

static inline int t_add_blocks(struct shmbus_plan *plan, uint64_t size_bytes, uint64_t count)
{
    struct shmbus_block_opts blocks = {sizeof blocks, size_bytes, count};
    return shmbus_plan_add_blocks(plan, &blocks);
}

static inline int t_add_region(struct shmbus_plan *plan, const char *name, uint64_t bytes)
{
    struct shmbus_region_opts region = {sizeof region, bytes};
    return shmbus_plan_add_region(plan, name, &region);
}

/* A plan with one block class, no channels, two spare queues. Few blocks (below 2 * processes) mean
 * no stocks, so that a freed block is free at once. Each queue has one of the blocks to itself. */
static inline struct shmbus_plan *t_plan(uint32_t processes, uint64_t block_bytes, uint64_t blocks)
{
    struct shmbus_plan_opts whole = {.struct_bytes = sizeof whole,
                                     .processes = processes,
                                     .spare_channels = 2,
                                     .spare_depth = 16};
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    T_OK_FATAL(shmbus_plan_set(plan, &whole));
    T_OK_FATAL(shmbus_plan_clear_blocks(plan));
    T_OK_FATAL(t_add_blocks(plan, block_bytes, blocks));
    return plan;
}

/* The same without spare queues: one queue alone has all blocks. */
static inline struct shmbus_plan *t_plan_alone(uint32_t processes, uint64_t block_bytes,
                                               uint64_t blocks)
{
    struct shmbus_plan_opts alone = {sizeof alone, .spare_channels = SHMBUS_SPARE_NONE};
    struct shmbus_plan *plan = t_plan(processes, block_bytes, blocks);
    T_OK_FATAL(shmbus_plan_set(plan, &alone));
    return plan;
}

/* @dead_letter may be NULL. */
static inline void t_plan_queue(struct shmbus_plan *plan, const char *name, uint32_t depth,
                                enum shmbus_on_full on_full, uint32_t max_deliveries,
                                const char *dead_letter)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = depth,
                                    .on_full = on_full,
                                    .max_deliveries = max_deliveries,
                                    .timestamps = SHMBUS_SWITCH_ON};
    c.dead_letter = dead_letter;
    T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
}

static inline void t_plan_stream(struct shmbus_plan *plan, const char *name, uint64_t bytes)
{
    struct shmbus_channel_opts c = {
        .struct_bytes = sizeof c, .kind = SHMBUS_KIND_STREAM, .bytes = bytes};
    T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
}

/* Another membership of an existing bus. */
static inline struct shmbus *t_attach(const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

/* Creates the segment by the plan (which is freed) and attaches. */
static inline struct shmbus *t_bus_new(struct shmbus_plan *plan, char *ret_name)
{
    t_bus_name(ret_name);
    T_OK_FATAL(shmbus_create(ret_name, plan, NULL));
    shmbus_plan_free(plan);
    return t_attach(ret_name);
}

static inline void t_bus_end(struct shmbus *bus, const char *name)
{
    shmbus_detach(bus);
    T_OK(shmbus_unlink(name));
}

static inline struct shmbus_channel *t_open(struct shmbus *bus, const char *name, unsigned mode)
{
    struct shmbus_channel *ch = NULL;
    T_OK_FATAL(shmbus_channel_open(bus, name, mode, NULL, &ch));
    return ch;
}

/* ------------------------------------------------------------------------ messages as numbers */

static inline int t_send(struct shmbus_channel *ch, uint64_t value, int64_t timeout_ns)
{
    return shmbus_send(ch, &value, sizeof value, timeout_ns);
}

static inline int t_send_as(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                            const void *data, size_t size_bytes, int64_t timeout_ns)
{
    const struct shmbus_send_opts opts = {
        .struct_bytes = sizeof opts, .type = type, .correlation_id = correlation_id};
    return shmbus_send_with(ch, &opts, data, size_bytes, timeout_ns);
}

static inline void t_put(struct shmbus_channel *ch, uint64_t value)
{
    T_OK(t_send(ch, value, 0));
}

static inline uint64_t t_value(const struct shmbus_msg *msg)
{
    uint64_t value = 0;
    CU_ASSERT_EQUAL(msg->size_bytes, sizeof value);
    memcpy(&value, msg->data, sizeof value);
    return value;
}

/* Receives, keeps; UINT64_MAX if there is nothing. */
static inline uint64_t t_take(struct shmbus_channel *ch, struct shmbus_msg *msg)
{
    int r = shmbus_recv(ch, msg, 0);
    if (r != 0) {
        CU_ASSERT_EQUAL(r, -EAGAIN);
        return UINT64_MAX;
    }
    return t_value(msg);
}

/* Receives and acknowledges; UINT64_MAX if there is nothing. */
static inline uint64_t t_get(struct shmbus_channel *ch)
{
    struct shmbus_msg msg;
    uint64_t value = t_take(ch, &msg);
    if (value != UINT64_MAX)
        T_OK(shmbus_release(&msg));
    return value;
}

/* ----------------------------------------------------------------------------------- accounts */

/* The sum over all classes. Checks that every block is counted exactly once. */
static inline struct shmbus_block_stat t_blocks(struct shmbus *bus)
{
    struct shmbus_block_stat sum = {.struct_bytes = sizeof sum};
    struct shmbus_block_stat one = {.struct_bytes = sizeof one};
    for (uint32_t i = 0; shmbus_block_stat(bus, i, &one) == 0; i++) {
        CU_ASSERT_EQUAL(one.free + one.queued + one.held + one.stock + one.redeliverable +
                            one.dead_letters,
                        one.count);
        sum.count += one.count;
        sum.free += one.free;
        sum.queued += one.queued;
        sum.held += one.held;
        sum.stock += one.stock;
        sum.redeliverable += one.redeliverable;
        sum.dead_letters += one.dead_letters;
    }
    return sum;
}

static inline struct shmbus_channel_stat t_channel_stat(struct shmbus *bus, const char *name)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};
    int r;
    for (uint32_t i = 0; (r = shmbus_channel_stat(bus, i, &stat)) == 0 || r == -ENODATA; i++) {
        if (r == 0 && strcmp(stat.name, name) == 0)
            return stat;
    }
    CU_FAIL("no such channel");
    return stat;
}

/* White box: every free block can be found, which is what "no block leaks" means to an allocator.
 * Returns how many are free. */
static inline uint32_t t_free_and_hinted(const struct shmbus *bus)
{
    uint32_t free_blocks = 0;
    for (uint32_t c = 0; c < bus->view.blocks.class_count; c++) {
        const struct sb_class_view *cls = &bus->view.blocks.classes[c];
        for (uint32_t i = 0; i < cls->count; i++) {
            uint64_t hdr = sb_load_acquire(&sb_block_in(cls, cls->first + i)->hdr);
            if (sb_hdr_state(hdr) == SB_BLOCK_FREE) {
                free_blocks++;
                CU_ASSERT_NOT_EQUAL(sb_load_acquire(&cls->bitmap[i / 64]) & (1ull << (i % 64)), 0);
            }
        }
    }
    return free_blocks;
}

/* White box: the index of a channel. */
static inline uint32_t t_index(const struct shmbus *bus, const char *channel)
{
    uint32_t index = 0;
    T_OK_FATAL(sb_directory_find(&bus->view, channel, &index));
    return index;
}

/* White box: a member of the process table that is dead, as far as the kernel can tell: its slot is
 * ACTIVE and nobody holds the lock. What it left behind is written by the test. */
struct t_corpse {
    uint32_t slot;
    uint64_t w;
    uint32_t owner;
    uint64_t owner64;
};

static inline struct t_corpse t_corpse_to_be_found(const struct shmbus *bus)
{
    struct t_corpse d = {.slot = bus->view.process_count - 1u};
    struct sb_proc *proc = &bus->view.processes[d.slot];
    uint64_t epoch = sb_proc_epoch(sb_load_acquire(&proc->w));
    CU_ASSERT_EQUAL_FATAL(sb_proc_state(sb_load_acquire(&proc->w)), SB_PROC_FREE);
    d.w = sb_proc_word(epoch, SB_PROC_ACTIVE);
    d.owner = sb_owner_make(d.slot, epoch);
    d.owner64 = sb_owner64_make(d.slot, epoch);
    sb_store_release(&proc->w, d.w);
    return d;
}

/* From now on nobody of this bus handle looks for the dead unless a test says so. */
static inline void t_nobody_looks(struct shmbus *bus)
{
    bus->no_watcher = true;
    sb_watcher_stop(bus);
    sb_store_relaxed(&bus->looked_ns, INT64_MAX);
}

static inline struct t_corpse t_corpse(struct shmbus *bus)
{
    t_nobody_looks(bus);
    return t_corpse_to_be_found(bus);
}

#endif
