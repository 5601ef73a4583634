/* SPDX-License-Identifier: MIT */
/*
 * What every part of shmbusctl shares: exit codes, messages, the verb table and its options.
 *
 * One verb is one struct ctl_verb, in a file verb_NAME.c of its own or with its like; parsing, help
 * and completion all come from that struct. Data goes to stdout, everything else to stderr.
 */
#ifndef SHMBUSCTL_CTL_H
#define SHMBUSCTL_CTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <shmbus/shmbus.h>

/* X(name, code, text): shown by help and by the manual page; never renumbered. */
#define CTL_EXITS(X)                                                                               \
    X(DONE, 0, "done")                                                                             \
    X(FAILED, 1, "failed")                                                                         \
    X(USAGE, 2, "usage: bad verb, option, name or configuration")                                  \
    X(NOT_FOUND, 3, "bus, channel or file not found")                                              \
    X(TIMED_OUT, 4, "timed out")                                                                   \
    X(PERMISSION, 5, "permission denied, or segment of another user")                              \
    X(LAYOUT, 6, "corrupt segment or incompatible layout")                                         \
    X(WOULD_BLOCK, 7, "would block: channel empty or full with --timeout=0")                       \
    X(IN_USE, 8, "in use")                                                                         \
    X(EXISTS, 9, "exists already")

#define CTL_EXIT_ENUM(name, code, text) CTL_##name = (code),
enum ctl_exit { CTL_EXITS(CTL_EXIT_ENUM) CTL_SIGNALLED = 128 };
#undef CTL_EXIT_ENUM

/* One option of a verb. @id: its short letter, or a number from 256 up when it has none. */
struct ctl_option {
    int id;
    const char *name;
    const char *value; /* NULL: takes none; "[X]": optional; "X": required */
    const char *text;
};
#define CTL_OPTIONS_MAX 24

struct ctl_args;

struct ctl_verb {
    const char *name;
    const char *operands; /* as shown in the usage line */
    const char *summary;
    const char *text;                 /* more about it, or NULL; one paragraph a line */
    const char *examples;             /* one a line, each ending in \n */
    const struct ctl_option *options; /* ends with a NULL name */
    int operands_min, operands_max;   /* -1: no limit */
    int (*run)(struct ctl_args *args);
    void (*more_help)(FILE *out); /* or NULL */
};

extern const struct ctl_verb *const ctl_verbs[]; /* ends with NULL */
const struct ctl_verb *ctl_verb_find(const char *name);

extern const struct ctl_verb verb_create, verb_list, verb_stats, verb_ps, verb_send, verb_recv,
    verb_peek, verb_reclaim, verb_doctor, verb_rm, verb_gc, verb_supervise, verb_status, verb_start,
    verb_stop, verb_restart, verb_reload, verb_scale, verb_rollout, verb_logs, verb_version,
    verb_help, verb_completion;

/* ---------------------------------------------------------------------------------- arguments */

struct ctl_args {
    const struct ctl_verb *verb;
    int argc;
    char **argv;     /* [0] is the verb */
    char **operands; /* valid after the last option */
    int operand_count;
    int exit_code; /* what to return after ctl_args_next() < 0 */
    struct option longs[CTL_OPTIONS_MAX + 2];
    char shorts[3 * CTL_OPTIONS_MAX];
};

void ctl_args_init(struct ctl_args *args, const struct ctl_verb *verb, int argc, char **argv);

/* The next option's id; 0 after the last (the operands are counted and set then); -1 to stop
 * with args->exit_code, everything has been said. */
int ctl_args_next(struct ctl_args *args, const char **ret_value);

/* The values of options; on failure they have said what is wrong with @value and return false. */
bool ctl_arg_size(const char *option, const char *value, uint64_t *ret_bytes);
bool ctl_arg_count(const char *option, const char *value, uint64_t min, uint64_t max,
                   uint64_t *ret_count);
bool ctl_arg_duration(const char *option, const char *value, bool forever, int64_t *ret_ns);

/* The one of @names (NULL at its end) that @word most likely means, or NULL. */
const char *ctl_nearest(const char *word, const char *const *names);

/* ---------------------------------------------------------------------------------- messages */

void ctl_set_verb(const char *name); /* the word after "shmbusctl: " */

/* One line on stderr, without control characters. ctl_fail() returns @code. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ctl_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *ctl_last_note(void); /* without "shmbusctl: VERB: "; "" before any */

/* The failure @result of the library, about @subject; returns the exit code for it. */
int ctl_fail_bus(int result, const char *subject);
int ctl_exit_of(int result);
const char *ctl_detail(int result); /* the library's sentence, or at least the error's text */

/* "1 bus", "2 buses": the ending that @count wants. */
const char *ctl_plural(uint64_t count, const char *ending);

/* Flushes; says so and returns CTL_FAILED when stdout could not take everything. */
int ctl_flush(void);
/* Throws away what stdout could not take, once that has been said. */
void ctl_output_lost(void);

/* From here on waits of @bus end when nobody reads stdout any more, if that is a pipe or socket; a
 * failed write is no SIGPIPE. @follow: ctl_output_taken() will be asked. */
void ctl_output_watch(struct shmbus *bus, bool follow);
void ctl_output_unwatch(void); /* before shmbus_detach() */
bool ctl_output_gone(void);
/* Waits until the reader of a pipe has taken all that was flushed. False: it has gone, or a signal
 * was caught. */
bool ctl_output_taken(void);
/* The exit code when the reader has gone: by SIGPIPE, as filters end; a note if it is ignored. */
int ctl_output_end(void);

/* ----------------------------------------------------------------------------------- signals */

/* SIGINT, SIGTERM and SIGHUP end waits from here on; an inherited "ignore" is kept. */
void ctl_signals_catch(void);
void ctl_signals_bus(struct shmbus *bus); /* to be interrupted as well; NULL: none any more */
int ctl_signals_caught(void);             /* 0, or its number */
/* Waits until @fd is readable (-1: never) or @timeout_ns has passed (< 0: no limit). Returns 1
 * readable, 0 time is over, -EINTR signal caught, -errno. */
int ctl_signals_wait(int fd, int64_t timeout_ns);
void ctl_signals_note(int number); /* as if it had been caught */
void ctl_signals_die(void);        /* ends the process by the signal it caught */

/* ------------------------------------------------------------------------------------ attach */

/* Read-only, of any owner. Says what is wrong and returns the exit code; 0: attached. */
int ctl_observe(const char *name, struct shmbus **ret_bus);
/* With a slot, never creating. */
int ctl_attach(const char *name, bool any_owner, struct shmbus **ret_bus);
/* The directory that a bus of this name is in. */
void ctl_bus_dir(const char *name, char *out, size_t out_bytes);

/* ------------------------------------------------------------------------------------- help */

void ctl_help_overview(FILE *out);
void ctl_help_verb(FILE *out, const struct ctl_verb *verb);
/* @text and a newline, wrapped at 80 columns; behind what is there already, @indent columns. */
void ctl_help_hanging(FILE *out, const char *text, int indent);
void ctl_help_usage(FILE *out, const struct ctl_verb *verb);

#endif
