/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about the locks of a segment: who is dead. The steps K1 to K3 and what they
 * prove are at the top of process.c, with those of the newcomers.
 */
#include "protocol/liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/error.h"
#include "protocol/anchor.h"

static bool is_the_segment(const struct sb_liveness *liveness, int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == liveness->device &&
           st.st_ino == liveness->inode;
}

int sb_liveness_open(struct sb_liveness *liveness, int segment_fd, const char *path)
{
    struct stat st;

    *liveness = (struct sb_liveness){.path = path, .fd = sb_reopen(segment_fd, path, O_RDONLY)};
    if (liveness->fd < 0 || fstat(liveness->fd, &st) < 0) {
        return sb_fail(-errno, "%s cannot be opened once more: %s", path, strerror(errno));
    }
    liveness->device = st.st_dev;
    liveness->inode = st.st_ino;
    return 0;
}

/* The number is one of the keeper's table, where only its end closes it. */
void sb_liveness_entrust(struct sb_liveness *liveness, struct sb_keeper *keeper)
{
    liveness->keeper = keeper;
}

static void open_by_name(struct sb_liveness *liveness)
{
    liveness->fd =
        sb_fd_above_standard(open(liveness->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (liveness->fd >= 0 && !is_the_segment(liveness, liveness->fd)) {
        close(liveness->fd);
        liveness->fd = -1;
    }
}

void sb_liveness_take_over(struct sb_liveness *liveness, const struct sb_keeper *keeper)
{
    char link[64];

    snprintf(link, sizeof link, "/proc/self/task/%d/fd/%d", (int)sb_keeper_tid(keeper),
             liveness->fd);
    liveness->fd = sb_fd_above_standard(open(link, O_RDONLY | O_CLOEXEC));
    if (liveness->fd < 0) {
        open_by_name(liveness); /* no /proc. If that fails, it is tried again with each question */
    }
}

struct sb_liveness sb_liveness_of_keeper(const struct sb_liveness *liveness)
{
    struct sb_liveness own = *liveness;
    own.keeper = NULL;
    return own;
}

void sb_liveness_close(struct sb_liveness *liveness)
{
    if (liveness->keeper == NULL &&
        is_the_segment(liveness, liveness->fd)) { /* not closed for us */
        close(liveness->fd);
    }
    liveness->fd = -1;
}

/* In the application's table: it may close descriptors that it does not know (closefrom), and the
 * number may be another file by now. */
static bool liveness_is_ready(struct sb_liveness *liveness)
{
    if (is_the_segment(liveness, liveness->fd)) {
        return true;
    }
    open_by_name(liveness);
    return liveness->fd >= 0;
}

struct question {
    struct sb_liveness *liveness;
    uint32_t slot;
    int locked;      /* the answer that is hoped for */
    struct stat *st; /* what is asked for instead, if not NULL */
};

/* 0: LIVE(s) is as hoped for, or the answer is there. Any doubt is not 0. */
static int answer(void *argument)
{
    const struct question *q = argument;
    int r;

    if (!liveness_is_ready(q->liveness)) {
        return 1;
    }
    if (q->st != NULL) {
        return fstat(q->liveness->fd, q->st) == 0 ? 0 : 1;
    }
    r = sb_byte_is_locked(q->liveness->fd, SB_LIVE_BASE + q->slot);
    return r == q->locked && is_the_segment(q->liveness, q->liveness->fd) ? 0 : 1;
}

static bool ask(struct sb_liveness *liveness, uint32_t slot, int locked, struct stat *st)
{
    struct sb_liveness own;
    struct question q = {liveness, slot, locked, st};
    int state = sb_cancel_off(); /* the caller has a mutex */
    int r;

    if (liveness->keeper == NULL) {
        r = answer(&q);
    } else {
        own = sb_liveness_of_keeper(liveness);
        q.liveness = &own;
        r = sb_keeper_do(liveness->keeper, answer, &q);
    }
    sb_cancel_back(state);
    return r == 0;
}

bool sb_liveness_stat(struct sb_liveness *liveness, struct stat *ret)
{
    return ask(liveness, 0, 0, ret);
}

bool sb_liveness_works(struct sb_liveness *liveness, uint32_t slot)
{
    return ask(liveness, slot, 1, NULL);
}

bool sb_process_is_dead(const struct sb_view *view, struct sb_liveness *liveness, uint32_t slot,
                        uint64_t w)
{
    struct sb_proc *proc = &view->processes[slot];

    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_load_acquire(&proc->w) != w) { /* K1 */
        return false;
    }
    if (!ask(liveness, slot, 0, NULL)) { /* K2 */
        return false;
    }
    return sb_load_acquire(&proc->w) == w; /* K3 */
}
