/* SPDX-License-Identifier: MIT */
/* shmbusctl create: a bus from YAML or from options, or only its plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "create.h"
#include "ctl.h"
#include "text.h"

enum {
    OPT_QUEUE = 256,
    OPT_STREAM,
    OPT_REGION,
    OPT_BLOCKS,
    OPT_SPARE,
    OPT_MODE,
    OPT_DIR,
    OPT_DRY_RUN,
    OPT_IF_MISSING
};

static const struct ctl_option options[] = {
    {'c', "config", "FILE", "take the plan from this YAML file; -: stdin"},
    {'m', "memory", "SIZE", "size the blocks so that all of it needs about SIZE"},
    {'p', "processes", "N", "processes attached at once"},
    {OPT_QUEUE, "queue", "SPEC", "a queue, NAME[:KEY=VALUE,...]"},
    {OPT_STREAM, "stream", "SPEC", "a stream, NAME[:bytes=SIZE]"},
    {OPT_REGION, "region", "NAME:SIZE", "a shared area"},
    {OPT_BLOCKS, "blocks", "SIZE:COUNT", "a class of blocks, instead of the built-in ones"},
    {OPT_SPARE, "spare", "N", "queues that programs may name later (16)"},
    {OPT_MODE, "mode", "MODE", "permissions, octal (0600)"},
    {OPT_DIR, "dir", "DIR", "make it in DIR (" SHMBUS_DIR_DEFAULT ")"},
    {OPT_IF_MISSING, "if-missing", NULL, "leave a bus of that name as it is: no failure"},
    {OPT_DRY_RUN, "dry-run", NULL, "only check, and print the plan and its memory"},
    {0, NULL, NULL, NULL},
};

struct request {
    struct create_options plan;
    const char *dir;
    char name[512]; /* with --dir in front */
    bool dry_run, if_missing;
};

static bool set_mode(const char *value, struct create_options *plan)
{
    const char *digits = strncmp(value, "0o", 2) == 0 ? value + 2 : value;
    char *end;
    unsigned long mode = strtoul(digits, &end, 8);

    if (digits[0] < '0' || digits[0] > '7' || *end || mode > 0777) {
        ctl_note("--mode: `%s` is not a mode; write it in octal like 0660", value);
        return false;
    }
    plan->mode = (mode_t)mode;
    plan->mode_given = true;
    return true;
}

/* One option; false: said what is wrong. */
static bool take_option(struct request *request, int id, const char *value)
{
    struct create_options *plan = &request->plan;
    uint64_t count;

    switch (id) {
    case 'c':
        plan->config = strcmp(value, "-") == 0 ? "/dev/stdin" : value;
        return true;
    case 'm':
        return ctl_arg_size("--memory", value, &plan->memory_bytes);
    case 'p':
        if (!ctl_arg_count("--processes", value, 1, SHMBUS_PROCESSES_MAX, &count))
            return false;
        plan->processes = (uint32_t)count;
        return true;
    case OPT_QUEUE:
        return create_add(plan, CREATE_QUEUE, value);
    case OPT_STREAM:
        return create_add(plan, CREATE_STREAM, value);
    case OPT_REGION:
        return create_add(plan, CREATE_REGION, value);
    case OPT_BLOCKS:
        return create_add(plan, CREATE_BLOCKS, value);
    case OPT_SPARE:
        if (!ctl_arg_count("--spare", value, 0, SHMBUS_CHANNELS_MAX, &count))
            return false;
        plan->spare = (uint32_t)count;
        plan->spare_given = true;
        return true;
    case OPT_MODE:
        return set_mode(value, plan);
    case OPT_DIR:
        request->dir = value;
        return true;
    case OPT_IF_MISSING:
        request->if_missing = true;
        return true;
    default:
        request->dry_run = true;
        return true;
    }
}

/* The name of the bus: the operand, or else the one in the file. */
static int set_name(struct request *request, const struct create_view *plan, const char *operand)
{
    const char *name = operand ? operand : plan->is.name;

    if (!name)
        return ctl_fail(CTL_USAGE, "no NAME given%s",
                        request->plan.config ? ", and no `bus:` in the file" : "");
    if (request->dir && strchr(name, '/'))
        return ctl_fail(CTL_USAGE, "`%s` is a path already; leave out --dir", name);
    if ((size_t)snprintf(request->name, sizeof(request->name), "%s%s%s",
                         request->dir ? request->dir : "", request->dir ? "/" : "",
                         name) >= sizeof(request->name))
        return ctl_fail(CTL_USAGE, "`%s` is too long", name);
    return CTL_DONE;
}

/* What is there has to be a bus that can be used: else the caller would fail later. */
static int keep(const char *name)
{
    struct shmbus *bus;
    int code = ctl_observe(name, &bus);

    if (code == CTL_DONE)
        shmbus_detach(bus);
    return code;
}

static int make(const struct request *request, const struct create_view *plan)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof(stat)};
    struct shmbus *bus;
    char size[TEXT_NUMBER_BYTES];
    int result = shmbus_create(request->name, plan->plan, NULL), code;

    if (result == -EEXIST && request->if_missing)
        return keep(request->name);
    if (result < 0)
        return ctl_fail_bus(result, request->name);
    create_note_rounding(plan);
    create_note_room(plan);
    create_note_place(request->name);
    code = ctl_observe(request->name, &bus);
    if (code != CTL_DONE)
        return code;
    result = shmbus_bus_stat(bus, &stat);
    shmbus_detach(bus);
    if (result < 0)
        return ctl_fail_bus(result, request->name);
    text_size(stat.segment_bytes, false, size, sizeof(size));
    ctl_note("created %s: %s, %s, %u process%s, %u channel%s, %u region%s, mode %04o", stat.name,
             stat.path, size, stat.processes_max, ctl_plural(stat.processes_max, "es"),
             stat.channels_used, ctl_plural(stat.channels_used, "s"), stat.regions,
             ctl_plural(stat.regions, "s"), (unsigned)stat.mode & 07777);
    return CTL_DONE;
}

static int create_as(struct request *request, const struct create_view *plan, const char *operand)
{
    uint64_t bytes;
    int code = set_name(request, plan, operand), result;

    if (code != CTL_DONE)
        return code;
    result = shmbus_plan_check(plan->plan, &bytes);
    if (result < 0)
        return ctl_fail_bus(result, request->name);
    return request->dry_run ? create_dry_run(request->name, plan, bytes) : make(request, plan);
}

static int create(struct request *request, const char *operand)
{
    struct shmbus_plan *plan = NULL;
    struct create_view view;
    int code = create_plan(&request->plan, &plan);

    if (code != CTL_DONE)
        return code;
    code = create_view_read(plan, &view);
    if (code == CTL_DONE) {
        code = create_as(request, &view, operand);
        create_view_free(&view);
    }
    shmbus_plan_free(plan);
    return code;
}

static int run(struct ctl_args *args)
{
    struct request request = {.dry_run = false};
    const char *value;
    int id, code = CTL_USAGE;

    while ((id = ctl_args_next(args, &value)) > 0)
        if (!take_option(&request, id, value))
            break;
    if (id < 0)
        code = args->exit_code;
    else if (id == 0)
        code = create(&request, args->operand_count ? args->operands[0] : NULL);
    create_options_free(&request.plan);
    return code;
}

static void more_help(FILE *out)
{
    fputs("\nKeys of a queue (--queue=NAME:KEY=VALUE,...):\n"
          "  depth=N            messages it holds, rounded up to a power of two (1024)\n"
          "  on_full=POLICY     block, reject or drop_oldest (block; drop_oldest for a\n"
          "                     queue of dead letters)\n"
          "  max_deliveries=N   then to the dead-letter queue, 1 to 62 (no limit)\n"
          "  dead_letter=NAME   another queue, made if there is no --queue for it\n"
          "  endpoints=N        handles open at once (twice the processes)\n"
          "  timestamps=yes|no  stamp each message (no)\n"
          "  order=ORDER        total, or producer: that of each producer, in lanes (total)\n"
          "  message_bytes=SIZE largest message (the largest block; order=producer: 208)\n"
          "  share=N            blocks for it that only this queue may use (1)\n"
          "  producers=N        order=producer: sending handles at once, 1 to 256 (16)\n"
          "Keys of a stream:\n"
          "  bytes=SIZE         its capacity, rounded up to a power of two (1MiB)\n"
          "  timestamps=yes|no  stamp each message (no)\n",
          out);
}

const struct ctl_verb verb_create = {
    .name = "create",
    .operands = "[NAME]",
    .summary = "Make a bus: all its memory is reserved now, or nothing is made",
    .text = "The plan is the built-in one or that of a YAML file; options go on top. "
            "NAME may be left out when the file has `bus:`. What the library rounds up is noted.",
    .examples = "shmbusctl create demo --memory=64MiB --queue=tasks:depth=4096\n"
                "shmbusctl create demo --queue=tasks:max_deliveries=5,dead_letter=dead\n"
                "shmbusctl create demo --blocks=256:4096 --blocks=1MiB:32 --region=table:1MiB\n"
                "shmbusctl create -c demo.yaml --dry-run\n",
    .options = options,
    .operands_min = 0,
    .operands_max = 1,
    .run = run,
    .more_help = more_help,
};
