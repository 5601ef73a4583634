/* SPDX-License-Identifier: MIT */
/*
 * What a dead worker has left outside of its process group (by setsid(2)): the kernel has given it
 * to us, the nearest subreaper, when its parents were dead. It is told to go, and killed when the
 * grace is over. Only who is proved to be of that worker: a child of ours that is none of the
 * others, with SHMBUS_WORKER of that worker in its environment. Who has cleared that ends with the
 * supervisor. A program with a pid file is one that leaves its real self behind: nothing of it is
 * touched.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "memory.h"
#include "sup.h"
#include "usage.h"

enum { CHILDREN_BYTES = 65536, ENVIRONMENT_BYTES = 65536 };

struct sup_leftover {
    pid_t pid;
    int pidfd;
    char *name; /* of the program */
    uint64_t serial;
    int64_t kill_ns, grace_ns;
    bool killed;
    struct sup_leftover *next;
};

static bool is_known(const struct sup *s, pid_t pid)
{
    for (const struct sup_leftover *left = s->leftovers; left != NULL; left = left->next) {
        if (left->pid == pid) {
            return true;
        }
    }
    for (size_t i = 0; i < s->program_count; i++) {
        for (const struct sup_worker *w = s->programs[i]->workers; w != NULL; w = w->next) {
            if ((w->pid == pid && !w->dead) || w->probe.pid == pid) {
                return true;
            }
        }
    }
    return false;
}

static bool is_of(pid_t pid, uint64_t serial)
{
    char *words = sup_zalloc(ENVIRONMENT_BYTES),
         *wanted = sup_printf("SHMBUS_WORKER=%d.%ju", getpid(), (uintmax_t)serial);
    size_t bytes = sup_proc_read(pid, "environ", words, ENVIRONMENT_BYTES);
    bool found = false;

    for (size_t at = 0; at < bytes && !found; at += strlen(words + at) + 1) {
        found = strcmp(words + at, wanted) == 0;
    }
    free(words);
    free(wanted);
    return found;
}

static void tell(struct sup *s, const char *name, pid_t pid, uint64_t serial, int64_t grace_ns)
{
    struct sup_leftover *left = sup_zalloc(sizeof *left);

    *left = (struct sup_leftover){.pid = pid,
                                  .pidfd = pidfd_open(pid, 0),
                                  .name = sup_strdup(name),
                                  .serial = serial,
                                  .kill_ns = sup_now_ns() + grace_ns,
                                  .grace_ns = grace_ns,
                                  .next = s->leftovers};
    if (left->pidfd < 0) {
        free(left->name);
        free(left);
        return;
    }
    s->leftovers = left;
    pidfd_send_signal(left->pidfd, SIGTERM, NULL, 0);
    pidfd_send_signal(left->pidfd, SIGCONT, NULL, 0);
    sup_event_of(s, NULL, "left-over", false,
                 "SIGTERM to pid %d, which a worker of %s has left behind", pid, name);
    s->again = true;
}

/* @group: of the worker, which is being killed already. */
static void look(struct sup *s, const char *name, pid_t group, uint64_t serial, int64_t grace_ns)
{
    char path[64], *text = sup_zalloc(CHILDREN_BYTES), *at = text;
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    bytes = fd >= 0 ? read(fd, text, CHILDREN_BYTES - 1) : 0;
    close(fd);
    text[bytes > 0 ? bytes : 0] = 0;
    for (char *end; *at != 0; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);

        if (end == at) {
            break;
        }
        if (!is_known(s, pid) && getpgid(pid) != group && is_of(pid, serial)) {
            tell(s, name, pid, serial, grace_ns);
        }
    }
    free(text);
}

void sup_leftovers_of(const struct sup_worker *w)
{
    if (w->spec->pid_file == NULL && w->ours) {
        look(w->program->s, w->program->name, w->pid, w->serial, w->spec->stop_grace_ns);
    }
}

bool sup_leftover_reap(struct sup *s, pid_t pid)
{
    for (struct sup_leftover **link = &s->leftovers; *link != NULL; link = &(*link)->next) {
        struct sup_leftover *left = *link;

        if (left->pid == pid) {
            *link = left->next;
            close(left->pidfd);
            /* What it has left in its turn. */
            look(s, left->name, 0, left->serial, left->grace_ns);
            free(left->name);
            free(left);
            return true;
        }
    }
    return false;
}

void sup_leftovers_step(struct sup *s)
{
    for (struct sup_leftover *left = s->leftovers; left != NULL; left = left->next) {
        if (!left->killed && s->now_ns >= left->kill_ns) {
            left->killed = true;
            pidfd_send_signal(left->pidfd, SIGKILL, NULL, 0);
        } else if (!left->killed) {
            sup_due(s, left->kill_ns);
        }
    }
}

void sup_leftovers_close(struct sup *s)
{
    while (s->leftovers != NULL) {
        struct sup_leftover *left = s->leftovers;

        s->leftovers = left->next;
        close(left->pidfd);
        free(left->name);
        free(left);
    }
}
