/* SPDX-License-Identifier: MIT */
/*
 * The lock that no child gets
 *
 * An open-file-description lock lasts until the last reference to its open file goes. The reference
 * must be a mapping (a descriptor may be closed by the application; a thread's private table may go
 * while other threads can still write), and a child made by fork() must not get it, or the dead
 * parent would be alive for as long as the child. MADV_DONTFORK sees to that, but only once it was
 * called: a fork() by another thread between mmap() and madvise() copies the mapping, there is no
 * call that makes both at once, nor a handler that a raw clone() would run. So a canary is put up
 * before and taken down after:
 *
 * *   T1 take a descriptor table of its own (keeper.c): no child copies a descriptor of this thread
 *   T2 canary: open, lock a byte that nobody else uses, map the page; close
 *   T3 anchor: open, map, MADV_DONTFORK
 *   T4 unmap the canary
 *   T5 ask about the canary's byte. Locked: a child made between T2 and T4 has its page, and
 *      perhaps the anchor's: unmap, close, once more from T2 with another byte
 *   T6 nobody else has the anchor, and nobody will: lock what is to be locked; close
 *
 * Whoever has a copy of the anchor's page got it between mmap() and madvise() of T3, and with it
 * that of the canary, whose open file only its page refers to: unmapping ours leaves theirs.
 * Children that end or exec meanwhile have neither. Nothing is locked by the anchor before T6, so a
 * try that is given up leaves nothing behind but the canary's lock, for as long as such a child
 * lives; it says nothing to anybody, and the next one takes another byte.
 * Killed T1-T5: the kernel drops it all; children keep a page and the lock of a canary. T6: as the
 * caller says.
 * vfork(), posix_spawn() and clone(CLONE_VM) do not copy the memory, they share it: such a child
 * keeps its parent alive, rightly, as it can still write.
 *
 * Without a table of its own (no thread, or unshare() is refused) the descriptor of T3 is copied by
 * forks, too; the caller then holds up the C library's fork() until it is closed, and a raw clone()
 * is not held up.
 * Checked by: test/unit/test_anchor.c
 */
#include "protocol/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/error.h"
#include "base/inherit.h"

/* Far beyond the end of any file, like the bytes of process.c, and below those. */
#define CANARY_BASE (1ll << 61)
#define CANARIES (1ll << 40)
#define TRIES 10000u

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* ------------------------------------------------------------------------------- descriptors */

int sb_fd_above_standard(int fd)
{
    int above = fd;
    int e;

    if (fd >= 0 && fd <= STDERR_FILENO) {
        above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        e = errno;
        close(fd);
        errno = e;
    }
    return above;
}

static bool is_same_file(int a, int b)
{
    struct stat x;
    struct stat y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int open_by_name(const char *path, int flags, int fd)
{
    int copy = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (copy >= 0 && !is_same_file(copy, fd)) {
        close(copy);
        copy = -1;
        errno = ESTALE;
    }
    return copy;
}

/* By its name, which is three times as fast; by its descriptor, whatever its name is by now. */
int sb_reopen(int fd, const char *path, int flags)
{
    char link[48];
    int copy = open_by_name(path, flags, fd);
    int e = errno;

    if (copy < 0) {
        snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
        copy = open(link, flags | O_CLOEXEC);
        if (copy < 0 && (errno == ENOENT || errno == ENOTDIR)) { /* no /proc */
            errno = e;
            return -1;
        }
    }
    return sb_fd_above_standard(copy);
}

/* -------------------------------------------------------------------------------------- locks */

static struct flock one_byte(int64_t byte, short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int sb_anchor_lock(const struct sb_anchor *anchor, int64_t byte)
{
    struct flock lock = one_byte(byte, F_WRLCK);

    if (fcntl(anchor->fd, F_OFD_SETLK, &lock) == 0) {
        return 0;
    }
    return errno == EACCES ? -EAGAIN : -errno;
}

void sb_anchor_unlock(const struct sb_anchor *anchor, int64_t byte)
{
    struct flock lock = one_byte(byte, F_UNLCK);
    fcntl(anchor->fd, F_OFD_SETLK, &lock);
}

int sb_byte_is_locked(int fd, int64_t byte)
{
    struct flock lock = one_byte(byte, F_WRLCK);

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0) {
        return -errno;
    }
    return lock.l_type != F_UNLCK;
}

/* ----------------------------------------------------------------------------------- the page */

static unsigned long long kib(uint64_t bytes)
{
    return (bytes + 1023) / 1024;
}

int sb_map_failed(const char *path, uint64_t bytes, int error)
{
    struct rlimit limit;

    if (error == EAGAIN && getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        return sb_fail(-ENOMEM,
                       "%s needs %llu KiB, but this process locks its memory (mlockall) and may "
                       "lock %llu KiB in all (RLIMIT_MEMLOCK); raise that (ulimit -l) or plan "
                       "less",
                       path, kib(bytes), kib(limit.rlim_cur));
    }
    if (error == ENOMEM && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        return sb_fail(-ENOMEM,
                       "%s needs %llu KiB, but this process may map %llu KiB in all (RLIMIT_AS); "
                       "raise that (ulimit -v), or plan less",
                       path, kib(bytes), kib(limit.rlim_cur));
    }
    return sb_fail(error == EAGAIN ? -ENOMEM : -error, "%s cannot be mapped: %s", path,
                   strerror(error));
}

static void *map_page(int fd)
{
    void *page = mmap(NULL, page_bytes(), PROT_NONE, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

void sb_anchor_close_fd(struct sb_anchor *anchor)
{
    if (anchor->fd >= 0) {
        close(anchor->fd);
        anchor->fd = -1;
    }
}

void sb_anchor_drop(struct sb_anchor *anchor)
{
    if (anchor->page != NULL) {
        sb_inherit_forget(anchor->page);
        munmap(anchor->page, page_bytes());
        anchor->page = NULL;
    }
    sb_anchor_close_fd(anchor);
}

/* A number that no other canary has is found by trying: whoever has it, has locked it. */
static int64_t next_canary(void)
{
    static sb_word last;
    uint64_t n = sb_fetch_add(&last, 1);
    return CANARY_BASE + (int64_t)((((uint64_t)getpid() << 16) + n) % CANARIES);
}

/* T2. The page, NULL with errno; EDEADLK: somebody has locked all bytes there are. */
static void *put_up_canary(int segment_fd, const char *path, int64_t *ret_byte)
{
    struct sb_anchor canary = {sb_reopen(segment_fd, path, O_RDWR), NULL};
    int e, r = -EAGAIN;

    if (canary.fd < 0) {
        return NULL;
    }
    for (uint32_t n = 0; n < TRIES && r == -EAGAIN; n++) {
        *ret_byte = next_canary();
        r = sb_anchor_lock(&canary, *ret_byte);
    }
    errno = r == -EAGAIN ? EDEADLK : -r;
    if (r == 0) {
        canary.page = map_page(canary.fd);
    }
    e = errno;
    sb_anchor_close_fd(&canary);
    errno = e;
    return canary.page;
}

/* T2 to T5 once. 0; -EBUSY: a child may have it; -errno. */
static int try_anchor(struct sb_anchor *anchor, int segment_fd, const char *path)
{
    int64_t byte = 0;
    void *canary = put_up_canary(segment_fd, path, &byte);
    int r;

    if (canary == NULL) {
        return -errno;
    }
    anchor->fd = sb_reopen(segment_fd, path, O_RDWR); /* T3 */
    if (anchor->fd >= 0) {
        anchor->page = map_page(anchor->fd);
    }
    r = anchor->page == NULL ? -errno : 0;
    if (r == 0) {
        sb_inherit_not(anchor->page, page_bytes(), SB_INHERIT_DROP);
    }
    munmap(canary, page_bytes()); /* T4 */
    if (r == 0) {
        r = sb_byte_is_locked(anchor->fd, byte); /* T5 */
    }
    if (r > 0) {
        r = -EBUSY;
    }
    if (r < 0) {
        sb_anchor_drop(anchor);
    }
    return r;
}

static int no_anchor(const char *path, int error)
{
    switch (error) {
    case EAGAIN:
    case ENOMEM:
        return sb_map_failed(path, page_bytes(), error);
    case EBUSY:
        return sb_fail(-EBUSY, "%s: other threads of this process fork all the time", path);
    case EDEADLK:
        return sb_fail(-EBUSY,
                       "%s: a process that is no member of the bus has locks on all of it; "
                       "`fuser -v %s` lists who has it open",
                       path, path);
    case EMFILE:
        return sb_fail(-EMFILE, "%s needs 3 descriptors; raise RLIMIT_NOFILE (ulimit -n)", path);
    case ENFILE:
        return sb_fail(-ENFILE, "%s: the system has no descriptor left; raise fs.file-max", path);
    case EINVAL:
    case EPERM:
    case ENOSYS:
        return sb_fail(-error,
                       "%s cannot be locked: %s; this kernel or sandbox refuses F_OFD_SETLK, by "
                       "which a death is known",
                       path, strerror(error));
    default:
        return sb_fail(-error, "%s cannot be opened once more: %s", path, strerror(error));
    }
}

int sb_anchor_make(struct sb_anchor *ret, int segment_fd, const char *path)
{
    int r = -EBUSY;

    *ret = (struct sb_anchor){-1, NULL};
    for (uint32_t n = 0; n < TRIES && r == -EBUSY; n++) {
        r = try_anchor(ret, segment_fd, path);
    }
    return r < 0 ? no_anchor(path, -r) : 0;
}
