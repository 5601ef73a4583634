/* SPDX-License-Identifier: MIT */
/* The loop: descriptors, signals, and a step when something has happened or is due. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ctl.h"
#include "sup.h"

enum { EVENTS_A_STEP = 64 };

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SUP_SECOND + now.tv_nsec;
}

int64_t sup_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t sup_realtime_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

void sup_due(struct sup *s, int64_t when_ns)
{
    if (when_ns < s->due_ns) {
        s->due_ns = when_ns;
    }
}

void sup_watch(struct sup *s, struct sup_source *source, int fd, uint32_t events,
               void (*ready)(struct sup *, struct sup_source *, uint32_t))
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    source->fd = fd;
    source->ready = ready;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        ctl_note("cannot watch a descriptor: %s", strerror(errno));
    }
}

void sup_unwatch(struct sup *s, struct sup_source *source)
{
    if (source->fd >= 0) {
        epoll_ctl(s->epoll, EPOLL_CTL_DEL, source->fd, NULL); /* a copy may live in a child */
        close(source->fd);
        source->fd = -1;
    }
}

/* -------------------------------------------------------------------------------------- signals */

void sup_stop_everything(struct sup *s)
{
    if (!s->stopping) {
        s->stopping = true;
        s->again = true;
        sup_up_say(s, "STOPPING=1\nSTATUS=stopping");
        sup_event_of(s, NULL, "stopping", false, "all programs are stopped, the last one first");
    }
}

/* One place for deaths of children: workers, probes, alert hooks, and orphans that the kernel gave
 * us because we are PID 1 or the nearest subreaper. */
void sup_reap(struct sup *s)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        struct sup_worker *w;
        struct rusage usage;
        int wait_status;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
            return;
        }
        w = sup_worker_of_pid(s, info.si_pid);
        if (w != NULL) {
            kill(-info.si_pid, SIGKILL); /* what it left in its group, while the pid is still its */
        }
        if (wait4(info.si_pid, &wait_status, 0, &usage) != info.si_pid) {
            return;
        }
        if (w != NULL) {
            sup_worker_died(w, true, wait_status, &usage);
            sup_leftovers_of(w);
        } else if (!sup_probe_reap(s, info.si_pid, wait_status) &&
                   !sup_leftover_reap(s, info.si_pid)) {
            sup_alert_reap(info.si_pid);
        }
    }
}

static void on_signal(struct sup *s, struct sup_source *source, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            break; /* sup_reap() in any case: signals of one kind melt together */
        case SIGHUP:
            sup_reread(s, NULL, 0);
            break;
        case SIGUSR1:
            sup_log_reopen(s);
            break;
        case SIGUSR2:
            s->reexec = true;
            break;
        default:
            sup_stop_everything(s);
            break;
        }
    }
    sup_reap(s);
}

static const int caught[] = {SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT};

void sup_block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
        sigaddset(&set, caught[i]);
        signal(caught[i], SIG_DFL); /* one that is ignored would not arrive */
    }
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int catch_signals(struct sup *s)
{
    sigset_t set;
    int fd;

    sigprocmask(SIG_BLOCK, NULL, &set); /* those of sup_block_signals() */
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return ctl_fail(CTL_FAILED, "cannot wait for signals: %s", strerror(errno));
    }
    sup_watch(s, &s->signals, fd, EPOLLIN, on_signal);
    return CTL_DONE;
}

/* ---------------------------------------------------------------------------------------- steps */

/* All is stopped in reverse order, each program gone before the next one is told. */
static void step_stopping(struct sup *s)
{
    for (size_t i = s->program_count; i-- > 0;) {
        struct sup_program *p = s->programs[i];

        p->wanted = false;
        p->held = false;
        sup_program_step(p);
        if (p->workers != NULL) {
            return;
        }
    }
    s->done = true;
}

static void drop_removed(struct sup *s)
{
    for (size_t i = 0; i < s->program_count; i++) {
        struct sup_program *p = s->programs[i];

        if (p->removed && p->workers == NULL) {
            memmove(&s->programs[i], &s->programs[i + 1],
                    (s->program_count - i - 1) * sizeof(void *));
            s->program_count--;
            i--;
            sup_event_of(s, p, "removed", false, "program %s is gone: not in FILE any more",
                         p->name);
            sup_program_free(p);
            sup_groups_make(s);
            s->dirty = true;
        }
    }
}

static void step_once(struct sup *s)
{
    s->now_ns = sup_now_ns();
    s->due_ns = SUP_NEVER_DUE;
    s->again = false;
    sup_leftovers_step(s);
    if (s->stopping) {
        step_stopping(s);
    } else {
        sup_groups_step(s);
        for (size_t i = 0; i < s->program_count; i++) {
            sup_program_step(s->programs[i]);
        }
        drop_removed(s);
    }
}

/* The word to begin, and the signals to go: the state file has them now. A successor sends once
 * more what the file says is still due; so it is written again at once that nothing is. */
static void tell_workers(struct sup *s)
{
    bool told = false; /* and dirty from here on: somebody has begun */

    sup_workers_begin(s);
    for (size_t i = 0; i < s->program_count; i++) {
        for (struct sup_worker *w = s->programs[i]->workers; w != NULL; w = w->next) {
            told = sup_worker_tell(w) || told;
        }
    }
    if (told || s->dirty) {
        sup_state_save(s);
    }
}

static void step(struct sup *s)
{
    int rounds = 0;

    do {
        step_once(s);
    } while (s->again && !s->done && ++rounds < 100);
    if (s->again) {
        sup_due(s, s->now_ns);
    }
    if (s->dirty) {
        sup_state_save(
            s); /* first: nobody runs, and nobody is told to go, who is not written down */
    }
    tell_workers(s);
    sup_alert_step(s);
    sup_control_step(s);
    sup_up_step(s);
}

static int wait_ms(const struct sup *s)
{
    int64_t left_ns = s->due_ns - sup_now_ns();

    if (s->due_ns == SUP_NEVER_DUE) {
        return -1;
    }
    if (left_ns <= 0) {
        return 0;
    }
    return left_ns > 3600 * SUP_SECOND ? 3600000 : (int)((left_ns + 999999) / 1000000);
}

static void wait_for_events(struct sup *s)
{
    int timeout_ms = wait_ms(s);

    for (int i = 0; i < EVENTS_A_STEP; i++) {
        struct epoll_event event; /* one at a time: what it does may free other sources */
        struct sup_source *source;
        int count = epoll_wait(s->epoll, &event, 1, i == 0 ? timeout_ms : 0);

        if (count <= 0) {
            return;
        }
        source = event.data.ptr;
        source->ready(s, source, event.events);
    }
}

int sup_run(struct sup *s)
{
    int code = catch_signals(s);

    if (code != CTL_DONE) {
        return code;
    }
    sup_reap(s); /* who died while the binary was replaced */
    for (;;) {
        step(s);
        if (s->done) {
            return s->stop_code;
        }
        if (s->reexec) {
            s->reexec = false;
            sup_reexec(s);
        }
        wait_for_events(s);
    }
}
