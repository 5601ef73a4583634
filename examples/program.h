/* SPDX-License-Identifier: MIT */
/*
 * What every program of the coordinator/worker example needs: log lines, errors, signals, numbers
 * from the command line, final statistics.
 */
#ifndef SHMBUS_EXAMPLE_PROGRAM_H
#define SHMBUS_EXAMPLE_PROGRAM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

/* Exit codes of all of them. */
enum { PROGRAM_OK = 0, PROGRAM_FAILED = 1, PROGRAM_USAGE = 2, PROGRAM_INTERRUPTED = 3 };

/* The name that starts every line; @name must stay valid. */
void program_set_name(const char *name);
const char *program_name(void);

/* One line on standard output, with the time of day and the name: written in one piece, so that
 * the lines of several processes do not mix. */
void program_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the functions of these examples return for data that is not what it should be. */
#define PROGRAM_BAD_DATA (-EBADMSG)

/* "NAME: WHAT: why and what helps" on standard error; returns PROGRAM_FAILED. @result is what the
 * library returned, PROGRAM_BAD_DATA, or 0 when @format says it all. */
int program_fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole number within limits; says on standard error what is wrong with it otherwise. */
bool program_number(const char *option, const char *text, long min, long max, long *ret_number);

/* SIGINT and SIGTERM from now on interrupt the waits of @bus; NULL before detaching it. */
void program_catch_signals(struct shmbus *bus);
bool program_interrupted(void);

/* SIGHUP, too, interrupts the waits from now on, and means: read the settings again. */
void program_catch_reload(void);
bool program_reload_asked(void); /* true once for each time */

int64_t program_now_ns(void);      /* CLOCK_MONOTONIC, as in shmbus_msg.time_ns */
void program_sleep_ns(int64_t ns); /* all of it, whatever signals arrive */

/* This process's counters, as the bus keeps them. */
void program_log_statistics(struct shmbus *bus);

#endif
