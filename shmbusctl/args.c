/* SPDX-License-Identifier: MIT */
/* Options and operands of a verb, from its table of options. */
#include <string.h>

#include "ctl.h"
#include "text.h"

static int kind_of(const struct ctl_option *option)
{
    if (!option->value)
        return no_argument;
    return option->value[0] == '[' ? optional_argument : required_argument;
}

void ctl_args_init(struct ctl_args *args, const struct ctl_verb *verb, int argc, char **argv)
{
    size_t used = 0, count = 0;

    memset(args, 0, sizeof(*args));
    args->verb = verb;
    args->argc = argc;
    args->argv = argv;
    args->shorts[used++] = ':'; /* a missing value is told from an unknown option */
    args->shorts[used++] = 'h';
    args->longs[count++] = (struct option){"help", no_argument, NULL, 'h'};
    for (const struct ctl_option *o = verb->options; o->name && count <= CTL_OPTIONS_MAX; o++) {
        args->longs[count++] = (struct option){o->name, kind_of(o), NULL, o->id};
        if (o->id >= 256)
            continue;
        args->shorts[used++] = (char)o->id;
        for (int colons = kind_of(o); colons > 0; colons--)
            args->shorts[used++] = ':';
    }
    opterr = 0;
    optind = 0; /* glibc and musl: start over */
}

static const struct option *long_of(const struct ctl_args *args, int id)
{
    for (const struct option *o = args->longs; o->name; o++)
        if (o->val == id)
            return o;
    return NULL;
}

static int bad_usage(struct ctl_args *args)
{
    args->exit_code = CTL_USAGE;
    return -1;
}

static int unknown_option(struct ctl_args *args)
{
    const char *word = args->argv[optind - 1], *near, *names[CTL_OPTIONS_MAX + 2];
    const struct option *known = optopt ? long_of(args, optopt) : NULL;
    char plain[64];
    size_t count = 0;

    if (known && strncmp(word, "--", 2) == 0) {
        ctl_note("option `--%s` takes no value", known->name);
        return bad_usage(args);
    }
    if (optopt) {
        ctl_note("unknown option `-%c`; `shmbusctl help %s` lists them", optopt, args->verb->name);
        return bad_usage(args);
    }
    for (const struct option *o = args->longs; o->name; o++)
        names[count++] = o->name;
    names[count] = NULL;
    snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(word + 2, "="), word + 2);
    near = ctl_nearest(plain, names);
    if (near)
        ctl_note("unknown option `--%s`; did you mean `--%s`?", plain, near);
    else
        ctl_note("unknown option `--%s`; `shmbusctl help %s` lists them", plain, args->verb->name);
    return bad_usage(args);
}

static int count_operands(struct ctl_args *args)
{
    const struct ctl_verb *verb = args->verb;

    args->operands = args->argv + optind;
    args->operand_count = args->argc - optind;
    if (args->operand_count < verb->operands_min) {
        ctl_note("too few arguments; usage: shmbusctl %s %s", verb->name, verb->operands);
        return bad_usage(args);
    }
    if (verb->operands_max >= 0 && args->operand_count > verb->operands_max) {
        ctl_note("argument `%s` is one too many; usage: shmbusctl %s %s",
                 args->operands[verb->operands_max], verb->name, verb->operands);
        return bad_usage(args);
    }
    return 0;
}

int ctl_args_next(struct ctl_args *args, const char **ret_value)
{
    int id = getopt_long(args->argc, args->argv, args->shorts, args->longs, NULL);

    switch (id) {
    case -1:
        return count_operands(args);
    case 'h':
        ctl_help_verb(stdout, args->verb);
        args->exit_code = CTL_DONE;
        return -1;
    case ':':
        ctl_note("option `%s` needs a value", args->argv[optind - 1]);
        return bad_usage(args);
    case '?':
        return unknown_option(args);
    default:
        *ret_value = optarg;
        return id;
    }
}

bool ctl_arg_size(const char *option, const char *value, uint64_t *ret_bytes)
{
    if (text_parse_size(value, ret_bytes))
        return true;
    ctl_note("%s: `%s` is not a size; write it like 65536, 64KiB or 1MiB", option, value);
    return false;
}

bool ctl_arg_count(const char *option, const char *value, uint64_t min, uint64_t max,
                   uint64_t *ret_count)
{
    uint64_t count;

    if (text_parse_count(value, &count) && count >= min && count <= max) {
        *ret_count = count;
        return true;
    }
    ctl_note(
        "%s: `%s` is not a number from %ju to %ju%s", option, value, (uintmax_t)min, (uintmax_t)max,
        value[0] == '0' && value[1] >= '0' && value[1] <= '9' ? "; leave away the leading 0" : "");
    return false;
}

bool ctl_arg_duration(const char *option, const char *value, bool forever, int64_t *ret_ns)
{
    if (forever && strcmp(value, "forever") == 0) {
        *ret_ns = SHMBUS_WAIT_FOREVER;
        return true;
    }
    if (text_parse_duration(value, ret_ns))
        return true;
    ctl_note("%s: `%s` is not a duration; write it like 250ms, 5s or 2m%s", option, value,
             forever ? ", or forever" : "");
    return false;
}
