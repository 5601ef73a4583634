/* SPDX-License-Identifier: MIT */
/* shmbusctl ps: who is attached. */
#include "ctl.h"
#include "json.h"
#include "show.h"

enum { OPT_JSON = 256, OPT_BYTES, OPT_NO_HEADINGS };

static const struct ctl_option options[] = {
    {'o', "output", "COLS", "these columns, with commas in between"},
    {OPT_JSON, "json", NULL, "print JSON, as stats --json --processes"},
    {OPT_BYTES, "bytes", NULL, "print sizes in bytes"},
    {OPT_NO_HEADINGS, "no-headings", NULL, "leave out headings and the line about the bus"},
    {0, NULL, NULL, NULL},
};

static int show(struct shmbus *bus, const char *name, const char *output, bool json,
                const struct table_options *table_options)
{
    struct snapshot snapshot;
    int result = snapshot_take(bus, SNAPSHOT_PROCESSES, &snapshot), code;

    if (result < 0)
        return ctl_fail_bus(result, name);
    if (json)
        code = json_print(snapshot_json(&snapshot, NULL, SNAPSHOT_PROCESSES), true) ? CTL_DONE
                                                                                    : CTL_FAILED;
    else {
        if (!output && !table_options->no_headings) {
            show_which(&snapshot, table_options->width);
            putchar('\n');
        }
        code = show_processes(&snapshot, NULL, output, table_options) ? CTL_DONE : CTL_USAGE;
    }
    snapshot_free(&snapshot);
    return code;
}

static int run(struct ctl_args *args)
{
    struct table_options table_options = {.colour = table_colour_wanted(),
                                          .width = table_width_of_output()};
    const char *output = NULL, *value;
    struct shmbus *bus;
    bool json = false;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        if (id == 'o')
            output = value;
        else if (id == OPT_JSON)
            json = true;
        else if (id == OPT_BYTES)
            table_options.exact_bytes = true;
        else
            table_options.no_headings = true;
    }
    if (id < 0)
        return args->exit_code;
    code = ctl_observe(args->operands[0], &bus);
    if (code != CTL_DONE)
        return code;
    code = show(bus, args->operands[0], output, json, &table_options);
    shmbus_detach(bus);
    return code;
}

static void more_help(FILE *out)
{
    table_help(out, "Columns", columns_process);
}

const struct ctl_verb verb_ps = {
    .name = "ps",
    .operands = "NAME",
    .summary = "Show the attached processes: alive, idle, stalled or dead",
    .text = "Dead is what the kernel proves. Silent for longer than the heartbeat timeout are: "
            "idle processes, with nothing in hand that others could miss (a front end without "
            "requests); stalled ones, with a message, a reservation, a region's lock or a call. "
            "Both keep everything they have.",
    .examples = "shmbusctl ps demo\n"
                "shmbusctl ps demo -o pid,name,state,beat --no-headings\n",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
    .more_help = more_help,
};
