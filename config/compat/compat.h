/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else in the programs and tests, never in the library: functions that
 * musl does not have, nor glibc of 2020 (2.31). test/unit/test_compat.c tries them everywhere.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#define COMPAT_GLIBC(minor) __GLIBC_PREREQ(2, minor)
#else
#define COMPAT_GLIBC(minor) 0
#endif

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* "TERM" for SIGTERM; NULL: no such signal, or one of the real-time ones. */
static inline const char *compat_sigabbrev(int number)
{
    static const char *const names[] = {
        [SIGHUP] = "HUP",   [SIGINT] = "INT",       [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
        [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",     [SIGBUS] = "BUS",   [SIGFPE] = "FPE",
        [SIGKILL] = "KILL", [SIGUSR1] = "USR1",     [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
        [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",     [SIGTERM] = "TERM", [SIGSTKFLT] = "STKFLT",
        [SIGCHLD] = "CHLD", [SIGCONT] = "CONT",     [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
        [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU",     [SIGURG] = "URG",   [SIGXCPU] = "XCPU",
        [SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH",
        [SIGPOLL] = "POLL", [SIGPWR] = "PWR",       [SIGSYS] = "SYS",
    };
    size_t count = sizeof names / sizeof names[0];

    return number > 0 && (size_t)number < count ? names[number] : NULL;
}

static inline int compat_close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

/* Descriptors from @first on. Not more than a table may have: that of a process is small. */
static inline void compat_closefrom(int first)
{
    if (compat_close_range((unsigned)first, UINT_MAX, 0) != 0) {
        for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++) {
            close((int)fd);
        }
    }
}

/* Joins by @end of @clock; 0, or a positive error number. musl's own knows CLOCK_REALTIME alone. */
static inline int compat_clockjoin(pthread_t thread, void **ret_result, clockid_t clock,
                                   const struct timespec *end)
{
    struct timespec now, here;

    clock_gettime(clock, &now);
    clock_gettime(CLOCK_REALTIME, &here);
    here.tv_sec += end->tv_sec - now.tv_sec;
    here.tv_nsec += end->tv_nsec - now.tv_nsec;
    if (here.tv_nsec < 0) {
        here.tv_nsec += 1000000000;
        here.tv_sec--;
    } else if (here.tv_nsec >= 1000000000) {
        here.tv_nsec -= 1000000000;
        here.tv_sec++;
    }
    return pthread_timedjoin_np(thread, ret_result, &here);
}

#if !COMPAT_GLIBC(31)
#define pthread_clockjoin_np compat_clockjoin
#endif
#if !COMPAT_GLIBC(32)
#define sigabbrev_np compat_sigabbrev
#endif
#if !COMPAT_GLIBC(34)
#define closefrom compat_closefrom
#define close_range compat_close_range
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u
#endif
#endif

/* musl has a macro for it, of another type. */
#ifndef __GLIBC__
#undef getdents64
#define getdents64(fd, room, bytes) syscall(SYS_getdents64, fd, room, bytes)
#endif

#endif
