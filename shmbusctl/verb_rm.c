/* SPDX-License-Identifier: MIT */
/* shmbusctl rm: removes buses. */
#include <string.h>

#include "ctl.h"
#include "snapshot.h"

static const struct ctl_option options[] = {
    {'f', "force", NULL, "even while it is in use; those who use it keep the old memory"},
    {0, NULL, NULL, NULL},
};

/* "worker[123], worker[1 in another pid namespace] and 3 more" */
static void list_users(const struct snapshot *snapshot, char *out, size_t out_bytes)
{
    size_t used = 0, shown = 0, users = 0;

    out[0] = 0;
    for (size_t i = 0; i < snapshot->process_count; i++) {
        const struct shmbus_process_stat *process = &snapshot->processes[i];

        if (process->life == SHMBUS_LIFE_DEAD)
            continue;
        users++;
        if (shown == 5)
            continue;
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s[%jd%s]", shown ? ", " : "",
                                 process->name, (intmax_t)process->pid,
                                 process->same_pid_namespace ? "" : " in another pid namespace");
        shown++;
    }
    if (users > shown)
        snprintf(out + used, out_bytes - used, " and %zu more", users - shown);
}

static int fail_in_use(const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct snapshot snapshot;
    struct shmbus *bus;
    char users[5 * (SHMBUS_NAME_BYTES + 48) + 32] = "";

    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    if (shmbus_attach(name, &opts, &bus) == 0) {
        if (snapshot_take(bus, SNAPSHOT_PROCESSES, &snapshot) == 0) {
            list_users(&snapshot, users, sizeof(users));
            snapshot_free(&snapshot);
        }
        shmbus_detach(bus);
    }
    if (!users[0])
        return ctl_fail(CTL_IN_USE, "%s is in use; try again, or use --force", name);
    return ctl_fail(CTL_IN_USE, "%s is in use by %s; stop them, or use --force", name, users);
}

/* Nothing can be read in it, so nobody can be seen in it either. */
static int fail_damaged(int result, const char *name)
{
    const char *detail = ctl_detail(result);

    return ctl_fail(CTL_LAYOUT, "%s%s%s; only force removes it: shmbusctl rm --force %s",
                    strstr(detail, name) ? "" : name, strstr(detail, name) ? "" : ": ", detail,
                    name);
}

static int run(struct ctl_args *args)
{
    bool force = false;
    const char *value;
    int id, code = CTL_DONE;

    while ((id = ctl_args_next(args, &value)) > 0)
        force = true;
    if (id < 0)
        return args->exit_code;
    for (int i = 0; i < args->operand_count; i++) { /* all of them; the first failure counts */
        const char *name = args->operands[i];
        int result = force ? shmbus_unlink(name) : shmbus_unlink_if_unused(name);
        int failed = CTL_DONE;

        if (result == -SHMBUS_ERR_IN_USE)
            failed = fail_in_use(name);
        else if (result < 0 && ctl_exit_of(result) == CTL_LAYOUT)
            failed = fail_damaged(result, name);
        else if (result < 0)
            failed = ctl_fail_bus(result, name);

        code = code == CTL_DONE ? failed : code;
    }
    return code;
}

const struct ctl_verb verb_rm = {
    .name = "rm",
    .operands = "NAME...",
    .summary = "Remove buses that nobody uses",
    .text = "Messages that still wait in them are lost. A bus in use is refused; with --force its "
            "name goes and its processes work on with the old memory, unseen by newcomers.",
    .examples = "shmbusctl rm demo\n"
                "shmbusctl rm --force demo /mnt/bus/other\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run,
};
