/* SPDX-License-Identifier: MIT */
/*
 * The watcher thread
 *
 * It makes the rounds of sweep.c: as the sweeper or a deputy every tick, as anybody else every
 * second or, while other threads of the process look at the clock anyway (sb_bus_look()), now and
 * then. The sweeper and its deputies are also told at once: inotify says that somebody who had the
 * segment open for writing is gone, by whatever way (exit, kill, exec, the end of a core dump, in
 * any namespace). It says when to look, never that somebody is dead: only liveness.c decides.
 *
 * It is started by the keeper and shares its descriptor table (keeper.c), in which the application
 * can neither close nor reuse anything: that of the liveness check, inotify, and the pipe by which
 * it is woken. Where there is no such table the thread has no descriptor at all: it has its clock.
 */
#include "bus/watcher.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/reach.h"
#include "protocol/sweep.h"

/* From one look to the next of the calls of a process; @WATCHED: that has a watcher. */
#define LOOK_ALONE_NS SB_SWEEP_TICK_NS
#define LOOK_WATCHED_NS 500000000

/* From round to round of a watcher whose process looks at the clock anyway: spread, so that of many
 * one is always about to look. */
#define REST_LONG_MS 5000u

/* Deaths in quick succession are told together. */
#define GATHER_NS 1000000

struct sb_watcher {
    struct shmbus *bus;
    pthread_t thread;
    sb_word32 stop;
    sb_word32 called; /* by a thread of the process that wants a round */
    sb_word32 rings;  /* futex: sleeping without descriptors */
    int poke_fds[2];  /* a pipe, to wake it otherwise; -1: there is none */
    /* The thread alone. */
    struct sb_sweep sweep;
    struct sb_liveness liveness; /* if it shares the keeper's table */
    int told_fd;                 /* inotify; -1: there is none */
};

static bool is_stopped(struct sb_watcher *watcher)
{
    return sb_load32_acquire(&watcher->stop) != 0;
}

/* -------------------------------------------------------------------------------- descriptors */

/* For who has a place. */
static void listen_from_now_on(struct sb_watcher *watcher)
{
    char path[64];

    if (watcher->poke_fds[0] < 0 || watcher->told_fd >= 0) {
        return;
    }
    watcher->told_fd = sb_fd_above_standard(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (watcher->told_fd < 0) {
        return;
    }
    /* Whatever the segment's name stands for by now. */
    snprintf(path, sizeof path, "/proc/thread-self/fd/%d", watcher->liveness.fd);
    if (inotify_add_watch(watcher->told_fd, path, IN_CLOSE_WRITE) < 0 &&
        inotify_add_watch(watcher->told_fd, watcher->liveness.path, IN_CLOSE_WRITE) < 0) {
        close(watcher->told_fd);
        watcher->told_fd = -1;
    }
}

static void listen_no_more(struct sb_watcher *watcher)
{
    if (watcher->told_fd >= 0) {
        close(watcher->told_fd);
        watcher->told_fd = -1;
    }
}

/* ------------------------------------------------------------------------------------ sleeping */

static struct timespec timespec_of(int64_t ns)
{
    ns = ns > 0 ? ns : 0;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Without descriptors, until ring() or the time is over. */
static void sleep_quietly(struct sb_watcher *watcher, uint32_t rings, int64_t ns)
{
    struct timespec t = timespec_of(ns);
    syscall(SYS_futex, &watcher->rings.v, FUTEX_WAIT_PRIVATE, rings, &t, NULL, 0);
}

static void ring(struct sb_watcher *watcher)
{
    uint32_t n;
    do {
        n = sb_load32_relaxed(&watcher->rings);
    } while (!sb_cas32(&watcher->rings, n, n + 1u));
    syscall(SYS_futex, &watcher->rings.v, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* True if the kernel told of an end. */
static bool sleep_listening(struct sb_watcher *watcher, int64_t ns)
{
    struct pollfd polls[2] = {{.fd = watcher->poke_fds[0], .events = POLLIN},
                              {.fd = watcher->told_fd, .events = POLLIN}};
    struct timespec t = timespec_of(ns);
    char events[4096] __attribute__((aligned(8)));

    if (ppoll(polls, 2, &t, NULL) <= 0 || polls[1].revents == 0) {
        return false;
    }
    t = timespec_of(GATHER_NS);
    if (polls[0].revents == 0) {
        ppoll(polls, 1, &t, NULL);
    }
    while (read(watcher->told_fd, events, sizeof events) > 0) {
    }
    return true;
}

static int64_t rest_long_ns(const struct sb_watcher *watcher)
{
    uint32_t spread_ms = watcher->sweep.slot * 7919u % REST_LONG_MS;
    return (int64_t)(REST_LONG_MS + spread_ms) * 1000000;
}

/* Between two rounds. @rings: as before the look whether we are to stop. */
static enum sb_sweep_why rest(struct sb_watcher *watcher, uint32_t rings, bool process_looks)
{
    int64_t ns = SB_SWEEP_TICK_NS;

    if (watcher->sweep.role == SB_SWEEP_OTHER) {
        listen_no_more(watcher);
        ns = process_looks ? rest_long_ns(watcher) : SB_SWEEP_REST_NS;
    } else {
        listen_from_now_on(watcher);
    }
    if (watcher->sweep.again_ns != 0) {
        int64_t due_ns = watcher->sweep.again_ns - sb_now_ns();
        ns = due_ns < ns ? due_ns : ns;
    }
    if (watcher->told_fd >= 0) {
        sb_cas32(&watcher->called, 1, 0); /* its own rounds are soon enough */
        return sleep_listening(watcher, ns) ? SB_SWEEP_TOLD : SB_SWEEP_BY_CLOCK;
    }
    sleep_quietly(watcher, rings, ns);
    return sb_cas32(&watcher->called, 1, 0) ? SB_SWEEP_CALLED : SB_SWEEP_BY_CLOCK;
}

/* -------------------------------------------------------------------------------------- rounds */

static void make_round(struct sb_watcher *watcher, enum sb_sweep_why why)
{
    struct shmbus *bus = watcher->bus;

    if (bus->keeper != NULL) {
        sb_sweep_round(&watcher->sweep, &watcher->liveness, sb_now_ns(), why);
        return;
    }
    pthread_mutex_lock(&bus->liveness_lock);
    sb_sweep_round(&watcher->sweep, &bus->liveness, sb_now_ns(), why);
    pthread_mutex_unlock(&bus->liveness_lock);
}

static void *watcher_main(void *argument)
{
    struct sb_watcher *watcher = argument;
    enum sb_sweep_why why = SB_SWEEP_BY_CLOCK;
    uint64_t looked_ns = 0;

    prctl(PR_SET_NAME, "shmbus-watcher", 0, 0, 0);
    sb_sweep_init(&watcher->sweep, &watcher->bus->view, &watcher->bus->member);
    for (;;) {
        uint32_t rings = sb_load32_acquire(&watcher->rings);
        uint64_t looks_ns = sb_load_relaxed(&watcher->bus->looked_ns);
        if (is_stopped(watcher)) {
            break;
        }
        make_round(watcher, why);
        why = rest(watcher, rings, looks_ns != looked_ns);
        looked_ns = looks_ns;
    }
    sb_sweep_leave(&watcher->sweep);
    listen_no_more(watcher); /* the table lives on */
    return NULL;
}

/* ------------------------------------------------------------------------ starting, stopping */

static struct sb_watcher *watcher_new(struct shmbus *bus)
{
    struct sb_watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher != NULL) {
        watcher->bus = bus;
        watcher->liveness = sb_liveness_of_keeper(&bus->liveness);
        watcher->poke_fds[0] = watcher->poke_fds[1] = watcher->told_fd = -1;
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

/* Without memory or threads for it calls look at the clock themselves; no reason to fail. */
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
            free(watcher);
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
        ring(watcher);
        pthread_join(watcher->thread, NULL);
        if (has_pipe) {
            sb_keeper_do(bus->keeper, close_job, watcher);
        }
        set_watcher(bus, NULL);
    } else {
        bus->watcher = NULL; /* the lock may be held forever */
    }
    free(watcher);
}

bool sb_watcher_runs(struct shmbus *bus)
{
    bool runs;
    pthread_mutex_lock(&bus->lock);
    runs = bus->watcher != NULL;
    pthread_mutex_unlock(&bus->lock);
    return runs;
}

/* ----------------------------------------------------------------------------- calls that look */

/* Has the watcher make a round; false if there is none. */
static bool call_watcher(struct shmbus *bus)
{
    bool runs;

    pthread_mutex_lock(&bus->lock);
    runs = bus->watcher != NULL;
    if (runs) {
        sb_store32_release(&bus->watcher->called, 1);
        ring(bus->watcher);
    }
    pthread_mutex_unlock(&bus->lock);
    return runs;
}

void sb_bus_look(struct shmbus *bus, int64_t now_ns)
{
    int64_t passed_ns = now_ns - (int64_t)sb_load_relaxed(&bus->looked_ns);
    uint64_t seq;
    bool is_watched;
    bool moved;

    if (passed_ns < LOOK_ALONE_NS || bus->observer) {
        return;
    }
    is_watched = sb_watcher_runs(bus);
    if (is_watched && passed_ns < LOOK_WATCHED_NS) {
        return;
    }
    /* Of two threads that come here at once both look: that does no harm. */
    sb_store_relaxed(&bus->looked_ns, (uint64_t)now_ns);
    sb_reach_look(bus);
    seq = sb_load_acquire(&bus->view.super->sweep_seq);
    moved = seq != sb_load_relaxed(&bus->looked_seq);
    sb_store_relaxed(&bus->looked_seq, seq);
    if (!moved && !call_watcher(bus)) {
        sb_bus_sweep(bus);
    }
}
