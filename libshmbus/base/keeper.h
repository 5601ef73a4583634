/* SPDX-License-Identifier: MIT */
/*
 * A thread of the library with a descriptor table of its own: for what must not be in the table
 * that the application's threads share.
 */
#ifndef SB_KEEPER_H
#define SB_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct sb_keeper;

/* Starts the thread and has it do a first job, as sb_keeper_do() would. NULL: there is no thread to
 * be had, and the caller's has done it. */
struct sb_keeper *sb_keeper_start(int (*job)(void *), void *argument, int *ret_result);

/* Ends the thread and with it its descriptors. NULL is fine. In a forked child: frees memory. */
void sb_keeper_stop(struct sb_keeper *keeper);

/* The same in two parts: what is done between them, is done while the thread ends. */
void sb_keeper_tell_to_stop(struct sb_keeper *keeper);

/* Whether its table holds nothing but what jobs opened, so that it may stay for long. */
bool sb_keeper_is_private(const struct sb_keeper *keeper);

/* Whether what the calling job opens, other threads' forks cannot copy. */
bool sb_keeper_is_here(void);

/* For a path below /proc/self/task. */
pid_t sb_keeper_tid(const struct sb_keeper *keeper);

/* Runs @job in the thread and returns its result, with its sentence (error.h) if that is negative;
 * one job at a time. Without a keeper (NULL) in the calling thread. In a forked child, whose parent
 * has the thread, -SHMBUS_ERR_FORKED. */
int sb_keeper_do(struct sb_keeper *keeper, int (*job)(void *), void *argument);

/* Another thread with the application's signals blocked; called in a job, it shares the keeper's
 * descriptor table. 0 or a positive error number. */
int sb_thread_start(pthread_t *ret_thread, void *(*thread_main)(void *), void *argument);

#ifdef SB_TEST
/* No threads: everything happens in the caller's, where the crash stepper is. */
extern bool sb_keeper_refused;
#endif

#endif
