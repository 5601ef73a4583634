/* SPDX-License-Identifier: MIT */
/*
 * stdout as somebody reads it. A pipe takes what nobody will ever read: `recv --follow | head -n 1`
 * would empty a queue into it. So recv ends when the reader has gone, also in the middle of a wait,
 * and a follower acknowledges a message when the reader of its pipe has taken it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"

#define PIPE_BYTES 4096 /* one page: such a pipe is writable when it is empty */
#define NAP_MS_MAX 50   /* where it could not be made that small */

static pthread_t watcher;
static bool watching, is_pipe, pipe_is_small, pipe_signal_ignored;
static int pipe_bytes; /* as we found it; 0: left alone */
static atomic_bool gone;

static bool has_no_reader(int timeout_ms, short events)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = events};

    return poll(&output, 1, timeout_ms) > 0 && (output.revents & (POLLERR | POLLHUP | POLLNVAL));
}

/* The reader cannot come back: a pipe or socket without one stays so. */
static void *watch_reader(void *bus)
{
    while (!has_no_reader(-1, 0))
        ;
    atomic_store(&gone, true);
    shmbus_interrupt(bus);
    return NULL;
}

/* With all signals blocked: they are for the thread that waits. */
static void start_watcher(struct shmbus *bus)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    watching = pthread_create(&watcher, NULL, watch_reader, bus) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ctl_output_watch(struct shmbus *bus, bool follow)
{
    struct sigaction old;
    struct stat st;

    pipe_signal_ignored = sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
    signal(SIGPIPE, SIG_IGN); /* a failed write has to be noticed, and the message given back */
    if (fstat(STDOUT_FILENO, &st) != 0 || (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)))
        return;
    start_watcher(bus);
    is_pipe = S_ISFIFO(st.st_mode);
    if (!is_pipe || !follow)
        return;
    pipe_bytes = fcntl(STDOUT_FILENO, F_GETPIPE_SZ);
    pipe_is_small = fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES) > 0; /* refused: others' data */
}

void ctl_output_unwatch(void)
{
    if (watching) {
        pthread_cancel(watcher);
        pthread_join(watcher, NULL);
        watching = false;
    }
    if (pipe_is_small && pipe_bytes > 0)
        fcntl(STDOUT_FILENO, F_SETPIPE_SZ, pipe_bytes); /* others may write to it after us */
}

bool ctl_output_gone(void)
{
    return atomic_load(&gone);
}

int ctl_output_end(void)
{
    if (pipe_signal_ignored)
        return ctl_fail(CTL_FAILED, "nobody reads standard output any more");
    ctl_signals_note(SIGPIPE);
    return CTL_SIGNALLED;
}

bool ctl_output_taken(void)
{
    int left;

    for (int nap_ms = 1; is_pipe && !ctl_signals_caught(); nap_ms *= nap_ms < NAP_MS_MAX ? 2 : 1) {
        if (ioctl(STDOUT_FILENO, FIONREAD, &left) < 0 || left == 0)
            return true;
        if (has_no_reader(pipe_is_small ? -1 : nap_ms, pipe_is_small ? POLLOUT : 0)) {
            atomic_store(&gone, true);
            /* It may have read all of it, and gone, since we looked; nobody reads more. */
            return ioctl(STDOUT_FILENO, FIONREAD, &left) == 0 && left == 0;
        }
    }
    return !is_pipe;
}
