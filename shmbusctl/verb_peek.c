/* SPDX-License-Identifier: MIT */
/* shmbusctl peek: waiting messages, without taking them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "message.h"
#include "show.h"

enum { OPT_HEX = 256, OPT_RAW, OPT_JSON, OPT_HEADERS };

static const struct ctl_option options[] = {
    {'n', "count", "N", "show at most N messages (10)"},
    {OPT_HEX, "hex", NULL, "print in hexadecimal"},
    {OPT_RAW, "raw", NULL, "print the bytes as they are, without a newline"},
    {OPT_JSON, "json", NULL, "print one JSON object per message"},
    {OPT_HEADERS, "headers", NULL, "print a line with the header in front of each"},
    {0, NULL, NULL, NULL},
};

struct shown {
    struct message_format format;
    const char *channel;
    bool failed;
};

static bool each(void *context, const struct shmbus_msg *msg)
{
    struct shown *shown = context;

    shown->failed = !message_write(&shown->format, shown->channel, msg);
    return !shown->failed;
}

/* What is not there any more may be somewhere else. */
static void note_letters(struct shmbus *bus, const char *bus_name, const char *channel)
{
    struct snapshot snapshot;
    const char *letters = "";

    if (snapshot_take(bus, SNAPSHOT_CHANNELS, &snapshot) < 0)
        return;
    for (size_t i = 0; i < snapshot.channel_count; i++)
        if (strcmp(snapshot.channels[i].name, channel) == 0)
            letters = snapshot.channels[i].dead_letter;
    for (size_t i = 0; i < snapshot.channel_count && letters[0]; i++) {
        const struct shmbus_channel_stat *there = &snapshot.channels[i];

        if (there->dead_letters && strcmp(there->name, letters) == 0)
            ctl_note("%ju dead letter%s wait%s in %s: shmbusctl peek %s %s",
                     (uintmax_t)there->dead_letters, ctl_plural(there->dead_letters, "s"),
                     there->dead_letters == 1 ? "s" : "", letters, bus_name, letters);
    }
    snapshot_free(&snapshot);
}

static int run(struct ctl_args *args)
{
    struct shown shown = {.format = {.escape = isatty(STDOUT_FILENO)}};
    uint64_t count = 10;
    const char *value;
    struct shmbus *bus;
    int id, code, result, styles = 0;

    while ((id = ctl_args_next(args, &value)) > 0) {
        if (id == 'n' && !ctl_arg_count("--count", value, 1, SIZE_MAX, &count))
            return CTL_USAGE;
        if (id == OPT_HEADERS)
            shown.format.headers = true;
        if (id == OPT_HEX || id == OPT_RAW || id == OPT_JSON) {
            shown.format.style = id == OPT_HEX   ? MESSAGE_HEX
                                 : id == OPT_RAW ? MESSAGE_RAW
                                                 : MESSAGE_JSON;
            styles++;
        }
    }
    if (id < 0)
        return args->exit_code;
    if (styles > 1)
        return ctl_fail(CTL_USAGE, "--raw, --hex and --json exclude each other");
    code = ctl_observe(args->operands[0], &bus);
    if (code != CTL_DONE)
        return code;
    shown.channel = args->operands[1];
    result = shmbus_peek(bus, shown.channel, (size_t)count, each, &shown);
    if (result < 0)
        code = show_open_failure(bus, shown.channel, result, "");
    else if (shown.failed)
        code = CTL_FAILED;
    else
        note_letters(bus, args->operands[0], shown.channel);
    shmbus_detach(bus);
    return code;
}

const struct ctl_verb verb_peek = {
    .name = "peek",
    .operands = "NAME CHANNEL",
    .summary = "Show waiting messages without taking them",
    .text = "The oldest first. Messages that are taken meanwhile are left out.",
    .examples = "shmbusctl peek demo tasks\n"
                "shmbusctl peek demo tasks --count=1 --headers --hex\n"
                "shmbusctl peek demo tasks --json | jq .data\n",
    .options = options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
