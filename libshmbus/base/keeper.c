/* SPDX-License-Identifier: MIT */
/*
 * The keeper
 *
 * A descriptor in the application's table can be inherited by a fork() in any other thread, closed
 * by closefrom(), reused for another file, and, as number 1 or 2 of a program that was started
 * without them, written to by a printf(). So what the library opens, it opens in this thread, which
 * has left that table (close_range with CLOSE_RANGE_UNSHARE: nothing is copied, so that no pipe or
 * socket of the application is kept open either). The thread stays as long as the bus is attached,
 * holds the one descriptor by which the kernel is asked about the others, and sleeps; whatever the
 * process does to its descriptors, its root directory, its user or the name of the segment, that
 * one stays. Threads that a job starts share the table.
 *
 * Where the kernel refuses that, but not unshare(), the table is a copy: good for the moment of an
 * attach, but it must not stay, since it keeps the application's files open. Where it refuses both,
 * or there is no thread to be had, jobs run without that protection.
 *
 *   caller                                keeper
 *   job, argument; turn = JOB; wake       sleeps while turn is IDLE or DONE
 *   sleeps while turn is JOB              runs it; result; turn = DONE; wake
 */
#include "base/keeper.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "base/atomic.h"
#include "base/error.h"

#ifndef SYS_close_range /* glibc has a function for it since 2.34, musl has none */
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2u
#endif
#define STACK_BYTES (256u * 1024u)

/* Sanitizers report from this thread, too. */
#ifdef SB_DEBUG
#define FIRST_CLOSED 3
#else
#define FIRST_CLOSED 0
#endif

enum { IDLE = 0, JOB = 1, DONE = 2, STOP = 3 };

struct sb_keeper {
    pthread_t thread;
    pid_t pid; /* whose thread it is */
    pid_t tid;
    bool is_private;      /* the table is its own, and was empty */
    pthread_mutex_t lock; /* one job at a time */
    sb_word32 turn;
    int (*job)(void *);
    void *argument;
    int result;
    char detail[512];
};

#ifdef SB_TEST
bool sb_keeper_refused;
#endif

static __thread bool is_apart; /* this thread's table is its own, perhaps as a copy */

static void wait_while(sb_word32 *word, uint32_t value)
{
    syscall(SYS_futex, &word->v, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void give_turn(sb_word32 *word, uint32_t value)
{
    sb_store32_release(word, value);
    syscall(SYS_futex, &word->v, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ------------------------------------------------------------------------------- in the thread */

/* Leaves the process's descriptor table. */
static void leave_table(struct sb_keeper *keeper)
{
    prctl(PR_SET_NAME, "shmbus-keeper", 0, 0, 0);
    keeper->tid = (pid_t)syscall(SYS_gettid);
#if defined(CLOSE_RANGE_UNSHARE) && !defined(SB_TSAN) /* TSan takes equal numbers for one file */
    keeper->is_private = syscall(SYS_close_range, FIRST_CLOSED, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0;
    is_apart = keeper->is_private || unshare(CLONE_FILES) == 0;
#endif
}

static void *keeper_main(void *argument)
{
    struct sb_keeper *keeper = argument;

    leave_table(keeper);
    for (;;) {
        uint32_t turn = sb_load32_acquire(&keeper->turn);
        if (turn == STOP) {
            return NULL;
        }
        if (turn != JOB) {
            wait_while(&keeper->turn, turn);
            continue;
        }
        keeper->result = keeper->job(keeper->argument);
        if (keeper->result < 0) {
            strncpy(keeper->detail, shmbus_detail(), sizeof keeper->detail - 1);
        }
        give_turn(&keeper->turn, DONE);
    }
}

/* ---------------------------------------------------------------------------------- its caller */

/* The application's signals are for its own threads. */
int sb_thread_start(pthread_t *ret_thread, void *(*thread_main)(void *), void *argument)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t old;
    int e;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    e = pthread_create(ret_thread, &attributes, thread_main, argument);
    if (e == EINVAL) { /* a program with much thread-local data needs more stack */
        e = pthread_create(ret_thread, NULL, thread_main, argument);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return e;
}

/* The first job is there when the thread is: nobody is woken for it. */
static struct sb_keeper *start(int (*job)(void *), void *argument)
{
    struct sb_keeper *keeper;

#ifdef SB_TSAN /* no table of its own there, and no threads in a child of a program with threads */
    return NULL;
#endif
#ifdef SB_TEST
    if (sb_keeper_refused) {
        return NULL;
    }
#endif
    keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return NULL;
    }
    keeper->pid = getpid();
    keeper->job = job;
    keeper->argument = argument;
    sb_store32_release(&keeper->turn, JOB);
    pthread_mutex_init(&keeper->lock, NULL);
    if (sb_thread_start(&keeper->thread, keeper_main, keeper) != 0) {
        pthread_mutex_destroy(&keeper->lock);
        free(keeper);
        return NULL;
    }
    return keeper;
}

/* The end of the job that is under way. */
static int await(struct sb_keeper *keeper)
{
    while (sb_load32_acquire(&keeper->turn) == JOB) {
        wait_while(&keeper->turn, JOB);
    }
    if (keeper->result < 0) {
        sb_sentence("%s", keeper->detail);
    }
    return keeper->result;
}

struct sb_keeper *sb_keeper_start(int (*job)(void *), void *argument, int *ret_result)
{
    struct sb_keeper *keeper = start(job, argument);

    *ret_result = keeper == NULL ? job(argument) : await(keeper);
    return keeper;
}

void sb_keeper_tell_to_stop(struct sb_keeper *keeper)
{
    if (keeper != NULL && getpid() == keeper->pid) {
        give_turn(&keeper->turn, STOP);
    }
}

void sb_keeper_stop(struct sb_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    if (getpid() == keeper->pid) {
        if (sb_load32_acquire(&keeper->turn) != STOP) {
            give_turn(&keeper->turn, STOP);
        }
        pthread_join(keeper->thread, NULL);
    }
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

bool sb_keeper_is_private(const struct sb_keeper *keeper)
{
    return keeper->is_private;
}

bool sb_keeper_is_here(void)
{
    return is_apart;
}

pid_t sb_keeper_tid(const struct sb_keeper *keeper)
{
    return keeper->tid;
}

int sb_keeper_do(struct sb_keeper *keeper, int (*job)(void *), void *argument)
{
    int r;

    if (keeper == NULL) {
        return job(argument);
    }
    if (getpid() != keeper->pid) {
        return sb_fail(-SHMBUS_ERR_FORKED, "the handle is the parent's; attach again");
    }
    pthread_mutex_lock(&keeper->lock);
    keeper->job = job;
    keeper->argument = argument;
    give_turn(&keeper->turn, JOB);
    r = await(keeper);
    pthread_mutex_unlock(&keeper->lock);
    return r;
}
