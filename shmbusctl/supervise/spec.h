/* SPDX-License-Identifier: MIT */
/*
 * What FILE.yaml says, as read and checked; nothing here ever changes after sup_spec_read().
 * Counted references, because workers of an older generation keep the text they were started from.
 */
#ifndef SHMBUSCTL_SUPERVISE_SPEC_H
#define SHMBUSCTL_SUPERVISE_SPEC_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cron.h"

enum { SUP_CODES_MAX = 16, SUP_COUNT_MAX = 1000, SUP_SOCKETS_MAX = 64 };

enum sup_policy { SUP_NEVER, SUP_ON_FAILURE, SUP_ON_ABNORMAL, SUP_ALWAYS };
enum sup_ready {
    SUP_READY_ANY,
    SUP_READY_BEAT,
    SUP_READY_NOTIFY,
    SUP_READY_COMMAND,
    SUP_READY_HTTP,
    SUP_READY_ALIVE
};
enum sup_strategy { SUP_ONE_FOR_ONE, SUP_ALL_FOR_ONE, SUP_REST_FOR_ONE };
enum sup_net { SUP_TCP, SUP_UDP, SUP_UNIX };

/* Names of the values above, as in FILE; NULL at the end. */
extern const char *const sup_policy_names[], *const sup_ready_names[], *const sup_strategy_names[],
                                                                           *const sup_net_names[];

struct sup_codes {
    uint32_t count;
    uint32_t values[SUP_CODES_MAX];
};

struct sup_socket_spec {
    char *name;
    enum sup_net net;
    char *address; /* "IP:port", ":port" or "port"; unix: a path */
    uint32_t backlog;
    uint32_t mode; /* unix */
};

struct sup_ready_spec {
    enum sup_ready by;
    int64_t after_ns;    /* alive, any: has lived so long */
    char **command;      /* command: exit status 0 says ready */
    char *url;           /* http: a 2xx answer says ready */
    int64_t interval_ns; /* between two probes, and the time limit of one */
    int64_t deadline_ns;
};

struct sup_restart_spec {
    enum sup_policy policy;
    struct sup_codes success, permanent;
    int64_t backoff_ns, backoff_max_ns;
    int64_t stable_ns; /* ready for so long: the back-off begins anew */
    uint32_t starts;   /* at most so many within ... */
    int64_t within_ns;
};

struct sup_recycle_spec {
    int64_t age_ns; /* 0, here and below: not by that */
    char *cron, *timezone;
    struct sup_cron cron_set;
    int64_t spread_ns; /* behind each time of cron, at random up to that */
    uint64_t messages, memory_bytes;
    bool pss;        /* memory counts shared pages by their share */
    uint32_t jitter; /* per cent that a limit may be lowered */
    uint32_t load;   /* put off while the load average is above; 0: never for that */
    char *queue;     /* put off while this one is longer than ... */
    uint32_t queue_depth;
    int64_t put_off_ns; /* for so long at most */
};

struct sup_clean_spec {
    char *directory;  /* NULL: nothing is cleaned */
    char **patterns;  /* of names of files in it */
    int64_t older_ns; /* last changed so long ago, or more; -1: not given */
};

struct sup_watchdog_spec {
    int64_t after_ns; /* 0: none */
    bool abort, even_paused;
};

struct sup_program_spec {
    char *name;
    char **command;
    uint32_t count;
    bool per_cpu;       /* as FILE has it; count is what that means here */
    char **environment; /* NAME=VALUE, those of all programs first */
    char *user, *group, *directory, *cpus;
    int32_t nice;
    char **sockets;
    struct sup_ready_spec ready;
    struct sup_restart_spec restart;
    int32_t stop_signal;
    int64_t stop_grace_ns;
    bool stop_group;          /* the signal goes to the whole process group */
    uint32_t reload_batch;    /* 0: all at once */
    uint32_t max_unavailable; /* 0: the new one is ready before the old one is told to go */
    int32_t reload_signal;    /* 0: none */
    int64_t reload_grace_ns;
    struct sup_recycle_spec recycle;
    struct sup_watchdog_spec watchdog;
    struct sup_clean_spec clean;
    char *pid_file; /* of a daemon that may run already, or NULL */
    size_t line;    /* in FILE */
    /* found by sup_spec_check() */
    bool has_user, has_cpus;
    uid_t uid;
    gid_t gid;
    cpu_set_t cpu_set;
};

struct sup_group_spec {
    char *name;
    char **programs;
    enum sup_strategy strategy;
};

struct sup_spec {
    uint32_t references;
    char *path;
    char *bus;
    char *plan;     /* YAML of the bus, used if it has to be created; or NULL */
    char *events;   /* channel for events */
    char *log_file; /* NULL: standard error */
    bool log_json;
    char **environment;
    char **alert_command;
    int64_t alert_timeout_ns;
    struct sup_socket_spec *sockets;
    size_t socket_count;
    struct sup_program_spec *programs;
    size_t program_count;
    struct sup_group_spec *groups;
    size_t group_count;
};

/* Reads and checks; NULL: it has said in one line what is wrong, and *ret_code is the exit code. */
struct sup_spec *sup_spec_read(const char *path, int *ret_code);
/* What only the machine can say: users, directories, commands, CPUs. Returns an exit code. */
int sup_spec_check(struct sup_spec *spec);
void sup_spec_print(const struct sup_spec *spec); /* the plan, for people, on stdout */
/* One program with all defaults, for workers of one that FILE has no more. */
struct sup_spec *sup_spec_only(const char *path, const char *bus, const char *program);
struct sup_spec *sup_spec_take(struct sup_spec *spec);
void sup_spec_drop(struct sup_spec *spec); /* NULL is fine */

const struct sup_program_spec *sup_spec_program(const struct sup_spec *spec, const char *name);
const struct sup_socket_spec *sup_spec_socket(const struct sup_spec *spec, const char *name);
/* The group that @program is in, or NULL. */
const struct sup_group_spec *sup_spec_group_of(const struct sup_spec *spec, const char *program);

bool sup_codes_have(const struct sup_codes *codes, uint32_t code);
/* TERM, SIGTERM or 15; 0: no such signal. */
int sup_signal_number(const char *name);

#endif
