/* SPDX-License-Identifier: MIT */
/*
 * Independent pieces of work, each in a process of its own, as many at a time as there are
 * processors. What a piece prints appears in the order of the pieces.
 */
#ifndef T_JOBS_H
#define T_JOBS_H

#include <stdbool.h>

/* Runs do_job(context, i) for 0 <= i < count; true from it is a failure, after which no more are
 * begun. Returns how many failed, those that died included. */
unsigned t_jobs_run(unsigned count, bool (*do_job)(void *context, unsigned i), void *context);

#endif
