/* SPDX-License-Identifier: MIT */
/*
 * Coroutines: a switch is a dozen instructions where that is written down, ucontext elsewhere.
 */
#ifndef T_COROUTINE_H
#define T_COROUTINE_H

#define T_STACK_BYTES (128u * 1024u)

#if defined(__x86_64__)
struct t_coroutine {
    void *sp;
};
#else
#include <ucontext.h>
struct t_coroutine {
    ucontext_t context;
};
#endif

/* @entry never returns. */
void t_coroutine_make(struct t_coroutine *co, void *stack, void (*entry)(void));
void t_coroutine_switch(struct t_coroutine *from, struct t_coroutine *to);

#endif
