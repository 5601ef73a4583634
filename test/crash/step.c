/* SPDX-License-Identifier: MIT */
#include "step.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void t_step_mark(void)
{
    raise(SIGSTOP);
}

bool t_step_start(struct t_step *s, void (*main)(void *), void *argument)
{
    int status = 0;

    *s = (struct t_step){.pid = fork()};
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        main(argument);
        _exit(0);
    }
    if (s->pid < 0) {
        return false;
    }
    while (waitpid(s->pid, &status, 0) == s->pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGSTOP) {
            return true;
        }
        ptrace(PTRACE_CONT, s->pid, NULL, (long)WSTOPSIG(status)); /* SIGCHLD and the like */
    }
    return false;
}

bool t_step_go(struct t_step *s, uint64_t count)
{
    int status = 0;

    while (count > 0 && !s->finished) {
        if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) < 0 ||
            waitpid(s->pid, &status, 0) != s->pid || !WIFSTOPPED(status)) {
            return false;
        }
        if (WSTOPSIG(status) == SIGSTOP) {
            s->finished = true;
            break;
        }
        s->steps++;
        count--;
    }
    return count == 0;
}

/* Whether the child has stopped or ended; polls, as waitpid has no timeout. */
static bool wait_some(pid_t pid, int *status, unsigned seconds)
{
    struct timespec pause = {0, 50000};
    for (uint64_t n = 0; n < (uint64_t)seconds * 20000u; n++) {
        pid_t r = waitpid(pid, status, WNOHANG);
        if (r != 0) {
            return r == pid;
        }
        nanosleep(&pause, NULL); /* between two looks: waitpid() has no time limit */
    }
    return false;
}

bool t_step_resume(struct t_step *s, unsigned seconds)
{
    int status = 0;

    if (s->finished) {
        return true;
    }
    if (ptrace(PTRACE_CONT, s->pid, NULL, NULL) < 0 || !wait_some(s->pid, &status, seconds)) {
        return false;
    }
    s->finished = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
    return s->finished;
}

void t_step_kill(struct t_step *s)
{
    int status = 0;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, &status, 0);
}
