/*
 * Who is alive
 *
 * A process holds an open-file-description lock on the byte of its slot for as long as it is
 * attached. The kernel drops the lock when the last reference to that open file goes, which is the
 * mapping made here: no descriptor is left that somebody could close, the mapping is not inherited
 * by fork(), and exec and exit end it. So the lock says "alive" through SIGSTOP, debuggers and
 * containers, and never of a zombie.
 *
 *   join                                       is it dead?
 *   J1 lock byte of the slot                   K1 load w: ACTIVE(e)
 *   J2 map the file, close the descriptor      K2 ask the kernel: byte not locked
 *   J3 w still ACTIVE: let go of the lock,     K3 load w again: still ACTIVE(e)
 *      reclaim after the dead, once more J1
 *   J4 identity; cas w FREE(e) -> ACTIVE(e)    -> incarnation e is dead, for ever
 *   leave
 *   L1 everything given back; cas w ACTIVE(e) -> FREE(e+1)
 *   L2 unmap: the lock goes
 *
 * The lock is held during all of ACTIVE(e). Seeing ACTIVE(e) before and after an instant without a
 * lock therefore means that its holder lost the lock without leaving. The kernel tears down a dying
 * process's memory before its files: after the lock is gone it writes nothing more.
 * A newcomer does not reclaim under the lock: stopped there it would make the dead look alive.
 * Killed J1-J4: w is FREE, or before J3 still that of the dead; the lock is gone, nothing to do.
 * L1-L2: FREE.
 * Checked by: test/unit/test_process.c
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "name.h"
#include "reclaim.h"

/* Locks need no bytes to exist: these lie beyond the end of any segment. */
#define LOCK_BASE (1ll << 62)

/* A newcomer who finds no slot but one whose user is leaving waits so long for it. */
#define LEAVING_NS 100000000
#define LEAVING_PAUSE_NS 1000000

static struct flock lock_of(uint32_t slot)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BASE + slot, .l_len = 1};
}

/* Another open file description of the same file, whatever its name is by now. */
static int reopen(int fd, int flags)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}

/* -------------------------------------------------------------------------------------- oracle */

static bool is_the_segment(const struct sb_oracle *oracle, int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == oracle->device &&
           st.st_ino == oracle->inode;
}

int sb_oracle_open(struct sb_oracle *oracle, int segment_fd, const char *path)
{
    struct stat st;

    oracle->path = path;
    oracle->fd = reopen(segment_fd, O_RDONLY);
    if (oracle->fd < 0 || fstat(oracle->fd, &st) < 0) {
        return sb_fail(-errno, "%s cannot be opened through /proc/self/fd: %s", path,
                       strerror(errno));
    }
    oracle->device = st.st_dev;
    oracle->inode = st.st_ino;
    return 0;
}

void sb_oracle_close(struct sb_oracle *oracle)
{
    if (is_the_segment(oracle, oracle->fd)) { /* somebody may have closed it for us */
        close(oracle->fd);
    }
    oracle->fd = -1;
}

/* The application may close descriptors that it does not know (closefrom), and the number may be
 * another file by now. */
static bool oracle_is_ready(struct sb_oracle *oracle)
{
    if (is_the_segment(oracle, oracle->fd)) {
        return true;
    }
    oracle->fd = open(oracle->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (is_the_segment(oracle, oracle->fd)) {
        return true;
    }
    if (oracle->fd >= 0) {
        close(oracle->fd);
        oracle->fd = -1;
    }
    return false;
}

bool sb_process_is_dead(const struct sb_view *view, struct sb_oracle *oracle, uint32_t slot,
                        uint64_t w)
{
    struct flock lock = lock_of(slot);
    struct sb_proc *proc = &view->processes[slot];

    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_load_acquire(&proc->w) != w) { /* K1 */
        return false;
    }
    if (!oracle_is_ready(oracle) || fcntl(oracle->fd, F_OFD_GETLK, &lock) < 0 ||
        lock.l_type != F_UNLCK || !is_the_segment(oracle, oracle->fd)) { /* K2 */
        return false;
    }
    return sb_load_acquire(&proc->w) == w; /* K3 */
}

enum shmbus_life sb_process_life(const struct sb_view *view, struct sb_oracle *oracle,
                                 uint32_t slot, uint64_t w, int64_t now_ns)
{
    int64_t beat = (int64_t)sb_load_relaxed(&view->processes[slot].heartbeat_ns);

    if (sb_process_is_dead(view, oracle, slot, w)) {
        return SHMBUS_DEAD;
    }
    /* now - beat might overflow: beat is whatever the segment says. */
    return beat < now_ns - view->heartbeat_timeout_ns ? SHMBUS_STALLED : SHMBUS_ALIVE;
}

/* --------------------------------------------------------------------------------- joining */

/* J1, J2. NULL with errno EAGAIN if a living process has the slot. */
static void *hold_slot(int segment_fd, uint32_t slot)
{
    struct flock lock = lock_of(slot);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = reopen(segment_fd, O_RDWR);
    void *anchor = MAP_FAILED;
    int e;

    if (fd < 0) {
        return NULL;
    }
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        anchor = mmap(NULL, page, PROT_NONE, MAP_SHARED, fd, 0);
    } else if (errno == EACCES) {
        errno = EAGAIN;
    }
    if (anchor != MAP_FAILED && madvise(anchor, page, MADV_DONTFORK) < 0) {
        munmap(anchor, page);
        anchor = MAP_FAILED;
    }
    e = errno;
    close(fd);
    errno = e;
    return anchor == MAP_FAILED ? NULL : anchor;
}

static void release_slot(void *anchor)
{
    munmap(anchor, (size_t)sysconf(_SC_PAGESIZE));
}

/* Field 22 of /proc/PID/stat; the name in field 2 may contain anything, so count from its end. */
uint64_t sb_start_time_ticks(pid_t pid)
{
    char text[1024];
    char path[40];
    ssize_t n;
    const char *p;
    int fd;

    if (pid == 0) {
        snprintf(path, sizeof path, "/proc/self/stat");
    } else {
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = 0;
    p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    return p == NULL ? 0 : strtoull(p, NULL, 10);
}

uint64_t sb_own_pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void introduce(struct sb_proc *proc, const char *name)
{
    uint64_t now = (uint64_t)sb_now_ns();

    sb_store_relaxed(&proc->pid, (uint64_t)getpid());
    sb_store_relaxed(&proc->pid_namespace, sb_own_pid_namespace());
    sb_store_relaxed(&proc->start_time_ticks, sb_start_time_ticks(0));
    sb_store_relaxed(&proc->uid, (uint64_t)geteuid());
    sb_store_relaxed(&proc->attached_ns, now);
    sb_store_relaxed(&proc->heartbeat_ns, now);
    sb_store_relaxed(&proc->progress, 0);
    sb_name_store(proc->name, name);
}

/* J4 with the slot's lock held. */
static bool enter_slot(const struct sb_view *view, uint32_t slot, const char *name,
                       struct sb_member *member)
{
    struct sb_proc *proc = &view->processes[slot];
    uint64_t w = sb_load_acquire(&proc->w);

    if (sb_proc_state(w) != SB_PROC_FREE) {
        return false;
    }
    introduce(proc, name);
    if (!sb_cas(&proc->w, w, sb_proc_word(sb_proc_epoch(w), SB_PROC_ACTIVE))) {
        return false;
    }
    member->slot = slot;
    member->epoch = sb_proc_epoch(w);
    member->owner = sb_owner_make(slot, member->epoch);
    member->owner64 = sb_owner64_make(slot, member->epoch);
    sb_fetch_add(&view->super->attach_seq, 1);
    return true;
}

/* Takes @slot if nobody living has it. 0; -EAGAIN: not this one; -errno. */
static int try_slot(const struct sb_view *view, int segment_fd, uint32_t slot, const char *name,
                    struct sb_member *member)
{
    void *anchor = hold_slot(segment_fd, slot);
    uint64_t w;

    if (anchor == NULL) {
        return -errno;
    }
    w = sb_load_acquire(&view->processes[slot].w);
    if (sb_proc_state(w) == SB_PROC_ACTIVE) { /* J3: nobody has the lock but we, so it is dead */
        release_slot(anchor);
        if (sb_reclaim_slot(view, slot, w)) {
            sb_fetch_add(&view->super->recoveries, 1);
        }
        anchor = hold_slot(segment_fd, slot);
        if (anchor == NULL) {
            return -errno;
        }
    }
    if (!enter_slot(view, slot, name, member)) {
        release_slot(anchor);
        return -EAGAIN;
    }
    member->anchor = anchor;
    return 0;
}

static bool is_free(const struct sb_view *view, uint32_t slot)
{
    return sb_proc_state(sb_load_acquire(&view->processes[slot].w)) == SB_PROC_FREE;
}

/* Tries every slot, or those alone that nobody left in a mess. -EAGAIN if all are taken. */
static int try_slots(const struct sb_view *view, int segment_fd, bool only_free, const char *name,
                     struct sb_member *ret)
{
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        int r;
        if (only_free && !is_free(view, slot)) {
            continue;
        }
        r = try_slot(view, segment_fd, slot, name, ret);
        if (r == -EAGAIN) {
            continue;
        }
        return r == 0 ? 0 : sb_fail(r, "slot %u cannot be locked: %s", slot, strerror(-r));
    }
    return -EAGAIN;
}

/* A slot may be FREE and locked: its user is about to let it go. */
static bool somebody_leaves(const struct sb_view *view)
{
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        if (is_free(view, slot)) {
            return true;
        }
    }
    return false;
}

int sb_process_join(const struct sb_view *view, int segment_fd, const char *process_name,
                    struct sb_member *ret)
{
    const struct timespec pause = { 0, LEAVING_PAUSE_NS };
    int64_t deadline_ns = sb_now_ns() + LEAVING_NS;
    bool last = false;
    int r = try_slots(view, segment_fd, true, process_name, ret);

    /* All slots: one that was not free a moment ago may be now, and be passed over for ever by who
     * looks at the others only. */
    while (r == -EAGAIN) {
        r = try_slots(view, segment_fd, false, process_name, ret);
        if (r != -EAGAIN || last || sb_now_ns() > deadline_ns) {
            break;
        }
        last = !somebody_leaves(view); /* once more: other newcomers may have held a dead one's */
        nanosleep(&pause, NULL);
    }
    if (r != -EAGAIN) {
        return r;
    }
    return sb_fail(-SHMBUS_ERR_TOO_MANY,
                   "all %u process slots are in use by living processes; create the bus with more "
                   "(`processes`)",
                   view->process_count);
}

void sb_process_leave(const struct sb_view *view, struct sb_member *member)
{
    uint64_t active = sb_proc_word(member->epoch, SB_PROC_ACTIVE);

    sb_cas(&view->processes[member->slot].w, active,
           sb_proc_word(member->epoch + 1u, SB_PROC_FREE)); /* L1, unless reclaiming did it */
    release_slot(member->anchor);                           /* L2 */
    member->anchor = NULL;
}

void sb_process_beat(const struct sb_view *view, const struct sb_member *member)
{
    sb_store_relaxed(&view->processes[member->slot].heartbeat_ns, (uint64_t)sb_now_ns());
}
