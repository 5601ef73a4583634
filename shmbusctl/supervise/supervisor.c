/* SPDX-License-Identifier: MIT */
/* The life of a supervisor: what is opened in which order, and closed again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ctl.h"
#include "memory.h"
#include "sockets.h"
#include "sup.h"

enum {
    LEFT_OVER_ROUNDS = 200,
    TERM_EACH_ROUNDS = 50,
    KILL_ROUNDS = 500,
    ALERT_ROUNDS = 500
}; /* of 10 ms */

/* Listening sockets from who has them: this process before its exec, systemd, living workers (those
 * were asked while they were taken over); the rest is bound now. */
static int open_sockets(struct sup *s)
{
    const char *kept = getenv("SHMBUS_SUPERVISE_FDS"), *pid = getenv("LISTEN_PID");

    while (kept != NULL && *kept != 0) {
        char *end;
        int fd = (int)strtol(kept, &end, 10);

        if (end == kept || *end != ' ') {
            break;
        }
        if (!sup_sockets_offer(s, fd)) {
            close(fd);
        }
        kept = end + 1;
    }
    if (pid != NULL && strtol(pid, NULL, 10) == getpid()) {
        sup_sockets_inherit(s, getenv("LISTEN_FDS"));
    }
    unsetenv("SHMBUS_SUPERVISE_FDS");
    unsetenv("SHMBUS_SUPERVISE_LOCK");
    return sup_sockets_open(s, s->file);
}

static void add_programs(struct sup *s)
{
    for (size_t i = 0; i < s->file->program_count; i++) {
        sup_program_add(s, s->file, s->file->programs[i].name);
    }
}

static int open_all(struct sup *s)
{
    int code = sup_dir_open(s);

    if (code != CTL_DONE) {
        return code;
    }
    code = sup_log_open(s, s->file);
    if (code == CTL_DONE) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        add_programs(s);
        sup_state_adopt(s);
        code = open_sockets(s);
    }
    if (code == CTL_DONE) {
        code = sup_control_open(s);
    }
    if (code == CTL_DONE) {
        sup_bus_open(s);
        sup_up_init(s);
        sup_groups_make(s);
        sup_state_groups(s);
        sup_event_of(s, NULL, "begin", false, "supervisor pid %d of bus %s, from %s%s", getpid(),
                     s->file->bus, s->path, s->adopted ? ", taking over" : "");
    }
    return code;
}

/* Processes that left their group and were handed to us by the kernel. */
static void signal_children(int number)
{
    char path[64], text[4096], *at = text;
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    bytes = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    text[bytes > 0 ? bytes : 0] = 0;
    for (char *end; *at != 0; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);

        if (end == at) {
            break;
        }
        kill(pid, number);
    }
}

/* What it had to say last should arrive: a mail takes its time. */
static void finish_alerts(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    pid_t pid;

    for (int i = 0; i < ALERT_ROUNDS && sup_alert_runs(); i++) {
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
            sup_alert_reap(pid);
        }
        nanosleep(&pause, NULL);
    }
}

/* The death of one may give us its children, so the signals are sent again to who is there then. */
static void end_left_overs(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (int i = 0; i < LEFT_OVER_ROUNDS + KILL_ROUNDS; i++) {
        if (i >= LEFT_OVER_ROUNDS) {
            signal_children(SIGKILL);
        } else if (i % TERM_EACH_ROUNDS == 0) {
            signal_children(SIGTERM);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (waitpid(-1, NULL, WNOHANG) < 0) {
            return; /* nobody is left */
        }
        nanosleep(&pause, NULL);
    }
}

static void close_all(struct sup *s, bool owner)
{
    if (s->control.fd >= 0) {
        sup_control_close(s);
    }
    while (s->program_count > 0) {
        sup_program_free(s->programs[--s->program_count]);
    }
    for (size_t i = 0; i < s->group_count; i++) {
        free(s->groups[i].members);
    }
    sup_leftovers_close(s);
    sup_sockets_close(s, owner);
    sup_bus_close(s);
    sup_unwatch(s, &s->signals);
    if (owner) {
        sup_dir_remove(s);
    }
    for (size_t i = 0; i < SUP_RECENT; i++) {
        free(s->recent[i]);
    }
    free(s->groups);
    free(s->programs);
    free(s->said_status);
    free(s->dir);
    free(s->path);
    sup_spec_drop(s->file);
    close(s->epoll);
    free(s);
}

int sup_main(struct sup_spec *file)
{
    struct sup *s = sup_zalloc(sizeof *s);
    char absolute[PATH_MAX];
    int code;

    s->file = file;
    s->path = sup_strdup(realpath(file->path, absolute) != NULL ? absolute : file->path);
    s->dir = sup_dir_of_bus(file->bus);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->signals.fd = s->control.fd = s->command.fd = s->lock_fd = -1;
    s->log_fd = STDERR_FILENO;
    s->now_ns = s->started_ns = sup_now_ns();
    code = open_all(s);
    if (code == CTL_DONE) {
        code = sup_run(s);
        sup_event_of(s, NULL, "end", false, "all programs are stopped");
        finish_alerts();
        end_left_overs();
        close_all(s, true);
    } else {
        close_all(s, s->lock_fd >= 0 && !s->adopted); /* workers of before are left to the next */
    }
    return code;
}
