/* SPDX-License-Identifier: MIT */
/*
 * Who uses another segment under the name that is looked at. The kernel knows: it says of each
 * mapping of each process which file it is of, by device and inode, by its path in the mount
 * namespace of that process, and whether that path was removed.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ctl.h"
#include "doctor.h"
#include "text.h"

#define NAMED_MAX 5u

/* One other segment, and the first processes that have it. */
struct other {
    dev_t device;
    ino_t inode;
    bool removed;
    unsigned count;
    int pids[NAMED_MAX];
};

struct others {
    struct other *list;
    size_t count;
};

static bool note(struct others *others, const struct other *seen, int pid)
{
    struct other *list, *o = NULL;

    for (size_t i = 0; i < others->count; i++)
        if (others->list[i].device == seen->device && others->list[i].inode == seen->inode)
            o = &others->list[i];
    if (!o) {
        list = reallocarray(others->list, others->count + 1, sizeof(*list));
        if (!list)
            return false;
        others->list = list;
        o = &list[others->count++];
        *o = *seen;
    }
    if (o->count < NAMED_MAX)
        o->pids[o->count] = pid;
    o->count++;
    return true;
}

#define MAPS_LINE_BYTES 1024

/* "7f00-7f01 rw-s 00000000 00:19 12345   /dev/shm/shmbus.demo (deleted)": what is mapped. */
static bool read_line(char *line, struct other *ret, const char **ret_path)
{
    static const char gone[] = " (deleted)";
    unsigned major_number, minor_number;
    unsigned long inode;
    char *path = strchr(line, '/');
    size_t bytes;

    if (!path || sscanf(line, "%*s %*s %*s %x:%x %lu", &major_number, &minor_number, &inode) != 3)
        return false;
    path[strcspn(path, "\n")] = 0;
    bytes = strlen(path);
    *ret = (struct other){.device = makedev(major_number, minor_number), .inode = inode};
    if (bytes >= sizeof(gone) && strcmp(path + bytes - (sizeof(gone) - 1), gone) == 0) {
        path[bytes - (sizeof(gone) - 1)] = 0;
        ret->removed = true;
    }
    *ret_path = path;
    return true;
}

/* The segment that we look at, as the kernel writes it in such a line. */
static bool find_ours(ino_t inode, struct other *ret, char path[MAPS_LINE_BYTES])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[MAPS_LINE_BYTES];
    const char *seen;
    bool found = false;

    while (maps && !found && fgets(line, sizeof(line), maps))
        found = read_line(line, ret, &seen) && ret->inode == inode && strstr(seen, "/shmbus.");
    if (maps)
        fclose(maps);
    if (found)
        snprintf(path, MAPS_LINE_BYTES, "%s", seen);
    return found;
}

/* False: out of memory. */
static bool look_at(struct others *others, const char *pid, const struct other *ours,
                    const char *our_path)
{
    char path[300], line[MAPS_LINE_BYTES];
    const char *their_path;
    bool good = true, found = false;
    struct other seen;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%s/maps", pid);
    maps = fopen(path, "re");
    if (!maps)
        return true;
    while (!found && fgets(line, sizeof(line), maps)) {
        if (!read_line(line, &seen, &their_path) || strcmp(their_path, our_path) != 0)
            continue;
        found = true;
        if (seen.inode != ours->inode || seen.device != ours->device)
            good = note(others, &seen, atoi(pid));
    }
    fclose(maps);
    return good;
}

static void name_pids(const struct other *o, char *out, size_t out_bytes)
{
    size_t used = 0;

    for (unsigned i = 0; i < o->count && i < NAMED_MAX; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%d", i ? ", " : "", o->pids[i]);
    if (o->count > NAMED_MAX)
        snprintf(out + used, out_bytes - used, " and %u more", o->count - NAMED_MAX);
}

static void tell(struct doctor *doctor, const char *name, const struct shmbus_bus_stat *stat,
                 const struct other *o)
{
    char pids[128];

    name_pids(o, pids, sizeof(pids));
    if (o->removed)
        doctor_add(doctor, DOCTOR_WARNING, name,
                   "restart them: they find this one then; until then the two groups do not "
                   "hear of each other",
                   "%u process%s (pid %s) still use%s a removed segment of this name (inode %ju)",
                   o->count, ctl_plural(o->count, "es"), pids, o->count == 1 ? "s" : "",
                   (uintmax_t)o->inode);
    else
        doctor_add(doctor, DOCTOR_NOTE, name,
                   "none needed if it is meant so; else give them one /dev/shm (docker: --ipc, a "
                   "volume; systemd: BindPaths=/dev/shm)",
                   "%u process%s (pid %s) use%s another bus of this name, in a /dev/shm of their "
                   "own (inode %ju; shmbusctl stats /proc/%d/root%s)",
                   o->count, ctl_plural(o->count, "es"), pids, o->count == 1 ? "s" : "",
                   (uintmax_t)o->inode, o->pids[0], stat->path);
}

void doctor_others(struct doctor *doctor, const char *name, const struct shmbus_bus_stat *stat)
{
    struct others others = {.count = 0};
    struct other ours;
    char path[MAPS_LINE_BYTES];
    const struct dirent *entry;
    DIR *dir;

    if (!find_ours(stat->inode, &ours, path))
        return;
    dir = opendir("/proc");
    while (dir && (entry = readdir(dir)))
        if (isdigit((unsigned char)entry->d_name[0]) &&
            !look_at(&others, entry->d_name, &ours, path))
            doctor->no_memory = true;
    if (dir)
        closedir(dir);
    for (size_t i = 0; i < others.count; i++)
        tell(doctor, name, stat, &others.list[i]);
    free(others.list);
}
