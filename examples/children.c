/* SPDX-License-Identifier: MIT */
/* See children.h. */
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "task.h"

#define MS ((int64_t)1000000)
#define END_LIMIT_NS (3000 * MS)

struct arguments {
    char path[4160], tasks[16], workers[16], work_ms[16];
};

bool children_find_programs(struct children *children, const char *argv0)
{
    char *bin = children->bin, *slash;

    if (strchr(argv0, '/') != NULL && strlen(argv0) < sizeof children->bin) {
        task_text(bin, sizeof children->bin, argv0);
    } else {
        ssize_t length = readlink("/proc/self/exe", bin, sizeof children->bin - 1);
        if (length < 0)
            return false;
        bin[length] = 0;
    }
    slash = strrchr(bin, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    return true;
}

/* The child's half of children_start(). */
static void become(const struct children *children, const struct child *child,
                   const struct arguments *a, pid_t parent)
{
    /* the parent may have gone before this call */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(PROGRAM_FAILED);
    if (child->coordinator)
        execl(a->path, "coordinator", "--bus", children->bus_name, "--tasks", a->tasks, "--workers",
              a->workers, "--plain", (char *)NULL);
    else
        execl(a->path, "worker", "--bus", children->bus_name, "--name", child->name, "--work-ms",
              a->work_ms, (char *)NULL);
    fprintf(stderr, "demo: cannot run %s: %s\n", a->path, strerror(errno));
    _exit(127);
}

struct child *children_start(struct children *children, const char *program, const char *name)
{
    struct child *child = &children->list[children->count];
    struct arguments a;
    pid_t parent = getpid();

    if (children->count == CHILDREN_MAX) {
        program_fail(0, "cannot start %s: too many processes", name);
        return NULL;
    }
    snprintf(a.path, sizeof a.path, "%s/%s", children->bin, program);
    snprintf(a.tasks, sizeof a.tasks, "%ld", children->tasks);
    snprintf(a.workers, sizeof a.workers, "%ld", children->workers);
    snprintf(a.work_ms, sizeof a.work_ms, "%ld", children->work_ms);
    memset(child, 0, sizeof *child);
    task_text(child->name, sizeof child->name, name);
    child->coordinator = strcmp(program, "coordinator") == 0;
    fflush(stdout);
    child->pid = fork();
    if (child->pid == 0)
        become(children, child, &a, parent);
    if (child->pid < 0) {
        program_fail(0, "cannot start %s: %s", name, strerror(errno));
        return NULL;
    }
    children->count++;
    return child;
}

static bool left_properly(const struct child *child)
{
    if (child->killed)
        return WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGKILL;
    if (child->dismissed && WIFSIGNALED(child->status))
        return WTERMSIG(child->status) == SIGTERM; /* before it could catch it */
    return WIFEXITED(child->status) && WEXITSTATUS(child->status) == PROGRAM_OK;
}

int children_reap(struct children *children)
{
    for (int i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        if (child->gone || waitpid(child->pid, &child->status, WNOHANG) != child->pid)
            continue;
        child->gone = true;
        if (left_properly(child))
            continue;
        if (WIFSIGNALED(child->status))
            return program_fail(0, "%s (pid %d) died of signal %d", child->name, (int)child->pid,
                                WTERMSIG(child->status));
        return program_fail(0, "%s (pid %d) failed with exit code %d", child->name, (int)child->pid,
                            WEXITSTATUS(child->status));
    }
    return PROGRAM_OK;
}

struct child *children_coordinator(struct children *children)
{
    for (int i = children->count - 1; i >= 0; i--)
        if (children->list[i].coordinator)
            return &children->list[i];
    return NULL;
}

bool children_gone(const struct children *children, bool but_replacements)
{
    for (int i = 0; i < children->count; i++) {
        const struct child *child = &children->list[i];
        if (!child->gone && !(but_replacements && child->replacement))
            return false;
    }
    return true;
}

void children_end(struct children *children)
{
    int64_t limit_ns = program_now_ns() + END_LIMIT_NS;

    for (int i = 0; i < children->count; i++) {
        if (children->list[i].gone)
            continue;
        kill(children->list[i].pid, SIGTERM);
        kill(children->list[i].pid, SIGCONT);
    }
    for (int i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        while (!child->gone) {
            child->gone = waitpid(child->pid, &child->status, WNOHANG) != 0;
            if (child->gone)
                break;
            if (program_now_ns() > limit_ns)
                kill(child->pid, SIGKILL);
            program_sleep_ns(MS);
        }
    }
}
