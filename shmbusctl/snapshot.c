/* SPDX-License-Identifier: MIT */
/* Takes everything the library knows about a bus at one moment. */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Makes room for one more row at the end of an array of @count rows. */
static void *one_more(void **rows, size_t count, size_t row_bytes)
{
    if ((count & (count - 1)) == 0) { /* full at every power of two */
        void *grown = reallocarray(*rows, count ? 2 * count : 1, row_bytes);

        if (!grown)
            return NULL;
        *rows = grown;
    }
    return memset((char *)*rows + count * row_bytes, 0, row_bytes);
}

/* One function a kind of row; they differ in nothing but the type. The library ends each table
 * with -ENOENT; @limit is for a segment that would never let it. */
#define DEFINE_TAKE(kind, kinds, limit)                                                            \
    static int take_##kinds(struct shmbus *bus, struct snapshot *snapshot)                         \
    {                                                                                              \
        for (uint32_t i = 0; i < (limit); i++) {                                                   \
            void *rows = snapshot->kinds;                                                          \
            struct shmbus_##kind##_stat *row =                                                     \
                one_more(&rows, snapshot->kind##_count, sizeof(*row));                             \
            int result;                                                                            \
                                                                                                   \
            snapshot->kinds = rows;                                                                \
            if (!row)                                                                              \
                return -ENOMEM;                                                                    \
            row->struct_bytes = sizeof(*row);                                                      \
            result = shmbus_##kind##_stat(bus, i, row);                                            \
            if (result == -ENOENT)                                                                 \
                break;                                                                             \
            if (result < 0 && result != -ENODATA)                                                  \
                return result;                                                                     \
            snapshot->kind##_count += result != -ENODATA;                                          \
        }                                                                                          \
        return 0;                                                                                  \
    }

DEFINE_TAKE(channel, channels, SHMBUS_CHANNELS_MAX)
DEFINE_TAKE(process, processes, SHMBUS_PROCESSES_MAX + 1)
DEFINE_TAKE(block, blocks, SHMBUS_BLOCK_CLASSES_MAX)
DEFINE_TAKE(region, regions, SHMBUS_REGIONS_MAX)

int snapshot_take(struct shmbus *bus, unsigned sections, struct snapshot *ret_snapshot)
{
    struct snapshot snapshot = {.realtime_ns = clock_ns(CLOCK_REALTIME),
                                .monotonic_ns = clock_ns(CLOCK_MONOTONIC)};
    int result;

    snapshot.bus.struct_bytes = sizeof(snapshot.bus);
    result = shmbus_bus_stat(bus, &snapshot.bus);
    if (result == 0 && (sections & SNAPSHOT_CHANNELS))
        result = take_channels(bus, &snapshot);
    if (result == 0 && (sections & SNAPSHOT_PROCESSES))
        result = take_processes(bus, &snapshot);
    if (result == 0 && (sections & SNAPSHOT_BLOCKS))
        result = take_blocks(bus, &snapshot);
    if (result == 0 && (sections & SNAPSHOT_REGIONS))
        result = take_regions(bus, &snapshot);
    if (result == 0)
        *ret_snapshot = snapshot;
    else
        snapshot_free(&snapshot);
    return result;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->channels);
    free(snapshot->processes);
    free(snapshot->blocks);
    free(snapshot->regions);
    memset(snapshot, 0, sizeof(*snapshot));
}

static double seconds_between(const struct snapshot *now, const struct snapshot *before)
{
    return before ? (double)(now->monotonic_ns - before->monotonic_ns) / 1e9 : 0;
}

struct channel_row snapshot_channel(const struct snapshot *now, const struct snapshot *before,
                                    size_t index)
{
    struct channel_row row = {.now = &now->channels[index],
                              .seconds = seconds_between(now, before)};

    for (size_t i = 0; before && i < before->channel_count && !row.before; i++)
        if (strcmp(before->channels[i].name, row.now->name) == 0)
            row.before = &before->channels[i];
    return row;
}

/* The slot alone is not the process: it may have changed hands in between. */
struct process_row snapshot_process(const struct snapshot *now, const struct snapshot *before,
                                    size_t index)
{
    struct process_row row = {.now = &now->processes[index],
                              .seconds = seconds_between(now, before)};

    for (size_t i = 0; before && i < before->process_count && !row.before; i++)
        if (before->processes[i].slot == row.now->slot &&
            before->processes[i].epoch == row.now->epoch)
            row.before = &before->processes[i];
    return row;
}

const char *snapshot_order(const struct shmbus_channel_stat *channel)
{
    return channel->kind == SHMBUS_KIND_QUEUE ? shmbus_order_name(channel->order) : "";
}
