/* SPDX-License-Identifier: MIT */
/* Snapshots as tables. */
#include "show.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "text.h"

bool show_channels(const struct snapshot *now, const struct snapshot *before, const char *output,
                   const struct table_options *options)
{
    const char *usual = before ? COLUMNS_CHANNEL_RATES : COLUMNS_CHANNEL;
    struct table table;
    bool good = table_init(&table, columns_channel, output ? output : usual, options);

    for (size_t i = 0; i < now->channel_count && good; i++) {
        struct channel_row row = snapshot_channel(now, before, i);

        good = table_add(&table, &row);
    }
    if (!output)
        table_fit(&table, before ? EXPENDABLE_CHANNEL_RATES : EXPENDABLE_CHANNEL);
    if (good)
        table_print(&table, stdout);
    table_free(&table);
    return good;
}

bool show_processes(const struct snapshot *now, const struct snapshot *before, const char *output,
                    const struct table_options *options)
{
    const char *usual = before ? COLUMNS_PROCESS_RATES : COLUMNS_PROCESS;
    struct table table;
    bool good = table_init(&table, columns_process, output ? output : usual, options);

    for (size_t i = 0; i < now->process_count && good; i++) {
        struct process_row row = snapshot_process(now, before, i);

        good = table_add(&table, &row);
    }
    if (!output)
        table_fit(&table, EXPENDABLE_PROCESS);
    if (good)
        table_print(&table, stdout);
    table_free(&table);
    return good;
}

bool show_blocks(const struct snapshot *now, const char *output,
                 const struct table_options *options)
{
    struct table table;
    bool good = table_init(&table, columns_block, output ? output : COLUMNS_BLOCK, options);

    for (size_t i = 0; i < now->block_count && good; i++)
        good = table_add(&table, &now->blocks[i]);
    if (!output)
        table_fit(&table, EXPENDABLE_BLOCK);
    if (good)
        table_print(&table, stdout);
    table_free(&table);
    return good;
}

bool show_regions(const struct snapshot *now, const char *output,
                  const struct table_options *options)
{
    struct table table;
    bool good = table_init(&table, columns_region, output ? output : COLUMNS_REGION, options);

    for (size_t i = 0; i < now->region_count && good; i++)
        good = table_add(&table, &now->regions[i]);
    if (!output)
        table_fit(&table, EXPENDABLE_REGION);
    if (good)
        table_print(&table, stdout);
    table_free(&table);
    return good;
}

/* One line, or as many as the width asks for; what belongs together stays so. */
static void print_parts(const char (*parts)[400], size_t count, unsigned width)
{
    size_t column = 0;

    for (size_t i = 0; i < count; i++) {
        size_t bytes = text_width(parts[i]);

        if (bytes == 0)
            continue;
        if (column && width && column + 2 + bytes > width) {
            fputs("\n  ", stdout);
            column = 2;
        } else if (column) {
            fputs("  ", stdout);
            column += 2;
        }
        fputs(parts[i], stdout);
        column += bytes;
    }
    putchar('\n');
}

/* Whether its name still leads to it. */
static void name_state(const struct shmbus_bus_stat *bus, char *out, size_t out_bytes)
{
    if (bus->unlinked && bus->other_uuid[0])
        snprintf(out, out_bytes, "removed, replaced by uuid %s", bus->other_uuid);
    else
        snprintf(out, out_bytes, "%s", bus->unlinked ? "removed" : "");
}

void show_bus(const struct snapshot *now, unsigned width)
{
    const struct shmbus_bus_stat *bus = &now->bus;
    char size[TEXT_NUMBER_BYTES], age[TEXT_NUMBER_BYTES], name[SHMBUS_NAME_BYTES], path[256];
    char parts[10][400];

    text_size(bus->segment_bytes, false, size, sizeof(size));
    text_age(text_since_ns(now->realtime_ns, bus->created_realtime_ns), age, sizeof(age));
    text_clean(bus->name, name, sizeof(name));
    text_clean(bus->path, path, sizeof(path));
    snprintf(parts[0], sizeof(parts[0]), "%s", name);
    snprintf(parts[1], sizeof(parts[1]), "%s", path);
    snprintf(parts[2], sizeof(parts[2]), "%s", size);
    snprintf(parts[8], sizeof(parts[8]), "uuid %s", bus->uuid);
    snprintf(parts[9], sizeof(parts[9]), "inode %ju", (uintmax_t)bus->inode);
    snprintf(parts[3], sizeof(parts[3]), "age %s", age);
    snprintf(parts[4], sizeof(parts[4]), "processes %u alive, %u idle, %u stalled, %u dead",
             bus->processes_alive, bus->processes_idle, bus->processes_stalled,
             bus->processes_dead);
    snprintf(parts[5], sizeof(parts[5]), "recoveries %ju", (uintmax_t)bus->recoveries);
    snprintf(parts[6], sizeof(parts[6]), "%s", bus->shutting_down ? "stopping" : "");
    name_state(bus, parts[7], sizeof(parts[7]));
    print_parts((const char(*)[400])parts, 10, width);
}

void show_which(const struct snapshot *now, unsigned width)
{
    const struct shmbus_bus_stat *bus = &now->bus;
    char parts[5][400];

    text_clean(bus->name, parts[0], sizeof(parts[0]));
    text_clean(bus->path, parts[1], sizeof(parts[1]));
    snprintf(parts[2], sizeof(parts[2]), "uuid %s", bus->uuid);
    snprintf(parts[3], sizeof(parts[3]), "inode %ju", (uintmax_t)bus->inode);
    name_state(bus, parts[4], sizeof(parts[4]));
    print_parts((const char(*)[400])parts, 5, width);
}

static bool means(const char *pattern, const char *name)
{
    return strcmp(pattern, name) == 0 || fnmatch(pattern, name, 0) == 0;
}

static int unknown_channel(const struct snapshot *snapshot, const char *pattern, const char *hint)
{
    const char **names = calloc(snapshot->channel_count + 1, sizeof(*names));
    const char *near = NULL;
    int code;

    for (size_t i = 0; names && i < snapshot->channel_count; i++)
        names[i] = snapshot->channels[i].name;
    if (names)
        near = ctl_nearest(pattern, names);
    if (near)
        code = ctl_fail(CTL_NOT_FOUND, "bus \"%s\" has no channel \"%s\"; did you mean \"%s\"?%s",
                        snapshot->bus.name, pattern, near, hint[0] ? hint + 1 : "");
    else
        code = ctl_fail(CTL_NOT_FOUND, "bus \"%s\" has no channel \"%s\"%s", snapshot->bus.name,
                        pattern, hint);
    free(names);
    return code;
}

int show_open_failure(struct shmbus *bus, const char *channel, int result, const char *hint)
{
    struct snapshot snapshot;
    int code;

    if (result != -ENOENT || snapshot_take(bus, SNAPSHOT_CHANNELS, &snapshot) < 0)
        return ctl_fail_bus(result, channel);
    code = unknown_channel(&snapshot, channel, hint);
    snapshot_free(&snapshot);
    return code;
}

int show_filter(struct snapshot *snapshot, char *const *patterns, int count)
{
    size_t kept = 0;

    for (int p = 0; p < count; p++) {
        bool found = false;

        for (size_t i = 0; i < snapshot->channel_count && !found; i++)
            found = means(patterns[p], snapshot->channels[i].name);
        if (!found)
            return unknown_channel(snapshot, patterns[p], "");
    }
    for (size_t i = 0; i < snapshot->channel_count && count; i++) {
        bool keep = false;

        for (int p = 0; p < count && !keep; p++)
            keep = means(patterns[p], snapshot->channels[i].name);
        if (keep)
            snapshot->channels[kept++] = snapshot->channels[i];
    }
    if (count)
        snapshot->channel_count = kept;
    return CTL_DONE;
}
