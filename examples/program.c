/* SPDX-License-Identifier: MIT */
/* See program.h. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "task.h"

#define NS_PER_S INT64_C(1000000000)

static const char *own_name = "program";
/* Lock-free, so a signal handler may set them. */
static atomic_bool interrupted, reload_asked;
static _Atomic(struct shmbus *) interrupted_bus;

void program_set_name(const char *name)
{
    own_name = name;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *program_name(void)
{
    return own_name;
}

void program_log(const char *format, ...)
{
    char line[512];
    struct timespec now;
    struct tm tm;
    va_list arguments;
    int length;

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    length = snprintf(line, sizeof line, "%02d:%02d:%02d.%03ld %-12s ", tm.tm_hour, tm.tm_min,
                      tm.tm_sec, now.tv_nsec / 1000000, own_name);
    va_start(arguments, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    va_end(arguments);
    progress_hide();
    puts(line);
}

int program_fail(int result, const char *format, ...)
{
    char what[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    progress_hide();
    if (result == 0)
        fprintf(stderr, "%s: %s\n", own_name, what);
    else if (result == PROGRAM_BAD_DATA)
        fprintf(stderr, "%s: %s: the data is not what it should be\n", own_name, what);
    else
        fprintf(stderr, "%s: %s: %s\n", own_name, what,
                *shmbus_detail() != 0 ? shmbus_detail() : shmbus_strerror(result));
    return PROGRAM_FAILED;
}

bool program_number(const char *option, const char *text, long min, long max, long *ret_number)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || number < min || number > max) {
        fprintf(stderr, "%s: --%s: `%s` is not a whole number from %ld to %ld\n", own_name, option,
                text, min, max);
        return false;
    }
    *ret_number = number;
    return true;
}

static void on_signal(int signal)
{
    struct shmbus *bus = interrupted_bus;

    if (signal == SIGHUP)
        reload_asked = true;
    else
        interrupted = true;
    if (bus != NULL)
        shmbus_interrupt(bus);
}

void program_catch_signals(struct shmbus *bus)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t all, before;

    sigemptyset(&all);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGHUP);
    action.sa_mask = all;
    /* blocked meanwhile: the handler must not meet a bus that is about to go */
    sigprocmask(SIG_BLOCK, &all, &before);
    interrupted_bus = bus;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

bool program_interrupted(void)
{
    return interrupted;
}

void program_catch_reload(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

bool program_reload_asked(void)
{
    return atomic_exchange(&reload_asked, false);
}

int64_t program_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void program_sleep_ns(int64_t ns)
{
    int64_t end_ns = program_now_ns() + ns;
    struct timespec end = {.tv_sec = end_ns / NS_PER_S, .tv_nsec = end_ns % NS_PER_S};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

void program_log_statistics(struct shmbus *bus)
{
    struct shmbus_process_stat own;
    struct shmbus_bus_stat all = {.struct_bytes = sizeof all};
    int result = task_process_stat(bus, getpid(), &own);

    if (result == 0)
        result = shmbus_bus_stat(bus, &all);
    if (result < 0) {
        program_fail(result, "no statistics");
        return;
    }
    program_log("sent %" PRIu64 " (%" PRIu64 " bytes), received %" PRIu64 " (%" PRIu64
                " bytes), redelivered %" PRIu64 ", errors %" PRIu64 "; alive: %" PRIu32
                " processes",
                own.counters[SHMBUS_COUNT_sent], own.counters[SHMBUS_COUNT_sent_bytes],
                own.counters[SHMBUS_COUNT_received], own.counters[SHMBUS_COUNT_received_bytes],
                own.counters[SHMBUS_COUNT_redelivered], own.counters[SHMBUS_COUNT_errors],
                all.processes_alive);
}
