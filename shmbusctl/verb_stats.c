/* SPDX-License-Identifier: MIT */
/* shmbusctl stats: what flows. Looks through a read-only mapping and disturbs nobody. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "json.h"
#include "show.h"

enum {
    OPT_JSON = 256,
    OPT_INTERVAL,
    OPT_NO_HEADINGS,
    OPT_BYTES,
    OPT_CHANNELS,
    OPT_PROCESSES,
    OPT_BLOCKS,
    OPT_REGIONS
};

static const struct ctl_option options[] = {
    {'w', "watch", "[DUR]", "print again every DUR, with rates (1s)"},
    {OPT_INTERVAL, "interval", "DUR", "measure rates over DUR, then print once"},
    {OPT_JSON, "json", NULL, "print JSON; with --watch one object per line"},
    {'o', "output", "COLS", "these columns, with commas in between"},
    {OPT_CHANNELS, "channels", NULL, "only channels"},
    {OPT_PROCESSES, "processes", NULL, "only processes"},
    {OPT_BLOCKS, "blocks", NULL, "only blocks"},
    {OPT_REGIONS, "regions", NULL, "only regions"},
    {OPT_BYTES, "bytes", NULL, "print sizes in bytes"},
    {OPT_NO_HEADINGS, "no-headings", NULL, "leave out headings and the line about the bus"},
    {0, NULL, NULL, NULL},
};

struct request {
    struct table_options table;
    const char *output;
    char **channels;
    int channel_count;
    unsigned sections; /* asked for by name */
    bool watch, json;
    int64_t watch_ns, interval_ns; /* interval 0: not asked for */
};

static bool take_option(struct request *request, int id, const char *value)
{
    switch (id) {
    case 'w':
        request->watch = true;
        request->watch_ns = 1000000000;
        return !value || ctl_arg_duration("--watch", value, false, &request->watch_ns);
    case OPT_INTERVAL:
        return ctl_arg_duration("--interval", value, false, &request->interval_ns);
    case OPT_JSON:
        request->json = true;
        break;
    case 'o':
        request->output = value;
        break;
    case OPT_CHANNELS:
        request->sections |= SNAPSHOT_CHANNELS;
        break;
    case OPT_PROCESSES:
        request->sections |= SNAPSHOT_PROCESSES;
        break;
    case OPT_BLOCKS:
        request->sections |= SNAPSHOT_BLOCKS;
        break;
    case OPT_REGIONS:
        request->sections |= SNAPSHOT_REGIONS;
        break;
    case OPT_BYTES:
        request->table.exact_bytes = true;
        break;
    default:
        request->table.no_headings = true;
        break;
    }
    return true;
}

/* Contradictions, and what is left to its default. */
static bool settle(struct request *request)
{
    bool one = (request->sections & (request->sections - 1)) == 0;

    if (request->watch && request->watch_ns < 10000000) {
        ctl_note("--watch: at least 10ms");
        return false;
    }
    if (request->output && !one) {
        ctl_note("-o needs one table: --channels, --processes, --blocks or --regions");
        return false;
    }
    if (request->output && request->json) {
        ctl_note("-o and --json exclude each other: JSON has every field");
        return false;
    }
    if (!request->sections)
        request->sections =
            request->output || request->channel_count ? SNAPSHOT_CHANNELS : SNAPSHOT_ALL;
    return true;
}

/* All of it, with the line about the bus and gaps, or just one table after the other. */
static bool print_tables(const struct request *request, const struct snapshot *now,
                         const struct snapshot *before)
{
    const struct table_options *table = &request->table;
    bool all = request->sections == SNAPSHOT_ALL, good = true;
    const char *gap = all && !table->no_headings ? "\n" : "";

    if (all && !table->no_headings)
        show_bus(now, table->width);
    if (request->sections & SNAPSHOT_CHANNELS) {
        fputs(gap, stdout);
        good = show_channels(now, before, request->output, table);
    }
    if (good && (request->sections & SNAPSHOT_PROCESSES) && (now->process_count || !all)) {
        fputs(gap, stdout);
        good = show_processes(now, before, request->output, table);
    }
    if (good && (request->sections & SNAPSHOT_BLOCKS)) {
        fputs(gap, stdout);
        good = show_blocks(now, request->output, table);
    }
    if (good && (request->sections & SNAPSHOT_REGIONS) && (now->region_count || !all)) {
        fputs(gap, stdout);
        good = show_regions(now, request->output, table);
    }
    return good;
}

static int print(const struct request *request, const struct snapshot *now,
                 const struct snapshot *before)
{
    if (request->json)
        return json_print(snapshot_json(now, before, request->sections), !request->watch)
                   ? CTL_DONE
                   : CTL_FAILED;
    return print_tables(request, now, before) ? CTL_DONE : CTL_USAGE;
}

static int take(const struct request *request, struct shmbus *bus, const char *name,
                struct snapshot *ret_snapshot)
{
    int result = snapshot_take(bus, request->sections | SNAPSHOT_CHANNELS, ret_snapshot), code;

    if (result < 0)
        return ctl_fail_bus(result, name);
    code = show_filter(ret_snapshot, request->channels, request->channel_count);
    if (code != CTL_DONE)
        snapshot_free(ret_snapshot);
    return code;
}

/* Once, or twice for the rates in between. */
static int print_once(const struct request *request, struct shmbus *bus, const char *name)
{
    struct snapshot now = {.realtime_ns = 0}, before = {.realtime_ns = 0};
    int code = CTL_DONE;

    if (request->interval_ns) {
        code = take(request, bus, name, &before);
        if (code == CTL_DONE && ctl_signals_wait(-1, request->interval_ns) < 0)
            code = CTL_SIGNALLED;
    }
    if (code == CTL_DONE)
        code = take(request, bus, name, &now);
    if (code == CTL_DONE)
        code = print(request, &now, request->interval_ns ? &before : NULL);
    snapshot_free(&before);
    snapshot_free(&now);
    return code;
}

/* Until a signal, or until nobody can use the bus any more. */
static int watch(const struct request *request, struct shmbus *bus, const char *name)
{
    struct snapshot now = {.realtime_ns = 0}, before = {.realtime_ns = 0};
    bool screen = isatty(STDOUT_FILENO) && !request->json, first = true;
    int code;

    for (;;) {
        code = take(request, bus, name, &now);
        if (code != CTL_DONE)
            break;
        if (screen)
            fputs("\033[H\033[J", stdout);
        else if (!first && !request->json && !request->table.no_headings)
            putchar('\n');
        code = print(request, &now, first ? NULL : &before);
        if (code == CTL_DONE)
            code = ctl_flush();
        if (code == CTL_DONE && now.bus.unlinked &&
            now.bus.processes_alive + now.bus.processes_idle + now.bus.processes_stalled == 0)
            code = ctl_fail(CTL_NOT_FOUND, "bus \"%s\" was removed", name);
        if (code == CTL_DONE && ctl_signals_wait(-1, request->watch_ns) < 0)
            code = CTL_SIGNALLED;
        if (code != CTL_DONE)
            break;
        snapshot_free(&before);
        before = now;
        now = (struct snapshot){.realtime_ns = 0};
        first = false;
    }
    snapshot_free(&before);
    snapshot_free(&now);
    return code;
}

static int run(struct ctl_args *args)
{
    struct request request = {
        .table = {.colour = table_colour_wanted(), .width = table_width_of_output()}};
    struct shmbus *bus;
    const char *value, *name;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0)
        if (!take_option(&request, id, value))
            return CTL_USAGE;
    if (id < 0)
        return args->exit_code;
    name = args->operands[0];
    request.channels = args->operands + 1;
    request.channel_count = args->operand_count - 1;
    if (!settle(&request))
        return CTL_USAGE;
    ctl_signals_catch();
    code = ctl_observe(name, &bus);
    if (code != CTL_DONE)
        return code;
    code = request.watch ? watch(&request, bus, name) : print_once(&request, bus, name);
    shmbus_detach(bus);
    return code;
}

static void more_help(FILE *out)
{
    table_help(out, "Columns of channels", columns_channel);
    table_help(out, "Columns of processes", columns_process);
    table_help(out, "Columns of blocks", columns_block);
    table_help(out, "Columns of regions", columns_region);
}

const struct ctl_verb verb_stats = {
    .name = "stats",
    .operands = "NAME [CHANNEL...]",
    .summary = "Show what flows: channels, processes, blocks, regions",
    .text = "CHANNEL is a name or a pattern like `task*`. The segment is mapped read-only: looking "
            "disturbs nobody. Counters are exact and never reset while the bus lives.",
    .examples = "shmbusctl stats demo\n"
                "shmbusctl stats demo -w\n"
                "shmbusctl stats demo 'task*' --interval=2s -o channel,depth,sent/s\n"
                "shmbusctl stats demo --json | jq '.channels[].counters.sent'\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
    .more_help = more_help,
};
