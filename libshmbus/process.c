/*
 * Who is alive
 *
 * Every slot has two bytes, far beyond the end of the file, for open-file-description locks.
 * LIVE(s) is held by a process for as long as it is attached, and says "alive"; JOIN(s) keeps
 * newcomers apart, and says nothing. The kernel drops both when the last reference to that open
 * file goes, which is a mapping (anchor.c): no descriptor is left that somebody could close, no
 * child inherits it, and exec and exit end it. So LIVE(s) says "alive"
 * through SIGSTOP, debuggers and containers, and never of a zombie.
 *
 *   join                                       is it dead?
 *   J0 w ACTIVE, by K1 to K3 of a dead:        K1 load w: ACTIVE(e)
 *      reclaim after it, without any lock      K2 ask the kernel: LIVE(s) not locked
 *   J1 lock JOIN(s); busy: next slot           K3 load w again: still ACTIVE(e)
 *   J2 load w; not FREE: unlock, next slot     -> incarnation e is dead, for ever
 *   J3 lock LIVE(s); busy: unlock, next slot
 *   J4 identity; cas w FREE(e) -> ACTIVE(e)
 *   J5 close the descriptor (anchor.c: T6)
 *   leave
 *   L1 everything given back; cas w ACTIVE(e) -> FREE(e+1)
 *   L2 unmap: both locks go
 *
 * LIVE(s) is held during all of ACTIVE(e). Seeing ACTIVE(e) before and after an instant without it
 * therefore means that its holder lost the lock without leaving. The kernel tears down a dying
 * process's memory before its files: after the lock is gone it writes nothing more.
 *
 * Nobody ever holds LIVE(s) while w is another's ACTIVE: J3 comes after J2 found FREE, and from
 * then on only the holder of JOIN(s) makes it ACTIVE, which is he himself (J4) or, if he is killed,
 * somebody after the kernel has dropped both. So a newcomer may stand still at any step, for ever,
 * and no dead predecessor looks alive for it: with JOIN(s) alone it says nothing, with LIVE(s) the
 * predecessor is cleaned up after already (FREE). What is lost while it stands still is that slot
 * for other newcomers; the same holds for one that stands still between L1 and L2.
 * LIVE(s) busy at J3: the user of the slot is between L1 and L2.
 * Killed J0-J4: w is FREE, or at J0 to J2 still that of the dead; the locks are gone, nothing to
 * do. J5: dead. L1-L2: FREE.
 * Checked by: test/unit/test_process.c, test/unit/test_newcomer.c
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cancel.h"
#include "clock.h"
#include "error.h"
#include "inherit.h"
#include "name.h"
#include "reclaim.h"

/* Locks need no bytes to exist: these lie beyond the end of any segment. */
#define LIVE_BASE (1ll << 62)
#define JOIN_BASE (LIVE_BASE + SHMBUS_PROCESSES_MAX + 1)

/* A newcomer who finds no slot but one whose user is leaving waits so long for it. */
#define LEAVING_NS 100000000
#define LEAVING_PAUSE_NS 1000000

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

    *oracle = (struct sb_oracle){.path = path, .fd = sb_reopen(segment_fd, path, O_RDONLY)};
    if (oracle->fd < 0 || fstat(oracle->fd, &st) < 0) {
        return sb_fail(-errno, "%s cannot be opened once more: %s", path, strerror(errno));
    }
    oracle->device = st.st_dev;
    oracle->inode = st.st_ino;
    return 0;
}

/* The number is one of the keeper's table, where only its end closes it. */
void sb_oracle_entrust(struct sb_oracle *oracle, struct sb_keeper *keeper)
{
    oracle->keeper = keeper;
}

static void open_by_name(struct sb_oracle *oracle)
{
    oracle->fd = sb_fd_above_standard(
        open(oracle->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (oracle->fd >= 0 && !is_the_segment(oracle, oracle->fd)) {
        close(oracle->fd);
        oracle->fd = -1;
    }
}

void sb_oracle_take_over(struct sb_oracle *oracle, const struct sb_keeper *keeper)
{
    char link[64];

    snprintf(link, sizeof link, "/proc/self/task/%d/fd/%d", (int)sb_keeper_tid(keeper),
             oracle->fd);
    oracle->fd = sb_fd_above_standard(open(link, O_RDONLY | O_CLOEXEC));
    if (oracle->fd < 0) {
        open_by_name(oracle); /* no /proc. If that fails, it is tried again with each question */
    }
}

struct sb_oracle sb_oracle_of_keeper(const struct sb_oracle *oracle)
{
    struct sb_oracle own = *oracle;
    own.keeper = NULL;
    return own;
}

void sb_oracle_close(struct sb_oracle *oracle)
{
    if (oracle->keeper == NULL && is_the_segment(oracle, oracle->fd)) { /* not closed for us */
        close(oracle->fd);
    }
    oracle->fd = -1;
}

/* In the application's table: it may close descriptors that it does not know (closefrom), and the
 * number may be another file by now. */
static bool oracle_is_ready(struct sb_oracle *oracle)
{
    if (is_the_segment(oracle, oracle->fd)) {
        return true;
    }
    open_by_name(oracle);
    return oracle->fd >= 0;
}

struct question {
    struct sb_oracle *oracle;
    uint32_t slot;
    int locked;      /* the answer that is hoped for */
    struct stat *st; /* what is asked for instead, if not NULL */
};

/* 0: LIVE(s) is as hoped for, or the answer is there. Any doubt is not 0. */
static int answer(void *argument)
{
    const struct question *q = argument;
    int r;

    if (!oracle_is_ready(q->oracle)) {
        return 1;
    }
    if (q->st != NULL) {
        return fstat(q->oracle->fd, q->st) == 0 ? 0 : 1;
    }
    r = sb_byte_is_locked(q->oracle->fd, LIVE_BASE + q->slot);
    return r == q->locked && is_the_segment(q->oracle, q->oracle->fd) ? 0 : 1;
}

static bool ask(struct sb_oracle *oracle, uint32_t slot, int locked, struct stat *st)
{
    struct sb_oracle own;
    struct question q = {oracle, slot, locked, st};
    int state = sb_cancel_off(); /* the caller has a mutex */
    int r;

    if (oracle->keeper == NULL) {
        r = answer(&q);
    } else {
        own = sb_oracle_of_keeper(oracle);
        q.oracle = &own;
        r = sb_keeper_do(oracle->keeper, answer, &q);
    }
    sb_cancel_back(state);
    return r == 0;
}

bool sb_oracle_stat(struct sb_oracle *oracle, struct stat *ret)
{
    return ask(oracle, 0, 0, ret);
}

bool sb_oracle_works(struct sb_oracle *oracle, uint32_t slot)
{
    return ask(oracle, slot, 1, NULL);
}

bool sb_process_is_dead(const struct sb_view *view, struct sb_oracle *oracle, uint32_t slot,
                        uint64_t w)
{
    struct sb_proc *proc = &view->processes[slot];

    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_load_acquire(&proc->w) != w) { /* K1 */
        return false;
    }
    if (!ask(oracle, slot, 0, NULL)) { /* K2 */
        return false;
    }
    return sb_load_acquire(&proc->w) == w; /* K3 */
}

/* --------------------------------------------------------------------------------- joining */

static void unlock_both(const struct sb_anchor *anchor, uint32_t slot)
{
    sb_anchor_unlock(anchor, LIVE_BASE + slot);
    sb_anchor_unlock(anchor, JOIN_BASE + slot);
}

static void introduce(struct sb_proc *proc, const char *name)
{
    struct sb_here here = sb_here();
    uint64_t now = (uint64_t)here.now_ns;

    sb_store_relaxed(&proc->pid, (uint64_t)getpid());
    sb_store_relaxed(&proc->pid_namespace, here.pid_namespace);
    sb_store_relaxed(&proc->time_namespace, here.time_namespace);
    sb_store_relaxed(&proc->clock_offset_ns, (uint64_t)here.clock_offset_ns);
    sb_store_relaxed(&proc->start_time_ticks, sb_start_time_ticks(0));
    sb_store_relaxed(&proc->uid, (uint64_t)geteuid());
    sb_store_relaxed(&proc->attached_ns, now);
    sb_store_relaxed(&proc->heartbeat_ns, now);
    sb_store_relaxed(&proc->progress, 0);
    sb_store_relaxed(&proc->region_waits, 0);
    sb_name_store(proc->name, name);
}

static bool is_free(const struct sb_view *view, uint32_t slot)
{
    return sb_proc_state(sb_load_acquire(&view->processes[slot].w)) == SB_PROC_FREE;
}

/* J4 with both of the slot's locks held. */
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

/* J0: true unless somebody living has the slot. */
static bool clear_slot(const struct sb_view *view, struct sb_oracle *oracle, uint32_t slot)
{
    uint64_t w = sb_load_acquire(&view->processes[slot].w);

    if (sb_proc_state(w) == SB_PROC_FREE) {
        return true;
    }
    if (!sb_process_is_dead(view, oracle, slot, w)) {
        return false;
    }
    if (sb_reclaim_slot(view, slot, w)) {
        sb_fetch_add(&view->super->recoveries, 1);
    }
    return true;
}

/* Takes @slot if nobody has it. 0; -EAGAIN: not this one; -errno. */
static int try_slot(const struct sb_view *view, const struct sb_anchor *anchor, uint32_t slot,
                    const char *name, struct sb_member *member)
{
    int r = sb_anchor_lock(anchor, JOIN_BASE + slot); /* J1 */

    if (r < 0) {
        return r;
    }
    r = is_free(view, slot) ? 0 : -EAGAIN; /* J2 */
    if (r == 0) {
        r = sb_anchor_lock(anchor, LIVE_BASE + slot); /* J3 */
    }
    if (r == 0 && !enter_slot(view, slot, name, member)) {
        r = -EAGAIN;
    }
    if (r < 0) {
        unlock_both(anchor, slot);
    }
    return r;
}

/* Tries every slot, or those alone that nobody left in a mess. -EAGAIN if all are taken. */
static int try_slots(const struct sb_view *view, const struct sb_anchor *anchor,
                     struct sb_oracle *oracle, bool only_free, const char *name,
                     struct sb_member *ret)
{
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        int r;
        if (only_free ? !is_free(view, slot) : !clear_slot(view, oracle, slot)) {
            continue;
        }
        r = try_slot(view, anchor, slot, name, ret);
        if (r == -EAGAIN) {
            continue;
        }
        return r == 0 ? 0 : sb_fail(r, "slot %u cannot be locked: %s", slot, strerror(-r));
    }
    return -EAGAIN;
}

/* Slots that are FREE and could not be had: their users are about to let them go. */
static uint32_t half_free(const struct sb_view *view)
{
    uint32_t n = 0;

    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        n += is_free(view, slot);
    }
    return n;
}

static int no_slot(const struct sb_view *view)
{
    uint32_t halves = half_free(view);

    if (halves > 0) {
        return sb_fail(-SHMBUS_ERR_TOO_MANY,
                       "all %u process slots are in use; %u of them by a process that stands still "
                       "in the middle of its attach or detach",
                       view->process_count, halves);
    }
    return sb_fail(-SHMBUS_ERR_TOO_MANY,
                   "all %u process slots are in use by living processes; create the bus with more "
                   "(`processes`)",
                   view->process_count);
}

/* A free slot, or in the end one that a dead process left. */
static int find_slot(const struct sb_view *view, const struct sb_anchor *anchor,
                     struct sb_oracle *oracle, const char *process_name, struct sb_member *ret)
{
    const struct timespec pause = { 0, LEAVING_PAUSE_NS };
    int64_t deadline_ns = sb_now_ns() + LEAVING_NS;
    bool last = false;
    int r = try_slots(view, anchor, oracle, true, process_name, ret);

    /* All slots: one that was not free a moment ago may be now, and be passed over for ever by who
     * looks at the others only. */
    while (r == -EAGAIN) {
        r = try_slots(view, anchor, oracle, false, process_name, ret);
        if (r != -EAGAIN || last || sb_now_ns() > deadline_ns) {
            break;
        }
        last = half_free(view) == 0; /* once more: other newcomers may have held a dead one's */
        nanosleep(&pause, NULL);
    }
    return r == -EAGAIN ? no_slot(view) : r;
}

static int join(const struct sb_view *view, struct sb_oracle *oracle, int segment_fd,
                const char *process_name, struct sb_member *ret)
{
    int r = sb_anchor_make(&ret->anchor, segment_fd, oracle->path);

    if (r < 0) {
        return r;
    }
    r = find_slot(view, &ret->anchor, oracle, process_name, ret);
    if (r < 0) {
        sb_anchor_drop(&ret->anchor);
        return r;
    }
    sb_anchor_close_fd(&ret->anchor); /* J5 */
    return 0;
}

int sb_process_join(const struct sb_view *view, struct sb_oracle *oracle, int segment_fd,
                    bool apart, const char *process_name, struct sb_member *ret)
{
    int r;

    if (!apart) {
        sb_inherit_hold();
    }
    r = join(view, oracle, segment_fd, process_name, ret);
    if (!apart) {
        sb_inherit_release();
    }
    return r;
}

void sb_process_leave(const struct sb_view *view, struct sb_member *member)
{
    uint64_t active = sb_proc_word(member->epoch, SB_PROC_ACTIVE);

    sb_cas(&view->processes[member->slot].w, active,
           sb_proc_word(member->epoch + 1u, SB_PROC_FREE)); /* L1, unless reclaiming did it */
    sb_anchor_drop(&member->anchor);                        /* L2 */
}

void sb_process_beat(const struct sb_view *view, const struct sb_member *member)
{
    sb_store_relaxed(&view->processes[member->slot].heartbeat_ns, (uint64_t)sb_now_ns());
}
