/* SPDX-License-Identifier: MIT */
/*
 * A segment outlives its name: it may be removed under its users (rm --force, logind's RemoveIPC=,
 * the end of a unit with DynamicUser=), and another one be made under the name. Nothing tells those
 * who have the old one, and who waits there may wait for somebody who will only ever come to the
 * new one.
 *
 * So whoever looks at the clock anyway (sb_bus_look()) asks where the name leads: one stat(), about
 * a microsecond, twice a second at most. Nothing is asked by those who do not wait, and no thread
 * or descriptor is needed for it, inotify neither.
 *
 * A path says nothing in a process that has changed its root or its mounts since: it may lead
 * nowhere, or to the bus of another container. It counts only while its directory is the one that
 * it was when we attached by it; else the number of links of our own file decides, which is
 * true everywhere.
 */
#include "bus/reach.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool stat_directory(const struct shmbus *bus, struct stat *ret)
{
    const char *slash = strrchr(bus->segment.path, '/');
    char dir[SHMBUS_PATH_BYTES] = ".";

    if (slash != NULL) {
        size_t bytes = slash == bus->segment.path ? 1 : (size_t)(slash - bus->segment.path);
        memcpy(dir, bus->segment.path, bytes);
        dir[bytes] = '\0';
    }
    return stat(dir, ret) == 0;
}

static bool is_ours(const struct shmbus *bus, const struct stat *st)
{
    return (uint64_t)st->st_dev == bus->segment.device &&
           (uint64_t)st->st_ino == bus->segment.inode;
}

static void note_directory(struct shmbus *bus)
{
    struct stat st;

    if (stat_directory(bus, &st)) {
        bus->dir_device = (uint64_t)st.st_dev;
        bus->dir_inode = (uint64_t)st.st_ino;
    }
}

static bool is_that_directory(const struct shmbus *bus)
{
    struct stat st;

    return bus->dir_inode != 0 && stat_directory(bus, &st) &&
           (uint64_t)st.st_ino == bus->dir_inode && (uint64_t)st.st_dev == bus->dir_device;
}

static bool has_no_name(struct shmbus *bus)
{
    struct stat st;
    bool known;

    pthread_mutex_lock(&bus->liveness_lock);
    known = sb_liveness_stat(&bus->liveness, &st);
    pthread_mutex_unlock(&bus->liveness_lock);
    return known && st.st_nlink == 0;
}

void sb_reach_begin(struct shmbus *bus)
{
    if (!bus->observer && !bus->minds_no_name) {
        note_directory(bus);
    }
}

void sb_reach_look(struct shmbus *bus)
{
    enum sb_reach reach = SB_REACH_FOUND;
    struct stat st;
    bool there;

    if (bus->minds_no_name) {
        return;
    }
    there = stat(bus->segment.path, &st) == 0;
    if (there && is_ours(bus, &st)) {
        reach = SB_REACH_FOUND;
    } else if (there && is_that_directory(bus)) {
        reach = SB_REACH_REPLACED;
    } else if (has_no_name(bus)) {
        reach = SB_REACH_REMOVED;
    }
    sb_store32_release(&bus->reach, reach);
}
