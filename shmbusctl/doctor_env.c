/* SPDX-License-Identifier: MIT */
/* What the machine may do to a bus, whatever is in it. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libshmbus/base/room.h"
#include "ctl.h"
#include "doctor.h"
#include "text.h"

#define CONTAINER_DEFAULT_BYTES (64u << 20)

#define USUAL_BUS_BYTES (44ull << 20) /* of the built-in plan */

/* What stands in the way of a new bus, whatever room the file system has. */
static void doctor_limits(struct doctor *doctor, const char *dir, const struct sb_room *room)
{
    char have[TEXT_NUMBER_BYTES], all[TEXT_NUMBER_BYTES];

    if (room->no_inodes)
        doctor_add(doctor, DOCTOR_WARNING, dir,
                   "remove files there (df -i), or mount it with a larger nr_inodes",
                   "has no inode left: no bus can be made");
    if (room->memory_bytes < USUAL_BUS_BYTES) {
        text_size(room->memory_bytes, false, have, sizeof(have));
        text_size(room->memory_limit, false, all, sizeof(all));
        doctor_add(doctor, DOCTOR_WARNING, dir,
                   "raise it (docker: --memory, Kubernetes: limits.memory, systemd: MemoryMax=), "
                   "or let a process outside of the group make the bus: its maker pays for it",
                   "memory cgroup %s has %s left of its limit of %s: a bus of the built-in plan "
                   "cannot be made in it",
                   room->memory_group, have, all);
    }
}

static void doctor_space(struct doctor *doctor, const char *dir, const struct sb_room *room)
{
    char have[TEXT_NUMBER_BYTES], all[TEXT_NUMBER_BYTES];

    text_size(room->free_bytes, false, have, sizeof(have));
    text_size(room->all_bytes, false, all, sizeof(all));
    if (room->free_bytes < room->all_bytes / 20)
        doctor_add(doctor, DOCTOR_WARNING, dir,
                   "remove what is not needed, or enlarge it: mount -o remount,size=...",
                   "has %s of %s free: a new bus may not fit", have, all);
    else if (room->all_bytes <= CONTAINER_DEFAULT_BYTES)
        doctor_add(doctor, DOCTOR_NOTE, dir, "start the container with --shm-size=1g",
                   "holds only %s, as in a container with the usual settings", all);
}

void doctor_directory(struct doctor *doctor, const char *dir)
{
    struct sb_room room;
    int result = sb_room_look(dir, &room);

    if (result < 0) {
        doctor_add(doctor, DOCTOR_UNKNOWN, dir, "name a directory that exists with --dir",
                   "cannot be looked at: %s", strerror(-result));
        return;
    }
    if (room.type == HUGETLBFS_MAGIC)
        doctor_add(doctor, DOCTOR_WARNING, dir,
                   "mount a tmpfs there, with huge=always or huge=within_size for huge pages",
                   "is a hugetlbfs: no bus can be made there");
    else if (room.type == RAMFS_MAGIC)
        doctor_add(doctor, DOCTOR_NOTE, dir, "mount a tmpfs there, with size=",
                   "is a ramfs, which nothing keeps from taking all memory");
    else if (room.type != TMPFS_MAGIC)
        doctor_add(doctor, DOCTOR_WARNING, dir, "mount a tmpfs there, or use " SHMBUS_DIR_DEFAULT,
                   "is no tmpfs: every message is also written to a disk");
    doctor_space(doctor, dir, &room);
    doctor_limits(doctor, dir, &room);
    if (access(dir, W_OK) != 0)
        doctor_add(doctor, DOCTOR_NOTE, dir, "ask its owner, or use another with --dir",
                   "is not writable for you: you cannot make a bus there");
}

/* The value of RemoveIPC in one file: 1 yes, 0 no, -1 not set. A commented line, as distributions
 * ship it, shows what was compiled in; taken when @commented. */
static int remove_ipc_in(const char *path, bool commented)
{
    FILE *file = fopen(path, "re");
    char line[512];
    int value = -1;

    if (!file)
        return -1;
    while (fgets(line, sizeof(line), file)) {
        const char *at = line + strspn(line, " \t");

        if (*at == '#' && commented)
            at++;
        if (strncmp(at, "RemoveIPC", 9) != 0)
            continue;
        at += 9 + strspn(at + 9, " \t");
        if (*at != '=')
            continue;
        at += 1 + strspn(at + 1, " \t");
        value = strncasecmp(at, "y", 1) == 0 || *at == '1' || strncasecmp(at, "true", 4) == 0 ||
                strncasecmp(at, "on", 2) == 0;
    }
    fclose(file);
    return value;
}

static int is_conf(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);

    return bytes > 5 && strcmp(entry->d_name + bytes - 5, ".conf") == 0;
}

/* The files of one drop-in directory, in the order of their names; the last one wins. */
static int remove_ipc_in_dir(const char *dir, int value)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_conf, alphasort);

    for (int i = 0; i < count; i++) {
        char path[512];
        int found;

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        found = remove_ipc_in(path, false);
        value = found >= 0 ? found : value;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return value;
}

static bool logind_removes_ipc(void)
{
    static const char *const dirs[] = {"/usr/lib/systemd/logind.conf.d",
                                       "/usr/local/lib/systemd/logind.conf.d",
                                       "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d"};
    int value = remove_ipc_in("/etc/systemd/logind.conf", true), plain;

    plain = remove_ipc_in("/etc/systemd/logind.conf", false);
    value = plain >= 0 ? plain : value;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        value = remove_ipc_in_dir(dirs[i], value);
    return value != 0; /* systemd's own default is yes */
}

/* logind spares system users and users who linger. */
static bool logind_minds(uid_t uid, char *ret_user, size_t user_bytes)
{
    const struct passwd *user = getpwuid(uid);
    char linger[512];

    if (uid < 1000 || access("/run/systemd/seats", F_OK) != 0)
        return false;
    snprintf(ret_user, user_bytes, "%s", user ? user->pw_name : "its owner");
    snprintf(linger, sizeof(linger), "/var/lib/systemd/linger/%s", ret_user);
    return access(linger, F_OK) != 0;
}

void doctor_logind(struct doctor *doctor, const char *name, const struct shmbus_bus_stat *stat)
{
    char user[64];

    if (strncmp(stat->path, SHMBUS_DIR_DEFAULT "/", strlen(SHMBUS_DIR_DEFAULT) + 1) != 0)
        return;
    if (!logind_minds(stat->owner_uid, user, sizeof(user)) || !logind_removes_ipc())
        return;
    doctor_add(doctor, DOCTOR_WARNING, name,
               "set RemoveIPC=no in /etc/systemd/logind.conf, or: loginctl enable-linger USER, or "
               "run it as a system user",
               "systemd-logind removes it when the last session of %s ends", user);
}
