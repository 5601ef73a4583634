/* SPDX-License-Identifier: MIT */
/*
 * Segments by name: listing them and taking their names away.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "base/error.h"
#include "bus/segment.h"
#include "layout/name.h"

#define FILE_PREFIX "shmbus."

static int check_removable(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return errno == ENOENT
                   ? sb_fail(-ENOENT, "%s does not exist", path)
                   : sb_fail(-errno, "%s cannot be looked at: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return sb_fail(-EINVAL,
                       "%s is not a segment but a link, directory or device; remove it by hand",
                       path);
    }
    if (st.st_uid != geteuid() && geteuid() != 0) {
        return sb_fail(-SHMBUS_ERR_OWNER, "%s belongs to user %u; ask them or root to remove it",
                       path, (unsigned)st.st_uid);
    }
    return 0;
}

int shmbus_unlink(const char *name)
{
    char path[SHMBUS_PATH_BYTES];
    char short_name[SHMBUS_NAME_BYTES];
    int r;

    if (name == NULL) {
        return sb_fail(-EINVAL, "shmbus_unlink: the name is NULL");
    }
    r = sb_segment_path(name, path, sizeof path, short_name);
    if (r == 0) {
        r = check_removable(path);
    }
    if (r < 0) {
        return r;
    }
    if (unlink(path) < 0) {
        return sb_fail(-errno, "%s cannot be removed: %s", path, strerror(errno));
    }
    return 0;
}

/* 0 if nobody alive is attached; -SHMBUS_ERR_IN_USE naming one who is. */
static int check_unused(struct shmbus *bus, const char *name)
{
    struct shmbus_process_stat p = {.struct_bytes = sizeof p};
    int r = 0;

    for (uint32_t i = 0; r == 0 || r == -ENODATA; i++) {
        r = shmbus_process_stat(bus, i, &p);
        if (r == 0 && p.life != SHMBUS_LIFE_DEAD) {
            return sb_fail(-SHMBUS_ERR_IN_USE, "bus \"%s\" is in use by process %d%s (%s)", name,
                           (int)p.pid, p.same_pid_namespace ? "" : " of another pid namespace",
                           p.name);
        }
        p.struct_bytes = sizeof p;
    }
    return r == -ENOENT ? 0 : r;
}

int shmbus_unlink_if_unused(const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    int r;

    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_ANY_OWNER;
    r = shmbus_attach(name, &opts, &bus);
    if (r < 0) {
        return r;
    }
    r = check_unused(bus, name);
    shmbus_detach(bus);
    return r < 0 ? r : shmbus_unlink(name);
}

int shmbus_list(const char *dir, shmbus_list_fn each, void *context)
{
    const char *where = dir == NULL ? SHMBUS_DIR_DEFAULT : dir;
    bool is_default = strcmp(where, SHMBUS_DIR_DEFAULT) == 0;
    DIR *d;
    struct dirent *entry;
    int n = 0;

    if (each == NULL) {
        return sb_fail(-EINVAL, "shmbus_list: the function is NULL");
    }
    d = opendir(where);
    if (d == NULL) {
        return sb_fail(-errno, "%s cannot be read: %s", where, strerror(errno));
    }
    while ((entry = readdir(d)) != NULL) {
        const char *name = entry->d_name + sizeof FILE_PREFIX - 1;
        char full[512];
        if (strncmp(entry->d_name, FILE_PREFIX, sizeof FILE_PREFIX - 1) != 0 ||
            !sb_name_is_valid(name) || strncmp(name, FILE_PREFIX, sizeof FILE_PREFIX - 1) == 0) {
            continue; /* the last: no bus, since its name would mean another file */
        }
        snprintf(full, sizeof full, "%s%s%s", is_default ? "" : where, is_default ? "" : "/", name);
        n++;
        if (!each(context, full)) {
            break;
        }
    }
    closedir(d);
    return n;
}
