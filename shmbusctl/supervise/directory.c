/* SPDX-License-Identifier: MIT */
/*
 * supervise.BUS beside the segment: lock, state, control and notification sockets. There because
 * whoever can see the bus can see it too, and because memory that goes with the boot is right for a
 * list of pids.
 *
 * The lock is a POSIX one: it belongs to the process, is not inherited by workers, survives an exec
 * of a new binary, and ends with the process in any case.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ctl.h"
#include "memory.h"
#include "sup.h"

enum { DIR_BYTES_MAX = 80 }; /* with notify.NUMBER behind it, it has to fit into a socket address */

char *sup_dir_of_bus(const char *bus)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(bus, '/');

    ctl_bus_dir(bus, dir, sizeof dir);
    return sup_printf("%s/supervise.%s", dir, slash != NULL ? slash + 1 : bus);
}

static int make_dir(const struct sup *s)
{
    struct stat found;

    if (strlen(s->dir) > DIR_BYTES_MAX) {
        return ctl_fail(CTL_USAGE, "%s: this path is longer than %d characters", s->dir,
                        DIR_BYTES_MAX);
    }
    if (mkdir(s->dir, 0711) < 0 && errno != EEXIST) {
        return ctl_fail(ctl_exit_of(-errno), "%s: %s", s->dir, strerror(errno));
    }
    if (lstat(s->dir, &found) < 0 || !S_ISDIR(found.st_mode) || found.st_uid != geteuid()) {
        return ctl_fail(CTL_PERMISSION,
                        "%s is not a directory of this user; the supervisor of "
                        "this bus may be another user's",
                        s->dir);
    }
    return CTL_DONE;
}

static int lock_taken(const struct sup *s, int fd, struct flock *lock)
{
    pid_t pid = fcntl(fd, F_GETLK, lock) == 0 && lock->l_type != F_UNLCK ? lock->l_pid : 0;

    return ctl_fail(CTL_IN_USE,
                    "%s has a supervisor already, pid %d; `shmbusctl reload %s` makes "
                    "it read its file again",
                    s->file->bus, pid, s->file->bus);
}

/* 0, an exit code, or -1: the directory went away meanwhile, again. */
static int lock_dir(struct sup *s)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = sup_printf("%s/lock", s->dir);
    struct stat ours, there;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), code = CTL_DONE;

    if (fd < 0) {
        code =
            errno == ENOENT ? -1 : ctl_fail(ctl_exit_of(-errno), "%s: %s", path, strerror(errno));
    } else if (fcntl(fd, F_SETLK, &lock) < 0) {
        code = lock_taken(s, fd, &lock);
    } else if (fstat(fd, &ours) < 0 || stat(path, &there) < 0 || ours.st_ino != there.st_ino) {
        code = -1;
    }
    free(path);
    if (code != CTL_DONE && fd >= 0) {
        close(fd);
    }
    s->lock_fd = code == CTL_DONE ? fd : -1;
    return code;
}

int sup_dir_open(struct sup *s)
{
    const char *inherited = getenv("SHMBUS_SUPERVISE_LOCK");
    int code = make_dir(s);

    if (code == CTL_DONE && inherited != NULL) { /* this very process, with a new binary */
        s->lock_fd = (int)strtol(inherited, NULL, 10);
        fcntl(s->lock_fd, F_SETFD, FD_CLOEXEC);
        return code;
    }
    while (code == CTL_DONE && (code = lock_dir(s)) == -1) {
        code = make_dir(s);
    }
    return code;
}

void sup_dir_remove(struct sup *s)
{
    DIR *dir = opendir(s->dir);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lock") != 0) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        unlinkat(dirfd(dir), "lock", 0); /* last: while it is there nobody else comes in */
        closedir(dir);
    }
    rmdir(s->dir);
}
