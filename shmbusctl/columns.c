/* SPDX-License-Identifier: MIT */
/* What the columns have in common, and those of blocks and regions. */
#include "columns.h"

#include <string.h>

void column_count(struct table_cell *cell, uint64_t value)
{
    CELL("%ju", (uintmax_t)value);
}

void column_size(struct table_cell *cell, uint64_t bytes, const struct table_options *options)
{
    text_size(bytes, options->exact_bytes, cell->text, sizeof(cell->text));
}

static bool counts_bytes(unsigned counter)
{
    const char *unit = shmbus_counter_unit(counter);

    return unit && strcmp(unit, "bytes") == 0;
}

void column_counter(struct table_cell *cell, const uint64_t *counters, int counter,
                    const struct table_options *options)
{
    if (counts_bytes((unsigned)counter))
        column_size(cell, counters[counter], options);
    else
        column_count(cell, counters[counter]);
}

void column_rate(struct table_cell *cell, const uint64_t *now, const uint64_t *before,
                 double seconds, int counter)
{
    if (before && seconds > 0)
        text_rate((double)(now[counter] - before[counter]) / seconds, cell->text,
                  sizeof(cell->text));
}

void column_age(struct table_cell *cell, int64_t ns)
{
    text_age(ns, cell->text, sizeof(cell->text));
}

enum block_field {
    BLOCK_COUNT,
    BLOCK_FREE,
    BLOCK_QUEUED,
    BLOCK_HELD,
    BLOCK_STOCK,
    BLOCK_REDELIVERABLE,
    BLOCK_DEAD_LETTERS,
    BLOCK_COMMON,
    BLOCK_COMMON_FREE
};

static void fill_block_size(FILL_ARGS)
{
    (void)arg;
    column_size(cell, ((const struct shmbus_block_stat *)data)->size_bytes, options);
}

static void fill_block(FILL_ARGS)
{
    const struct shmbus_block_stat *block = data;
    const uint64_t values[] = {block->count,        block->free,   block->queued,
                               block->held,         block->stock,  block->redeliverable,
                               block->dead_letters, block->common, block->common_free};

    (void)options;
    column_count(cell, values[arg]);
    if (arg == BLOCK_FREE && block->free + block->stock == 0)
        cell->style = TABLE_BAD;
}

const struct table_column columns_block[] = {
    {"size", "BLOCK", "largest payload of the class", fill_block_size, 0, true},
    {"count", "COUNT", "blocks", fill_block, BLOCK_COUNT, true},
    {"common", "COMMON", "of them for any queue; the others are shares", fill_block, BLOCK_COMMON,
     true},
    {"free", "FREE", "free", fill_block, BLOCK_FREE, true},
    {"common_free", "FREECOM", "free for any queue", fill_block, BLOCK_COMMON_FREE, true},
    {"queued", "QUEUED", "waiting in a queue", fill_block, BLOCK_QUEUED, true},
    {"held", "HELD", "in the hands of processes", fill_block, BLOCK_HELD, true},
    {"stock", "STOCK", "free, kept by a process", fill_block, BLOCK_STOCK, true},
    {"redeliverable", "BACK", "waiting for another delivery", fill_block, BLOCK_REDELIVERABLE,
     true},
    {"dead_letters", "DEADLET", "waiting as dead letters", fill_block, BLOCK_DEAD_LETTERS, true},
    {NULL, NULL, NULL, NULL, 0, false},
};

enum region_field { REGION_NAME, REGION_BYTES, REGION_WRITES, REGION_ROLLBACKS };

static void fill_region(FILL_ARGS)
{
    const struct shmbus_region_stat *region = data;

    if (arg == REGION_NAME)
        CELL("%s", region->name);
    else if (arg == REGION_BYTES)
        column_size(cell, region->bytes, options);
    else
        column_count(cell, arg == REGION_WRITES ? region->writes : region->rollbacks);
}

const struct table_column columns_region[] = {
    {"region", "REGION", "name", fill_region, REGION_NAME, false},
    {"bytes", "BYTES", "size", fill_region, REGION_BYTES, true},
    {"writes", "WRITES", "finished writes", fill_region, REGION_WRITES, true},
    {"rollbacks", "ROLLBACKS", "half writes of killed processes, undone", fill_region,
     REGION_ROLLBACKS, true},
    {NULL, NULL, NULL, NULL, 0, false},
};
