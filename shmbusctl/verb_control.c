/* SPDX-License-Identifier: MIT */
/* shmbusctl start, stop, restart, reload, scale: one command to a supervisor. One file for the
 * five, because they differ in a word. */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "json.h"
#include "supervise/client.h"
#include "text.h"

enum { OPT_WAIT = 256, OPT_TIMEOUT };

static const struct ctl_option options[] = {
    {OPT_WAIT, "wait", NULL, "until it is done and proved; exit code 1: it failed"},
    {OPT_TIMEOUT, "timeout", "DURATION", "with --wait: exit code 4 after that (forever)"},
    {0, NULL, NULL, NULL},
};

/* "PROGRAM=N" into the two arrays. */
static bool add_scale(const char *operand, struct json_object *names, struct json_object *counts)
{
    const char *equals = strchr(operand, '=');
    uint64_t count;

    if (equals == NULL || equals == operand ||
        !ctl_arg_count("PROGRAM=N", equals + 1, 0, 1000, &count)) {
        if (equals == NULL || equals == operand) {
            ctl_note("`%s` is not PROGRAM=N", operand);
        }
        return false;
    }
    json_object_array_add(names, json_object_new_string_len(operand, (int)(equals - operand)));
    json_object_array_add(counts, json_object_new_uint64(count));
    return true;
}

static int ask(const struct ctl_args *args, bool wait, int64_t timeout_ns)
{
    struct json_object *request = sup_client_request(args->verb->name),
                       *names = json_object_new_array(), *counts = json_object_new_array(), *answer;
    bool scale = strcmp(args->verb->name, "scale") == 0;
    int code;

    json_add(request, "programs", names);
    json_add(request, "counts", counts);
    json_add_bool(request, "wait", wait);
    for (int i = 1; i < args->operand_count; i++) {
        if (!scale) {
            json_object_array_add(names, json_object_new_string(args->operands[i]));
        } else if (!add_scale(args->operands[i], names, counts)) {
            json_object_put(request);
            return CTL_USAGE;
        }
    }
    code = sup_client_ask(args->operands[0], request, wait ? timeout_ns : 10000000000, &answer);
    if (code == CTL_DONE) {
        json_object_put(answer);
    }
    return code;
}

static int run(struct ctl_args *args)
{
    int64_t timeout_ns = SHMBUS_WAIT_FOREVER;
    bool wait = false;
    const char *value;
    int id;

    while ((id = ctl_args_next(args, &value)) > 0) {
        if (id == OPT_WAIT) {
            wait = true;
        } else if (!ctl_arg_duration("--timeout", value, true, &timeout_ns)) {
            return CTL_USAGE;
        }
    }
    return id < 0 ? args->exit_code : ask(args, wait, timeout_ns);
}

const struct ctl_verb verb_start = {
    .name = "start",
    .operands = "BUS [PROGRAM...]",
    .summary = "Start programs that were stopped, have ended or were given up",
    .text = "BUS is the bus of a running `shmbusctl supervise`. Without PROGRAM: all of them.",
    .examples = "shmbusctl start demo\n"
                "shmbusctl start demo worker --wait --timeout=30s\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};

const struct ctl_verb verb_stop = {
    .name = "stop",
    .operands = "BUS [PROGRAM...]",
    .summary = "Stop programs; the supervisor stays",
    .text = "Each worker gets the stop signal of its program, and SIGKILL when its grace is over. "
            "SIGTERM to the supervisor stops everything and ends it.",
    .examples = "shmbusctl stop demo worker --wait\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};

const struct ctl_verb verb_restart = {
    .name = "restart",
    .operands = "BUS [PROGRAM...]",
    .summary = "Replace the workers of programs by new ones of the same file",
    .text = "As reload, without reading FILE again: the new workers are ready before the old ones "
            "go, or the old ones stay. For a crontab: --wait gives the exit code.",
    .examples = "shmbusctl restart demo worker --wait --timeout=2m\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};

const struct ctl_verb verb_reload = {
    .name = "reload",
    .operands = "BUS [PROGRAM...]",
    .summary = "Read FILE again and put a new generation in place of the old one",
    .text = "A bad file changes nothing. A new generation that does not become ready is ended and "
            "the old one stays. One more reload during a reload comes after it.",
    .examples = "shmbusctl reload demo --wait --timeout=2m\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};

const struct ctl_verb verb_scale = {
    .name = "scale",
    .operands = "BUS PROGRAM=N...",
    .summary = "Change how many workers a program has",
    .text = "Until FILE is read again. Further ones are started; of too many the last ones are "
            "stopped.",
    .examples = "shmbusctl scale demo worker=8 --wait\n",
    .options = options,
    .operands_min = 2,
    .operands_max = -1,
    .run = run,
};
