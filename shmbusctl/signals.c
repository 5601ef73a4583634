/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP end what waits; nothing is cut off in the middle. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"

static const int caught_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define CAUGHT_SIGNALS (sizeof(caught_signals) / sizeof(caught_signals[0]))

static atomic_int caught;
static _Atomic(struct shmbus *) waiting_bus;

static void on_signal(int number)
{
    struct shmbus *bus = atomic_load(&waiting_bus);

    atomic_store(&caught, number);
    if (bus)
        shmbus_interrupt(bus);
}

void ctl_signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: read() has to end */
    struct sigaction old;

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < CAUGHT_SIGNALS; i++)
        if (sigaction(caught_signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(caught_signals[i], &action, NULL);
}

void ctl_signals_bus(struct shmbus *bus)
{
    atomic_store(&waiting_bus, bus);
    if (bus && atomic_load(&caught))
        shmbus_interrupt(bus);
}

int ctl_signals_caught(void)
{
    return atomic_load(&caught);
}

void ctl_signals_note(int number)
{
    atomic_store(&caught, number);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Blocked but for the time inside ppoll(), so that none slips in between the look and the wait. */
int ctl_signals_wait(int fd, int64_t timeout_ns)
{
    int64_t deadline_ns = timeout_ns < 0 ? 0 : now_ns() + timeout_ns;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    sigset_t blocked, before;
    int result = 0;

    sigemptyset(&blocked);
    for (size_t i = 0; i < CAUGHT_SIGNALS; i++)
        sigaddset(&blocked, caught_signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    for (;;) {
        int64_t left_ns = timeout_ns < 0 ? 0 : deadline_ns - now_ns();
        struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};

        if (ctl_signals_caught()) {
            result = -EINTR;
            break;
        }
        if (timeout_ns >= 0 && left_ns <= 0)
            break;
        result = ppoll(&poll_fd, fd < 0 ? 0 : 1, timeout_ns < 0 ? NULL : &left, &before);
        if (result > 0)
            break;
        if (result < 0 && errno != EINTR) {
            result = -errno;
            break;
        }
        result = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}

void ctl_signals_die(void)
{
    int number = ctl_signals_caught();
    sigset_t set;

    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(CTL_SIGNALLED + number);
}
