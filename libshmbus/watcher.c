/*
 * The watcher thread
 *
 * It holds a pidfd for every other process of the table and sleeps in poll(). When one becomes
 * readable, the oracle is asked, and only the oracle decides: a pidfd says when to look, never that
 * somebody is dead. Processes it has no pidfd for (another pid namespace, no such call) are looked
 * at every tick instead.
 *
 * Its descriptors are in a table of its own (close_range with CLOSE_RANGE_UNSHARE), because the
 * application may close descriptors that it does not know (closefrom) and get the numbers again for
 * its own files. So they are not inherited, not counted against its limit, and never hit anybody
 * else. Where that is not possible the thread needs no descriptor at all: it sweeps every tick.
 */
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "event.h"
#include "reclaim.h"

#define TICK_MS 100
#define STACK_BYTES (128u * 1024u)

/* Sanitizers report from this thread, too. */
#ifdef SB_DEBUG
#define FIRST_CLOSED 3
#else
#define FIRST_CLOSED 0
#endif

struct sb_watcher {
    struct shmbus *bus;
    pthread_t thread;
    sb_word32 stop;
    struct sb_event wake; /* sleeping without descriptors */
    /* Where to poke the thread that sleeps with descriptors: set before is_private. */
    pid_t tid;
    int poke_fd;
    sb_word32 is_private;
    /* The thread alone. */
    struct sb_oracle oracle;
    bool has_left; /* the process's descriptor table: the bus's oracle is out of reach */
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

/* Leaves the process's descriptor table, keeping @kept (or nothing: -1). */
static bool leave_table(int kept)
{
#if defined(CLOSE_RANGE_UNSHARE) && !defined(SB_TSAN) /* TSan takes equal numbers for one file */
    int above = kept + 1 > FIRST_CLOSED ? kept + 1 : FIRST_CLOSED;

    if (close_range((unsigned)above, UINT_MAX, CLOSE_RANGE_UNSHARE) < 0) {
        return false;
    }
    if (kept > FIRST_CLOSED) {
        close_range(FIRST_CLOSED, (unsigned)kept - 1u, 0);
    }
    return true;
#else
    (void)kept;
    return false;
#endif
}

static bool become_private(struct sb_watcher *watcher)
{
    struct shmbus *bus = watcher->bus;
    int ends[2];

    /* The number of the bus's oracle stands for the same open file in both tables; one opened here
     * would stay behind in the process's table. */
    pthread_mutex_lock(&bus->oracle_lock);
    watcher->oracle = bus->oracle;
    watcher->has_left = leave_table(bus->oracle.fd);
    pthread_mutex_unlock(&bus->oracle_lock);
    if (!watcher->has_left) {
        return false;
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return false;
    }
    watcher->polls[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    watcher->poke_fd = ends[1];
    watcher->tid = (pid_t)syscall(SYS_gettid);
    sb_store32_release(&watcher->is_private, 1);
    sb_fence(); /* against sb_watcher_stop(): either we see stop, or it sees is_private */
    return true;
}

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
    return fd;
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
        if (watcher->has_left) {
            sb_reclaim_dead(&watcher->bus->view, &watcher->oracle);
        } else {
            sb_bus_sweep(watcher->bus);
        }
    }
}

static void *watcher_main(void *argument)
{
    struct sb_watcher *watcher = argument;

    watcher->pid_namespace = sb_own_pid_namespace();
    if (become_private(watcher)) {
        watch_privately(watcher);
    }
    sweep_every_tick(watcher);
    return NULL;
}

/* ------------------------------------------------------------------------ starting, stopping */

/* The thread's descriptors end with the thread. */
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

/* The application's signals are for its own threads. */
static int start_thread(struct sb_watcher *watcher)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t old;
    int e;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    e = pthread_create(&watcher->thread, &attributes, watcher_main, watcher);
    if (e == EINVAL) { /* a program with much thread-local data needs more stack */
        e = pthread_create(&watcher->thread, NULL, watcher_main, watcher);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
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
        if (watcher != NULL && start_thread(watcher) != 0) {
            watcher_free(watcher);
            watcher = NULL;
        }
        bus->watcher = watcher;
    }
    pthread_mutex_unlock(&bus->lock);
}

/* Writes into the thread's pipe, which is not in our descriptor table. Without /proc the thread
 * sees by itself at the next tick that it is to stop; so it may end at any moment, and its reading
 * end with it: opened for reading as well, the pipe has a reader all the same and never SIGPIPE. */
static void poke(const struct sb_watcher *watcher)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/fd/%d", (int)watcher->tid, watcher->poke_fd);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        ssize_t written = write(fd, "", 1);
        (void)written; /* full: it has been poked already */
        close(fd);
    }
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
        sb_store32_release(&watcher->stop, 1);
        sb_fence();
        if (sb_load32_acquire(&watcher->is_private) != 0) {
            poke(watcher);
        }
        sb_event_wake_all(&watcher->wake);
        pthread_join(watcher->thread, NULL);
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
