#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"

#define TICK_MS 100
#define STACK_BYTES (128u * 1024u)

struct watched {
    uint64_t w; /* incarnation the descriptor belongs to */
    int fd;     /* pidfd, -1 none */
};

struct sb_watcher {
    struct shmbus *bus;
    pthread_t thread;
    int stop_fd;
    uint64_t attach_seq; /* what the table looked like last time */
    bool blind;          /* somebody cannot be watched: sweep at every tick */
    uint32_t count;
    struct watched *watched; /* one for each slot */
    struct pollfd *polls;    /* one for each slot, and stop_fd */
};

static uint64_t own_pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void forget(struct watched *one)
{
    if (one->fd >= 0) {
        close(one->fd);
        one->fd = -1;
    }
    one->w = 0;
}

/* A descriptor that becomes readable when the incarnation ends. The pid may have been used again:
 * then the slot is not ACTIVE with this epoch any more, or its lock is gone; the first look after
 * opening settles that, as whoever is dead already is found by a sweep. */
static bool watch(struct sb_watcher *watcher, uint32_t slot, uint64_t w)
{
    const struct sb_proc *proc = &watcher->bus->view.processes[slot];
    struct watched *one = &watcher->watched[slot];
    pid_t pid = (pid_t)sb_load_relaxed(&proc->pid);

    if (pid <= 0 || sb_load_relaxed(&proc->pid_namespace) != own_pid_namespace()) {
        return false;
    }
    one->fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (one->fd < 0) {
        return false;
    }
    one->w = w;
    return true;
}

/* Brings the descriptors up to date with the process table. */
static void look_at_table(struct sb_watcher *watcher)
{
    const struct shmbus *bus = watcher->bus;
    bool changed = false;

    watcher->attach_seq = sb_load_acquire(&bus->view.super->attach_seq);
    watcher->blind = false;
    for (uint32_t slot = 0; slot < watcher->count; slot++) {
        uint64_t w = sb_load_acquire(&bus->view.processes[slot].w);
        struct watched *one = &watcher->watched[slot];
        bool wanted = sb_proc_state(w) == SB_PROC_ACTIVE && slot != bus->member.slot;
        if (one->fd >= 0 && (!wanted || one->w != w)) {
            forget(one);
        }
        if (wanted && one->fd < 0) {
            changed = true;
            if (!watch(watcher, slot, w)) {
                watcher->blind = true;
            }
        }
    }
    if (changed) { /* who died before we had a descriptor */
        sb_bus_sweep(watcher->bus);
    }
}

static nfds_t fill_polls(struct sb_watcher *watcher)
{
    nfds_t n = 0;
    watcher->polls[n++] = (struct pollfd){ .fd = watcher->stop_fd, .events = POLLIN };
    for (uint32_t slot = 0; slot < watcher->count; slot++) {
        if (watcher->watched[slot].fd >= 0) {
            watcher->polls[n++] =
                (struct pollfd){ .fd = watcher->watched[slot].fd, .events = POLLIN };
        }
    }
    return n;
}

static void *watcher_main(void *argument)
{
    struct sb_watcher *watcher = argument;
    struct shmbus *bus = watcher->bus;

    look_at_table(watcher);
    for (;;) {
        nfds_t n = fill_polls(watcher);
        int ready = poll(watcher->polls, n, TICK_MS);
        if (watcher->polls[0].revents != 0) {
            return NULL;
        }
        if (ready > 0 || watcher->blind) {
            sb_bus_sweep(bus);
        }
        if (ready > 0 || watcher->blind ||
            sb_load_acquire(&bus->view.super->attach_seq) != watcher->attach_seq) {
            look_at_table(watcher);
        }
    }
}

static void watcher_free(struct sb_watcher *watcher)
{
    for (uint32_t slot = 0; watcher->watched != NULL && slot < watcher->count; slot++) {
        forget(&watcher->watched[slot]);
    }
    if (watcher->stop_fd >= 0) {
        close(watcher->stop_fd);
    }
    free(watcher->watched);
    free(watcher->polls);
    free(watcher);
}

static struct sb_watcher *watcher_new(struct shmbus *bus)
{
    struct sb_watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher == NULL) {
        return NULL;
    }
    watcher->bus = bus;
    watcher->count = bus->view.process_count;
    watcher->stop_fd = eventfd(0, EFD_CLOEXEC);
    watcher->watched = calloc(watcher->count, sizeof *watcher->watched);
    watcher->polls = calloc(watcher->count + 1u, sizeof *watcher->polls);
    if (watcher->watched == NULL || watcher->polls == NULL || watcher->stop_fd < 0) {
        watcher->count = 0;
        watcher_free(watcher);
        return NULL;
    }
    for (uint32_t slot = 0; slot < watcher->count; slot++) {
        watcher->watched[slot].fd = -1;
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

void sb_watcher_stop(struct shmbus *bus)
{
    struct sb_watcher *watcher = bus->watcher;
    uint64_t one = 1;

    if (watcher == NULL) {
        return;
    }
    if (sb_bus_is_ours(bus)) { /* a forked child has its memory and descriptors, not the thread */
        while (write(watcher->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
        pthread_join(watcher->thread, NULL);
    }
    watcher_free(watcher);
    bus->watcher = NULL;
}
