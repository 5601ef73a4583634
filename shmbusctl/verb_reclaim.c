/* SPDX-License-Identifier: MIT */
/* shmbusctl reclaim: repairs what dead processes left, now. */
#include "ctl.h"
#include "json.h"

enum { OPT_JSON = 256, OPT_ANY_OWNER };

static const struct ctl_option options[] = {
    {OPT_JSON, "json", NULL, "print JSON"},
    {OPT_ANY_OWNER, "any-owner", NULL, "accept a bus that another user made"},
    {0, NULL, NULL, NULL},
};

static int recoveries(struct shmbus *bus, const char *name, uint64_t *ret_recoveries)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof(stat)};
    int result = shmbus_bus_stat(bus, &stat);

    if (result < 0)
        return ctl_fail_bus(result, name);
    *ret_recoveries = stat.recoveries;
    return CTL_DONE;
}

/* Entering a bus repairs a slot already, so the count starts before that. */
static int reclaim(struct shmbus *observer, const char *name, bool any_owner, bool json)
{
    struct json_object *object;
    struct shmbus *bus;
    uint64_t before = 0, after = 0;
    int result, code = recoveries(observer, name, &before);

    if (code == CTL_DONE)
        code = ctl_attach(name, any_owner, &bus);
    if (code != CTL_DONE)
        return code;
    result = shmbus_reclaim(bus);
    code = result < 0 ? ctl_fail_bus(result, name) : recoveries(bus, name, &after);
    shmbus_detach(bus);
    if (code != CTL_DONE)
        return code;
    if (!json) {
        printf("%s: cleaned up after %ju dead process%s, %ju since it was made\n", name,
               (uintmax_t)(after - before), ctl_plural(after - before, "es"), (uintmax_t)after);
        return CTL_DONE;
    }
    object = json_document();
    json_add_text(object, "name", name);
    json_add_count(object, "reclaimed", after - before);
    json_add_count(object, "recoveries", after);
    return json_print(object, true) ? CTL_DONE : CTL_FAILED;
}

static int run(struct ctl_args *args)
{
    bool json = false, any_owner = false;
    struct shmbus *observer;
    const char *value;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        json = json || id == OPT_JSON;
        any_owner = any_owner || id == OPT_ANY_OWNER;
    }
    if (id < 0)
        return args->exit_code;
    code = ctl_observe(args->operands[0], &observer);
    if (code != CTL_DONE)
        return code;
    code = reclaim(observer, args->operands[0], any_owner, json);
    shmbus_detach(observer);
    return code;
}

const struct ctl_verb verb_reclaim = {
    .name = "reclaim",
    .operands = "NAME",
    .summary = "Repair what dead processes left, now",
    .text = "Optional: a process that a dead one blocks does this by itself. Safe "
            "while messages flow. Only processes that the kernel proves dead are cleaned up after.",
    .examples = "shmbusctl reclaim demo\n",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
