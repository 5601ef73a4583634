/* SPDX-License-Identifier: MIT */
#include "base/room.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#define GROUP_BYTES 512
#define RAMFS_TYPE 0x858458f6

/* ------------------------------------------------------------------------------ memory cgroups */

/* The number in a file; UINT64_MAX if there is none ("max", no such file). */
static uint64_t number_in(const char *dir, const char *name)
{
    char path[2 * GROUP_BYTES], text[64];
    uint64_t value = UINT64_MAX;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "re");
    if (file == NULL) {
        return UINT64_MAX;
    }
    if (fgets(text, sizeof text, file) != NULL && text[0] >= '0' && text[0] <= '9') {
        value = strtoull(text, NULL, 10);
    }
    fclose(file);
    return value;
}

/* The number after one of the words at the beginning of a line. */
static uint64_t row_in(const char *dir, const char *name, const char *word, const char *other)
{
    char path[2 * GROUP_BYTES], line[256];
    uint64_t value = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        size_t bytes = strcspn(line, " :");
        bool is_word = strlen(word) == bytes && strncmp(line, word, bytes) == 0;
        bool is_other = strlen(other) == bytes && strncmp(line, other, bytes) == 0;
        if (is_word || is_other) {
            value = strtoull(line + bytes + strspn(line + bytes, " :"), NULL, 10);
        }
        if (is_word) {
            break; /* it is the better one */
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

/* Where this process's memory cgroup is: its directory in *ret_dir, of which *ret_top_bytes are the
 * top of the hierarchy. False: there is none to be seen. */
static bool memory_group_dir(char ret_dir[GROUP_BYTES], size_t *ret_top_bytes, bool *ret_unified)
{
    char line[GROUP_BYTES];
    FILE *file = fopen("/proc/self/cgroup", "re");
    bool found = false;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        bool unified = controllers[1] == '\0';
        if (!unified && strcmp(controllers + 1, "memory") != 0) {
            continue;
        }
        if (found && unified) {
            continue; /* the controller is in the other hierarchy */
        }
        const char *top = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        char dir[GROUP_BYTES];
        int bytes =
            snprintf(dir, sizeof dir, "%s%s", top, strncmp(path, "/..", 3) == 0 ? "" : path);
        if (bytes >= GROUP_BYTES) {
            continue;
        }
        memcpy(ret_dir, dir, (size_t)bytes + 1);
        *ret_top_bytes = strlen(top);
        *ret_unified = unified;
        found = true;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Used memory that the kernel would drop first: the cache of files. What is in a tmpfs is not. */
static uint64_t reclaimable_in(const char *dir)
{
    return row_in(dir, "memory.stat", "total_inactive_file", "inactive_file") +
           row_in(dir, "memory.stat", "total_active_file", "active_file");
}

/* Pages of a tmpfs may be swapped. */
static uint64_t swap_for(const char *dir, bool unified)
{
    uint64_t free_bytes = row_in("", "/proc/meminfo", "SwapFree", "SwapFree") * 1024, limit, used;

    if (!unified) {
        return free_bytes;
    }
    limit = number_in(dir, "memory.swap.max");
    used = number_in(dir, "memory.swap.current");
    if (limit == UINT64_MAX || used == UINT64_MAX) {
        return free_bytes;
    }
    limit = limit > used ? limit - used : 0;
    return limit < free_bytes ? limit : free_bytes;
}

static void look_at_group(const char *dir, size_t top_bytes, bool unified, struct sb_room *room)
{
    uint64_t limit = number_in(dir, unified ? "memory.max" : "memory.limit_in_bytes");
    uint64_t used = number_in(dir, unified ? "memory.current" : "memory.usage_in_bytes");
    uint64_t spare;

    if (limit >= INT64_MAX / 4096 * 4096 || used == UINT64_MAX) {
        return; /* v1 says "no limit" so */
    }
    spare = reclaimable_in(dir);
    used = used > spare ? used - spare : 0;
    spare = (limit > used ? limit - used : 0) + swap_for(dir, unified);
    if (spare < room->memory_bytes) {
        room->memory_bytes = spare;
        room->memory_limit = limit;
        snprintf(room->memory_group, sizeof room->memory_group, "%s",
                 dir[top_bytes] != '\0' ? dir + top_bytes : "/");
    }
}

/* The limits of all groups above hold as well. */
static void look_at_groups(struct sb_room *room)
{
    char dir[GROUP_BYTES];
    size_t top_bytes;
    bool unified;

    room->memory_bytes = room->memory_limit = UINT64_MAX;
    if (!memory_group_dir(dir, &top_bytes, &unified)) {
        return;
    }
    for (;;) {
        look_at_group(dir, top_bytes, unified, room);
        char *slash = strrchr(dir, '/');
        if (strlen(dir) <= top_bytes || (size_t)(slash - dir) < top_bytes) {
            return;
        }
        *slash = '\0';
    }
}

/* ----------------------------------------------------------------------------------- all of it */

int sb_room_look(const char *dir, struct sb_room *ret)
{
    struct sb_room room;
    struct rlimit limit;
    struct statvfs space;
    struct statfs fs;

    memset(&room, 0, sizeof room);
    if (statvfs(dir, &space) != 0 || statfs(dir, &fs) != 0) {
        return -errno;
    }
    room.type = (long)fs.f_type;
    room.block_bytes = (uint64_t)fs.f_bsize;
    room.free_bytes = room.all_bytes = UINT64_MAX;
    if (space.f_blocks != 0) {
        room.free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
        room.all_bytes = (uint64_t)space.f_blocks * space.f_frsize;
    }
    room.no_inodes = space.f_files != 0 && space.f_favail == 0;
    room.file_limit = getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
    look_at_groups(&room);
    *ret = room;
    return 0;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

/* Memory of other file systems can be written back, and huge pages are counted elsewhere. */
static bool is_memory(long type)
{
    return type == TMPFS_MAGIC || (unsigned long)type == RAMFS_TYPE;
}

int sb_room_check(const struct sb_room *room, const char *dir, uint64_t bytes, char *text,
                  size_t text_bytes)
{
    if (room->type == HUGETLBFS_MAGIC) {
        snprintf(
            text, text_bytes,
            "cannot be on the hugetlbfs %s, where files are whole pages of %.0f MiB and have no "
            "writes; use a tmpfs, mounted with huge=always (or within_size) for huge pages",
            dir, mib(room->block_bytes));
        return -EOPNOTSUPP;
    }
    if (room->no_inodes) {
        snprintf(text, text_bytes,
                 "needs a file, but %s has no inode left (df -i); remove files there, or mount it "
                 "with a larger nr_inodes",
                 dir);
        return -ENOSPC;
    }
    if (bytes > room->free_bytes) {
        snprintf(text, text_bytes,
                 "needs %.1f MiB, but %s has %.1f MiB free of %.1f MiB; enlarge it (docker: "
                 "--shm-size) or plan less (`memory`, `blocks`)",
                 mib(bytes), dir, mib(room->free_bytes), mib(room->all_bytes));
        return -ENOSPC;
    }
    if (is_memory(room->type) && bytes > room->memory_bytes) {
        snprintf(text, text_bytes,
                 "needs %.1f MiB, but memory cgroup %s has %.1f MiB left of its limit of %.1f MiB, "
                 "beyond which the kernel kills; raise it (docker: --memory, Kubernetes: "
                 "limits.memory, systemd: MemoryMax=) or plan less (`memory`, `blocks`)",
                 mib(bytes), room->memory_group, mib(room->memory_bytes), mib(room->memory_limit));
        return -ENOMEM;
    }
    if (bytes > room->file_limit) { /* beyond it is a SIGXFSZ */
        snprintf(text, text_bytes,
                 "needs %.1f MiB, but files of this process are limited to %.1f MiB; raise it "
                 "(ulimit -f) or plan less (`memory`, `blocks`)",
                 mib(bytes), mib(room->file_limit));
        return -EFBIG;
    }
    return 0;
}

void sb_room_other_limit(const char *dir, uint64_t bytes, char *text, size_t text_bytes)
{
    bool strict = number_in("/proc/sys/vm", "overcommit_memory") == 2;
    uint64_t limit = row_in("", "/proc/meminfo", "CommitLimit", "CommitLimit") / 1024;
    uint64_t used = row_in("", "/proc/meminfo", "Committed_AS", "Committed_AS") / 1024;

    if (strict) {
        snprintf(text, text_bytes,
                 "needs %.1f MiB, for which %s has room, but the system commits no more memory: "
                 "%" PRIu64 " of %" PRIu64 " MiB are promised (vm.overcommit_memory=2); raise "
                 "vm.overcommit_ratio, add swap, or plan less (`memory`, `blocks`)",
                 mib(bytes), dir, used, limit);
    } else {
        snprintf(text, text_bytes,
                 "needs %.1f MiB, for which %s has room, but the kernel gives no more: somebody "
                 "else was faster, or it is a quota (quota -v, mount options usrquota, grpquota)",
                 mib(bytes), dir);
    }
}
