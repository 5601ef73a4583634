/* SPDX-License-Identifier: MIT */
/* Everything the library knows about a bus at one moment, and how it is shown. */
#ifndef SHMBUSCTL_SNAPSHOT_H
#define SHMBUSCTL_SNAPSHOT_H

#include <json-c/json.h>
#include <shmbus/shmbus.h>

#include "table.h"

enum snapshot_section {
    SNAPSHOT_CHANNELS = 1,
    SNAPSHOT_PROCESSES = 2,
    SNAPSHOT_BLOCKS = 4,
    SNAPSHOT_REGIONS = 8,
    SNAPSHOT_ALL = 15
};

struct snapshot {
    int64_t realtime_ns, monotonic_ns;
    struct shmbus_bus_stat bus;
    struct shmbus_channel_stat *channels;
    size_t channel_count;
    struct shmbus_process_stat *processes;
    size_t process_count;
    struct shmbus_block_stat *blocks;
    size_t block_count;
    struct shmbus_region_stat *regions;
    size_t region_count;
};

/* 0 or the library's failure; *ret_snapshot is whole or untouched. */
int snapshot_take(struct shmbus *bus, unsigned sections, struct snapshot *ret_snapshot);
void snapshot_free(struct snapshot *snapshot); /* NULL and zeroed are fine */

/* A row of the channel or process table with the same one of an earlier snapshot, or NULL. */
struct channel_row {
    const struct shmbus_channel_stat *now, *before;
    double seconds; /* between the two */
};
struct process_row {
    const struct shmbus_process_stat *now, *before;
    double seconds;
};
/* @before NULL: without rates. */
struct channel_row snapshot_channel(const struct snapshot *now, const struct snapshot *before,
                                    size_t index);
struct process_row snapshot_process(const struct snapshot *now, const struct snapshot *before,
                                    size_t index);

/* The columns; rows are struct channel_row, process_row, shmbus_block_stat, shmbus_region_stat. */
extern const struct table_column columns_channel[], columns_process[], columns_block[],
    columns_region[];
#define COLUMNS_CHANNEL                                                                            \
    "channel,kind,order,lanes,depth,high,capacity,held,sent,received,redelivered,dead_lettered,"   \
    "dead_letters,dropped,rejected,timeouts,sent_bytes"
#define COLUMNS_CHANNEL_RATES                                                                      \
    "channel,kind,order,lanes,depth,high,capacity,held,sent,sent/s,received,received/s,bytes/s,"   \
    "redelivered,dead_lettered,dead_letters,dropped,rejected,timeouts"
#define COLUMNS_PROCESS "pid,name,state,beat,attached,held,progress,sent,received"
#define COLUMNS_PROCESS_RATES                                                                      \
    "pid,name,state,beat,attached,held,progress,sent,sent/s,received,received/s"
#define COLUMNS_BLOCK "size,count,free,queued,held,stock,redeliverable,dead_letters"
#define COLUMNS_REGION "region,bytes,writes,rollbacks"

/* What goes first where the width does not allow all of them. */
#define EXPENDABLE_CHANNEL                                                                         \
    "lanes,order,timeouts,rejected,sent_bytes,high,dropped,dead_lettered,kind,redelivered,dead_"   \
    "letters,"                                                                                     \
    "held"
#define EXPENDABLE_CHANNEL_RATES                                                                   \
    "lanes,order,timeouts,rejected,high,sent,received,dropped,dead_lettered,kind,redelivered,"     \
    "dead_letters,bytes/s,held"
#define EXPENDABLE_PROCESS "progress,attached,sent,received,beat"
#define EXPENDABLE_BLOCK "stock,redeliverable,dead_letters"
#define EXPENDABLE_REGION "rollbacks"

/* "" for a stream. */
const char *snapshot_order(const struct shmbus_channel_stat *channel);

/* The documented JSON, see the manual page. NULL: no memory. */
struct json_object *snapshot_json(const struct snapshot *now, const struct snapshot *before,
                                  unsigned sections);

#endif
