/* SPDX-License-Identifier: MIT */
/* The two ways shmbusctl enters a bus; neither ever creates one. */
#include <string.h>

#include "ctl.h"

static int enter(const char *name, unsigned flags, struct shmbus **ret_bus)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    int result;

    opts.flags = flags | SHMBUS_ATTACH_EXISTING;
    opts.process_name = "shmbusctl";
    result = shmbus_attach(name, &opts, ret_bus);
    if (result == -SHMBUS_ERR_OWNER) /* the library's cure is one for programmers */
        return ctl_fail(CTL_PERMISSION,
                        "%s belongs to another user; add --any-owner if you trust its owner", name);
    return result < 0 ? ctl_fail_bus(result, name) : CTL_DONE;
}

int ctl_observe(const char *name, struct shmbus **ret_bus)
{
    return enter(name, SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_ANY_OWNER, ret_bus);
}

int ctl_attach(const char *name, bool any_owner, struct shmbus **ret_bus)
{
    return enter(name, any_owner ? SHMBUS_ATTACH_ANY_OWNER : 0, ret_bus);
}

void ctl_bus_dir(const char *name, char *out, size_t out_bytes)
{
    const char *slash = strrchr(name, '/');

    if (!slash)
        snprintf(out, out_bytes, "%s", SHMBUS_DIR_DEFAULT);
    else
        snprintf(out, out_bytes, "%.*s", slash == name ? 1 : (int)(slash - name), name);
}
