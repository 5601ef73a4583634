/* SPDX-License-Identifier: MIT */
/* The alert hook: any program, the event as JSON on its standard input, never waited for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sup.h"

enum { AT_ONCE = 8 };

struct sup_alert {
    pid_t pid; /* 0: free */
    int64_t limit_ns;
};

static struct sup_alert alerts[AT_ONCE];

static struct sup_alert *free_place(void)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (alerts[i].pid == 0) {
            return &alerts[i];
        }
    }
    return NULL;
}

static void alert_child(int in, char **command)
{
    sigset_t none;

    setpgid(0, 0);
    dup2(in, STDIN_FILENO);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvp(command[0], command);
    _exit(127);
}

/* An event is far smaller than a pipe: writing it never waits. */
void sup_alert(struct sup *s, const char *json)
{
    struct sup_alert *alert = free_place();
    char **command = s->file->alert_command;
    int pipe_fds[2];
    pid_t pid;

    if (command == NULL) {
        return;
    }
    if (alert == NULL || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        s->alerts_lost++;
        return;
    }
    if (write(pipe_fds[1], json, strlen(json)) < 0 || write(pipe_fds[1], "\n", 1) < 0) {
        s->alerts_lost++;
    }
    fcntl(pipe_fds[0], F_SETFL, 0);
    pid = fork();
    if (pid == 0) {
        alert_child(pipe_fds[0], command);
    }
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    if (pid > 0) {
        *alert =
            (struct sup_alert){.pid = pid, .limit_ns = sup_now_ns() + s->file->alert_timeout_ns};
    } else {
        s->alerts_lost++;
    }
}

void sup_alert_step(struct sup *s)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (alerts[i].pid == 0) {
            continue;
        }
        if (s->now_ns >= alerts[i].limit_ns) {
            kill(-alerts[i].pid, SIGKILL);
            kill(alerts[i].pid, SIGKILL);
        } else {
            sup_due(s, alerts[i].limit_ns);
        }
    }
}

bool sup_alert_runs(void)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (alerts[i].pid != 0) {
            return true;
        }
    }
    return false;
}

bool sup_alert_reap(pid_t pid)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (alerts[i].pid == pid) {
            alerts[i].pid = 0;
            return true;
        }
    }
    return false;
}
