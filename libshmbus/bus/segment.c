/* SPDX-License-Identifier: MIT */
#include "bus/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/room.h"
#include "layout/format.h"
#include "layout/name.h"
#include "layout/verify.h"
#include "plan/plan.h"
#include "plan/plan_geometry.h"
#include "protocol/anchor.h"

#define OVERFLOW_UID 65534u /* who has no name in a user namespace */
#define FILE_PREFIX "shmbus."
#define RESERVE_BYTES (16ull << 20)
#define LEASE_NAPS 3000 /* of a millisecond: what the sum over some GiB takes */

/* A relative directory is made absolute: the path must stay right when the program changes its
 * directory. */
static int absolute_directory(const char *name, size_t dir_bytes, char *ret_dir)
{
    char dir[PATH_MAX];

    if (dir_bytes >= sizeof dir) {
        return sb_fail(-ENAMETOOLONG, "bus name \"%.60s...\" is too long", name);
    }
    memcpy(dir, name, dir_bytes);
    dir[dir_bytes] = '\0';
    if (dir[0] == '/' || dir_bytes == 0) {
        memcpy(ret_dir, dir, dir_bytes + 1);
        return 0;
    }
    if (realpath(dir, ret_dir) == NULL) {
        return sb_fail(-errno, "bus name \"%.60s\": directory %s: %s", name, dir, strerror(errno));
    }
    return 0;
}

/* Who completes the name of the file in a shell means the bus in it. */
static const char *without_prefix(const char *file)
{
    return strncmp(file, FILE_PREFIX, sizeof FILE_PREFIX - 1) == 0 ? file + sizeof FILE_PREFIX - 1
                                                                   : file;
}

int sb_segment_path(const char *name, char *ret_path, size_t path_bytes,
                    char ret_name[SHMBUS_NAME_BYTES])
{
    const char *slash = strrchr(name, '/');
    const char *base = without_prefix(slash == NULL ? name : slash + 1);
    char dir[PATH_MAX] = SHMBUS_DIR_DEFAULT;
    char path[PATH_MAX + SHMBUS_NAME_BYTES + sizeof FILE_PREFIX];
    int n;

    if (!sb_name_is_valid(base)) {
        return sb_fail(-EINVAL,
                       "bus name \"%.60s\" is not valid: 1 to %u letters, digits, '.', '_', '-', "
                       "not starting with '.'; with a '/' the part before it is a directory",
                       name, SHMBUS_NAME_BYTES - 1);
    }
    if (slash != NULL) {
        int r = absolute_directory(name, (size_t)(slash - name), dir);
        if (r < 0) {
            return r;
        }
    }
    n = snprintf(path, sizeof path, "%s/%s%s", strcmp(dir, "/") == 0 ? "" : dir, FILE_PREFIX, base);
    if (n < 0 || (size_t)n >= path_bytes) {
        return sb_fail(-ENAMETOOLONG, "bus name \"%.60s...\": its path is longer than %zu", name,
                       path_bytes - 1);
    }
    memcpy(ret_path, path, (size_t)n + 1);
    memcpy(ret_name, base, strlen(base) + 1);
    return 0;
}

static void directory_of(const char *path, char *ret_dir, size_t dir_bytes)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    snprintf(ret_dir, dir_bytes, "%.*s", (int)n, path);
}

/* -------------------------------------------------------------------------------------- create */

/* What can be known before: nobody else should run short of memory while we find out, and what the
 * kernel does beyond some limits is to kill. */
static int check_room(const char *path, const char *dir, uint64_t bytes)
{
    struct sb_room room;
    char text[512];
    int r = sb_room_look(dir, &room);

    if (r < 0) {
        return sb_fail(r, "%s: %s", dir, strerror(-r));
    }
    r = sb_room_check(&room, dir, bytes, text, sizeof text);
    return r < 0 ? sb_fail(r, "%s %s", path, text) : 0;
}

/* The kernel gave up at a limit that was not known before, or that others have reached since. */
static int no_space(const char *path, const char *dir, uint64_t bytes)
{
    char text[512];
    int r = check_room(path, dir, bytes);

    if (r == 0) {
        sb_room_other_limit(dir, bytes, text, sizeof text);
        r = sb_fail(-ENOSPC, "%s %s", path, text);
    }
    return r;
}

/* Where a sandbox does not know fallocate(): zeros are as good, only slower. */
static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
    static const char zeros[64u << 10];

    while (bytes > 0) {
        size_t want = bytes < sizeof zeros ? (size_t)bytes : sizeof zeros;
        ssize_t n = pwrite(fd, zeros, want, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : ENOSPC;
        }
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* A signal makes the kernel give back what it has of the piece and begin again; a program with a
 * fast timer would never get to the end, so they wait while a piece is made. It takes milliseconds.
 * SIGKILL and SIGSTOP do not wait: EINTR is the latter. */
static int allocate(int fd, uint64_t offset, uint64_t bytes)
{
    sigset_t all, before;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    do {
        e = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
    } while (e == EINTR);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static uint64_t piece_at(uint64_t done, uint64_t bytes)
{
    return bytes - done < RESERVE_BYTES ? bytes - done : RESERVE_BYTES;
}

/* Really reserves the pages, so that no later access can fail. */
static int reserve(int fd, const char *path, const char *dir, uint64_t bytes)
{
    int r = 0;

    for (uint64_t done = 0; r == 0 && done < bytes;) {
        uint64_t piece = piece_at(done, bytes);
        int e = allocate(fd, done, piece);
        if (e == ENOSYS || e == EPERM || e == EOPNOTSUPP) {
            e = write_zeros(fd, done, piece);
        }
        if (e == ENOSPC) {
            r = no_space(path, dir, bytes);
        } else if (e != 0) {
            r = sb_fail(-e, "%s: %" PRIu64 " bytes cannot be reserved: %s", path, bytes,
                        strerror(e));
        }
        done += piece;
    }
    return r;
}

static int set_permissions(int fd, const char *path, const struct shmbus_plan *plan)
{
    if (plan->group != (gid_t)-1 && fchown(fd, (uid_t)-1, plan->group) < 0) {
        return sb_fail(-errno, "%s cannot be given to group %u: %s", path, (unsigned)plan->group,
                       strerror(errno));
    }
    if (fchmod(fd, plan->mode) < 0) {
        return sb_fail(-errno, "%s cannot get mode %04o: %s", path, (unsigned)plan->mode,
                       strerror(errno));
    }
    return 0;
}

/* Others' messages are no business of a core dump, and an unlinked segment would go into it whole,
 * whatever the process's coredump_filter says of shared memory. */
static void keep_out_of_cores(uint8_t *base, const struct sb_geometry *geometry)
{
    if (!geometry->core) {
        madvise(base, geometry->segment_bytes, MADV_DONTDUMP); /* refused: then it is in */
    }
}

static int fill(int fd, const char *path, const struct sb_geometry *geometry)
{
    uint8_t *base = mmap(NULL, geometry->segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED) {
        return sb_map_failed(path, geometry->segment_bytes, errno);
    }
    keep_out_of_cores(base, geometry);
    sb_layout_format(base, geometry);
    munmap(base, geometry->segment_bytes);
    return 0;
}

static int no_descriptor(const char *path, int error, const char *what)
{
    struct rlimit limit;

    if (error == EINVAL && getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= 3) {
        error = EMFILE; /* nothing above the standard ones */
    }
    switch (error) {
    case EMFILE:
        return sb_fail(-EMFILE,
                       "%s: %s: this process may have no more descriptors; raise "
                       "RLIMIT_NOFILE (ulimit -n)",
                       path, what);
    case ENFILE:
        return sb_fail(-ENFILE, "%s: %s: the system has no descriptor left; raise fs.file-max",
                       path, what);
    default:
        return sb_fail(-error, "%s: %s: %s", path, what, strerror(error));
    }
}

static int already_there(const char *path)
{
    return sb_fail(-EEXIST, "%s exists already; attach to it, or remove it first", path);
}

/* Gives the finished segment its name: until here nobody could see it, and a death leaves
 * nothing. */
static int publish(int fd, const char *path)
{
    char source[48];
    int e = 0;

    snprintf(source, sizeof source, "/proc/thread-self/fd/%d", fd);
    if (linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0) {
        e = errno;
    }
    if (e == ENOENT && linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) {
        e = 0; /* no /proc, but the right to do without, or a kernel of 2024 */
    }
    if (e == EEXIST) {
        return already_there(path);
    }
    if (e == ENOENT) {
        return sb_fail(-ENOENT, "%s cannot be linked without /proc; mount it, or create as root",
                       path);
    }
    return e == 0 ? 0 : sb_fail(-e, "%s cannot be linked: %s", path, strerror(e));
}

static int build(int fd, const char *path, const char *dir, const struct shmbus_plan *plan,
                 const struct sb_geometry *geometry)
{
    int r = set_permissions(fd, path, plan);
    if (r == 0) {
        r = reserve(fd, path, dir, geometry->segment_bytes);
    }
    if (r == 0) {
        r = fill(fd, path, geometry);
    }
    return r == 0 ? publish(fd, path) : r;
}

/* A file without a name in @dir. */
static int open_unnamed(const char *path, const char *dir, uint64_t bytes, int *ret_fd)
{
    struct stat st;

    if (lstat(path, &st) == 0) {
        return already_there(path); /* before reserving memory for nothing */
    }
    if (stat(dir, &st) == 0) {
        int r = check_room(path, dir, bytes);
        if (r < 0) {
            return r;
        }
    }
    *ret_fd = sb_fd_above_standard(open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (*ret_fd >= 0) {
        return 0;
    }
    if (errno == ENOENT) {
        return sb_fail(-ENOENT, "directory %s does not exist", dir);
    }
    if (errno == EOPNOTSUPP || errno == EISDIR) {
        return sb_fail(-EOPNOTSUPP,
                       "%s is on a file system without unnamed files (O_TMPFILE); use a tmpfs",
                       dir);
    }
    return no_descriptor(dir, errno, "no file can be made in it");
}

int sb_segment_create(const char *name, const struct shmbus_plan *plan)
{
    char path[sizeof((struct sb_segment *)0)->path];
    char dir[sizeof path];
    char short_name[SHMBUS_NAME_BYTES];
    struct sb_geometry *geometry = NULL;
    int fd = -1;
    int r = sb_segment_path(name, path, sizeof path, short_name);

    if (r == 0) {
        r = sb_geometry_from_plan(plan, &geometry);
    }
    if (r < 0) {
        return r;
    }
    directory_of(path, dir, sizeof dir);
    r = open_unnamed(path, dir, geometry->segment_bytes, &fd);
    if (r == 0) {
        r = build(fd, path, dir, plan, geometry);
        close(fd);
    }
    sb_geometry_free(geometry);
    return r;
}

/* ---------------------------------------------------------------------------------------- open */

static void user_name(uid_t uid, char *ret_text, size_t text_bytes)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[1024];

    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL) {
        snprintf(ret_text, text_bytes, "%s (uid %u)", entry.pw_name, (unsigned)uid);
    } else {
        snprintf(ret_text, text_bytes, "uid %u", (unsigned)uid);
    }
}

static int cannot_open(const char *path, int error)
{
    struct stat st;
    char owner[80];

    if (error == ENOENT) {
        return sb_fail(-ENOENT, "%s does not exist", path);
    }
    if (error == EWOULDBLOCK) {
        return sb_fail(-EBUSY, "%s: another process has a lease on it (shmbusctl gc?); try again",
                       path);
    }
    if (error == ELOOP) {
        return sb_fail(-ELOOP, "%s is a symbolic link, which is never followed; remove it", path);
    }
    if ((error == EACCES || error == EPERM) && lstat(path, &st) == 0) {
        user_name(st.st_uid, owner, sizeof owner);
        return sb_fail(-EACCES,
                       "%s belongs to %s and has mode %04o; ask for access, or have its owner "
                       "create it with `mode` and `group` (mode: \"0660\")",
                       path, owner, (unsigned)(st.st_mode & 07777));
    }
    return no_descriptor(path, error, "cannot be opened");
}

/* In a user namespace every user without a name there shows as the same one, we ourselves perhaps
 * included. The kernel compares whom they stand for when somebody asks not to note times of access,
 * which the owner may, and a process with CAP_FOWNER. */
static bool is_ours_by_name_alone(int fd, uid_t uid)
{
    int flags = fcntl(fd, F_GETFL);

    if (uid != OVERFLOW_UID || flags < 0) {
        return false;
    }
    if (fcntl(fd, F_SETFL, flags | O_NOATIME) < 0) {
        return errno == EPERM;
    }
    fcntl(fd, F_SETFL, flags);
    return false;
}

static int check_file(struct sb_segment *segment, bool any_owner)
{
    struct stat st;
    char owner[80];

    if (fstat(segment->fd, &st) < 0) {
        return sb_fail(-errno, "%s: %s", segment->path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return sb_fail(-EINVAL, "%s is not a regular file; remove it", segment->path);
    }
    segment->bytes = (uint64_t)st.st_size;
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    segment->owner_uid = st.st_uid;
    segment->mode = st.st_mode & 07777;
    if (st.st_uid != geteuid() && !any_owner) {
        user_name(st.st_uid, owner, sizeof owner);
        return sb_fail(-SHMBUS_ERR_OWNER,
                       "%s belongs to %s and has mode %04o, but you are uid %u; if you trust them, "
                       "attach with SHMBUS_ATTACH_ANY_OWNER",
                       segment->path, owner, (unsigned)segment->mode, (unsigned)geteuid());
    }
    if (!any_owner && is_ours_by_name_alone(segment->fd, st.st_uid)) {
        return sb_fail(-SHMBUS_ERR_OWNER,
                       "%s belongs to a user who has no name in this user namespace (uid %u stands "
                       "for all of them, you included); if you trust them, attach with "
                       "SHMBUS_ATTACH_ANY_OWNER",
                       segment->path, (unsigned)st.st_uid);
    }
    return 0;
}

static int check_head(const struct sb_segment *segment)
{
    struct sb_super super;
    ssize_t n = pread(segment->fd, &super, sizeof super, 0);
    int r;

    if (n < 0) {
        return sb_fail(-errno, "%s cannot be read: %s", segment->path, strerror(errno));
    }
    if ((size_t)n < sizeof super) {
        return sb_fail(-SHMBUS_ERR_CORRUPT, "%s: %llu bytes are too few for a segment; remove it",
                       segment->path, (unsigned long long)segment->bytes);
    }
    r = sb_super_check(&super, segment->bytes, segment->read_only);
    return r < 0 ? sb_fail_prefix(r, "%s", segment->path) : 0;
}

/* A copy of a segment may have holes; touching one, if only by reading, makes a page of it, and is
 * a SIGBUS on a full file system. */
static bool has_holes(const struct sb_segment *segment)
{
    struct stat st;

    return fstat(segment->fd, &st) == 0 && (uint64_t)st.st_blocks * 512u < segment->bytes;
}

static int fill_holes(const struct sb_segment *segment)
{
    int e = 0;

    for (uint64_t done = 0; e == 0 && done < segment->bytes;) {
        uint64_t piece = piece_at(done, segment->bytes);
        e = allocate(segment->fd, done, piece);
        done += piece;
    }
    return e == 0
               ? 0
               : sb_fail(-e, "%s has holes that cannot be filled: %s", segment->path, strerror(e));
}

/* For an observer: memory of its own with what is in the file. Nobody works with such a file, or
 * its holes were filled. */
static int map_copy(struct sb_segment *segment)
{
    uint8_t *base = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    off_t end = (off_t)segment->bytes, at = 0;

    if (base == MAP_FAILED) {
        return sb_map_failed(segment->path, segment->bytes, errno);
    }
    while (at < end) {
        off_t data = lseek(segment->fd, at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(segment->fd, data, SEEK_HOLE);
        if (data < 0 && errno == ENXIO) {
            break; /* nothing but a hole is left */
        }
        at = data < 0 ? at : data;
        hole = hole < 0 || hole > end ? end : hole;
        ssize_t n = pread(segment->fd, base + at, (size_t)(hole - at), at);
        if (n <= 0) {
            munmap(base, segment->bytes);
            return sb_fail(-EIO, "%s cannot be read: %s", segment->path, strerror(errno));
        }
        at += n;
    }
    mprotect(base, segment->bytes, PROT_READ);
    segment->base = base;
    return 0;
}

static int map(struct sb_segment *segment)
{
    int prot = segment->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void *base = mmap(NULL, segment->bytes, prot, MAP_SHARED, segment->fd, 0);

    if (base == MAP_FAILED) {
        return sb_map_failed(segment->path, segment->bytes, errno);
    }
    segment->base = base;
    return 0;
}

/* `shmbusctl gc` has a lease on the file while it makes sure that nobody uses it. Then it is gone,
 * or free again. */
static int open_unleased(const char *path, int flags)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    int fd = open(path, flags);

    for (int naps = 0; fd < 0 && errno == EWOULDBLOCK && naps < LEASE_NAPS; naps++) {
        nanosleep(&nap, NULL);
        fd = open(path, flags);
    }
    return fd;
}

int sb_segment_open(const char *name, bool read_only, bool any_owner, struct sb_segment *ret,
                    struct sb_geometry **ret_geometry)
{
    struct sb_segment s = {.fd = -1, .read_only = read_only};
    int flags = (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int r = sb_segment_path(name, s.path, sizeof s.path, s.name);

    if (r < 0) {
        return r;
    }
    s.fd = sb_fd_above_standard(open_unleased(s.path, flags));
    if (s.fd < 0) {
        return cannot_open(s.path, errno);
    }
    r = check_file(&s, any_owner);
    if (r == 0) {
        r = check_head(&s);
    }
    if (r == 0 && has_holes(&s) && !read_only) {
        r = fill_holes(&s);
    }
    if (r == 0) {
        r = has_holes(&s) && read_only ? map_copy(&s) : map(&s);
    }
    if (r == 0) {
        r = sb_geometry_from_segment(s.base, s.bytes, ret_geometry);
        if (r < 0) {
            sb_fail_prefix(r, "%s", s.path);
        } else {
            keep_out_of_cores(s.base, *ret_geometry);
        }
    }
    if (r < 0) {
        sb_segment_close(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void sb_segment_close(struct sb_segment *segment)
{
    if (segment->base != NULL) {
        munmap(segment->base, segment->bytes);
        segment->base = NULL;
    }
    if (segment->fd >= 0) {
        close(segment->fd);
        segment->fd = -1;
    }
}
