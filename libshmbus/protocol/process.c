/* SPDX-License-Identifier: MIT */
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
 *   join                                       is it dead? (liveness.c)
 *   J0 w ACTIVE, by K1 to K3 of a dead:        K1 load w: ACTIVE(e)
 *      reclaim after it, without any lock      K2 ask the kernel: LIVE(s) not locked
 *   J1 lock JOIN(s); busy: next slot           K3 load w again: still ACTIVE(e)
 *   J2 load w; not FREE: unlock, next slot     -> incarnation e is dead, forever
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
 * then on only the holder of JOIN(s) makes it ACTIVE, which is itself (J4) or, if it is killed,
 * somebody after the kernel has dropped both. So a newcomer may stand still at any step, forever,
 * and no dead predecessor looks alive for it: with JOIN(s) alone it says nothing, with LIVE(s) the
 * predecessor is cleaned up after already (FREE). What is lost while it stands still is that slot
 * for other newcomers; the same holds for one that stands still between L1 and L2.
 * LIVE(s) busy at J3: the user of the slot is between L1 and L2.
 * Killed J0-J4: w is FREE, or at J0 to J2 still that of the dead; the locks are gone, nothing to
 * do. J5: dead. L1-L2: FREE.
 * Checked by: test/unit/test_process.c, test/unit/test_newcomer.c
 */
#include "protocol/process.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/here.h"
#include "base/inherit.h"
#include "layout/name.h"
#include "protocol/reclaim.h"

#define JOIN_BASE (SB_LIVE_BASE + SHMBUS_PROCESSES_MAX + 1)

/* A newcomer who finds no slot but one whose user is leaving waits so long for it. */
#define LEAVING_NS 100000000
#define LEAVING_PAUSE_NS 1000000

static void unlock_both(const struct sb_anchor *anchor, uint32_t slot)
{
    sb_anchor_unlock(anchor, SB_LIVE_BASE + slot);
    sb_anchor_unlock(anchor, JOIN_BASE + slot);
}

static void write_identity(struct sb_proc *proc, const char *name)
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
    write_identity(proc, name);
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
static bool clear_slot(const struct sb_view *view, struct sb_liveness *liveness, uint32_t slot)
{
    uint64_t w = sb_load_acquire(&view->processes[slot].w);

    if (sb_proc_state(w) == SB_PROC_FREE) {
        return true;
    }
    if (!sb_process_is_dead(view, liveness, slot, w)) {
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
        r = sb_anchor_lock(anchor, SB_LIVE_BASE + slot); /* J3 */
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
                     struct sb_liveness *liveness, bool only_free, const char *name,
                     struct sb_member *ret)
{
    for (uint32_t slot = 0; slot < view->process_count; slot++) {
        int r;
        if (only_free ? !is_free(view, slot) : !clear_slot(view, liveness, slot)) {
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
                     struct sb_liveness *liveness, const char *process_name, struct sb_member *ret)
{
    const struct timespec pause = {0, LEAVING_PAUSE_NS};
    int64_t deadline_ns = sb_now_ns() + LEAVING_NS;
    bool last = false;
    int r = try_slots(view, anchor, liveness, true, process_name, ret);

    /* All slots: one that was not free a moment ago may be now, and be passed over forever by who
     * looks at the others only. */
    while (r == -EAGAIN) {
        r = try_slots(view, anchor, liveness, false, process_name, ret);
        if (r != -EAGAIN || last || sb_now_ns() > deadline_ns) {
            break;
        }
        last = half_free(view) == 0; /* once more: other newcomers may have held a dead one's */
        nanosleep(&pause, NULL);
    }
    return r == -EAGAIN ? no_slot(view) : r;
}

static int join(const struct sb_view *view, struct sb_liveness *liveness, int segment_fd,
                const char *process_name, struct sb_member *ret)
{
    int r = sb_anchor_make(&ret->anchor, segment_fd, liveness->path);

    if (r < 0) {
        return r;
    }
    r = find_slot(view, &ret->anchor, liveness, process_name, ret);
    if (r < 0) {
        sb_anchor_drop(&ret->anchor);
        return r;
    }
    sb_anchor_close_fd(&ret->anchor); /* J5 */
    return 0;
}

int sb_process_join(const struct sb_view *view, struct sb_liveness *liveness, int segment_fd,
                    bool apart, const char *process_name, struct sb_member *ret)
{
    int r;

    if (!apart) {
        sb_inherit_hold();
    }
    r = join(view, liveness, segment_fd, process_name, ret);
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
