/* SPDX-License-Identifier: MIT */
/*
 * `pid_file`: a daemon that runs already, started by somebody else, is taken over in place of a
 * start.
 *
 * A number in a file proves nothing: the process that had it may be gone, and another one may have
 * it by now. The daemon began before the file was written; a process that got the number later
 * began after that. So the start of the process is held against the time of the file, its program
 * against the command, and its user against the owner of the file. What does not fit is not taken
 * over, and is never sent a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "sup.h"
#include "usage.h"

#define CLOCK_SLACK_NS SUP_SECOND /* start times are told in hundredths, some files in seconds */

struct found {
    pid_t pid;
    uid_t owner; /* of the file */
    int64_t written_ns;
    int pidfd;
    uint64_t start_ticks;
    int64_t age_ns;
    bool foreign; /* it lives, and this user may not send it signals */
};

/* NULL, or why the file is of no use; *ret_there: there is one. */
static const char *read_file(const struct sup_program_spec *spec, struct found *f, bool *ret_there)
{
    int fd = open(spec->pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    char text[32] = "", *end;
    const char *why = NULL;
    struct stat file;
    ssize_t bytes;
    long number;

    *ret_there = fd >= 0 || errno != ENOENT;
    if (fd < 0) {
        return strerror(errno);
    }
    bytes = read(fd, text, sizeof text - 1);
    if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode)) {
        why = "it is no file";
    } else if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        why = "others than its owner may write to it";
    } else if (file.st_uid != 0 && file.st_uid != geteuid() && file.st_uid != spec->uid) {
        why = "it belongs to another user";
    }
    close(fd);
    number = strtol(text, &end, 10);
    if (why == NULL && (bytes <= 0 || end == text || (*end != 0 && *end != '\n') || number <= 1 ||
                        number > INT_MAX)) {
        why = "it has no process number in it";
    }
    f->pid = (pid_t)number;
    f->owner = file.st_uid;
    f->written_ns = (int64_t)file.st_mtim.tv_sec * SUP_SECOND + file.st_mtim.tv_nsec;
    return why;
}

static int64_t age_of(uint64_t start_ticks)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * SUP_SECOND + now.tv_nsec - sup_clock_offset_ns("boottime") -
           (int64_t)start_ticks * (SUP_SECOND / sysconf(_SC_CLK_TCK));
}

static bool is_same_path(const char *a, const char *b)
{
    char real_a[PATH_MAX], real_b[PATH_MAX];

    return realpath(a, real_a) != NULL && realpath(b, real_b) != NULL &&
           strcmp(real_a, real_b) == 0;
}

/* The file it was executed from, replaced meanwhile or not; or, for a script, one of the first
 * words of its command line. */
static bool runs_command(pid_t pid, const char *command)
{
    static const char deleted[] = " (deleted)";
    char exe[PATH_MAX], words[PATH_MAX];
    size_t bytes = sup_proc_link(pid, "exe", exe, sizeof exe), tail = sizeof deleted - 1;
    const char *word = words;

    if (bytes > tail && strcmp(exe + bytes - tail, deleted) == 0) {
        exe[bytes - tail] = 0;
    }
    if (bytes > 0 && is_same_path(exe, command)) {
        return true;
    }
    bytes = sup_proc_read(pid, "cmdline", words, sizeof words);
    for (int i = 0; i < 3 && word < words + bytes; i++) {
        if (word[0] == '/' && is_same_path(word, command)) {
            return true;
        }
        word += strlen(word) + 1;
    }
    return false;
}

/* NULL: it is the one; else why it is not. The pidfd comes first and is asked last: if it is alive
 * then, all that was read in between was about the same process. */
static const char *check_process(const struct sup_program *p, const struct sup_worker *w,
                                 struct found *f)
{
    char *command;
    const char *why = NULL;
    bool runs;

    f->pidfd = pidfd_open(f->pid, 0);
    if (f->pidfd < 0 || sup_is_zombie(f->pid)) {
        return "no such process lives";
    }
    f->start_ticks = sup_start_ticks(f->pid);
    f->age_ns = age_of(f->start_ticks);
    command = sup_find_command(w);
    runs = runs_command(f->pid, command);
    free(command);
    if (f->pid == getpid() || sup_worker_of_pid(p->s, f->pid) != NULL) {
        why = "that is a process of this supervisor";
    } else if (sup_realtime_ns() - f->age_ns > f->written_ns + CLOCK_SLACK_NS) {
        why = "the process with that number began after the file was written";
    } else if (pidfd_send_signal(f->pidfd, 0, NULL, 0) < 0 && errno == EPERM) {
        f->foreign = true;
        why = "this user may not control that process";
    } else if (!runs) {
        why = "the process with that number runs another program";
    } else if (f->owner != 0 && f->owner != geteuid() && sup_uid_of(f->pid) != f->owner) {
        why = "the process with that number is of another user than the file";
    }
    return pidfd_send_signal(f->pidfd, 0, NULL, 0) < 0 && errno != EPERM ? "no such process lives"
                                                                         : why;
}

static void take(struct sup_slot *slot, struct sup_worker *w, const struct found *f)
{
    struct sup *s = w->program->s;

    w->pid = f->pid;
    w->pidfd = f->pidfd;
    w->start_ticks = f->start_ticks;
    w->ours = sup_parent_of(f->pid) == getpid();
    w->told_to_go = true;
    w->state = SUP_READY;
    w->ready_ns = s->now_ns;
    w->started_ns = s->now_ns - f->age_ns;
    w->started_realtime_ns = sup_realtime_ns() - f->age_ns;
    slot->current = w;
    if (!w->ours) {
        sup_watch_death(w);
    }
    s->again = s->dirty = true;
    sup_event(s, w, "adopted", false, "%s pid %d, generation %u, instance %u: taken over from %s",
              w->program->name, w->pid, w->generation, w->index, w->spec->pid_file);
}

bool sup_take_over(struct sup_program *p, struct sup_slot *slot)
{
    const struct sup_program_spec *spec = sup_spec_program(slot->file, p->name);
    struct found f = {.pidfd = -1};
    struct sup_worker *w;
    const char *why;
    bool there;

    if (spec->pid_file == NULL) {
        return false;
    }
    why = read_file(spec, &f, &there);
    if (!there) {
        return false;
    }
    w = sup_worker_new(p, slot->file);
    w->index = (uint32_t)(slot - p->slots);
    w->generation = slot->generation;
    w->reason = slot->start_reason;
    if (why != NULL) {
        sup_event_of(p->s, p, "pid-file", true, "%s: %s: %s; it is not used, a process is started",
                     p->name, spec->pid_file, why);
    } else if ((why = check_process(p, w, &f)) != NULL) {
        sup_event_of(p->s, p, "pid-file", f.foreign,
                     "%s: %s says pid %d: %s; it is left alone, a process is started", p->name,
                     spec->pid_file, f.pid, why);
    } else {
        take(slot, w, &f);
        return true;
    }
    if (f.pidfd >= 0) {
        close(f.pidfd);
    }
    sup_worker_free(w);
    return false;
}
