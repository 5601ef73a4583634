/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about the locks of a segment: who is dead. The steps K1 to K3 and what they
 * prove are at the top of process.c, with those of the newcomers.
 */
#include "protocol/oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/error.h"
#include "protocol/anchor.h"

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
    oracle->fd =
        sb_fd_above_standard(open(oracle->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (oracle->fd >= 0 && !is_the_segment(oracle, oracle->fd)) {
        close(oracle->fd);
        oracle->fd = -1;
    }
}

void sb_oracle_take_over(struct sb_oracle *oracle, const struct sb_keeper *keeper)
{
    char link[64];

    snprintf(link, sizeof link, "/proc/self/task/%d/fd/%d", (int)sb_keeper_tid(keeper), oracle->fd);
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
    r = sb_byte_is_locked(q->oracle->fd, SB_LIVE_BASE + q->slot);
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
