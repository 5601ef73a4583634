/* SPDX-License-Identifier: MIT */
/* A child process that is run one machine instruction at a time. */
#ifndef T_STEP_H
#define T_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct t_step {
    pid_t pid;
    uint64_t steps;
    bool finished; /* reached t_step_mark() for the second time */
};

/* Forks; the child runs @main, which calls t_step_mark() where the stepping begins and again where
 * it ends. Returns when the child stands at the first mark. */
bool t_step_start(struct t_step *s, void (*main)(void *), void *argument);
void t_step_mark(void);

/* Up to @count instructions further; false when it ended before (finished or died). */
bool t_step_go(struct t_step *s, uint64_t count);

/* Lets it run freely to the second mark; false if it does not get there within @seconds. */
bool t_step_resume(struct t_step *s, unsigned seconds);

/* SIGKILL, and waits for its end. */
void t_step_kill(struct t_step *s);

#endif
