/* SPDX-License-Identifier: MIT */
/*
 * shmbusctl gc: removes buses that are proved unused. What is proved, and how:
 *   - some process had it and is done: the bus counts an attach, and nobody is attached, alive or
 *     dead (who was killed may have left work that the next one is to find);
 *   - nothing is in it: no message in any channel, no region that was ever written;
 *   - nobody has the file open or mapped, not even to look: the kernel grants a lease for writing
 *     only then, and holds up whoever opens the file while we have it;
 *   - all that was true of what we remove: the bytes did not change between the look and the lease.
 * Anything else stays, and is told if it was named.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "snapshot.h"

enum { OPT_DIR = 256, OPT_DRY_RUN, OPT_VERBOSE };

static const struct ctl_option options[] = {
    {OPT_DIR, "dir", "DIR", "the buses in DIR (" SHMBUS_DIR_DEFAULT ")"},
    {OPT_DRY_RUN, "dry-run", NULL, "remove nothing: print which would go"},
    {'v', "verbose", NULL, "say of each that stays why"},
    {0, NULL, NULL, NULL},
};

#define PIECE_BYTES (1u << 20)

struct gc {
    bool dry_run, verbose;
};

/* Why this bus is in use, or may be; NULL: it is not. */
static const char *reason_to_keep(const struct snapshot *snapshot)
{
    if (snapshot->bus.attaches == 0)
        return "nobody has used it yet";
    if (snapshot->process_count)
        return "processes are attached, or died and nobody has cleaned up after them";
    for (size_t i = 0; i < snapshot->channel_count; i++) {
        const struct shmbus_channel_stat *channel = &snapshot->channels[i];

        if (channel->depth || channel->held || channel->redeliverable || channel->dead_letters)
            return "messages wait in it";
    }
    for (size_t i = 0; i < snapshot->region_count; i++)
        if (snapshot->regions[i].writes)
            return "a region has data";
    return NULL;
}

/* Of all that is in the file. Read, not mapped: a hole would be filled by looking. */
static bool sum_of(int fd, uint64_t *ret_sum)
{
    uint64_t sum = 0xcbf29ce484222325, words[PIECE_BYTES / 8 / 16];
    off_t at = 0;
    ssize_t got;

    while ((got = pread(fd, words, sizeof(words), at)) > 0) {
        for (size_t i = 0; i < (size_t)got / 8; i++)
            sum = (sum ^ words[i]) * 0x100000001b3;
        at += got;
    }
    *ret_sum = sum ^ (uint64_t)at;
    return got == 0;
}

/* The look of the library, at @file. Without a helper thread: the end of a thread closes its
 * descriptors a moment after it was joined, and our own would stand in the way of the lease. */
static const char *look(const char *name, const struct stat *file, struct snapshot *ret_snapshot)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus;
    struct stat now;
    int result;

    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER |
                 SHMBUS_ATTACH_NO_WATCHER;
    result = shmbus_attach(name, &opts, &bus);
    if (result < 0)
        return ctl_detail(result);
    result = snapshot_take(bus, SNAPSHOT_ALL, ret_snapshot);
    shmbus_detach(bus);
    if (result < 0)
        return ctl_detail(result);
    if (stat(ret_snapshot->bus.path, &now) != 0 || now.st_ino != file->st_ino ||
        now.st_dev != file->st_dev)
        return "it was replaced meanwhile";
    return reason_to_keep(ret_snapshot);
}

/* With the lease nobody else has it, and nobody can get it before the name is gone. */
static const char *remove_leased(int fd, uint64_t sum, const char *path, bool dry_run)
{
    uint64_t now;
    const char *why = NULL;

    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        return errno == EAGAIN || errno == EBUSY
                   ? "another process has it open"
                   : "the kernel gives no lease on it: be its owner, or root";
    if (!sum_of(fd, &now) || now != sum)
        why = "it was used meanwhile";
    else if (!dry_run && unlink(path) != 0)
        why = strerror(errno);
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return why;
}

static const char *collect(const struct gc *gc, const char *name, int fd, struct stat *file)
{
    struct snapshot snapshot = {.realtime_ns = 0};
    const char *why;
    uint64_t sum;

    if (fstat(fd, file) != 0 || !sum_of(fd, &sum))
        return strerror(errno);
    why = look(name, file, &snapshot);
    if (!why)
        why = remove_leased(fd, sum, snapshot.bus.path, gc->dry_run);
    snapshot_free(&snapshot);
    return why;
}

static bool each_bus(void *context, const char *name)
{
    struct gc *gc = context;
    char dir[512], path[600];
    const char *base = strrchr(name, '/'), *why;
    struct stat file;
    int fd;

    ctl_bus_dir(name, dir, sizeof(dir));
    snprintf(path, sizeof(path), "%s/shmbus.%s", dir, base ? base + 1 : name);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    why = fd < 0 ? strerror(errno) : collect(gc, name, fd, &file);
    if (fd >= 0)
        close(fd);
    if (!why)
        printf("%s\n", name);
    else if (gc->verbose)
        ctl_note("%s stays: %s", name, why);
    return true;
}

static int run(struct ctl_args *args)
{
    struct gc gc = {.dry_run = false};
    const char *dir = NULL, *value;
    int id, result;

    while ((id = ctl_args_next(args, &value)) > 0) {
        gc.dry_run = gc.dry_run || id == OPT_DRY_RUN;
        gc.verbose = gc.verbose || id == 'v';
        dir = id == OPT_DIR ? value : dir;
    }
    if (id < 0)
        return args->exit_code;
    signal(SIGIO, SIG_IGN); /* the kernel's way to say that somebody wants the file */
    result = shmbus_list(dir, each_bus, &gc);
    return result < 0 ? ctl_fail_bus(result, dir ? dir : SHMBUS_DIR_DEFAULT) : CTL_DONE;
}

const struct ctl_verb verb_gc = {
    .name = "gc",
    .operands = "",
    .summary = "Remove the buses that are proved unused",
    .text = "A bus goes if somebody has used it, nobody is attached, nothing is in it (no message, "
            "no region that was written) and the kernel says that no process has its file open. "
            "Its name is printed. All others stay; `shmbusctl rm` removes those.",
    .examples = "shmbusctl gc --dry-run --verbose\n"
                "shmbusctl gc --dir=/mnt/bus\n",
    .options = options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run,
};
