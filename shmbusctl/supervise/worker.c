/* SPDX-License-Identifier: MIT */
/* One process, from its start to its end. What its end means for the slot is program.c's matter. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "memory.h"
#include "sup.h"
#include "usage.h"

const char *const sup_state_names[] = {"starting", "ready", "stopping"};

struct sup_worker *sup_worker_new(struct sup_program *p, struct sup_spec *file)
{
    struct sup_worker *w = sup_zalloc(sizeof *w);

    w->program = p;
    w->file = sup_spec_take(file);
    w->spec = sup_spec_program(file, p->name);
    w->serial = ++p->s->serial;
    w->death.fd = w->start.fd = w->notify.fd = w->pidfd = -1;
    w->started_ns = sup_now_ns();
    w->started_realtime_ns = sup_realtime_ns();
    w->limit_ns = w->started_ns + w->spec->ready.deadline_ns;
    w->probe.next_ns = w->started_ns;
    w->next = p->workers;
    p->workers = w;
    p->s->dirty = true;
    return w;
}

void sup_worker_free(struct sup_worker *w)
{
    struct sup *s = w->program->s;
    struct sup_worker **link = &w->program->workers;

    while (*link != w) {
        link = &(*link)->next;
    }
    *link = w->next;
    sup_probe_end(w);
    sup_notify_close(w);
    sup_unwatch(s, &w->start);
    sup_unwatch(s, &w->death);
    if (w->pidfd >= 0) {
        close(w->pidfd);
    }
    sup_spec_drop(w->file);
    free(w->status);
    free(w->start_error);
    free(w);
    s->dirty = true;
}

struct sup_worker *sup_worker_of_pid(const struct sup *s, pid_t pid)
{
    for (size_t i = 0; i < s->program_count; i++) {
        for (struct sup_worker *w = s->programs[i]->workers; w != NULL; w = w->next) {
            if (w->pid == pid && !w->dead) {
                return w;
            }
        }
    }
    return NULL;
}

/* By pidfd: a pid that is used again is never hit. */
static void send_signal(const struct sup_worker *w, int number, bool group)
{
    if (w->dead || w->pidfd < 0) {
        return;
    }
    if (!group || pidfd_send_signal(w->pidfd, 0, NULL, 0) < 0 || kill(-w->pid, number) < 0) {
        pidfd_send_signal(w->pidfd, number, NULL, 0);
    } /* else it lives, or is an unreaped child: the number of the group was still its own */
}

static void say_stop(const struct sup_worker *w, int number)
{
    sup_event(w->program->s, w, "stop", false, "SIG%s to pid %d of %s: %s", sigabbrev_np(number),
              w->pid, w->program->name, sup_reason_names[w->stop_reason]);
}

/* Later, by sup_worker_tell(): who is told to go before it is written down would be taken over as
 * one that stays by the successor of a supervisor killed in between. */
static void signal_later(struct sup_worker *w, int number, bool group)
{
    w->signal_due = number;
    w->signal_group = group;
    w->program->s->dirty = w->program->s->again = true;
}

bool sup_worker_tell(struct sup_worker *w)
{
    int number = w->signal_due;

    if (number == 0) {
        return false;
    }
    w->signal_due = 0;
    send_signal(w, number, w->signal_group);
    send_signal(w, SIGCONT, false); /* a stopped one could not follow */
    return true;
}

/* For the line that tells of its successor. */
static void note_use(const struct sup_worker *w)
{
    struct sup_slot *slot = w->index < w->program->slot_count ? &w->program->slots[w->index] : NULL;

    if (slot != NULL && (slot->current == w || slot->current == NULL || slot->next == NULL)) {
        slot->old_memory_bytes = sup_anonymous_bytes(w->pid);
        slot->old_cpu_s = sup_cpu_seconds(w->pid);
        slot->old_stop_ns = sup_now_ns();
    }
}

void sup_worker_abort(struct sup_worker *w, int64_t grace_ns)
{
    w->state = SUP_STOPPING;
    w->stop_asked = true;
    w->stop_reason = SUP_WATCHDOG;
    w->escalated = true;
    w->limit_ns = sup_now_ns() + grace_ns;
    note_use(w);
    signal_later(w, SIGABRT, false);
}

/* Told once: who drains hears of it no second time. */
void sup_worker_stop(struct sup_worker *w, enum sup_reason reason)
{
    const struct sup_program_spec *spec = w->spec;
    bool by_reload = (reason == SUP_RELOAD || reason == SUP_OPERATOR) && spec->reload_signal != 0;
    int number = by_reload ? spec->reload_signal : spec->stop_signal;

    if (w->state == SUP_STOPPING || w->dead) {
        return;
    }
    w->state = SUP_STOPPING;
    w->stop_asked = true;
    w->stop_reason = reason;
    w->escalated = !by_reload;
    w->limit_ns = sup_now_ns() + (by_reload ? spec->reload_grace_ns : spec->stop_grace_ns);
    note_use(w);
    say_stop(w, number);
    signal_later(w, number, spec->stop_group && w->escalated);
}

static void step_stopping(struct sup_worker *w)
{
    struct sup *s = w->program->s;

    if (s->now_ns < w->limit_ns) {
        sup_due(s, w->limit_ns);
        return;
    }
    if (!w->escalated) {
        w->escalated = true;
        w->limit_ns = s->now_ns + w->spec->stop_grace_ns;
        say_stop(w, w->spec->stop_signal);
        signal_later(w, w->spec->stop_signal, w->spec->stop_group);
        sup_due(s, w->limit_ns);
    } else if (!w->killed) {
        w->killed = true;
        sup_event(s, w, "kill", false,
                  "SIGKILL to pid %d of %s and its process group: its grace "
                  "is over",
                  w->pid, w->program->name);
        send_signal(w, SIGKILL, true);
    }
    s->dirty = true;
}

void sup_worker_say_replaced(const struct sup_worker *w)
{
    const struct sup_slot *slot = &w->program->slots[w->index];
    int64_t begun_ns = slot->old_stop_ns < w->started_ns ? slot->old_stop_ns : w->started_ns;

    if (w->old_pid == 0 || slot->old_stop_ns == 0) {
        return;
    }
    sup_event(w->program->s, w, "replaced", false,
              "%s pid %d by %d: %s; before: memory %ju KiB, cpu %.2f s; after: memory %ju KiB, "
              "cpu %.2f s; took %.3f s",
              w->program->name, w->old_pid, w->pid, sup_reason_names[w->reason],
              (uintmax_t)slot->old_memory_bytes / 1024, slot->old_cpu_s,
              (uintmax_t)sup_anonymous_bytes(w->pid) / 1024, sup_cpu_seconds(w->pid),
              (double)(w->ready_ns - begun_ns) / 1e9);
}

static bool follows_one_that_went(const struct sup_worker *w)
{
    return w->index < w->program->slot_count && w->program->slots[w->index].current == w &&
           w->reason >= SUP_RELOAD;
}

static void became_ready(struct sup_worker *w)
{
    struct sup *s = w->program->s;

    w->state = SUP_READY;
    w->ready_ns = s->now_ns;
    sup_probe_end(w);
    s->dirty = true;
    s->again = true;
    sup_event(s, w, "ready", false, "%s pid %d is ready, %.3f s after its start", w->program->name,
              w->pid, (double)(w->ready_ns - w->started_ns) / 1e9);
    if (follows_one_that_went(w)) {
        sup_worker_say_replaced(w);
    }
}

static void step_starting(struct sup_worker *w)
{
    struct sup *s = w->program->s;

    if (w->told_to_go && w->start.fd < 0 && sup_worker_is_ready(w)) { /* exec comes first */
        became_ready(w);
    } else if (s->now_ns >= w->limit_ns) {
        sup_event(s, w, "not-ready", false, "%s pid %d was not ready within its deadline",
                  w->program->name, w->pid);
        sup_worker_stop(w, SUP_NOT_READY);
    } else {
        sup_due(s, w->limit_ns);
    }
}

void sup_worker_step(struct sup_worker *w)
{
    if (w->dead) {
        return;
    }
    switch (w->state) {
    case SUP_STARTING:
        step_starting(w);
        break;
    case SUP_READY:
        sup_recycle_look(w);
        break;
    case SUP_STOPPING:
        step_stopping(w);
        break;
    }
}

static double cpu_seconds(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void say_death(const struct sup_worker *w)
{
    char how[64], used[64] = "";

    sup_death_text(w->ours, w->wait_status, how, sizeof how);
    if (w->ours) {
        snprintf(used, sizeof used, ", cpu %.2f s, memory %ld KiB at most", cpu_seconds(&w->usage),
                 w->usage.ru_maxrss);
    }
    sup_event(w->program->s, w, "exit", false, "%s pid %d ended%s%s: %s%s%s, after %.3f s%s",
              w->program->name, w->pid, w->stop_asked ? " as told, " : "",
              w->stop_asked ? sup_reason_names[w->stop_reason] : "", how,
              w->start_error != NULL ? ", " : "", w->start_error != NULL ? w->start_error : "",
              (double)(sup_now_ns() - w->started_ns) / 1e9, used);
}

void sup_worker_died(struct sup_worker *w, bool known, int wait_status, const struct rusage *usage)
{
    struct sup_program *p = w->program;

    if (w->dead) {
        return;
    }
    while (w->start.fd >= 0) {
        w->start.ready(p->s, &w->start, 0); /* why exec failed may wait there still */
    }
    w->dead = true;
    w->ours = known;
    w->wait_status = wait_status;
    if (usage != NULL) {
        w->usage = *usage;
        p->ended_cpu_s += cpu_seconds(usage);
    }
    p->has_exit = true;
    p->last_exit_known = known;
    p->last_exit = wait_status;
    p->s->dirty = true;
    say_death(w);
}
