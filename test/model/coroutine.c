/* SPDX-License-Identifier: MIT */
#include "coroutine.h"

#include <stdint.h>

#if defined(__x86_64__)

/* Saves what a callee must keep and the stack pointer, and the other way round. */
void t_coroutine_jump(void **save, void *load);
__asm__(".text\n"
        ".p2align 4\n"
        ".globl t_coroutine_jump\n"
        ".type t_coroutine_jump, @function\n"
        "t_coroutine_jump:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size t_coroutine_jump, . - t_coroutine_jump\n");

void t_coroutine_make(struct t_coroutine *co, void *stack, void (*entry)(void))
{
    uintptr_t *top = (uintptr_t *)(void *)((char *)stack + T_STACK_BYTES);
    *--top = 0; /* as if entry had been called: the stack is off by 8 from 16 */
    *--top = (uintptr_t)entry;
    for (int i = 0; i < 6; i++) {
        *--top = 0;
    }
    co->sp = top;
}

void t_coroutine_switch(struct t_coroutine *from, struct t_coroutine *to)
{
    t_coroutine_jump(&from->sp, to->sp);
}

#else

void t_coroutine_make(struct t_coroutine *co, void *stack, void (*entry)(void))
{
    getcontext(&co->context);
    co->context.uc_stack.ss_sp = stack;
    co->context.uc_stack.ss_size = T_STACK_BYTES;
    co->context.uc_link = NULL;
    makecontext(&co->context, entry, 0);
}

void t_coroutine_switch(struct t_coroutine *from, struct t_coroutine *to)
{
    swapcontext(&from->context, &to->context);
}

#endif
