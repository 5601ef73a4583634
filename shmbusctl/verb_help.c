/* SPDX-License-Identifier: MIT */
/* shmbusctl help and version. */
#include "ctl.h"

static const struct ctl_option no_options[] = {{0, NULL, NULL, NULL}};

static int run_help(struct ctl_args *args)
{
    const struct ctl_verb *verb;
    const char *names[32], *near, *value;
    size_t count = 0;

    if (ctl_args_next(args, &value) < 0)
        return args->exit_code;
    if (args->operand_count == 0) {
        ctl_help_overview(stdout);
        return CTL_DONE;
    }
    verb = ctl_verb_find(args->operands[0]);
    if (verb) {
        ctl_help_verb(stdout, verb);
        return CTL_DONE;
    }
    for (; ctl_verbs[count]; count++)
        names[count] = ctl_verbs[count]->name;
    names[count] = NULL;
    near = ctl_nearest(args->operands[0], names);
    if (near)
        return ctl_fail(CTL_USAGE, "unknown verb `%s`; did you mean `%s`?", args->operands[0],
                        near);
    return ctl_fail(CTL_USAGE, "unknown verb `%s`", args->operands[0]);
}

const struct ctl_verb verb_help = {
    .name = "help",
    .operands = "[VERB]",
    .summary = "Explain shmbusctl, or one verb",
    .text = NULL,
    .examples = "shmbusctl help stats\n",
    .options = no_options,
    .operands_min = 0,
    .operands_max = 1,
    .run = run_help,
};

static int run_version(struct ctl_args *args)
{
    const char *value;

    if (ctl_args_next(args, &value) < 0)
        return args->exit_code;
    printf("shmbusctl %s (libshmbus %s)\n", SHMBUS_VERSION, shmbus_version());
    return CTL_DONE;
}

const struct ctl_verb verb_version = {
    .name = "version",
    .operands = "",
    .summary = "Show the versions of shmbusctl and of the library",
    .text = NULL,
    .examples = "shmbusctl version\n",
    .options = no_options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run_version,
};
