/*
 * The watcher thread
 *
 * It holds a pidfd for every other process of the table and sleeps in poll(). When one becomes
 * readable, the oracle is asked, and only the oracle decides: a pidfd says when to look, never that
 * somebody is dead. Processes it has no pidfd for (another pid namespace, no such call) are looked
 * at every tick instead.
 *
 * It is started by the keeper and shares its descriptor table (keeper.c), in which the application
 * can neither close nor reuse anything: the oracle, the pidfds, and the pipe by which it is woken.
 * Where there is no such table the thread has no descriptor at all: it sweeps every tick.
 */
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "event.h"
#include "reclaim.h"

#define TICK_MS 100

struct sb_watcher {
    struct shmbus *bus;
    pthread_t thread;
    sb_word32 stop;
    struct sb_event wake; /* sleeping without descriptors */
    int poke_fds[2];      /* a pipe, to wake it otherwise; -1: there is none */
    /* The thread alone. */
    struct sb_oracle oracle; /* if it shares the keeper's table */
    uint64_t pid_namespace;
    bool is_blind;        /* somebody cannot be watched: look every tick */
    uint64_t *seen;       /* process words for which pidfds was set */
    int *pidfds;          /* -1: cannot be watched, or need not */
    struct pollfd *polls; /* those there are, behind the pipe */
    uint32_t *polled_slots;
};

static bool is_stopped(struct sb_watcher *watcher)
{
    return sb_load32_acquire(&watcher->stop) != 0;
}

/* ---------------------------------------------------------------------- with own descriptors */

/* Asks the kernel about an incarnation that may have ended. */
static void settle(struct sb_watcher *watcher, uint32_t slot, uint64_t w)
{
    const struct sb_view *view = &watcher->bus->view;

    if (sb_process_is_dead(view, &watcher->oracle, slot, w) && sb_reclaim_slot(view, slot, w)) {
        sb_fetch_add(&view->super->recoveries, 1);
    }
}

/* A pidfd of the incarnation, -1 if there is none to be had. The pid may be another process's by
 * now; if the start time is right after opening, it was right before. */
static int open_pidfd(const struct sb_watcher *watcher, uint32_t slot)
{
    const struct sb_proc *proc = &watcher->bus->view.processes[slot];
    uint64_t pid = sb_load_relaxed(&proc->pid);
    uint64_t start = sb_load_relaxed(&proc->start_time_ticks);
    int fd;

    if (pid == 0 || pid > INT_MAX || start == 0 || watcher->pid_namespace == 0 ||
        sb_load_relaxed(&proc->pid_namespace) != watcher->pid_namespace) {
        return -1;
    }
    fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd >= 0 && sb_start_time_ticks((pid_t)pid) != start) {
        close(fd);
        fd = -1;
    }
    return sb_fd_above_standard(fd);
}

static void forget(struct sb_watcher *watcher, uint32_t slot)
{
    if (watcher->pidfds[slot] >= 0) {
        close(watcher->pidfds[slot]);
        watcher->pidfds[slot] = -1;
    }
}

/* Brings the pidfds up to date with the process table. */
static void look_at_table(struct sb_watcher *watcher)
{
    const struct shmbus *bus = watcher->bus;

    watcher->is_blind = false;
    for (uint32_t slot = 0; slot < bus->view.process_count; slot++) {
        uint64_t w = sb_load_acquire(&bus->view.processes[slot].w);
        bool wanted = sb_proc_state(w) == SB_PROC_ACTIVE && slot != bus->member.slot;

        if (w != watcher->seen[slot]) {
            forget(watcher, slot);
            watcher->seen[slot] = w;
            if (wanted) {
                watcher->pidfds[slot] = open_pidfd(watcher, slot);
            }
            if (wanted && watcher->pidfds[slot] < 0) {
                settle(watcher, slot, w); /* perhaps it was too late to watch */
            }
        }
        if (wanted && watcher->pidfds[slot] < 0) {
            watcher->is_blind = true;
        }
    }
}

static nfds_t fill_polls(struct sb_watcher *watcher)
{
    nfds_t n = 1;

    for (uint32_t slot = 0; slot < watcher->bus->view.process_count; slot++) {
        if (watcher->pidfds[slot] >= 0) {
            watcher->polls[n] = (struct pollfd){.fd = watcher->pidfds[slot], .events = POLLIN};
            watcher->polled_slots[n] = slot;
            n++;
        }
    }
    return n;
}

/* A pidfd is of no further use once readable. If its process is not dead by the oracle all the same
 * (a core dump takes its time), the slot is one of those that are looked at every tick. */
static void settle_polled(struct sb_watcher *watcher, nfds_t n)
{
    for (nfds_t i = 1; i < n; i++) {
        uint32_t slot = watcher->polled_slots[i];
        if (watcher->polls[i].revents != 0) {
            settle(watcher, slot, watcher->seen[slot]);
            forget(watcher, slot);
        }
    }
}

static void watch_privately(struct sb_watcher *watcher)
{
    while (!is_stopped(watcher)) {
        nfds_t n;
        int ready;

        look_at_table(watcher);
        n = fill_polls(watcher);
        ready = poll(watcher->polls, n, TICK_MS);
        if (ready < 0 && errno != EINTR) {
            return;
        }
        if (ready > 0) {
            settle_polled(watcher, n);
        } else if (watcher->is_blind) {
            sb_reclaim_dead(&watcher->bus->view, &watcher->oracle);
        }
    }
}

/* ------------------------------------------------------------------------------ without any */

static void sweep_every_tick(struct sb_watcher *watcher)
{
    for (;;) {
        uint32_t announced = sb_event_announce(&watcher->wake);
        if (is_stopped(watcher)) {
            return;
        }
        sb_event_sleep(&watcher->wake, announced, TICK_MS * 1000000ll);
        if (is_stopped(watcher)) {
            return;
        }
        if (watcher->bus->keeper != NULL) {
            sb_reclaim_dead(&watcher->bus->view, &watcher->oracle);
        } else {
            sb_bus_sweep(watcher->bus);
        }
    }
}

static void *watcher_main(void *argument)
{
    struct sb_watcher *watcher = argument;

    prctl(PR_SET_NAME, "shmbus-watcher", 0, 0, 0);
    watcher->pid_namespace = sb_own_pid_namespace();
    if (watcher->poke_fds[0] >= 0) {
        watcher->polls[0] = (struct pollfd){.fd = watcher->poke_fds[0], .events = POLLIN};
        watch_privately(watcher);
    }
    sweep_every_tick(watcher);
    for (uint32_t slot = 0; slot < watcher->bus->view.process_count; slot++) {
        forget(watcher, slot); /* the table lives on */
    }
    return NULL;
}

/* ------------------------------------------------------------------------ starting, stopping */

static void watcher_free(struct sb_watcher *watcher)
{
    free(watcher->seen);
    free(watcher->pidfds);
    free(watcher->polls);
    free(watcher->polled_slots);
    free(watcher);
}

static struct sb_watcher *watcher_new(struct shmbus *bus)
{
    size_t count = bus->view.process_count;
    struct sb_watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher == NULL) {
        return NULL;
    }
    watcher->bus = bus;
    watcher->oracle = sb_oracle_of_keeper(&bus->oracle);
    watcher->poke_fds[0] = watcher->poke_fds[1] = -1;
    watcher->seen = calloc(count, sizeof *watcher->seen);
    watcher->pidfds = calloc(count, sizeof *watcher->pidfds);
    watcher->polls = calloc(count + 1u, sizeof *watcher->polls);
    watcher->polled_slots = calloc(count + 1u, sizeof *watcher->polled_slots);
    if (watcher->seen == NULL || watcher->pidfds == NULL || watcher->polls == NULL ||
        watcher->polled_slots == NULL) {
        watcher_free(watcher);
        return NULL;
    }
    for (size_t slot = 0; slot < count; slot++) {
        watcher->pidfds[slot] = -1;
    }
    return watcher;
}

static void close_poke(struct sb_watcher *watcher)
{
    for (int i = 0; i < 2; i++) {
        if (watcher->poke_fds[i] >= 0) {
            close(watcher->poke_fds[i]);
            watcher->poke_fds[i] = -1;
        }
    }
}

/* In the keeper; without a pipe the thread sleeps without descriptors. */
static int start_job(void *argument)
{
    struct sb_watcher *watcher = argument;
    int e;

    if (watcher->bus->keeper != NULL && pipe2(watcher->poke_fds, O_CLOEXEC | O_NONBLOCK) == 0) {
        watcher->poke_fds[0] = sb_fd_above_standard(watcher->poke_fds[0]);
        watcher->poke_fds[1] = sb_fd_above_standard(watcher->poke_fds[1]);
        if (watcher->poke_fds[0] < 0 || watcher->poke_fds[1] < 0) {
            close_poke(watcher);
        }
    }
    e = sb_thread_start(&watcher->thread, watcher_main, watcher);
    if (e != 0) {
        close_poke(watcher);
    }
    return e;
}

/* Without memory or threads for it, deaths are noticed at the end of a slice; no reason to fail. */
void sb_watcher_start(struct shmbus *bus)
{
    struct sb_watcher *watcher;

    if (bus->no_watcher || bus->observer) {
        return;
    }
    pthread_mutex_lock(&bus->lock);
    if (bus->watcher == NULL) {
        watcher = watcher_new(bus);
        if (watcher != NULL && sb_keeper_do(bus->keeper, start_job, watcher) != 0) {
            watcher_free(watcher);
            watcher = NULL;
        }
        bus->watcher = watcher;
    }
    pthread_mutex_unlock(&bus->lock);
}

static int poke_job(void *argument)
{
    const struct sb_watcher *watcher = argument;
    ssize_t written = write(watcher->poke_fds[1], "", 1);
    (void)written; /* full: it has been poked already */
    return 0;
}

/* When the thread has ended. */
static int close_job(void *argument)
{
    close_poke(argument);
    return 0;
}

static void set_watcher(struct shmbus *bus, struct sb_watcher *watcher)
{
    pthread_mutex_lock(&bus->lock); /* against sb_watcher_runs() in a thread of poll.c */
    bus->watcher = watcher;
    pthread_mutex_unlock(&bus->lock);
}

void sb_watcher_stop(struct shmbus *bus)
{
    struct sb_watcher *watcher = bus->watcher;

    if (watcher == NULL) {
        return;
    }
    if (sb_bus_is_ours(bus)) { /* a forked child has its memory, not the thread */
        bool has_pipe = watcher->poke_fds[1] >= 0;
        sb_store32_release(&watcher->stop, 1);
        if (has_pipe) {
            sb_keeper_do(bus->keeper, poke_job, watcher);
        }
        sb_event_wake_all(&watcher->wake);
        pthread_join(watcher->thread, NULL);
        if (has_pipe) {
            sb_keeper_do(bus->keeper, close_job, watcher);
        }
        set_watcher(bus, NULL);
    } else {
        bus->watcher = NULL; /* the lock may be held for ever */
    }
    watcher_free(watcher);
}

bool sb_watcher_runs(struct shmbus *bus)
{
    bool runs;
    pthread_mutex_lock(&bus->lock);
    runs = bus->watcher != NULL;
    pthread_mutex_unlock(&bus->lock);
    return runs;
}
