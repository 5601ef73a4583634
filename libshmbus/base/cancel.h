/* SPDX-License-Identifier: MIT */
/*
 * No call is a cancellation point: a thread that ended in the middle of one would leave a mutex
 * locked, a descriptor open, or a message taken that nobody knows of. Where a call makes system
 * calls that are cancellation points, it puts a pending cancellation off until its caller's next.
 */
#ifndef SB_CANCEL_H
#define SB_CANCEL_H

#include <pthread.h>

static inline int sb_cancel_off(void)
{
    int state = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}

static inline void sb_cancel_back(int state)
{
    int off;
    pthread_setcancelstate(state, &off);
}

#endif
